"""The shell's side of trading: who asked what waits here for the answer; what trading wants done is handed on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.execution.outbox import Outbox
from engine.keep import Keep
from engine.operator import OperatorAsked, OperatorCommand, TradingEvent, Who
from engine.orders import (
    Answered,
    CancelOrder,
    ChangeOrder,
    Journaled,
    Noticed,
    QueryOrder,
    ReconcileVenues,
    SubmitOrder,
)
from engine.types import Command

ANSWER_S = 10.0
"""The core answers at once; who has waited so long is told that it does not."""


NO_ANSWER = "no_answer"
"""The code of an answer that is none: what became of the command is not known."""


class Trader:
    """Between the core and those who ask, storage, venues and people.

    `tell` puts an event into the queue (an engine's control lane, or a replay at its position). Without an outbox
    nothing is kept and nothing sent, as in a replay.
    """

    def __init__(
        self,
        tell: Callable[[TradingEvent], None],
        *,
        outbox: Outbox | None = None,
        notice: Callable[[Noticed], None] = lambda _: None,
        reconcile: Callable[[], None] = lambda: None,
    ) -> None:
        self.outbox = outbox
        self.notice = notice
        self.reconcile = reconcile
        self._tell = tell
        self._asked = 0
        self._answers: dict[int, asyncio.Future[Answered]] = {}

    async def ask(self, command: OperatorCommand, who: Who) -> Answered:
        """Have a command carried out, and return the answer."""
        self._asked += 1
        number = self._asked
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._tell(OperatorAsked(id=number, who=who, command=command))
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except TimeoutError:
            text = (
                f"the engine has not come to it within {ANSWER_S:.0f} s; see orders and positions for what became of it"
            )
            return Answered(id=number, done=False, text=text, code=NO_ANSWER)
        finally:
            self._answers.pop(number, None)

    def carry_out(self, command: Command | Keep) -> bool:
        """Do what trading wants; tell whether it was something of trading."""
        match command:
            case Journaled() | SubmitOrder() | CancelOrder() | ChangeOrder() | QueryOrder():
                if self.outbox is not None:
                    self.outbox.put(command)
            case Answered():
                answer = self._answers.get(command.id)
                if answer is not None and not answer.done():
                    answer.set_result(command)
            case Noticed():
                self.notice(command)
            case ReconcileVenues():
                self.reconcile()
            case _:
                return False
        return True
