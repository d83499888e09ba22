"""Requests over a transport made of answers: the next address, the venue's stop, the budget."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import pytest

from engine.errors import FeedUnavailable, RequestRefused, VenueThrottled
from engine.ingestion.markets import SPOT, USDM, Market
from engine.ingestion.rest import STOP, STOP_MOST, Rest
from engine.ports import Response, Socket

HOSTS = ("https://one", "https://two", "https://three")


class Answers:
    """A transport that gives prepared answers, one after the other; the last one for ever."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.answers = list(answers)
        self.urls: list[str] = []

    async def get(self, url: str, *, timeout_s: float) -> Response:
        self.urls.append(url)
        assert timeout_s > 0
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def connect(self, url: str) -> Socket:
        raise FeedUnavailable(url)

    async def aclose(self) -> None:
        """Nothing to release."""

    @property
    def hosts(self) -> list[str]:
        return [url.partition("://")[2].partition("/")[0] for url in self.urls]


def answer(status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> Response:
    return Response(status=status, headers=headers or {}, body=body)


class Time:
    """A monotonic clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        made.now += seconds
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return made


def rest(transport: Answers, time: Time, market: Market = SPOT) -> Rest:
    return Rest(market, HOSTS, transport, time)


async def test_requests_are_what_the_venue_documents(time: Time) -> None:
    transport = Answers(answer(body=b"[1]"))
    asked = rest(transport, time)
    assert await asked.depth("BTCUSDT", 5000) == b"[1]"
    await asked.klines("BTCUSDT", "1m", 60_000, 120_000)
    await asked.price("BTCUSDT")
    await asked.exchange_info(["BTCUSDT", "ETHUSDT"])
    parts = [urlsplit(url) for url in transport.urls]
    assert [part.path for part in parts] == [
        "/api/v3/depth",
        "/api/v3/klines",
        "/api/v3/ticker/price",
        "/api/v3/exchangeInfo",
    ]
    queries = [parse_qs(part.query) for part in parts]
    assert queries[0] == {"symbol": ["BTCUSDT"], "limit": ["5000"]}
    assert queries[1] == {
        "symbol": ["BTCUSDT"],
        "interval": ["1m"],
        "startTime": ["60000"],
        "endTime": ["120000"],
        "limit": ["1000"],
    }
    assert queries[3] == {"symbols": ['["BTCUSDT","ETHUSDT"]']}
    assert asked.budget.view(time.now).used == 250 + 2 + 2 + 20
    futures = Answers(answer())
    await rest(futures, time, USDM).exchange_info(["BTCUSDT"])
    assert futures.urls == ["https://one/fapi/v1/exchangeInfo"]


@pytest.mark.parametrize("failure", [FeedUnavailable("timeout"), answer(500), answer(502), answer(503, b"busy")])
async def test_the_next_address_is_tried_after_a_failure(failure: Response | Exception, time: Time) -> None:
    transport = Answers(failure, failure, failure, answer())
    asked = rest(transport, time)
    for _ in range(3):
        with pytest.raises(FeedUnavailable):
            await asked.price("BTCUSDT")
    assert await asked.price("BTCUSDT") == b"{}"
    await asked.price("BTCUSDT")
    assert transport.hosts == ["one", "two", "three", "one", "one"]


@pytest.mark.parametrize("status", [418, 429])
@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"retry-after": "17"}, 17.0),
        ({}, STOP),
        ({"retry-after": "soon"}, STOP),
        ({"retry-after": "-3"}, STOP),
        ({"retry-after": "9" * 400}, STOP_MOST),
    ],
)
async def test_the_venue_says_stop(status: int, headers: dict[str, str], pause: float, time: Time) -> None:
    """Nothing goes out before the time is over, and the address stays the same: the limit is per address of ours."""
    transport = Answers(answer(status, b"", headers), answer())
    asked = rest(transport, time)
    with pytest.raises(VenueThrottled) as caught:
        await asked.price("BTCUSDT")
    assert caught.value.retry_after_s == pause
    assert str(status) in str(caught.value)
    begun = time.now
    await asked.price("BTCUSDT")
    assert time.now - begun >= pause
    assert transport.hosts == ["one", "one"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 451])
async def test_a_refused_request_is_not_repeated_elsewhere(status: int, time: Time) -> None:
    body = b'{"code":-1121,"msg":"Invalid symbol."}\xff'
    transport = Answers(answer(status, body))
    with pytest.raises(RequestRefused, match=rf"{status}.*Invalid symbol") as caught:
        await rest(transport, time).price("NOSUCH")
    assert (caught.value.status, caught.value.answer) == (status, body)
    assert len(transport.urls) == 1


async def test_the_budget_holds_requests_back(time: Time) -> None:
    transport = Answers(answer())
    asked = rest(transport, time)
    for _ in range(21):
        await asked.depth("BTCUSDT", 5000)
    assert time.now == 1000.0
    await asked.depth("BTCUSDT", 5000)
    assert time.now == pytest.approx(1060.0)
    assert asked.budget.view(time.now).used <= 6000


async def test_the_venues_count_is_read_from_every_answer(time: Time) -> None:
    transport = Answers(
        answer(headers={"x-mbx-used-weight-1m": "5390"}), answer(503, b"", {"x-mbx-used-weight-1m": "x"})
    )
    asked = rest(transport, time)
    await asked.price("BTCUSDT")
    assert asked.budget.view(time.now).used == 5390
    with pytest.raises(FeedUnavailable):
        await asked.depth("BTCUSDT", 100)
    assert time.now == 1000.0
    with pytest.raises(FeedUnavailable):
        await asked.depth("BTCUSDT", 500)
    assert time.now >= 1060.0


async def test_waiting_requests_do_not_break_the_limit_together(time: Time) -> None:
    """Several that wait for the same moment may not all go at it."""
    transport = Answers(answer())
    asked = rest(transport, time)
    asked.budget.limit = 500
    await asyncio.gather(*(asked.depth("BTCUSDT", 5000) for _ in range(5)))
    spent = [(at, weight) for at, weight in asked.budget._spent]
    assert len(transport.urls) == 5
    assert sum(weight for at, weight in spent if at > time.now - 60) <= 500
