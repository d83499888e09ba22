"""Which candles are asked for when: history, comparing with the venue's own, and healing ever more patiently."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from engine.maintenance import AT_S, COMPARED_MOST, EVERY_S, HEAL_MOST_S
from engine.settings import MarketSettings
from engine.types import MS, SECOND, Bar, BarsLoaded, FeedAlive, FetchBars, Instrument, Timeframe
from tests.engine.support import BTC, BTC_USDM, T0, Driver, trade

START = T0 * SECOND
SOURCES = {BTC.key: "binance", BTC_USDM.key: "binanceusdm/market"}


def candle(timeframe: Timeframe, place: int, source: str = "venue") -> Bar:
    """The candle that opens so many candles after T0."""
    return Bar(
        open_ms=(T0 + place * timeframe.seconds) * 1000, open=50, high=50, low=50, close=50, volume=5, trades=2,
        taker_buy=1, quote_volume=250, source=source,
    )  # fmt: skip


class Scene:
    """An instrument that trades once a second; what is asked for is answered by hand."""

    def __init__(self, instrument: Instrument = BTC, settings: MarketSettings | None = None) -> None:
        self.instrument = instrument
        self.driver = Driver(instrument, settings=settings)
        self.source = SOURCES[instrument.key]
        self.driver.up(START - 2 * SECOND, self.source)
        self.second = 0

    def trade(self, seconds: int) -> list[tuple[int, FetchBars]]:
        """Let time pass; return what was asked for, with the second at which it was."""
        asked: list[tuple[int, FetchBars]] = []
        for _ in range(seconds):
            self.second += 1
            self.driver.commands.clear()
            futures = self.instrument is BTC_USDM
            made = trade(self.second, 50, 1, START + self.second * SECOND, key=self.instrument.key, aggregate=futures)
            self.driver.at(START + self.second * SECOND, made, self.source)
            asked += [(self.second - 1, c) for c in self.driver.commands if isinstance(c, FetchBars)]
        return asked

    def load(self, timeframe: Timeframe, *bars: Bar) -> None:
        event = BarsLoaded(instrument=self.instrument.key, timeframe=timeframe, bars=bars)
        self.driver.at(START + self.second * SECOND + MS, event, f"{self.source}:rest")


def test_it_is_looked_each_half_candle_for_bars_to_compare() -> None:
    """Nobody answers, so at every look there is something to compare; the shortest goes ten seconds at a time."""
    scene = Scene()
    asked = [(at, c) for at, c in scene.trade(1000) if c.compare]
    for timeframe in (Timeframe.S1, Timeframe.M1, Timeframe.M5):
        times = [at for at, c in asked if c.timeframe is timeframe]
        assert {at % EVERY_S[timeframe] for at in times} == {AT_S}
        assert {b - a for a, b in pairwise(times[1:])} == {EVERY_S[timeframe]}
    assert {timeframe: every * 2 for timeframe, every in EVERY_S.items()} == {
        timeframe: timeframe.seconds if timeframe is not Timeframe.S1 else 20 for timeframe in Timeframe
    }


def test_what_was_heard_of_is_not_asked_for_again() -> None:
    scene = Scene()
    scene.trade(130)
    scene.load(Timeframe.M1, candle(Timeframe.M1, 0), candle(Timeframe.M1, 1))
    scene.load(Timeframe.S1, *(candle(Timeframe.S1, place) for place in range(120)))
    asked = [c for _, c in scene.trade(30) if c.compare]
    assert Timeframe.M1 not in [c.timeframe for c in asked]
    seconds = [c for c in asked if c.timeframe is Timeframe.S1]
    assert seconds[0].start_ms == (T0 + 120) * 1000
    assert all((c.end_ms // 1000 - T0) < 160 for c in seconds)
    scene.trade(45)
    scene.load(Timeframe.M1, candle(Timeframe.M1, 2, "mexc"))
    (minute,) = [c for _, c in scene.trade(30) if c.compare and c.timeframe is Timeframe.M1]
    assert (minute.start_ms, minute.end_ms) == ((T0 + 120) * 1000,) * 2, "a stand-in's word is not the venue's"


def test_only_settled_candles_are_asked_for_and_never_too_many() -> None:
    scene = Scene()
    for at, command in scene.trade(COMPARED_MOST + 100):
        if command.compare:
            length = command.timeframe.seconds
            assert command.end_ms // 1000 + length <= T0 + at - 2 + 1
            assert command.end_ms - command.start_ms < COMPARED_MOST * length * 1000


def test_without_the_exchanges_clock_nothing_is_compared() -> None:
    driver = Driver(BTC)
    driver.up(START - 2 * SECOND)
    for second in range(200):
        driver.at(START + second * SECOND, FeedAlive(source="binance"), "binance")
    assert not [c for c in driver.commands if isinstance(c, FetchBars) and c.compare]


def test_the_venue_is_not_asked_for_seconds_that_it_does_not_have() -> None:
    asked = {c.timeframe for _, c in Scene(BTC_USDM).trade(200)}
    assert asked == {Timeframe.M1}


def test_the_same_bars_are_asked_for_ever_more_rarely() -> None:
    minutes = msgspec.structs.replace(MarketSettings(), timeframes=(Timeframe.M1,))
    scene = Scene(settings=minutes)
    scene.trade(2)
    scene.load(Timeframe.M1, *(candle(Timeframe.M1, place) for place in (-9, -8, -4, -3, -2, -1)))
    holed = {(T0 - 7 * 60) * 1000, (T0 - 5 * 60) * 1000}
    times: list[int] = []
    for _ in range(300):
        asked = scene.trade(60)
        times += [at for at, c in asked if not c.compare and {c.start_ms, c.end_ms} == holed]
        minute = scene.second // 60 - 1
        scene.load(Timeframe.M1, candle(Timeframe.M1, minute))
    pauses = [b - a for a, b in pairwise(times)]
    assert pauses[:5] == [60, 120, 240, 480, 960]
    assert pauses[-1] == HEAL_MOST_S
    scene.load(Timeframe.M1, *(candle(Timeframe.M1, place) for place in (-7, -6, -5)))
    assert not [c for _, c in scene.trade(120) if not c.compare]


def test_a_stand_ins_candles_are_asked_of_the_venue_and_are_no_gap() -> None:
    scene = Scene()
    scene.trade(1)
    scene.load(
        Timeframe.H1, *(candle(Timeframe.H1, place, "mexc" if place == -3 else "venue") for place in range(-5, -1))
    )
    (heal,) = [c for _, c in scene.trade(60) if not c.compare and c.timeframe is Timeframe.H1]
    assert heal.start_ms == heal.end_ms == (T0 - 3 * 3600) * 1000
    assert scene.driver.market().gaps[Timeframe.H1] == []


def test_gaps_are_listed_and_closed() -> None:
    scene = Scene()
    scene.trade(1)
    scene.load(Timeframe.H1, *(candle(Timeframe.H1, place) for place in (-9, -8, -4, -2)))
    gaps = scene.driver.market().gaps
    hours = [[(open_ms // 1000 - T0) // 3600 for open_ms in gap] for gap in gaps[Timeframe.H1]]
    assert hours == [[-7, -5], [-3, -3]]
    scene.load(Timeframe.H1, *(candle(Timeframe.H1, place) for place in (-7, -6, -5)))
    assert len(gaps[Timeframe.H1]) == 1


@pytest.mark.parametrize("enabled", [True, False])
def test_without_past_candles_nothing_is_maintained(enabled: bool) -> None:
    cache = msgspec.structs.replace(MarketSettings().cache, enabled=enabled)
    asked = Scene(settings=msgspec.structs.replace(MarketSettings(), cache=cache)).trade(70)
    assert bool(asked) is enabled
