"""Requests, the codec under odd white space, and subscribers: what a review found, kept from coming back."""

from __future__ import annotations

import asyncio
import json
import re
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as search
from hypothesis import strategies as st

import engine.runtime
from engine.errors import ProtocolError, RequestRefused, VenueThrottled
from engine.ingestion.binance import Codec
from engine.ingestion.markets import SPOT, USDM
from engine.ingestion.rest import Rest
from engine.ports import Response
from engine.runtime import Engine
from engine.snapshot import CobView, cob_view
from engine.types import BookDelta, BookSnapshot, FeedLost, PriceReported
from tests.engine.support import BTC, BTC_USDM, delta, snapshot
from tests.live.test_stopping import BTC as KEY
from tests.live.test_stopping import Network, Seen, play
from tests.support.virtual_clock import VirtualClock

# Requests. --------------------------------------------------------------------------------------------------------


class Answers:
    """Prepared answers, the last one for ever."""

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)
        self.hosts: list[str] = []

    async def get(self, url: str, *, timeout_s: float) -> Response:  # noqa: ASYNC109, RUF100
        self.hosts.append(url.partition("://")[2].partition("/")[0])
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def answer(status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(status=status, headers=headers or {}, body=b"{}")


def rest(transport: Answers) -> Rest:
    return Rest(SPOT, ("https://one", "https://two"), transport, lambda: 1000.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [403, 451])
async def test_an_address_that_is_closed_to_us_is_left_for_the_next(status: int) -> None:
    transport = Answers(answer(status), answer())
    asked = rest(transport)
    with pytest.raises(RequestRefused) as caught:
        await asked.price("BTCUSDT")
    assert caught.value.status == status
    assert await asked.price("BTCUSDT") == b"{}"
    assert await asked.price("BTCUSDT") == b"{}"
    assert transport.hosts == ["one", "two", "two"]


@pytest.mark.parametrize("status", [400, 404])
async def test_a_request_that_is_wrong_itself_stays_at_its_address(status: int) -> None:
    transport = Answers(answer(status), answer())
    asked = rest(transport)
    with pytest.raises(RequestRefused):
        await asked.price("BTCUSDT")
    await asked.price("BTCUSDT")
    assert transport.hosts == ["one", "one"]


@pytest.mark.parametrize(("said", "pause"), [("1.5", 1.5), ("0.25", 0.25), ("7", 7.0), ("1.2.3", 5.0), (".", 5.0)])
async def test_the_venue_may_say_fractions_of_a_second(said: str, pause: float) -> None:
    asked = rest(Answers(answer(429, {"retry-after": said})))
    with pytest.raises(VenueThrottled) as caught:
        await asked.price("BTCUSDT")
    assert caught.value.retry_after_s == pause
    assert asked.budget.view(1000.0).blocked_s == pause


@pytest.mark.parametrize("rest_s", [0.02, 0.3, 1.0])
def test_a_snapshot_that_stays_too_old_is_asked_for_ever_more_slowly(rest_s: float, recordings_root_path: Path) -> None:
    asked: list[float] = []

    async def scene(engine: Engine, network: Network, seen: Seen, stop: asyncio.Event) -> None:
        network._rest_s = rest_s
        real, time = network.get, asyncio.get_running_loop().time

        async def get(url: str, *, timeout_s: float) -> object:  # noqa: ASYNC109, RUF100
            response = await real(url, timeout_s=timeout_s)
            if "/depth" not in url:
                return response
            asked.append(time())
            body = re.sub(rb'"lastUpdateId":\d+', b'"lastUpdateId":1', response.body)
            return msgspec.structs.replace(response, body=body)

        network.get = get  # type: ignore[method-assign, assignment]
        while not asked:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        await asyncio.sleep(10)
        assert not engine.state.markets[KEY].sync.live

    play(recordings_root_path, scene, (KEY,))
    pauses = [later - at for at, later in pairwise(asked)]
    assert 4 <= len(asked) <= 10
    assert pauses[-1] > 2
    assert all(later >= at for at, later in pairwise(pauses[1:]))


async def test_a_full_lane_drops_frames_but_neither_answers_nor_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.runtime, "LANE", 5)
    made = Engine(VirtualClock())
    for number in range(1, 9):
        made.deliver(number, "binance", delta(number), b"{}")
    assert (len(made._market), made.overflow) == (5, 3)
    answers = [snapshot(9, [(1, 1)], [(2, 1)]), PriceReported(instrument=BTC.key, price=1)]
    for number, event in enumerate(answers):
        made.deliver(10 + number, "binance:rest", event, b"{}")
    made.deliver(20, "binance", FeedLost(source="binance", reason="gone"), b"")
    assert [event for _, _, event, _ in list(made._market)[5:]] == [
        *answers,
        FeedLost(source="binance", reason="gone"),
    ]
    assert made.overflow == 3


# The codec. -------------------------------------------------------------------------------------------------------

CODECS = {"binance": (Codec(SPOT, [BTC]), BTC), "binanceusdm": (Codec(USDM, [BTC_USDM]), BTC_USDM)}
TOKEN = re.compile(r'"[^"]*"|[\[\]{}:,]|[^\s"\[\]{}:,]+')
PRICES = st.integers(1, 99_999).map(lambda n: (f"{n}.10", n))
SIZES = st.integers(0, 99_999).map(lambda n: (f"{n}.000", n))
LEVELS = st.lists(st.tuples(PRICES, SIZES), max_size=4)
SPACE = st.sampled_from(["", "", "", " ", "  ", "\t", "\r", "\n"])


def spaced(text: str, draw: st.DataObject, inside: bool) -> bytes:
    """White space between the tokens; with `inside`, also in one of the texts."""
    tokens = TOKEN.findall(text)
    assert "".join(tokens) == text
    texts = [place for place, token in enumerate(tokens) if re.fullmatch(r'"[\d.]+"', token)]
    if inside and texts:
        place = draw.draw(st.sampled_from(texts))
        at = draw.draw(st.integers(1, len(tokens[place]) - 1))
        tokens[place] = tokens[place][:at] + " " + tokens[place][at:]
    if draw.draw(st.booleans()):
        places = draw.draw(st.sets(st.integers(0, len(tokens) - 1), max_size=3))
        spaces = {place: draw.draw(SPACE) for place in places}
        return "".join(token + spaces.get(place, "") for place, token in enumerate(tokens)).encode()
    spaces_all = draw.draw(st.lists(SPACE, min_size=len(tokens), max_size=len(tokens)))
    return "".join(token + space for token, space in zip(tokens, spaces_all, strict=True)).encode()


def scaled(side: list[tuple[tuple[str, int], tuple[str, int]]], price_decimals: int, size_decimals: int) -> tuple:
    # "n.10" in ticks, "n.000" in lots.
    return tuple(
        (p * 10**price_decimals + 10 ** (price_decimals - 1), q * 10**size_decimals) for (_, p), (_, q) in side
    )


def plain(side: list[tuple[tuple[str, int], tuple[str, int]]]) -> list[tuple[str, str]]:
    return [(p, q) for (p, _), (q, _) in side]


@pytest.mark.parametrize("venue", list(CODECS))
@pytest.mark.parametrize("kind", ["diff", "snapshot"])
@search(max_examples=250, deadline=None, derandomize=True)
@given(bids=LEVELS, asks=LEVELS, data=st.data())
def test_white_space_and_order_never_change_the_scale(
    venue: str, kind: str, bids: list, asks: list, data: st.DataObject
) -> None:
    codec, instrument = CODECS[venue]
    diff = kind == "diff"
    names = ("b", "a") if diff else ("bids", "asks")
    head: list[tuple[str, object]] = [("e", "depthUpdate"), ("E", 1723161600123), ("s", "BTCUSDT"), ("U", 7), ("u", 9)]
    fields = [*(head if diff else [("lastUpdateId", 9)]), (names[0], plain(bids)), (names[1], plain(asks))]
    fields = data.draw(st.one_of(st.just(fields), st.permutations(fields)))
    body: object = dict(fields)
    if diff:
        body = {"stream": "btcusdt@depth", "data": body}
    inside = data.draw(st.booleans()) and data.draw(st.booleans())
    text = spaced(json.dumps(body, separators=(",", ":")), data, inside)
    assert inside or json.loads(text) == json.loads(json.dumps(body))
    try:
        event = codec.decode(text)[0] if diff else codec.snapshot("BTCUSDT", text)
    except ProtocolError:
        return
    assert isinstance(event, BookDelta if diff else BookSnapshot)
    assert event.last_id == 9
    pd, sd = instrument.price_decimals, instrument.size_decimals
    assert (event.bids, event.asks) == (scaled(bids, pd, sd), scaled(asks, pd, sd))


@pytest.mark.parametrize("form", ["{b},{a}", "{a},{b}", "{b} , {a}"])
@pytest.mark.parametrize("level", ['["60000.1","2"]', '[ "60000.1" , "2" ]', '["60000.1","2" ]', '["60000.1", "2"]'])
@pytest.mark.parametrize("colon", [":", " : "])
def test_readable_messages_are_read(form: str, level: str, colon: str) -> None:
    codec, _ = CODECS["binance"]
    for names in (("b", "a"), ("bids", "asks")):
        b, a = (f'"{name}"{colon}[{level},["60000.2","3"]]' for name in names)
        sides = form.format(b=b, a=a)
        if names[0] == "b":
            body = '"e":"depthUpdate","E":1723161600123,"s":"BTCUSDT","U":7,"u":9,' + sides
            event = codec.decode(('{"stream":"btcusdt@depth","data":{' + body + "}}").encode())[0]
        else:
            event = codec.snapshot("BTCUSDT", ('{"lastUpdateId":9,' + sides + "}").encode())
        assert isinstance(event, BookDelta | BookSnapshot)
        assert event.bids == event.asks == ((6_000_010, 200_000), (6_000_020, 300_000))


@pytest.mark.parametrize("venue", list(CODECS))
def test_one_diff_with_a_huge_last_id_is_refused(venue: str) -> None:
    codec, _ = CODECS[venue]

    def diff(first: int, last: int) -> bytes:
        prev = f'"pu":{first - 1},' if venue == "binanceusdm" else ""
        body = f'"e":"depthUpdate","E":1723161600123,"T":1723161600120,"s":"BTCUSDT","U":{first},"u":{last},{prev}'
        return ('{"stream":"btcusdt@depth","data":{' + body + '"b":[["60000.1","2"]],"a":[]}}').encode()

    with pytest.raises(ProtocolError, match="update ids"):
        codec.decode(diff(100, 100 + 10**12))
    with pytest.raises(ProtocolError, match="update ids"):
        codec.decode(diff(100, 99))
    event = codec.decode(diff(100, 5100))[0]
    assert isinstance(event, BookDelta)
    assert (event.prev_id, event.last_id) == (99, 5100)


# Subscribers. -----------------------------------------------------------------------------------------------------


def test_a_cob_view_that_fails_does_not_stop_the_pump(
    recordings_root_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views: list[CobView] = []
    calls: list[str] = []

    def broken(_state: object, key: str, _now: int) -> CobView:
        calls.append(key)
        raise RuntimeError("our bug")

    async def scene(made: Engine, network: Network, seen: Seen, stop: asyncio.Event) -> None:
        await asyncio.sleep(2)
        made.distributor.subscribe(views.append, [KEY], "one")
        monkeypatch.setattr(engine.runtime, "cob_view", broken)
        messages, tenth = made.messages, made.state.tenth
        await asyncio.sleep(2)
        assert made.messages - messages > 20
        assert made.state.tenth - tenth >= 19
        assert len(calls) >= 19
        assert views == []
        assert made.state.markets[KEY].sync.live
        monkeypatch.setattr(engine.runtime, "cob_view", cob_view)
        await asyncio.sleep(1)
        assert len(views) >= 9
        assert views[-1].live

    play(recordings_root_path, scene, (KEY,))
