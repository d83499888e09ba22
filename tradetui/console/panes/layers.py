"""What a chart lays over and under its candles: the person's choice, made of the engine's news and the bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.types import DAY_MS, MS
from tradetui.console import studies
from tradetui.console.holdings import held
from tradetui.console.render.axes import moment, money
from tradetui.console.render.cells import stamp
from tradetui.console.render.overlay import Drawn, Level, Overlay, Profile, Turn, colour_of
from tradetui.console.render.pens import AXIS, FAINT, WARN
from tradetui.console.render.study import Panel
from tradetui.console.studies import LINES, PIVOTS, STUDIES, Values, column

if TYPE_CHECKING:
    from engine.views import FloorView, PivotsView
    from tradetui.console.panes.outlook import Outlook
    from tradetui.console.panes.sight import Sight
    from tradetui.console.render.slots import Slots
    from tradetui.console.series import Candles, Floats

TRENDS = {"up": "\u25b2", "down": "\u25bc", "sideways": "="}


class Layers:
    """The layers of one chart."""

    def __init__(self, outlook: Outlook) -> None:
        self._outlook = outlook
        self._values = Values()
        self._picked: tuple[PivotsView, tuple[str, ...], tuple[Turn, ...]] | None = None

    def version(self) -> object:
        """Return what the layers are made of besides candles and view."""
        desk, chart = self._outlook.desk, self._outlook.chart
        pivots = desk.news.pivots.get((desk.symbol, chart.timeframe)) if chart.marks else None
        profile = desk.news.profiles.get(desk.symbol) if studies.PROFILE in chart.marks else None
        account = desk.news.account
        held = (
            (account.orders, account.positions, account.exits_act, desk.taken)
            if studies.ORDERS in chart.marks
            else None
        )
        return pivots, profile, held

    def overlay(self, sight: Sight) -> Overlay:
        """Return what lies over the candles."""
        desk, chart = self._outlook.desk, self._outlook.chart
        marks = chart.marks
        lines = self._lines(sight.slots)
        if not marks:
            return Overlay(lines)
        levels: list[Level] = []
        turns: tuple[Turn, ...] = ()
        said: list[str] = []
        pivots = desk.news.pivots.get((desk.symbol, chart.timeframe))
        if set(marks) & studies.OF_PIVOTS and (pivots is None or pivots.reason):
            said.append(f"pivots: {pivots.reason if pivots is not None else 'not told yet'}")
        if pivots is not None:
            turns = self._turns(pivots)
            oldest = min((turn.ts_ms for turn in turns), default=0)
            if oldest >= int(sight.slots.end_ms[sight.view.stop - 1]):
                said.append(f"pivots from {stamp(oldest * MS)[:16]} on")
            if sight.cross is not None:
                said += _crossed(turns, sight, self._outlook.places)
            levels = self._levels(pivots, int(sight.slots.end_ms[sight.view.stop - 1]), said)
            if studies.TREND in marks and pivots.trends:
                trends = " ".join(f"{each.level}{TRENDS.get(each.trend, '?')}" for each in pivots.trends)
                said.append(f"trend {'now ' if chart.end is not None else ''}{trends}")
        if studies.ORDERS in marks:
            levels = [*self._held(said), *levels]
        return Overlay(lines, tuple(levels), turns, self._profile(sight, said), tuple(said))

    def _held(self, said: list[str]) -> list[Level]:
        """Return the prices of the account: open orders, stops, targets, the average; one in the hand stands out."""
        desk = self._outlook.desk
        taken, found = desk.taken, list[Level]()
        for each in held(desk.news.account, desk.symbol):
            mine = taken is not None and (each.what, each.id) == (taken.what, taken.id)
            if mine and taken is not None:
                found.insert(0, Level(taken.price, f"\u25b8 {taken.told}", WARN, held=True))
                said.append(f"in the hand: {taken.told} at {money(taken.price, self._outlook.places)}")
            else:
                found.append(Level(each.price, each.told, each.colour, own=True))
        return found

    def _levels(self, pivots: PivotsView, until_ms: int, said: list[str]) -> list[Level]:
        """Return the prices that hold now, as far as they mean something on a chart that ends at a time."""
        marks, found = self._outlook.chart.marks, []
        if studies.LEVELS in marks:
            found += _nearest(pivots, until_ms)
            if self._outlook.chart.end is not None:
                said.append("levels now" if found else "levels: only of now")
        if studies.FLOOR in marks and pivots.floor is not None:
            if until_ms > pivots.as_of // MS // DAY_MS * DAY_MS:
                found += _floor(pivots.floor)
            else:
                said.append("floor pivots: only of today")
        return found

    def _turns(self, pivots: PivotsView) -> tuple[Turn, ...]:
        """Return the pivots of the chosen levels; they are picked out anew only when there are others."""
        marks, picked = self._outlook.chart.marks, self._picked
        if picked is None or picked[0] is not pivots or picked[1] != marks:
            chosen = {level for level, name in enumerate(PIVOTS, 1) if name in marks}
            turns = tuple(
                Turn(each.ts_ms, each.confirmed_ms, each.level, each.high, each.price)
                for each in pivots.points
                if each.level in chosen
            )
            self._picked = picked = pivots, marks, turns
        return picked[2]

    def panel(self, sight: Sight) -> Panel | None:
        """Return the indicator under the candles, None if none is chosen."""
        study = STUDIES.get(self._outlook.chart.study)
        if study is None:
            return None
        candles, values = self._counted()
        slots = sight.slots
        lines = tuple(
            Drawn(_by_slot(column(values, name), candles, slots), colour_of(number), "abc"[number],
                  study.label if not number else "")
            for number, name in enumerate(study.columns)
        )  # fmt: skip
        bars = _by_slot(column(values, study.bars), candles, slots) if study.bars else None
        return Panel(lines, bars, study.low, study.high, study.guides, study.places)

    def _counted(self) -> tuple[Candles, Floats]:
        candles = self._outlook.candles
        return candles, self._values.of(candles, self._outlook.chart.timeframe)

    def _lines(self, slots: Slots) -> tuple[Drawn, ...]:
        chosen = [LINES[name] for name in LINES if name in self._outlook.chart.lines]
        if not chosen:
            return ()
        candles, values = self._counted()
        found: list[Drawn] = []
        for number, line in enumerate(chosen):
            for part, name in enumerate(line.columns):
                by_slot = _by_slot(column(values, name), candles, slots)
                found.append(Drawn(by_slot, colour_of(number), line.letter, "" if part else line.label))
        return tuple(found)

    def _profile(self, sight: Sight, said: list[str]) -> Profile | None:
        """Return the volume by price, where the day it is of is in sight."""
        desk = self._outlook.desk
        if studies.PROFILE not in self._outlook.chart.marks:
            return None
        told = desk.news.profiles.get(desk.symbol)
        if told is not None and int(sight.slots.end_ms[sight.view.stop - 1]) <= told.since_ms:
            return None
        if told is None or not told.volumes:
            said.append(f"volume by price: {told.reason or 'none yet' if told is not None else 'not told yet'}")
            return None
        if told.approximate:
            said.append("volume by price ~")
        return Profile(told.price, told.size, told.volumes, told.control, told.value_low, told.value_high)


def _by_slot(values: Floats, candles: Candles, slots: Slots) -> Floats:
    """Return the value after the last bar of each slot, nan in a gap."""
    places = np.searchsorted(candles.open_ms, slots.end_ms) - 1
    return np.where(slots.gap | (places < 0), np.nan, values[np.maximum(places, 0)])


def _crossed(turns: tuple[Turn, ...], sight: Sight, places: int) -> list[str]:
    """Return what is known of the pivots at the crosshair: one exists from its confirmation on."""
    assert sight.cross is not None
    slots, at = sight.slots, sight.cross.slot
    here = [turn for turn in turns if slots.open_ms[at] <= turn.ts_ms < slots.end_ms[at]]
    best = {turn.high: turn for turn in sorted(here, key=lambda turn: turn.level)}
    return [
        f"pivot {turn.level} {'high' if turn.high else 'low'} {money(turn.price, places)}, confirmed "
        f"{moment(turn.confirmed_ms, 60_000)}"
        for turn in best.values()
    ]


def _nearest(pivots: PivotsView, until_ms: int) -> list[Level]:
    """Return support and resistance; those of pivots that turned after a chart's last bar are not of its time."""
    turned = {point.price: point.ts_ms for point in reversed(pivots.points)}
    oldest = min(turned.values(), default=0)
    found = []
    for trend in pivots.trends:
        for letter, price in (("R", trend.resistance), ("S", trend.support)):
            if price is not None and turned.get(price, oldest) < until_ms:
                found.append(Level(price, f"{letter}{trend.level}", colour_of(trend.level - 1)))
    # The same price may hold for several levels: the highest of them names it.
    highest = {level.price: level for level in found}
    return list(highest.values())


def _floor(floor: FloorView) -> list[Level]:
    prices = {"P": floor.pivot, "fR1": floor.r1, "fR2": floor.r2, "fR3": floor.r3}
    prices |= {"fS1": floor.s1, "fS2": floor.s2, "fS3": floor.s3}
    return [Level(price, name, FAINT if name == "P" else AXIS) for name, price in prices.items()]
