"""Parts that fail, are started again, are given up, or end the engine; in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import FeedUnavailable, SettingsInvalid, WorkerLost
from engine.supervisor import PAUSE_MOST_S, SETTLED_S, Part, PartState, Supervisor, leaves, told
from tests.support.exchange import run_virtual


class Works:
    """A part that lives as long as is said, one life after the other, and then fails in its way."""

    def __init__(self, *lives: float, error: BaseException | None = None) -> None:
        self.lives = list(lives)
        self.error = error
        self.starts: list[float] = []

    async def __call__(self) -> None:
        self.starts.append(asyncio.get_running_loop().time())
        if not self.lives:
            await asyncio.Event().wait()
        await asyncio.sleep(self.lives.pop(0))
        if self.error is not None:
            raise self.error


async def keep(part: Part, seconds: float) -> Supervisor:
    """Keep a part for a while, and end it as an engine does."""
    supervisor = Supervisor()
    keeping = asyncio.create_task(supervisor.keep(part))
    await asyncio.wait((keeping,), timeout=seconds)
    supervisor.stopping = True
    keeping.cancel()
    (result,) = await asyncio.gather(keeping, return_exceptions=True)
    if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
        raise result
    return supervisor


def in_time(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(scene)


def test_a_part_that_fails_is_started_again_ever_more_patiently() -> None:
    async def scene() -> None:
        works = Works(*[0.0] * 9, error=RuntimeError("boom"))
        part = Part(name="x", run=works)
        await keep(part, 400)
        gaps = [round(after - before, 6) for before, after in zip(works.starts, works.starts[1:], strict=False)]
        assert gaps == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert PAUSE_MOST_S == 60
        assert (part.restarts, part.failures, part.state) == (9, 9, PartState.RUNNING)
        assert part.last_error == "RuntimeError: boom"

    in_time(scene)


@pytest.mark.parametrize(("lived", "pause"), [(SETTLED_S - 1, 8.0), (SETTLED_S, 1.0), (3600, 1.0)])
def test_one_that_ran_for_a_minute_has_recovered(lived: float, pause: float) -> None:
    async def scene() -> None:
        works = Works(0, 0, 0, lived, error=RuntimeError("boom"))
        await keep(Part(name="x", run=works), lived + 60)
        assert works.starts[4] - works.starts[3] == pytest.approx(lived + pause)

    in_time(scene)


def test_while_it_waits_it_says_until_when() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        works = Works(0, 0, error=RuntimeError("boom"))
        part = Part(name="x", run=works)
        supervisor = Supervisor()
        keeping = asyncio.create_task(supervisor.keep(part))
        await asyncio.sleep(0.5)
        assert supervisor.parts == {"x": part}
        assert part.state is PartState.WAITING
        assert part.again_at == pytest.approx(loop.time() + 0.5)
        assert (part.failures, part.restarts) == (1, 0)
        await asyncio.sleep(1.5)
        assert part.again_at == pytest.approx(loop.time() + 1)
        assert (part.failures, part.restarts) == (2, 1)
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
        assert len(works.starts) == 2

    in_time(scene)


def test_a_part_that_ends_by_itself_has_failed() -> None:
    async def scene() -> None:
        works = Works(5)
        part = Part(name="x", run=works)
        await keep(part, 20)
        assert len(works.starts) == 2
        assert part.last_error == "RuntimeError: it ended by itself"

    in_time(scene)


def test_one_that_fails_too_often_in_a_row_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        works = Works(*[0.1] * 10, error=WorkerLost("ended (exit 3)"))
        part = Part(name="x", run=works, most_restarts=3)
        with caplog.at_level(logging.ERROR):
            await keep(part, 1000)
        assert len(works.starts) == 4
        assert (part.state, part.restarts, part.failures) == (PartState.GIVEN_UP, 3, 4)
        assert "given up after 3 restarts in a row: ended (exit 3)" in caplog.text

    in_time(scene)


def test_restarts_in_a_row_are_counted_anew_once_it_has_settled() -> None:
    async def scene() -> None:
        works = Works(0.1, 0.1, 100.0, 0.1, 100.0, error=WorkerLost("ended"))
        part = Part(name="x", run=works, most_restarts=2)
        await keep(part, 1000)
        assert part.state is PartState.RUNNING
        assert part.restarts == 5

    in_time(scene)


def grouped(error: Exception) -> BaseException:
    return ExceptionGroup("a", [ValueError("other"), ExceptionGroup("b", [FeedUnavailable("x"), error])])


@pytest.mark.parametrize("wrap", [lambda error: error, grouped], ids=["alone", "in groups"])
def test_an_error_whose_policy_is_to_exit_ends_the_engine(wrap: Callable[[Exception], BaseException]) -> None:
    async def scene() -> None:
        failures: list[BaseException] = []
        works = Works(1, error=wrap(SettingsInvalid("no such symbol")))
        with pytest.raises(SettingsInvalid, match="no such symbol"):
            await keep(Part(name="x", run=works, failed=failures.append), 10)
        assert len(works.starts) == 1
        assert failures == []

    in_time(scene)


def test_other_errors_are_told_to_whom_it_may_concern_and_logged_with_their_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene() -> None:
        failures: list[BaseException] = []
        error = grouped(ZeroDivisionError("deep"))
        works = Works(1, error=error)
        part = Part(name="feed", run=works, failed=failures.append)
        with caplog.at_level(logging.ERROR):
            await keep(part, 1.5)
        assert failures == [error]
        assert part.last_error == "ValueError: other"
        (record,) = [record for record in caplog.records if "feed failed" in record.message]
        assert record.exc_info is not None

    in_time(scene)


def test_what_one_part_does_harms_no_other() -> None:
    async def scene() -> None:
        supervisor = Supervisor()
        bad, good = Works(*[0.3] * 50, error=RuntimeError("boom")), Works()
        tasks = [
            asyncio.create_task(supervisor.keep(Part(name=name, run=works)))
            for name, works in (("bad", bad), ("good", good))
        ]
        await asyncio.sleep(100)
        assert not any(task.done() for task in tasks)
        assert len(good.starts) == 1
        assert len(bad.starts) > 5
        assert list(supervisor.parts) == ["bad", "good"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    in_time(scene)


def test_a_failure_while_stopping_is_no_reason_to_start_again(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        async def stubborn() -> None:
            starts.append(1)
            try:
                await asyncio.Event().wait()
            finally:
                raise RuntimeError("on the way down")

        starts: list[int] = []
        failures: list[BaseException] = []
        supervisor = Supervisor()
        part = Part(name="x", run=stubborn, failed=failures.append)
        keeping = asyncio.create_task(supervisor.keep(part))
        await asyncio.sleep(1)
        supervisor.stopping = True
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
        assert (starts, failures, part.failures) == ([1], [], 0)

    in_time(scene)
    assert "failed" not in caplog.text


@pytest.mark.parametrize("state", [PartState.RUNNING, PartState.WAITING, PartState.GIVEN_UP])
def test_it_can_be_cancelled_wherever_it_stands(state: PartState) -> None:
    async def scene() -> None:
        lives = () if state is PartState.RUNNING else (0.0,)
        most = 0 if state is PartState.GIVEN_UP else None
        part = Part(name="x", run=Works(*lives, error=RuntimeError("boom")), most_restarts=most)
        keeping = asyncio.create_task(Supervisor().keep(part))
        await asyncio.sleep(0.5)
        assert part.state is state
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
        assert keeping.cancelled()

    in_time(scene)


def test_a_cancelled_task_inside_a_part_is_a_failure_of_that_part() -> None:
    """Nobody has cancelled the part: the engine must neither end nor lose it without a word."""

    async def scene() -> None:
        async def careless() -> None:
            starts.append(asyncio.get_running_loop().time())
            inner = asyncio.create_task(asyncio.sleep(60))
            asyncio.get_running_loop().call_later(1, inner.cancel)
            await inner

        starts: list[float] = []
        part = Part(name="x", run=careless)
        await keep(part, 2.5)
        assert [round(start) for start in starts] == [0, 2]
        assert part.last_error == "CancelledError: "
        assert part.failures == 1

    in_time(scene)


def test_one_who_swallows_the_cancellation_is_asked_to_end_all_the_same() -> None:
    """A part that turns the cancellation into an error while the engine stops is not kept alive by it."""

    async def scene() -> None:
        async def turns() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                raise ValueError("turned") from error

        supervisor = await keep(Part(name="x", run=turns), 1)
        assert supervisor.stopping

    in_time(scene)


@given(st.recursive(st.integers(0, 99), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=12))
def test_leaves_are_all_errors_of_a_group_in_their_order(tree: Any) -> None:
    def error(node: Any) -> Exception:
        return ValueError(node) if isinstance(node, int) else ExceptionGroup("g", [error(each) for each in node])

    def flat(node: Any) -> list[int]:
        return [node] if isinstance(node, int) else [number for each in node for number in flat(each)]

    assert [leaf.args[0] for leaf in leaves(error(tree))] == flat(tree)
    assert told(error(tree)) == f"ValueError: {flat(tree)[0]}"


def test_errors_of_ours_are_told_in_their_own_words() -> None:
    assert told(FeedUnavailable("no connection")) == "no connection"
    assert told(ExceptionGroup("g", [WorkerLost("trainer ended (exit 1)")])) == "trainer ended (exit 1)"
    assert told(KeyError("x")) == "KeyError: 'x'"
