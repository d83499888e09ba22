"""A recording as the source of an engine: its state, its clock and its figures are those of a replay."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from math import inf

from engine.core import Commands
from engine.errors import RecordingUnusable, RequestDenied
from engine.execution.account import Account
from engine.keep import Keep
from engine.operator import TradingEvent
from engine.player import Player
from engine.replay import Recording, Replay, iso
from engine.runtime import Engine
from engine.settings import MarketSettings
from engine.supervisor import Part
from engine.types import SECOND
from engine.views import ReplayView

log = logging.getLogger(__name__)

REST_S = 0.003
"""Pause between two pieces while the files are read through: that thread takes turns with the loop."""

NOTES = 50
"""Notes about the files that are told."""

AS_TRADED = "this replay shows what was traded then; replay with --anew to trade on paper here"


class ReplayClock:
    """The clock of a recording: it runs while frames are played, and stands still otherwise."""

    steps = 0

    def __init__(self, player: Player) -> None:
        self._player = player

    def now(self) -> int:
        """Return the position, UTC ns."""
        return self._player.now

    def stamp(self) -> int:
        """Return the position; nothing is stamped here, stamps are in the recording."""
        return self.now()

    def pass_by(self, boundary: int) -> None:
        """Nothing is stamped here."""


class Playback:
    """Plays a recording into an engine that has no feeds, and takes what a person wants of it.

    What is asked returns a word about it at once and is done by the task of `run`; `view` tells how it goes.
    """

    def __init__(
        self,
        recording: Recording,
        settings: MarketSettings | None = None,
        *,
        speed: float = 1.0,
        seek: int = 0,
        until: float = inf,
        account: Callable[[], Account] | None = None,
        traded: bool = False,
    ) -> None:
        """`speed` in recorded seconds per second, `seek` where to begin and `until` where to end (UTC ns).

        `account` makes the paper account of the replay, anew for each beginning: what was asked of it is asked again at
        its time, when the replay comes there again. Without one it may show what was traded (`traded`).
        """
        self.recording = recording
        self.player = Player(Replay(recording, settings, account=account, traded=traded), speed)
        self.player.until = until
        self.player.progress = self._moved
        self.player.replay.commands = self._carry_out
        self.clock = ReplayClock(self.player)
        self.engine = Engine(self.clock, settings)
        self.engine.companions.append(Part(name="replay", run=self.run))
        self._files = tuple(path.name for path in recording.paths)
        self._end: int | None = None
        self._notes: tuple[str, ...] = ()
        if seek:
            self.player.seek(seek)
        self._moved()

    def _carry_out(self, commands: Commands) -> None:
        """Hand on what is to be kept, and what trading says; what is asked of a venue is in the recording already."""
        store, trader = self.engine.store, self.engine.trader
        for command in commands:
            if isinstance(command, Keep):
                if store is not None:
                    store.put(command)
            elif trader is not None:
                trader.carry_out(command)

    def tell(self, event: TradingEvent) -> None:
        """Ask something of trading where the replay stands.

        Raises:
            RequestDenied: It is on its way to another place: what is asked on the way would be lost. Or it shows what
                was traded, which nobody can change any more.
        """
        if self.as_traded:
            raise RequestDenied("as_traded", AS_TRADED)
        if self.player.seeking is not None:
            raise RequestDenied("seeking", f"the replay goes to {iso(self.player.seeking)}; ask again when it is there")
        self.player.replay.ask(event)
        self._moved()

    @property
    def as_traded(self) -> bool:
        """Whether it shows what was traded when it was recorded."""
        return self.player.replay.traded

    @property
    def trades(self) -> bool:
        """Whether there is an account, or will be when the recording comes to it."""
        return self.as_traded or self.player.replay.account is not None

    def _moved(self) -> None:
        """Have the engine show what the replay holds."""
        engine, replay = self.engine, self.player.replay
        engine.state, engine.messages, engine.refusals = replay.state, replay.messages, replay.refusals

    async def run(self) -> None:
        """Play, and stay at the end, until cancelled."""
        stop = threading.Event()
        reading = asyncio.create_task(self._read_through(stop), name="read through")
        try:
            while True:
                await self.player.play(self.player.until)
                await self.player.changed()
        finally:
            stop.set()
            reading.cancel()

    async def _read_through(self, stop: threading.Event) -> None:
        """Find out where the recording ends, and what of it cannot be used."""
        try:
            found = await asyncio.to_thread(self.recording.extent, stopped=lambda: stop.wait(REST_S))
        except RecordingUnusable as error:
            log.warning("the end of the recording is not known: %s", error)
            return
        if found is not None:
            self._end, notes = found
            for note in notes:
                log.warning("%s", note)
            self._notes = tuple(notes[:NOTES])

    @property
    def end(self) -> int | None:
        """The last stamp that can be reached, UTC ns; None until it is known."""
        return None if self._end is None else int(min(self._end, self.player.until))

    def view(self) -> ReplayView:
        """Return where the replay stands."""
        player = self.player
        return ReplayView(
            position=self.clock.now(),
            start=self.recording.start,
            end=self.end,
            speed=0.0 if player.speed == inf else player.speed,
            paused=player.paused,
            ended=player.ended,
            seeking=player.seeking,
            progress=player.sought,
            messages=self.engine.messages,
            refused=self.engine.refusals.count,
            files=self._files,
            notes=self._notes,
            as_traded=self.as_traded,
        )

    # What a person wants. -------------------------------------------------------------------------------------------

    def pause(self) -> str:
        """Stop here; a seek is given up."""
        self.player.pause()
        return f"paused at {iso(self.clock.now())}"

    def resume(self) -> str:
        """Go on."""
        self.player.resume()
        return "at the end of the recording" if self.player.ended else f"plays from {iso(self.clock.now())}"

    def step(self, frames: int) -> str:
        """Apply the next frames, and pause."""
        if self.player.ended:
            self.player.pause()
            return "at the end of the recording: there is no next frame"
        self.player.step(frames)
        return f"{frames} frame{'s' if frames > 1 else ''} on from {iso(self.clock.now())}, then paused"

    def set_speed(self, speed: float) -> str:
        """Change the speed; infinite is as fast as possible."""
        self.player.set_speed(speed)
        return "as fast as possible" if speed == inf else f"speed {speed:g}x"

    def seek(self, stamp: int) -> str:
        """Go to the state after the last line received at or before a stamp.

        Raises:
            RequestDenied: The recording does not hold it; the reason says what it holds.
        """
        start, until, end = self.recording.start, self.player.until, self.end
        last = end if end is not None else until
        if not start <= stamp <= last:
            raise RequestDenied("invalid_argument", self.recording.outside(stamp, None if last == inf else int(last)))
        self.player.seek(stamp)
        return f"goes to {iso(stamp)}"

    def seek_by(self, seconds: float) -> str:
        """Go so many seconds on, or back, from the position or from what is sought, at most to the end or the start."""
        player = self.player
        base = player.seeking if player.seeking is not None else self.clock.now()
        last = self.end if self.end is not None else player.until
        return self.seek(int(min(max(base + int(seconds * SECOND), self.recording.start), last)))
