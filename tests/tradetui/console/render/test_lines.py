"""The lines round the desk: fixed places, no cut words, nothing old that looks like now, at any width."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.alerts import Alert
from tests.tradetui.console.told import ALERTS, EVIL, MARKETS, NOW, SECOND, Told, fit, playing
from tests.tradetui.fake_engine import health, market
from tradetui.console.keymap import KEYS
from tradetui.console.keys import load_keys
from tradetui.console.news import SILENT_S, Phase
from tradetui.console.render import banner, footer, status, tabs
from tradetui.console.render.frame import Frame
from tradetui.console.render.pens import ALARM, LIVE, OLD, REPLAY, back_of
from tradetui.console.render.tabs import Tabs
from tradetui.console.render.vitals import Own

WIDTHS = (80, 120, 200)
OWN = Own(3, 36.4, 4.0)


def line(told: Told, width: int, own: Own = OWN, *, frozen: bool = False) -> str:
    return drawn(told, width, own, frozen=frozen).lines()[0]


def drawn(told: Told, width: int, own: Own = OWN, *, frozen: bool = False) -> Frame:
    frame = Frame.blank(width, 1)
    status.draw(frame, told.link, told.desk.news, own, frozen=frozen)
    return frame


# Status. ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
def test_what_a_person_has_to_know_is_there(width: int) -> None:
    text = line(Told().attached(), width)
    for word in (
        "LIVE",
        "healthy",
        "ETH",
        "2,683.62",
        "\u25bc-1.25%",
        "BTC",
        "61,000.51",
        "\u25b2+0.42%",
        "1/2",
        "12:00:00",
    ):
        assert word in text, word
    if width >= 120:
        for word in ("no orders", "feeds", "42s", "alerts \u25a04"):
            assert word in text, word
    if width >= 200:
        for word in ("up 3h04m", "gaps 2", "81 msg/s", "4 Hz", "36 kB/s", "3 ms", "2024-08-05 12:00:00Z"):
            assert word in text, word


@pytest.mark.parametrize("width", range(20, 210, 7))
def test_nothing_moves_when_figures_change(width: int) -> None:
    places = set()
    every: list[tuple[dict[str, object], dict[str, object], list[Alert], Own]] = [
        ({}, {}, [], OWN),
        ({"last": 99_999.99, "change_24h_pct": 123.4}, {"state": "degraded"}, list(ALERTS), Own(1e6, 1e9, 10.0)),
        ({"last": None, "change_24h_pct": None, "age_ms": None}, {"state": "starting"}, [], Own(None, None, 0.5)),
        ({"last": 0.01, "change_24h_pct": -0.01}, {"connections": ()}, [], Own(0.0, 0.0, 4.0)),
        ({"live": False, "age_ms": 1e9}, {"state": "stopping"}, [], OWN),
    ]
    for fields, fared, wrong, own in every:
        told = Told().attached(fit(**fared), [market(**fields), MARKETS[1]], wrong)
        text = line(told, width, own)
        assert len(text) == width
        places.add(
            tuple(
                text.find(word) for word in ("LIVE", " ETH ", " BTC ", "feeds", "gaps", "msg/s", "alerts", "12:00:00")
            )
        )
    assert len(places) == 1, places


def test_the_mode_is_the_engines_own_word() -> None:
    told = Told().attached()
    assert LIVE in {back_of(int(pen)) for pen in drawn(told, 80).pens[0]}
    told = Told().attached(fit(data="replay"), replay=playing())
    frame = drawn(told, 80)
    assert frame.lines()[0].split()[:3] == ["REPLAY", "\u25b6", "10x"]
    assert {REPLAY} < {back_of(int(pen)) for pen in frame.pens[0]}
    told.gone()
    assert "LIVE" not in line(told, 200)
    assert "REPLAY" not in line(told, 200)
    assert "LIVE" not in line(Told(), 200)


@pytest.mark.parametrize(
    ("changed", "short", "long"),
    [
        ({}, "\u25b6 10x", "\u25b6 plays 10x"),
        ({"paused": True}, "\u2016 10x", "\u2016 paused 10x"),
        ({"speed": 0.0}, "\u25b6 max", "\u25b6 plays max"),
        ({"ended": True}, "\u25a0 ended", "\u25a0 ended"),
        ({"seeking": NOW, "progress": 0.42}, "\u2192 42%", "\u2192 seeks 42%"),
        ({"seeking": NOW}, "\u2192 0%", "\u2192 seeks 0%"),
    ],
)
def test_how_a_replay_goes(changed: dict[str, object], short: str, long: str) -> None:
    told = Told().attached(fit(data="replay"), replay=playing(**changed))
    assert short in line(told, 80)
    assert long in line(told, 120)


def test_who_can_trade_cannot_be_missed() -> None:
    for word in ("paper", "live"):
        told = Told().attached(fit(trading=word))
        for width in WIDTHS:
            assert line(told, width).startswith(f"  {word.upper()} "), width


def test_old_figures_do_not_look_like_now() -> None:
    told = Told().attached()
    told.seconds += SILENT_S + 4
    for width in WIDTHS:
        text = line(told, width)
        assert "STALLED" in text
        assert "old 7s" in text
        assert "\u25bc" not in text, "a change of the day beside a price that is none of today's"
    told.gone()
    for width in WIDTHS:
        frame = drawn(told, width)
        text = frame.lines()[0]
        assert "GONE" in text
        assert "1/2" not in text
        assert LIVE not in {back_of(int(pen)) for pen in frame.pens[0]}
    told.link.refusal = "another version"
    assert "NO LINK" in line(told, 80)
    assert "looking" in line(Told(), 80)


def past(frame: Frame, words: str) -> bool:
    """Tell whether words are there, and all of them drawn as of the past."""
    x = frame.lines()[0].index(words)
    return bool((frame.pens[0, x : x + len(words)] & OLD).all())


def test_figures_of_then_are_drawn_as_such() -> None:
    told = Told().attached(fit(connections=fit().connections[:1]))
    now = drawn(told, 200)
    assert "feeds 1/1" in now.lines()[0]
    assert not any(past(now, words) for words in ("1/1", " 81", "gaps"))
    told.seconds += SILENT_S + 4
    frame = drawn(told, 200)
    assert "feeds 0/1" in frame.lines()[0]
    assert all(past(frame, words) for words in ("0/1", "81"))
    down = msgspec.structs.replace(fit().connections[0], up=False)
    frame = drawn(Told().attached(fit(connections=(down,))), 200)
    assert "feeds 0/1" in frame.lines()[0]
    assert past(frame, "81")
    assert not past(frame, "0/1"), "that is so now"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_replay_has_messages_and_no_feeds(width: int) -> None:
    places = set()
    for messages in (0, 1234, 10**9):
        told = Told().attached(fit(data="replay", connections=()), replay=playing(messages=messages))
        text = line(told, width)
        assert "feeds" not in text
        assert "msg/s" not in text
        assert "0/0" not in text
        places.add((text.find(" msg"), text.find("alerts"), text.find("12:00:00")))
        told_ = {0: "0", 1234: "1234", 10**9: "1000M"}[messages]
        assert f"{told_} msg" in text or width != 120
        assert "no orders" in text or width == 120
    assert len(places) == 1
    assert "played 1000000k msg" in text or width < 200


def test_one_dead_market_is_told_beside_a_live_one() -> None:
    told = Told().attached(markets=[MARKETS[2], MARKETS[0]])
    assert "old 42s" in line(told, 80)
    assert "\u25bc-1.25%" in line(told, 80)


def test_frozen_is_said_and_does_not_hide_the_truth() -> None:
    told = Told().attached()
    told.desk.freeze(True)
    told.state("markets", [market(last=1.0)])
    told.seconds += 2
    for width in WIDTHS:
        before, frozen = line(told, width), drawn(told, width, frozen=True)
        text = frozen.lines()[0]
        assert "FROZEN" in text
        assert ALARM in {back_of(int(pen)) for pen in frozen.pens[0]}
        assert text.index("ETH") == before.index("ETH"), "it moved"
        assert "2,683.62" in text
    told.gone()
    assert "GONE" in line(told, 80, frozen=True)


@given(
    text=st.sampled_from((EVIL, "", "x" * 300)), number=st.sampled_from((0, 10**9, 10**18)), width=st.integers(0, 230)
)
@settings(max_examples=80, deadline=None)
def test_any_engine_fits(text: str, number: int, width: int) -> None:
    told = Told().attached(
        fit(data=text, trading=text, state=text), [market(text), market(text + "x")],
        [msgspec.structs.replace(ALERTS[0], severity=text)] * 3,
        playing(speed=float(number), position=number, start=0, end=number),
    )  # fmt: skip
    frame = drawn(told, width, Own(float(number), float(number), 4.0))
    again = Frame.blank(width, 1)
    tabs.draw_replay(again, playing(position=number, start=number, end=0, messages=number), tabs_of(told).keys)
    of_replay = again.copy()
    tabs.draw(again, tabs_of(told)._replace(layout=text, theme=text))
    for row in (*frame.lines(), *of_replay.lines(), *again.lines()):
        assert len(row) == width
        assert "\x1b" not in row


# Tabs. --------------------------------------------------------------------------------------------------------------


def tabs_of(told: Told, focus: str = "chart2") -> Tabs:
    desk = told.desk
    return Tabs(("chart1", "chart2", "heat"), focus, tuple(desk.symbols), desk.symbol, "desk", True, "colour-safe")


def tab_line(tabs_: Tabs, width: int) -> str:
    frame = Frame.blank(width, 1)
    tabs.draw(frame, tabs_)
    return frame.lines()[0]


@pytest.mark.parametrize("width", WIDTHS)
def test_panes_and_settings_are_found_from_the_screen(width: int) -> None:
    told = Told().attached(markets=list(MARKETS[:2]))
    text = tab_line(tabs_of(told), width)
    for word in ("[1 Charts]", "2 Heat", "3 Ladder", "4 Tape", "5 Markets", "6 System", "7 Alerts", "8 Events"):
        assert word in text, word
    if width >= 120:
        for word in ("[ETH]", "BTC (x)", "layout desk (p)"):
            assert word in text, word
    if width >= 200:
        for word in ("sync on", "(y)", "theme colour-safe (t)"):
            assert word in text, word
        assert "sync off" in tab_line(tabs_of(told)._replace(sync=False), width)
    assert "[5 Markets]" in tab_line(tabs_of(told, "markets"), width)


def test_many_instruments_are_counted() -> None:
    names = [f"binance:COIN{i}/USDT" for i in range(60)]
    told = Told().attached(markets=[market(name) for name in names])
    told.desk.view.symbol = names[30]
    assert "[COIN30]" in tab_line(tabs_of(told), 120)
    assert "+58" in tab_line(tabs_of(told), 120)
    assert "[COIN30]" in tab_line(tabs_of(told), 200)
    assert "+55" in tab_line(tabs_of(told), 200)
    assert tab_line(tabs_of(told), 80).rstrip().endswith("9 Data"), "there is no room behind the panes"
    assert "no instrument" in tab_line(tabs_of(Told()), 200)


def test_digits_are_those_of_the_keys() -> None:
    assert tabs.TABS["2"] == "Heat"
    assert tabs.digit_of("chart3") == "1"
    assert tabs.digit_of("events") == "8"
    assert tabs.digit_of("nothing") == ""


def test_where_a_replay_stands() -> None:
    def shown(width: int, **changed: object) -> str:
        frame = Frame.blank(width, 1)
        tabs.draw_replay(frame, playing(**changed))
        return frame.lines()[0]

    for width in WIDTHS:
        text = shown(width)
        for word in ("\u25b6 plays 10x", "2024-08-05 12:00:00Z", "12:55:00Z", "space pause", "\u00b7"):
            assert word in text, word
        assert "end not known yet" in shown(width, end=None)
        assert "\u2588" not in shown(width, end=None)
        assert "\u2016 paused 10x" in shown(width, paused=True)
    filled = [
        shown(200, position=NOW - 300 * SECOND + part * 36 * SECOND).count("\u2588") for part in range(0, 101, 10)
    ]
    assert filled == sorted(filled)
    assert filled[-1] > 40
    assert "F6 F7 10 s" in shown(120)
    assert "( ) speed" in shown(120)
    assert "[ETH]" not in shown(200), "the panes have a line of their own"


# Footer. ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [("chart",), ("heat",), ("table",), ("table", "alerts"), ("table", "markets"), ()])
def test_no_key_is_cut_and_the_way_out_is_always_there(kinds: tuple[str, ...]) -> None:
    for width in range(28, 240):
        frame = Frame.blank(width, 1)
        footer.draw(frame, kinds)
        (text,) = frame.lines()
        for words in (" ? help ", " : command ", " q quit "):
            assert words in text + " ", (width, text)
        known = {hint for key in KEYS for hint in key.hint.split()}
        words_ = {word for word in text.split() if word.isalpha() and len(word) > 1 and word != "space"}
        assert words_ <= known, words_ - known


def test_keys_of_the_pane_come_first() -> None:
    charts = [hint for _, hint in footer.hints(80, ("chart",))]
    for wanted in ("help", "zoom", "crosshair", "symbol", "timeframe", "quit"):
        assert wanted in charts
    assert "crosshair" not in [hint for _, hint in footer.hints(200, ("table",))]
    assert [hint for _, hint in footer.hints(80, ("table", "alerts"))][2:4] == ["acknowledge", "severity"]
    assert "filter" in [hint for _, hint in footer.hints(80, ("table",))]


def test_in_a_replay_the_key_that_freezes_pauses() -> None:
    assert ("space", "freeze") in footer.hints(200, ("chart",))
    told = footer.hints(200, ("chart", "replay"))
    assert ("space", "pause") in told
    assert "freeze" not in [hint for _, hint in told]


def test_lines_name_the_persons_own_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text('[keys]\nsymbol = "n"\nlayout = "u"\nlonger = "f10"\nslower = "%"\nengine = "G"\n')
    table = load_keys(file).table
    told = Told().attached()
    own = tabs_of(told)._replace(keys=table)
    assert "(n)" in tab_line(own, 200)
    assert "layout desk (u)" in tab_line(own, 200)
    frame = Frame.blank(200, 1)
    tabs.draw_replay(frame, playing(), table)
    assert "% ) speed" in frame.lines()[0]
    hints = dict(reversed(hint) for hint in footer.hints(200, ("chart",), table))
    assert hints["symbol"] == "n"
    assert hints["timeframe"] == "[ F10"
    told.gone()
    assert "start it with G" in banner.banner(told.link, table)[1]


# Banner. ------------------------------------------------------------------------------------------------------------


def test_nothing_is_said_while_all_is_well() -> None:
    assert banner.banner(Told().attached().link) == []
    assert banner.banner(Told().attached(fit(state="degraded", why=("x",))).link) == []


def test_an_engine_that_is_not_there() -> None:
    told = Told()
    assert banner.banner(told.link) == ["looking for the engine of profile default"]
    told.link.phase = Phase.STARTING
    first, second = banner.banner(told.link)
    assert first == "starting engine of profile default"
    assert second.endswith("engine.start")
    told.attached().gone()
    assert banner.banner(told.link) == [
        "engine gone since 12:00:00Z (pid 4711: killed)", "looking again in 4 s (r: now); start it with E",
    ]  # fmt: skip
    told.link.again_at = None
    assert "looking now" in banner.banner(told.link)[1]
    told.link.refusal = "it speaks protocol 9"
    assert banner.banner(told.link)[0] == "an engine is there and cannot be attached to (it speaks protocol 9)"
    told.link.refusal, told.link.pid = "", 0
    assert banner.banner(told.link)[0] == "no engine since 12:00:00Z (killed)"


def test_a_stalled_engine() -> None:
    told = Told().attached()
    told.seconds += SILENT_S + 4
    first, second = banner.banner(told.link)
    assert first == "engine (pid 4711) stalled: attached, but no news for 7 s"
    assert "all numbers are old" in second


def unreached(**changed: object) -> list[str]:
    connection = msgspec.structs.replace(
        health().connections[0], up=False, reason="cannot connect: no route", doing="try 4 in 3.2 s"
    )
    dead = [msgspec.structs.replace(each, live=False) for each in MARKETS]
    fields: dict[str, object] = {"connections": (connection, msgspec.structs.replace(connection, source="okx"))}
    return banner.banner(Told().attached(fit(**(fields | changed)), dead).link)


def test_without_a_network_it_says_what_it_tries_and_how_to_replay() -> None:
    told = unreached()
    assert told[0].startswith("no market data")
    assert told[1] == "binance: try 4 in 3.2 s (cannot connect: no route)"
    assert told[2].startswith("okx: try 4")
    assert "q" in told[3]
    assert "tradetui --replay PATH" in told[3]
    assert unreached(data="replay") == [], "a replay needs no network"


def test_a_start_is_no_lack_of_a_network() -> None:
    quiet = msgspec.structs.replace(health().connections[0], up=False, reason="", doing="try 1 under way")
    assert unreached(connections=(quiet,)) == []
    assert unreached(connections=(health().connections[0], quiet)) == []


def test_a_venue_that_does_not_even_list_its_instruments() -> None:
    failing = msgspec.structs.replace(
        ALERTS[0], code="REQUEST_FAILED", component="binance exchangeInfo", text="no answer", doing="try 3 in 4.0 s"
    )
    told = Told().attached(fit(connections=()), [], [failing])
    assert "binance exchangeInfo: try 3 in 4.0 s (no answer)" in banner.banner(told.link)
    many = [msgspec.structs.replace(failing, id=number) for number in range(5)]
    told = Told().attached(fit(connections=()), [], many)
    assert len(banner.banner(told.link)) == 4
    assert banner.banner(told.link)[2].endswith("(and 3 more)")


def test_a_banner_is_cut_where_the_terminal_ends() -> None:
    for width in (0, 1, 20, 80):
        frame = Frame.blank(width, 2)
        banner.draw(frame, [EVIL * 9, "x"])
        assert "\x1b" not in "".join(frame.lines())
    assert frame.lines()[1].startswith(" x")
