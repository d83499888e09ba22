"""When each frame of a tape is served, on an injected clock.

Three clocks are involved: the injected one (`now_ns`), the exchange's own (what its stamps say), and the tape's. The
exchange's stamps are tape stamps plus a whole number of minutes, so candle boundaries stay where they were recorded.
"""

from __future__ import annotations

import math
from typing import Literal

from tests.support.exchange.stamps import Shifts
from tests.support.exchange.tape import MINUTE_NS, Frame, Instrument, Tape

Begin = Literal["now", "start"]


class Timeline:
    """The order and times of service.

    Args:
        tape: What is played.
        t0_ns: The injected clock when play begins.
        shift: Move stamps so that they are near `t0_ns`; otherwise the recorded stamps are served.
        speed: Frames come this many times faster than recorded; stamps run as fast.
        rate: Instead of by recorded time, this many messages a second of each symbol, evenly, in recorded order.
        tile: Play the tape again and again; a round is a whole number of minutes, what is beyond it is left out.
        begin: `now`: the exchange's clock equals the injected one at `t0_ns`, so play begins up to a minute into the
            tape; `start`: play begins at the tape's start and the exchange's clock is up to a minute behind.
    """

    def __init__(
        self,
        tape: Tape,
        t0_ns: int,
        *,
        shift: bool = True,
        speed: float = 1.0,
        rate: float | None = None,
        tile: bool = True,
        begin: Begin = "now",
    ) -> None:
        self.tape = tape
        self.tile = tile
        self.t0_ns = t0_ns
        self.speed = speed
        self.rate = rate
        self.delta_ns = (t0_ns - tape.start_ns) // MINUTE_NS * MINUTE_NS if shift else 0
        self.round_ns = max(1, (tape.end_ns - tape.start_ns) // MINUTE_NS) * MINUTE_NS
        skips = shift and begin == "now" and rate is None
        self._origin_ns = t0_ns if skips else tape.start_ns + self.delta_ns
        self.frames: list[Frame] = tape.frames
        self._rated: list[int] = []
        if rate is not None:
            self._arrange_by_rate(rate)
        elif tile:
            self.frames = [f for f in tape.frames if f.tape_ns < tape.start_ns + self.round_ns]
        self.round = 0
        self.index = 0
        self._reached_ns = self._origin_ns

    def _arrange_by_rate(self, rate: float) -> None:
        counts: dict[Instrument, int] = {}
        due: list[tuple[int, int, Frame]] = []
        for order, frame in enumerate(self.tape.frames):
            count = counts.get(frame.instrument, 0)
            counts[frame.instrument] = count + 1
            due.append((int(count * 1e9 / rate), order, frame))
        due.sort(key=lambda row: row[:2])
        self._rated_length_ns = int(min(counts.values()) * 1e9 / rate)
        if self.tile:
            due = [row for row in due if row[0] < self._rated_length_ns]
        self.frames = [row[2] for row in due]
        self._rated = [row[0] for row in due]

    @property
    def shifts_ms(self) -> int:
        """What is added to recorded stamps in the present round."""
        return (self.delta_ns + self.round * self.round_ns) // 1_000_000

    def shifts(self, instrument: Instrument) -> Shifts:
        """All that is added to a frame of `instrument` in the present round."""
        book_id, trade_id = self.tape.spans[instrument]
        return Shifts(self.shifts_ms, self.round * book_id, self.round * trade_id)

    def _clock_of(self, exchange_ns: int) -> int:
        return self.t0_ns + math.ceil((exchange_ns - self._origin_ns) / self.speed)

    def next_frame_ns(self) -> int | None:
        """The injected clock's time of the next frame; None when this round has no more."""
        if self.index >= len(self.frames):
            return None
        if self.rate is not None:
            return self.t0_ns + self.round * self._rated_length_ns + self._rated[self.index]
        return self._clock_of(self.frames[self.index].tape_ns + self.delta_ns + self.round * self.round_ns)

    def seam_ns(self) -> int | None:
        """The injected clock's time of the present round's end; None when the tape is played once."""
        if not self.tile:
            return None
        if self.rate is not None:
            return self.t0_ns + (self.round + 1) * self._rated_length_ns
        return self._clock_of(self.tape.start_ns + self.delta_ns + (self.round + 1) * self.round_ns)

    def take(self) -> Frame:
        """The next frame; the position moves behind it."""
        frame = self.frames[self.index]
        self.index += 1
        if self.rate is not None:
            stamped = frame.tape_ns + self.delta_ns + self.round * self.round_ns
            self._reached_ns = max(self._reached_ns, stamped)
        return frame

    def turn(self) -> None:
        """Begin the next round."""
        self.round += 1
        self.index = 0

    def exchange_ns(self, now_ns: int) -> int:
        """The exchange's clock; at an even rate, the stamp of what was served last."""
        if self.rate is not None:
            return self._reached_ns
        return self._origin_ns + int((now_ns - self.t0_ns) * self.speed)
