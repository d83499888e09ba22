"""Every key of the console, once: bindings, footer, help and the person's own keys are made of this table.

Lower-case keys look, upper-case keys act and ask first. Only keys that every terminal passes on are used.
"""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """One key: its name in the keymap file, its names for the terminal, how it is shown, where it holds, what it does.

    `where` is `everywhere`, or the kind of pane that has to be in focus. Without a hint it is not in the footer.
    """

    id: str
    names: str
    shown: str
    where: str
    action: str
    hint: str
    explained: str


WHERE = {
    "everywhere": "Everywhere",
    "replay": "In a replay",
    "trading": "Trading, from everywhere",
    "chart": "Charts",
    "heat": "Heat map and ladder",
    "table": "Tables",
    "alerts": "Alerts",
    "markets": "Markets",
    "risk": "Risk",
}
"""Contexts in the order of the help; `replay` and `trading` hold everywhere."""

PANES = {
    "2": "heat map", "3": "ladder", "4": "trade tape", "5": "markets", "6": "system", "7": "alerts", "8": "events",
    "9": "data quality",
}  # fmt: skip

ACCOUNT = {
    "positions": ("f2", "positions"), "orders": ("f3", "orders"), "fills": ("f4", "fills"),
    "journal": ("f5", "closed trades"), "risk": ("f8", "risk: state, switches, limits"), "equity": ("f9", "equity"),
}  # fmt: skip
"""Keys of the panes of trading: the digits are those of the market."""

KEYS = (
    Key("help", "question_mark,f1", "?", "everywhere", "help", "help", "help for the pane in focus, and every key"),
    Key("palette", "ctrl+p", "^p", "everywhere", "palette", "palette", "find a command by its name"),
    Key("command", "colon", ":", "everywhere", "command", "command", "type a command, as in `eth 1m`"),
    Key("filter", "slash", "/", "everywhere", "filter", "filter", "show only rows that hold a text"),
    Key("jump", "grave_accent", "`", "everywhere", "jump", "jump", "put a letter on each pane; type it"),
    Key("pane-1", "1", "1", "everywhere", "pane('1')", "", "to the charts; again: to the next chart"),
    *(
        Key(f"pane-{digit}", digit, digit, "everywhere", f"pane('{digit}')", "", f"to the {name}")
        for digit, name in PANES.items()
    ),
    Key("next", "tab", "tab", "everywhere", "next(1)", "", "go to the next pane"),
    Key("previous", "shift+tab", "shift tab", "everywhere", "next(-1)", "", "go to the pane before"),
    Key("symbol", "x", "x", "everywhere", "symbol(1)", "symbol", "show the next instrument"),
    Key("shorter", "left_square_bracket", "[", "everywhere", "timeframe(-1)", "", "shorter timeframe"),
    Key("longer", "right_square_bracket", "]", "everywhere", "timeframe(1)", "timeframe", "longer timeframe"),
    Key("zoom", "z", "z", "everywhere", "zoom", "zoom pane", "show the pane in focus alone, or all again"),
    Key("fold", "m", "m", "everywhere", "fold", "", "fold the pane in focus to its title, or open it again"),
    Key("layout", "p", "p", "everywhere", "preset(1)", "layout", "next layout of the desk"),
    Key("theme", "t", "t", "everywhere", "theme(1)", "", "next theme"),
    Key("sync", "y", "y", "everywhere", "sync", "", "tie the charts to one time, or let each have its own"),
    Key("freeze", "space", "space", "everywhere", "freeze", "freeze",
        "keep the screen as it is, or let it go on; the engine goes on. In a replay: pause it, or go on"),
    Key("try", "r", "r", "everywhere", "try_now", "", "look for the engine now instead of waiting, when it is gone"),
    Key("engine", "E", "E", "everywhere", "engine", "engine",
        "stop the engine, or start one when none is there; asks first, and no is the default"),
    Key("leave", "q,ctrl+q,ctrl+c", "q", "everywhere", "leave", "quit",
        "leave: detach, and the engine goes on, or stop the engine; asks which"),
    Key("back", "escape", "esc", "everywhere", "back", "",
        "one step back: out of a dialog, a line, the jump letters, the crosshair, the zoom"),
    Key("step", "full_stop", ".", "replay", "replay('step')", "", "pause, and apply the next frame"),
    Key("slower", "left_parenthesis", "(", "replay", "replay('slower')", "", "half as fast"),
    Key("faster", "right_parenthesis", ")", "replay", "replay('faster')", "", "twice as fast"),
    Key("rewind", "f6", "F6", "replay", "replay('back')", "", "ten seconds back"),
    Key("forward", "f7", "F7", "replay", "replay('on')", "", "ten seconds on"),
    *(
        Key(pane, key, key.upper(), "trading", f"go('{pane}')", "", f"to the {name}")
        for pane, (key, name) in ACCOUNT.items()
    ),
    Key("buy", "B", "B", "trading", "ticket('buy')", "order", "an order ticket to buy; nothing is sent before a yes"),
    Key("sell", "S", "S", "trading", "ticket('sell')", "", "an order ticket to sell"),
    Key("cancel", "C", "C", "trading", "cancel", "cancel",
        "cancel the chosen order, those of the instrument, or all; asks which"),
    Key("flatten", "F", "F", "trading", "flatten", "flatten",
        "cancel the orders and close the position, of the instrument or of all; asks which"),
    Key("amend", "A", "A", "trading", "amend", "",
        "take the line of an order, a stop or a target on the chart, and move it; asks before it is changed"),
    Key("arm", "M", "M", "trading", "arm", "arm", "arm trading by typing the mode's word, or disarm it"),
    Key("kill", "K", "K", "trading", "kill", "K kill",
        "twice within 2 s: the kill switch, wherever you are; halts and cancels everything, and asks nothing"),
    Key("left", "left,h", "\u2190 h", "chart", "move(-1)", "", "crosshair, or the view, one bar back"),
    Key("right", "right,l", "\u2192 l", "chart", "move(1)", "", "crosshair, or the view, one bar on"),
    Key("far-left", "ctrl+left", "^\u2190", "chart", "stride(-1)", "", "a tenth of the width back"),
    Key("far-right", "ctrl+right", "^\u2192", "chart", "stride(1)", "", "a tenth of the width on"),
    Key("page-left", "pageup", "page up", "chart", "page(-1)", "", "a page back"),
    Key("page-right", "pagedown", "page down", "chart", "page(1)", "", "a page on"),
    Key("oldest", "home", "home", "chart", "oldest", "", "to the oldest bar that is stored"),
    Key("live", "end", "end", "chart", "live", "", "back to live"),
    Key("date", "g", "g", "chart", "date", "date", "go to a date (UTC), or by a span: 2024-08-05 06:00, -3d, +1w"),
    Key("range", "w", "w", "chart", "range", "", "show 1 hour, 4 hours, a day, a week, a month, or another stretch"),
    Key("closer", "plus,equals_sign", "+", "chart", "closer(1)", "zoom", "fewer bars, wider"),
    Key("wider", "minus", "-", "chart", "closer(-1)", "", "more bars, up to several in a column"),
    Key("taller", "right_curly_bracket", "}", "chart", "stretch(1)", "", "stretch the prices"),
    Key("flatter", "left_curly_bracket", "{", "chart", "stretch(-1)", "", "squeeze the prices"),
    Key("autoscale", "a", "a", "chart", "autoscale", "", "let the price scale follow the candles again"),
    Key("reset", "0", "0", "chart", "reset", "", "zoom, scale and place as at the start"),
    Key("crosshair", "c", "c", "chart", "crosshair", "crosshair", "crosshair on or off; it holds on to the bars"),
    Key("up", "up,k", "\u2191 k", "chart", "price(1)", "", "crosshair one price step up"),
    Key("down", "down,j", "\u2193 j", "chart", "price(-1)", "", "crosshair one price step down"),
    Key("indicators", "i", "i", "chart", "indicators", "indicators",
        "choose lines over the candles, and an indicator below them"),
    Key("overlays", "o", "o", "chart", "overlays", "",
        "choose orders and exits, pivots, support and resistance, trend, volume profile"),
    Key("volume", "v", "v", "chart", "volume", "", "volume on or off"),
    Key("scale", "s", "s", "chart", "scale", "", "price scale: linear, logarithmic, per cent"),
    Key("heikin-ashi", "e", "e", "chart", "heikin", "", "Heikin-Ashi candles, or the real ones"),
    Key("glyphs", "d", "d", "chart", "glyphs", "", "how candles are drawn: eighths, halves, box, braille"),
    Key("quicker", "less_than_sign", "<", "heat", "seconds(-1)", "time", "less time in a column"),
    Key("longer-columns", "greater_than_sign", ">", "heat", "seconds(1)", "", "more time in a column"),
    Key("finer", "left_curly_bracket", "{", "heat", "merge(-1)", "buckets",
        "smaller price buckets; on the ladder single prices at last"),
    Key("coarser", "right_curly_bracket", "}", "heat", "merge(1)", "", "larger price buckets"),
    Key("cut-more", "plus,equals_sign", "+", "heat", "cut(1)", "cut-off", "cut off more of the small and the large"),
    Key("cut-less", "minus", "-", "heat", "cut(-1)", "", "cut off less"),
    Key("tint", "b", "b", "heat", "tint", "tint", "bids and asks in colours of their own"),
    Key("metric", "s", "s", "heat", "metric", "metric", "size, imbalance or spread"),
    Key("dots", "d", "d", "heat", "dots", "", "trades on the heat map, or not"),
    Key("best", "v", "v", "heat", "lines", "", "lines of best bid and ask, or not"),
    Key("heat-reset", "0", "0", "heat", "reset", "", "everything as at the start"),
    Key("row-down", "down,j", "\u2193 j", "table", "row(1)", "", "next row"),
    Key("row-up", "up,k", "\u2191 k", "table", "row(-1)", "", "row before"),
    Key("rows-down", "pagedown", "page down", "table", "rows(1)", "", "a page down"),
    Key("rows-up", "pageup", "page up", "table", "rows(-1)", "", "a page up"),
    Key("first", "home", "home", "table", "row(-100000)", "", "first row"),
    Key("last", "end", "end", "table", "row(100000)", "", "last row"),
    Key("detail", "enter", "enter", "table", "detail", "", "tell more of the row, or use it"),
    Key("acknowledge", "a", "a", "alerts", "acknowledge", "acknowledge",
        "mark the alert as seen; its cause stays until it heals"),
    Key("severity", "s", "s", "alerts", "severity", "severity", "least severity that is listed"),
    Key("less", "left", "\u2190", "risk", "stage(-1)", "limit", "stage the limit one step lower"),
    Key("more", "right", "\u2192", "risk", "stage(1)", "", "one step higher; enter asks for all that is staged"),
    Key("much-less", "ctrl+left", "^\u2190", "risk", "stage(-10)", "", "ten steps lower"),
    Key("much-more", "ctrl+right", "^\u2192", "risk", "stage(10)", "", "ten steps higher"),
    Key("limit-value", "equals_sign", "=", "risk", "type", "type it", "type the value of the limit"),
    Key("unstage", "backspace", "backspace", "risk", "unstage", "", "stage the limit no more; esc drops all"),
    Key("active", "d", "d", "alerts", "active", "", "only what is wrong now, or all"),
)  # fmt: skip

ACTS = frozenset({"engine", "buy", "sell", "cancel", "flatten", "amend", "arm", "kill"})
"""What changes more than the screen: on upper-case letters only, and no other key is on one."""
