"""A replay in time: at a speed, paused, step by step, and at another place; what is long is done in slices.

Speed changes how long the player waits between frames and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from math import inf

from engine.replay import Replay
from engine.types import SECOND

SLICE_S = 0.008
"""Seconds of work before other tasks get a turn; reading a piece of a file may take about as long."""

PIECE = 64
"""Lines applied between two looks at the time."""

WAIT_S = 0.004
"""Frames that are due within this time are waited for together."""

LAG_S = 1.0
"""A player that is this far behind, for want of processor or because it was stopped, does not make up for it."""


class Player:
    """Plays a replay in an event loop, whose time it runs by. All that is asked of it is done by the task of `play`.

    `replay` is another object after a seek backwards: the one of before stays as it is until the new one is there.
    `jumps` counts the slices of seeks: whoever compares two moments has to know whether time has run between them.
    """

    def __init__(self, replay: Replay, speed: float = 1.0) -> None:
        self.replay = replay
        self.progress: Callable[[], None] | None = None
        self.jumps = 0
        self.until = inf
        self._speed = speed
        self._paused = False
        self._steps = 0
        self._target: int | None = None
        self._from = 0
        self._ahead: Replay | None = None
        self._changed = asyncio.Event()
        self._anchor: tuple[float, int, Callable[[], float]] | None = None

    # Where it stands. -----------------------------------------------------------------------------------------------

    @property
    def speed(self) -> float:
        """Recorded seconds per second; infinite is as fast as possible."""
        return self._speed

    @property
    def paused(self) -> bool:
        """True while nothing moves."""
        return self._paused

    @property
    def now(self) -> int:
        """The time in the recording, UTC ns: never beyond the next frame; it stands still while nothing is played."""
        replay = self.replay
        if self._anchor is None or not replay.waiting:
            return replay.reached
        return int(max(replay.reached, min(self._due(), replay.next_stamp() or 0, self.until)))

    @property
    def ended(self) -> bool:
        """True where nothing is left to play."""
        replay = self.replay
        if self._target is not None or not (replay.waiting or replay.exhausted):
            return False
        stamp = replay.next_stamp()
        return stamp is None or stamp > self.until

    @property
    def seeking(self) -> int | None:
        """The stamp that is being sought."""
        return self._target

    @property
    def sought(self) -> float | None:
        """Share of the way to it, 0 to 1."""
        if self._target is None:
            return None
        replay = self._ahead or self.replay
        start = replay.recording.start if self._ahead is not None else self._from
        return min(max((replay.position - start) / max(self._target - start, 1), 0.0), 1.0)

    @property
    def settled(self) -> bool:
        """True once seek and steps are done."""
        return self._target is None and not self._steps

    # What is asked of it. -------------------------------------------------------------------------------------------

    def set_speed(self, speed: float) -> None:
        """Change the speed from here on."""
        self._hold()
        self._speed = speed
        self._nudge()

    def pause(self) -> None:
        """Stop at the next frame; a seek is given up."""
        self._paused = True
        self._target = self._ahead = None
        self._steps = 0
        self._nudge()

    def resume(self) -> None:
        """Go on."""
        self._paused = False
        self._nudge()

    def step(self, frames: int = 1) -> None:
        """Apply the next `frames` frames, after a seek if there is one, and pause."""
        self._paused = True
        self._steps += frames
        self._nudge()

    def seek(self, stamp: int) -> None:
        """Jump to the state after the last line received at or before a stamp, and go on from there as before.

        Beyond the end is the end. Another seek takes the place of one that is under way, and uses what it has done.
        """
        self._hold()
        known = [each for each in (self.replay, self._ahead) if each is not None and each.position <= stamp]
        nearest = max(known, key=lambda each: each.position, default=None)
        if nearest is None:
            now = self.replay
            nearest = Replay(now.recording, now.settings, now.observer, now.account, now.script, traded=now.traded)
            nearest.commands = now.commands
        self._ahead = None if nearest is self.replay else nearest
        self._target = int(min(stamp, self.until))
        self._from = self.replay.position
        self._steps = 0
        self._nudge()

    async def changed(self) -> None:
        """Wait until something is asked of it."""
        await self._changed.wait()

    def _nudge(self) -> None:
        self._hold()
        self._changed.set()

    # The task. ------------------------------------------------------------------------------------------------------

    async def play(self, until: float = inf) -> None:
        """Play until `until`, or the end of the recording; other tasks run between slices."""
        self.until = until
        try:
            while True:
                self._changed.clear()
                pause = self._turn()
                if self.progress is not None:
                    self.progress()
                if pause is None:
                    return
                await self._wait(pause)
        finally:
            self._hold()

    async def _wait(self, pause: float) -> None:
        if pause <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(None if pause == inf else max(pause, WAIT_S)):
                await self._changed.wait()
        except TimeoutError:
            return

    def _turn(self) -> float | None:
        """Do a slice of what is to be done; return the seconds until there is more, None at the end."""
        replay = self._ahead or self.replay
        if not replay.read():
            return 0.0
        stamp = replay.next_stamp()
        if self._target is not None:
            self._approach(replay, self._target, stamp)
            return 0.0
        over = stamp is None or stamp > self.until
        if self._steps and not over:
            self._steps -= self._slice(replay, self.until, self._steps)
            return 0.0
        self._steps = 0
        if self._paused:
            return inf
        if stamp is None or over:
            self._anchor = None
            if stamp is not None:
                replay.reached = max(replay.reached, int(self.until))
            return None
        if self._speed == inf:
            self._slice(replay, self.until)
            return 0.0
        if self._anchor is None:
            clock = asyncio.get_running_loop().time
            self._anchor = clock(), replay.reached, clock
        due = self._due()
        if stamp > due:
            return (stamp - due) / SECOND / self._speed
        self._slice(replay, min(due, self.until))
        if replay.waiting and due - (replay.next_stamp() or due) > LAG_S * self._speed * SECOND:
            self._hold()
        return 0.0

    def _due(self) -> int:
        """Return where the clock would be if every frame came in time."""
        assert self._anchor is not None
        began, first, clock = self._anchor
        return first + int((clock() - began) * self._speed * SECOND)

    def _hold(self) -> None:
        """Stop the clock where it is; the next turn starts it again."""
        self.replay.reached = self.now
        self._anchor = None

    def _approach(self, replay: Replay, target: int, stamp: int | None) -> None:
        """Come nearer to what is sought, or be there, where the next frame is none before it."""
        self.jumps += 1
        if stamp is not None and stamp <= target:
            self._slice(replay, target)
            return
        replay.reached = target if stamp is not None else max(replay.position, replay.recording.start)
        self.replay, self._ahead, self._target = replay, None, None

    def _slice(self, replay: Replay, until: float, limit: float = inf) -> int:
        """Apply waiting lines until `until`, at most `limit`, for as long as a slice may take; return how many."""
        over = time.perf_counter() + SLICE_S
        done = 0
        while replay.waiting and done < limit and time.perf_counter() < over:
            applied = replay.run(until, min(PIECE, limit - done, replay.waiting))
            done += applied
            if not applied:
                break
        return done
