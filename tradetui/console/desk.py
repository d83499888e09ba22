"""What the panes share: the engine's news, the person's view of them, and how they are painted. Draws nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.types import TIMEFRAME_SECONDS, Timeframe
from tradetui.console import account
from tradetui.console.keymap import KEYS, Key
from tradetui.console.news import Want
from tradetui.console.render.cells import age
from tradetui.console.render.look import Look
from tradetui.console.render.sums import gain
from tradetui.console.series import Candles, Heat, Trades
from tradetui.console.studies import LINES, MARKS, OF_PIVOTS, PROFILE, STUDIES
from tradetui.console.view import TIMEFRAMES, ChartView, View

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.snapshot import BookView, CobView
    from engine.views import MarketRow, ReplayView
    from tradetui.console.link import Link
    from tradetui.console.meter import Meter
    from tradetui.console.news import News
    from tradetui.console.panes.paint import Paint
    from tradetui.console.past import Past


class Condition(NamedTuple):
    """Whether what is known of an instrument is the market now; if not, why: a few words to stand in a title."""

    live: bool
    why: str


class Taken(NamedTuple):
    """A line of a chart that is moved: what it is of, its label, where it was and where it is held now.

    `what` is `order`, `trigger` (the stop price of an order), `stop_loss` or `take_profit`; `id` an order's id or an
    instrument. Prices in quote units; `average` (None: no position) and signed `size` are those of the position.
    """

    what: str
    id: str
    label: str
    before: float
    price: float
    average: float | None = None
    size: float = 0.0

    @property
    def told(self) -> str:
        """What it is of, and what it would gain or lose where it is held."""
        if self.average is None:
            return self.label
        return f"{self.label} {gain(f'{(self.price - self.average) * self.size:.8f}')[0]}"


class Desk:
    """One console's desk."""

    def __init__(self, link: Link, view: View, look: Look, paint: Paint) -> None:
        self.link = link
        self.view = view
        self.look = look
        self.paint = paint
        self.say: Callable[[str], None] = link.say
        """Tells the person something, among the events."""
        self.changed: Callable[[], None] = lambda: None
        """To be called after the view was changed by a key: draws what has changed now, and keeps the view."""
        self.ask: Callable[[str], None] = lambda _: None
        """Lets the person type the rest of a command; at once, for the next keys may have come with this one."""
        self.choose: Callable[[str], None] = lambda _: None
        """Lets the person choose `indicators` or `overlays` of the chart."""
        self.keys: tuple[Key, ...] = KEYS
        """The keys as they hold."""
        self.meter: Meter | None = None
        """What the screen costs, once there is one."""
        self.letters: dict[str, str] = {}
        """Letters by pane while a jump is under way."""
        self.staged: dict[str, float] = {}
        """Limits that the person wants to change and has not sent yet, by name."""
        self.taken: Taken | None = None
        """The line on the chart that the person holds in the hand."""
        self.hold = ""
        """What is said of it while it is held."""
        self.asked: dict[int, str] = {}
        """What the engine was asked for and has not answered yet, in words."""
        self.kill_until = 0.0
        """Until when (monotonic s) the second key of the kill switch counts."""
        self._still: News | None = None
        self._frozen_at = 0.0

    # What is shown. -------------------------------------------------------------------------------------------------

    @property
    def news(self) -> News:
        """The engine's news as they are shown: those of now, or of the moment at which the screen was frozen.

        An engine that is gone or stalled is not hidden by a freeze.
        """
        if self._still is not None and self.link.attached and self.link.stalled_s() is None:
            return self._still
        return self.link

    @property
    def frozen(self) -> bool:
        """Whether the person keeps the screen as it was."""
        return self._still is not None

    @property
    def frozen_s(self) -> float:
        """Seconds for which the screen has been kept as it was."""
        return self.link.monotonic() - self._frozen_at

    def freeze(self, on: bool) -> None:
        """Keep the screen as it is, or let it go on."""
        self._still = self.link.still() if on else None
        self._frozen_at = self.link.monotonic()

    def picked(self, pane: object) -> object:
        """Return what else decides how a pane looks: its jump letter, the freeze, the fold."""
        name = getattr(pane, "id", "")
        frozen = int(self.frozen_s) if self.frozen else None
        return self.letters.get(name or ""), frozen, name in self.view.folded

    def now(self) -> int:
        """Return the time of what is shown, UTC ns: the engine's clock, that of the recording in a replay."""
        return self.news.engine_now()

    # Instruments. ---------------------------------------------------------------------------------------------------

    @property
    def symbol(self) -> str:
        """The instrument on the desk: the chosen one, or the first there is."""
        names = self.symbols
        return self.view.symbol if self.view.symbol in names or not names else names[0]

    @property
    def symbols(self) -> list[str]:
        """Every instrument that the engine follows."""
        return [market.instrument for market in self.news.markets]

    def market(self, symbol: str = "") -> MarketRow | None:
        """Return an instrument's line, None while there is none."""
        wanted = symbol or self.symbol
        return next((market for market in self.news.markets if market.instrument == wanted), None)

    def candles(self, chart: ChartView) -> Candles:
        """Return a chart's candles; there may be none yet."""
        return self.news.candles(self.symbol, chart.timeframe)

    def past(self, chart: ChartView) -> Past:
        """Return what is loaded of the time before a chart's candles."""
        return self.link.past(self.symbol, chart.timeframe)

    def heat(self) -> Heat:
        """Return the heat map of the instrument on the desk."""
        return self.news.heat(self.symbol)

    def trades(self) -> Trades:
        """Return the last trades of the instrument on the desk."""
        return self.news.trades(self.symbol)

    def cob(self) -> CobView | None:
        """Return the order book in buckets of the instrument on the desk, None while it is not known."""
        return self.news.cobs.get(self.symbol)

    def book(self) -> BookView | None:
        """Return the best price levels of the instrument on the desk, None while they are not known."""
        return self.news.books.get(self.symbol)

    @property
    def replay(self) -> ReplayView | None:
        """Return where a replay stands; None for a live engine."""
        return self.news.replay

    def condition(self, symbol: str = "") -> Condition:
        """Tell whether what is shown of an instrument is the market now."""
        news = self.news
        if not news.attached:
            return Condition(False, "NO ENGINE")
        silent = news.stalled_s()
        if silent is not None:
            return Condition(False, f"ENGINE STALLED {age(silent)}")
        market = self.market(symbol)
        if market is None:
            return Condition(False, "NOT LISTED YET")
        venue = market.instrument.partition(":")[0]
        health = news.health
        for each in health.connections if health is not None else ():
            if each.source.partition("/")[0] == venue and (not each.up or each.stale):
                told = "SILENT" if each.up else "DOWN"
                heard = f" {age(each.age_ms / 1000 + (news.age('health') or 0.0))}" if each.age_ms is not None else ""
                return Condition(False, f"FEED {told}{heard}")
        if not news.fresh("markets"):
            return Condition(False, f"NO NEWS {age(news.age('markets'))}")
        if not market.live:
            since = (news.age("markets") or 0.0) + (market.age_ms or 0.0) / 1000
            return Condition(False, f"BOOK NOT LIVE {age(since) if market.age_ms is not None else ''}".rstrip())
        return Condition(True, "")

    # What the engine is asked for. ----------------------------------------------------------------------------------

    def wants(self, panes: set[str]) -> set[Want]:
        """Return what the panes in sight need to be told."""
        symbol = self.symbol
        told = {Want(topic) for topic in account.SOMETIMES if topic in panes and self.news.account.on}
        if not symbol:
            return told
        found = told | {
            Want("bars", symbol, chart.timeframe)
            for number, chart in enumerate(self.view.charts, 1)
            if f"chart{number}" in panes
        }
        for number, chart in enumerate(self.view.charts, 1):
            if f"chart{number}" in panes and set(chart.marks) & OF_PIVOTS:
                found.add(Want("pivots", symbol, chart.timeframe))
            if f"chart{number}" in panes and PROFILE in chart.marks:
                found.add(Want("profile", symbol))
        if "data" in panes:
            found.add(Want("quality", symbol))
            found |= {Want("gaps", symbol, timeframe) for timeframe in TIMEFRAMES}
        if panes & {"heat", "ladder", "tape"}:
            found.add(Want("cob", symbol))
        if "ladder" in panes and self.view.heat.levels:
            found.add(Want("book", symbol))
        if "heat" in panes:
            found.add(Want("heat", symbol))
        if panes & {"heat", "tape"}:
            found.add(Want("trades", symbol))
        return found

    def show(self, symbol: str) -> None:
        """Put an instrument on the desk; prices of another one mean nothing on it."""
        view = self.view
        if symbol != view.symbol:
            view.symbol, view.cross = symbol, None
            for chart in view.charts:
                chart.low = chart.high = chart.end = None

    def timeframe(self, name: str) -> None:
        """Show a timeframe in the chart that was last in focus, at the time it looks at."""
        chart = self.chart
        if chart.timeframe != name:
            before, after = (TIMEFRAME_SECONDS[Timeframe(each)] * 1000 for each in (chart.timeframe, name))
            chart.timeframe, chart.low, chart.high = name, None, None
            if chart.end is not None:
                chart.end = (chart.end + before - 1) // after * after

    def laid(self, name: str) -> bool:
        """Tell whether something lies over or under the candles of the chart that was last in focus."""
        chart = self.chart
        return name in chart.lines or name in chart.marks or (bool(name) and name == chart.study)

    def lay(self, name: str, on: bool | None = None) -> None:
        """Lay something over or under the candles of the chart that was last in focus, or take it away.

        `name` is one of `studies.LINES`, `STUDIES`, `MARKS`, or `none` for nothing at all; `on` None: the other of what
        is.
        """
        chart = self.chart
        wanted = not self.laid(name) if on is None else on
        if name == "none":
            chart.lines, chart.marks, chart.study = (), (), ""
        elif name in STUDIES:
            chart.study = name if wanted else ""
        elif name in LINES:
            chart.lines = tuple(each for each in LINES if (wanted if each == name else each in chart.lines))
        elif name in MARKS:
            chart.marks = tuple(each for each in MARKS if (wanted if each == name else each in chart.marks))

    def filter(self, text: str) -> None:
        """Show only rows of the pane in focus that hold a text; an empty one shows all."""
        filters, pane = self.view.filters, self.view.pane
        filters.pop(pane, None)
        if text:
            filters[pane] = text[:100]

    def back(self) -> bool:
        """Go one step back, out of what was begun last; return whether there was anything."""
        view = self.view
        if self.frozen:
            self.freeze(False)
        elif self.staged and view.pane == "risk":
            self.staged.clear()
            self.say("the staged limits are dropped; nothing has changed")
        elif view.cross is not None:
            view.cross = None
        elif view.zoomed:
            view.zoomed = False
        else:
            return view.filters.pop(view.pane, None) is not None
        return True

    @property
    def chart(self) -> ChartView:
        """The chart that was last in focus."""
        return self.view.charts[self.view.chart]
