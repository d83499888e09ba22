"""`tradetui kill` acts by itself: latch, engine, venues, whatever else is broken; and it tells nobody the keys."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.errors import SettingsInvalid
from engine.orders import UNIT, Fill, Liquidity, OrderFilled, Side
from tests.support.venue import KEY, SECRET, Venue, serve
from tests.support.venue.instruments import KINDS
from tests.support.venue.orders import Order, Wanted
from tradetui.config import load
from tradetui.kill import bybit, killing, line
from tradetui.kill import card as card_module
from tradetui.kill.card import KillCard, VenueCard, make_card, read_card, write_card
from tradetui.kill.killing import KillReport, kill
from tradetui.kill.settings import card_of
from tradetui.latch import Latch
from tradetui.lock import Holder
from tradetui.places import Places, places

KEYS = {
    f"TRADETUI_{venue}_API_{name}": value
    for venue in ("BINANCE", "BYBIT", "MEXC")
    for name, value in (("KEY", KEY), ("SECRET", SECRET))
}
SPOT, LINEAR = "BTC/USDT", "BTC/USDT:USDT"
TRADED = {"binance": (SPOT,), "binanceusdm": (LINEAR,), "bybit": (SPOT, LINEAR)}


@pytest.fixture
def place(tmp_path: Path) -> Places:
    found = places("default", {"HOME": str(tmp_path)})
    found.make()
    return found


class Stage:
    """A venue with its card in the profile."""

    def __init__(self, venue: Venue, place: Places, url: str) -> None:
        self.venue = venue
        self.place = place
        self.url = url
        self.number = 0
        self.card = KillCard(
            mode="live",
            venues=(VenueCard(name=venue.kind, url=url, instruments=TRADED[venue.kind]),),
            database=str(place.database),
        )
        write_card(place.kill_card, self.card)

    def order(self, category: str, kind: str = "limit", **changed: Any) -> Order:
        """Put an order straight into the venue's book."""
        self.number += 1
        listed = next(each for each in KINDS[self.venue.kind] if each.key == f"{category}:BTCUSDT")
        fields: dict[str, Any] = {
            "client": f"x-{self.number}", "instrument": listed, "side": "BUY", "type": kind,
            "quantity": Decimal("0.01"), "price": Decimal(50_000), "said": kind.upper(),
        }  # fmt: skip
        return self.venue.matching.place(Wanted(**(fields | changed)))

    @property
    def standing(self) -> list[Order]:
        return [order for order in self.venue.matching.orders if order.open]

    async def kill(self, **given: Any) -> KillReport:
        report = await asyncio.to_thread(kill, self.place, **({"environment": KEYS} | given))
        assert SECRET not in repr(report)
        assert KEY not in repr(report)
        return report


def unstamped(card: KillCard | None) -> KillCard | None:
    """Return a card without who left it, and when."""
    return None if card is None else msgspec.structs.replace(card, pid=0, at=0)


@contextlib.asynccontextmanager
async def staged(kind: str, place: Places) -> AsyncIterator[Stage]:
    venue = Venue(kind)
    async with serve(venue) as url:
        yield Stage(venue, place, url)


def journal(place: Places, *fills: tuple[str, str, str, str, int]) -> None:
    """Write fills (id, instrument, side, quantity, ms) as the journal has them."""
    place.database.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(place.database)
    connection.execute(
        "CREATE TABLE records"
        " (id INTEGER PRIMARY KEY, kind TEXT, mode TEXT, client_key TEXT UNIQUE, ts INTEGER, body TEXT)"
    )
    for number, instrument, side, quantity, ms in fills:
        fill = Fill(
            id=number, order="x-1", instrument=instrument, side=Side(side), price=60_000 * UNIT,
            quantity=int(Decimal(quantity) * UNIT), fee=0, fee_asset="BTC", liquidity=Liquidity.TAKER, ts=ms * 10**6,
        )  # fmt: skip
        connection.execute(
            "INSERT INTO records (kind, mode, client_key, ts, body) VALUES ('fill', 'live', ?, ?, ?)",
            (number, fill.ts, msgspec.json.encode(OrderFilled(order="x-1", ts=fill.ts, fill=fill)).decode()),
        )
    connection.commit()
    connection.close()


@pytest.mark.parametrize("kind", ["binance", "binanceusdm", "bybit"])
async def test_everything_that_stands_is_cancelled(kind: str, place: Places) -> None:
    async with staged(kind, place) as stage:
        category = "spot" if kind == "binance" else "linear"
        stage.order(category)
        stage.order(category, price=Decimal(40_000))
        if kind == "binanceusdm":  # conditional orders stand apart there
            stage.order(
                category, "stop", side="SELL", price=Decimal(0), trigger=Decimal(50_000), rising=False, algo=True
            )
        if kind == "bybit":
            stage.order("spot")
        count = len(stage.standing)
        report = await stage.kill(reason="a test")
        assert report.done, report
        assert stage.standing == []
        assert len(report.venues[0].canceled) == count
        assert report.latched
        assert "a test" in Latch(place.latch).closed()
        again = await stage.kill()
        assert again.done
        assert again.venues[0].canceled == []


@pytest.mark.parametrize("kind", ["binanceusdm", "bybit"])
async def test_flattening_closes_positions_reduce_only(kind: str, place: Places) -> None:
    journal(place)
    async with staged(kind, place) as stage:
        stage.order("linear", "market", price=Decimal(0), quantity=Decimal("0.02"))
        kept = await stage.kill(flatten=False)
        assert "BTCUSDT 0.02" in kept.venues[0].positions[0]
        assert kept.done
        report = await stage.kill(flatten=True)
        assert report.done, report
        assert stage.venue.matching.wallet.positions["linear:BTCUSDT"].amount == 0
        assert stage.venue.matching.orders[-1].asked.reduce_only
        assert "closed BTCUSDT 0.02" in report.venues[0].closed[0]
        assert (await stage.kill(flatten=True)).venues[0].closed == []


@pytest.mark.parametrize("kind", ["binance", "bybit"])
async def test_on_spot_only_what_the_journal_says_is_ours_is_sold_and_only_once(kind: str, place: Places) -> None:
    async with staged(kind, place) as stage:
        stage.venue.matching.deposit("BTC", Decimal(5))  # somebody else's
        now = time.time_ns() // 10**6
        journal(
            place, ("a1", f"{kind}:{SPOT}", "buy", "0.05", now - 60_000), ("a2", f"{kind}:{SPOT}", "sell", "0.02", now)
        )
        report = await stage.kill(flatten=True)
        assert report.done, report
        assert "sold 0.03" in report.venues[0].closed[0]
        assert stage.venue.matching.wallet.total["BTC"] == Decimal("4.97")
        again = await stage.kill(flatten=True)  # the journal has not heard of it
        assert stage.venue.matching.wallet.total["BTC"] == Decimal("4.97")
        assert "nothing to sell" in again.venues[0].closed[0]


async def test_no_more_than_what_is_free_is_sold(place: Places) -> None:
    async with staged("binance", place) as stage:
        stage.venue.matching.deposit("BTC", Decimal("0.012345678"))
        journal(place, ("a1", f"binance:{SPOT}", "buy", "0.05", time.time_ns() // 10**6))
        report = await stage.kill(flatten=True)
        assert "sold 0.01234 BTC" in report.venues[0].closed[0]
        assert "0.03766 are left" in report.venues[0].closed[0]


@pytest.mark.parametrize("content", [None, b"", b"not a database at all, by any means" * 99])
async def test_without_a_readable_database_it_cancels_sells_nothing_and_says_so(
    content: bytes | None, place: Places
) -> None:
    async with staged("binance", place) as stage:
        stage.venue.matching.deposit("BTC", Decimal(5))
        if content is not None:
            place.database.write_bytes(content)
        stage.order("spot")
        report = await stage.kill(flatten=True)
        assert stage.standing == []
        assert stage.venue.matching.wallet.total["BTC"] == 5
        assert not report.done
        assert "nothing was sold" in report.troubles[0]
        assert (await stage.kill(flatten=False)).done


FAULTS: list[dict[str, Any]] = [
    {"kind": "error", "on": "cancel_all"},
    {"kind": "torn", "on": "cancel_all"},
    {"kind": "broken", "on": "cancel_all"},
    {"kind": "garbage", "on": "cancel_all"},
    {"kind": "cut", "on": "open"},
    {"kind": "throttle", "on": "any", "seconds": 0.1},
    {"kind": "error", "on": "open", "times": 2},
    {"kind": "garbage", "on": "open"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault['kind']}-{fault['on']}")
@pytest.mark.parametrize("kind", ["binance", "bybit"])
async def test_a_venue_that_fails_for_a_moment_is_asked_again(kind: str, fault: dict[str, Any], place: Places) -> None:
    async with staged(kind, place) as stage:
        stage.order("spot")
        stage.venue.control("fault", fault)
        report = await stage.kill()
        assert report.done, report
        assert stage.standing == []


async def test_an_order_to_close_that_was_not_answered_is_not_sent_twice(place: Places) -> None:
    async with staged("binanceusdm", place) as stage:
        stage.order("linear", "market", price=Decimal(0), quantity=Decimal("0.02"))
        stage.venue.control("fault", {"kind": "torn", "on": "submit"})
        report = await stage.kill(flatten=True)
        assert report.done, report
        assert list(stage.venue.heard.values()) == [1]
        assert stage.venue.matching.wallet.positions["linear:BTCUSDT"].amount == 0


@pytest.mark.parametrize("kind", ["binance", "bybit"])
@pytest.mark.parametrize("skew", [-60_000, 60_000])
async def test_a_wrong_clock_is_set_right(kind: str, skew: int, place: Places) -> None:
    async with staged(kind, place) as stage:
        stage.order("spot")
        stage.venue.control("set", {"skew_ms": skew})
        assert (await stage.kill()).done


async def test_an_order_that_was_under_way_is_caught(place: Places) -> None:
    async with staged("binance", place) as stage:
        asyncio.get_running_loop().call_later(0.15, stage.order, "spot")
        report = await stage.kill()
        assert stage.standing == []
        assert len(report.venues[0].canceled) == 1


async def test_a_venue_that_refuses_is_reported_not_hidden(place: Places) -> None:
    async with staged("binance", place) as stage:
        stage.order("spot")
        wrong = {name: value if "KEY" in name else "another" for name, value in KEYS.items()}
        report = await stage.kill(environment=wrong)
        assert not report.done
        assert "Signature for this request is not valid" in " ".join(report.venues[0].troubles)
        assert "look at the venue" in " ".join(report.venues[0].troubles)
        report = await stage.kill(environment={})
        assert not report.done
        assert "keys for it were not found" in report.venues[0].troubles[0]
        assert report.latched


async def test_one_that_does_not_listen_does_not_keep_the_others(
    place: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "PAUSE_S", 0.001)
    async with staged("binance", place) as stage:
        nobody = VenueCard(name="bybit", url="http://127.0.0.1:9", instruments=(SPOT,))
        strange = VenueCard(name="binancecoinm", url="http://127.0.0.1:9")
        nowhere = VenueCard(name="mexc", url="", instruments=(SPOT,))
        card = msgspec.structs.replace(stage.card, venues=(nobody, strange, nowhere, *stage.card.venues))
        write_card(place.kill_card, card)
        stage.order("spot")
        report = await stage.kill()
        assert stage.standing == []
        assert [one.clean for one in report.venues] == [False, False, False, True]
        assert not report.done


STRANGE = [b"[]", b"{}", b"null", b'"text"', b"[1]", b'[{"symbol": 1}]', b"[" * 5000, b"\xff\xfe", b"",
           b'{"retCode": 0}',
           b'{"retCode": 0, "result": {"list": [{}], "nextPageCursor": "x"}}', b'{"orders": {}}']  # fmt: skip


class Strange(BaseHTTPRequestHandler):
    """Answers everything with the text that its address names."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = STRANGE[int(self.path.split("/")[1])]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.mark.parametrize("kind", ["binance", "binanceusdm", "bybit", "mexc"])
async def test_whatever_a_venue_answers_there_is_a_report(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "PAUSE_S", 0.001)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Strange)
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    monkeypatch.setattr(bybit, "PAGES", 2)
    names = (SPOT, LINEAR) if kind == "bybit" else (LINEAR,) if kind == "binanceusdm" else (SPOT,)

    def one(number: int) -> KillReport:
        place = places(f"p{number}", {"HOME": str(tmp_path)})
        place.make()
        url = f"http://127.0.0.1:{server.server_port}/{number}"
        write_card(place.kill_card, KillCard(mode="live", venues=(VenueCard(name=kind, url=url, instruments=names),)))
        return kill(place, environment=KEYS, flatten=False)

    reports = await asyncio.gather(*(asyncio.to_thread(one, number) for number in range(len(STRANGE))))
    server.shutdown()
    serving.join()
    server.server_close()
    for body, report in zip(STRANGE, reports, strict=True):
        assert report.latched
        assert "fault of ours" not in repr(report)
        assert report.done == (body == b"[]" and kind != "bybit"), report


# Without an engine, with one that is stopped or busy, with broken settings. -------------------------------------------

BUSY = """
import asyncio, os, sys, time
from pathlib import Path
from tradetui.latch import Latch
from tradetui.lock import Holder, ProfileLock
from tradetui.places import places
place = places("default")
place.make()
ProfileLock(place.lock).acquire(Holder(pid=os.getpid(), socket=str(place.socket), started=time.time_ns()))
from engine.unix import bound
listening = bound(place.socket)
listening.listen()
print("ready", flush=True)
latch = Latch(place.latch)
while not latch.closed():
    pass
print(time.time_ns(), flush=True)
while True:
    pass
"""


@pytest.fixture
def busy(tmp_path: Path, place: Places) -> Iterator[subprocess.Popen[str]]:
    """A process that has the profile, looks at the latch, and answers nobody."""
    environment = os.environ | {
        "HOME": str(tmp_path),
        "TRADETUI_BINANCE_API_KEY": KEY,
        "TRADETUI_BINANCE_API_SECRET": SECRET,
    }
    process = subprocess.Popen([sys.executable, "-c", BUSY], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


async def command(tmp_path: Path, *arguments: str, keys: dict[str, str] = KEYS) -> tuple[int, str, float]:
    """Run the command as a person does; its exit code, all that it said, and seconds."""
    began = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRADETUI_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tradetui", "kill", *arguments, env=environment | keys | {"HOME": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    assert SECRET not in said.decode()
    return process.returncode, said.decode(), time.monotonic() - began


@pytest.mark.alone
@pytest.mark.parametrize("stopped", [False, True], ids=["busy", "SIGSTOP"])
async def test_within_a_second_with_the_engine_blocked_the_keys_being_its_own(
    stopped: bool, busy: subprocess.Popen[str], place: Places, tmp_path: Path
) -> None:
    async with staged("binance", place) as stage:
        write_card(place.kill_card, msgspec.structs.replace(stage.card, pid=busy.pid, at=time.time_ns()))
        stage.order("spot")
        if stopped:
            busy.send_signal(signal.SIGSTOP)
        code, said, seconds = await command(tmp_path, "--no-flatten", keys={})
        assert stage.standing == []
        assert code == 0, said
        assert "did not answer" in said
        assert seconds < 1.5  # loaded machines; the report says what it is on an idle one
        if stopped:
            busy.send_signal(signal.SIGCONT)
        assert busy.stdout is not None
        assert busy.stdout.readline().strip().isdigit(), "it goes on and sees the latch"


async def test_where_the_latch_cannot_be_closed_an_engine_that_does_not_answer_is_ended(
    busy: subprocess.Popen[str], place: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_card(place.kill_card, make_card("paper", ("binance:BTC/USDT",)))

    def refused(*_: object) -> str:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Latch, "close", refused)
    report = await asyncio.to_thread(kill, place, reason="x", environment={})
    assert not report.done
    assert "was ended" in report.engine
    assert "Read-only file system" in " ".join(report.troubles)
    assert await asyncio.to_thread(busy.wait, 5) == -signal.SIGKILL


async def test_what_a_live_engine_left_is_spoken_of_after_one_on_paper(place: Places) -> None:
    write_card(place.kill_card, make_card("live", ("binance:BTC/USDT", "bybit:BTC/USDT")))
    for _ in range(2):
        write_card(place.kill_card, make_card("paper", ("binance:BTC/USDT",)))
    report = await asyncio.to_thread(kill, place, environment={})
    assert report.done
    assert "traded live at binance, bybit: what it left there is not touched" in report.notes[0]
    write_card(place.kill_card, make_card("live", ("binance:BTC/USDT",)))
    assert unstamped(read_card(place.kill_card)) == make_card("live", ("binance:BTC/USDT",))


async def test_a_disk_that_hangs_does_not_keep_it_from_the_rest(place: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    thawed = threading.Event()
    monkeypatch.setattr(Latch, "close", lambda *_: str(thawed.wait(60)))
    monkeypatch.setattr(killing, "_keep", lambda *_: thawed.wait(60))
    monkeypatch.setattr(killing, "LATCH_S", 0.01)
    report = await asyncio.to_thread(kill, place, reason="x", environment={})
    thawed.set()
    assert not report.done
    assert "the disk did not answer" in " ".join(report.troubles)


async def test_a_key_that_was_pasted_into_the_reason_is_not_kept(place: Places) -> None:
    said = "leaked pasted-secret-77 \x1b[31m"
    environment = {"TRADETUI_BINANCE_API_KEY": "pasted-key-77", "TRADETUI_BINANCE_API_SECRET": "pasted-secret-77"}
    report = await asyncio.to_thread(kill, place, reason=said, environment=environment)
    assert report.reason == "leaked *** ?[31m"
    kept = place.latch.read_text() + place.kills.read_text()
    assert "pasted-secret" not in kept
    assert "leaked ***" in kept


async def test_a_key_of_the_file_or_half_a_pair_is_not_kept_either(place: Places, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text('[bybit]\napi_key = "filed-key-77"\napi_secret = "filed-secret-77"\n')
    keys.chmod(0o600)
    write_card(place.kill_card, make_card("testnet", ("binance:BTC/USDT",), credentials=str(keys)))
    environment = {"TRADETUI_BINANCE_API_KEY": "lonely-key-77"}
    said = "leaked filed-secret-77 lonely-key-77"
    report = await asyncio.to_thread(kill, place, reason=said, environment=environment)
    assert report.reason == "leaked *** ***"
    kept = place.latch.read_text() + place.kills.read_text()
    assert "-77" not in kept


async def test_with_broken_settings_it_still_latches_and_goes_by_what_the_engine_left(
    place: Places, tmp_path: Path
) -> None:
    file = tmp_path / ".config" / "tradetui" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("this is [not TOML")
    code, said, _ = await command(tmp_path, "--reason", "no card")
    assert code == 1
    assert "the settings cannot be read" in said
    assert "no card" in Latch(place.latch).closed()
    async with staged("binance", place) as stage:
        stage.order("spot")
        code, said, _ = await command(tmp_path, "--json")
        assert code == 0, said
        assert json.loads(said)["venues"][0]["canceled"]
        assert stage.standing == []


async def test_paper_without_an_engine_is_the_latch_alone(place: Places, tmp_path: Path) -> None:
    write_card(place.kill_card, make_card("paper", ("binance:BTC/USDT",)))
    code, said, _ = await command(tmp_path)
    assert code == 0
    assert "kill switch closed" in said
    assert "no engine of this profile is running" in said
    assert Latch(place.latch).closed()


def test_a_replay_has_nothing_at_any_venue(place: Places, tmp_path: Path) -> None:
    replay = places("default/1", {"HOME": str(tmp_path)})
    replay.make()
    live = KillCard(mode="live", venues=(VenueCard(name="binance", url="http://127.0.0.1:9", instruments=(SPOT,)),))
    report = kill(replay, environment=KEYS, card=lambda: live)
    assert report.done
    assert report.venues == []
    assert Latch(replay.latch).closed()
    assert Latch(place.latch).closed() == ""


def test_without_a_card_the_settings_say_what_is_traded_and_where(place: Places, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        """
        [data_provider]
        symbols = ["BTC/USDT", "binanceusdm:BTC/USDT:USDT"]
        [trading]
        mode = "testnet"
        [trading.addresses.binanceusdm]
        rest = "http://127.0.0.1:9"
        [trading.priced_by]
        "bybit:BTC/USDT" = "binance:BTC/USDT"
        """
    )
    card = card_of(load(file), place)
    assert {(venue.name, venue.url) for venue in card.venues} >= {
        ("binance", "https://testnet.binance.vision"), ("binanceusdm", "http://127.0.0.1:9"),
        ("bybit", "https://api-testnet.bybit.com"),
    }  # fmt: skip
    assert card.database.endswith("market-testnet.db")


# A card that is not of the last engine. -------------------------------------------------------------------------------

HOUR = 3600 * 10**9


def last_start(place: Places, pid: int = 999_999, ago: int = HOUR) -> None:
    """Leave the note of an engine that did not end cleanly."""
    left = Holder(pid=pid, socket=str(place.socket), started=time.time_ns() - ago)
    place.lock.write_bytes(msgspec.json.encode(left))


def older(card: KillCard) -> KillCard:
    return msgspec.structs.replace(card, pid=4711, at=time.time_ns() - 5 * HOUR)


async def test_a_card_of_the_last_engine_is_gone_by_without_a_word(place: Places) -> None:
    async with staged("binance", place) as stage:
        last_start(place, os.getpid())
        stage.order("spot")
        report = await stage.kill()
        assert (report.done, report.troubles) == (True, [])
        assert not any("no word of what it trades" in each for each in report.notes)


async def test_an_older_card_is_gone_by_and_said_to_be_one(place: Places) -> None:
    async with staged("binance", place) as stage:
        write_card(place.kill_card, older(stage.card))
        last_start(place)
        stage.order("spot")
        report = await stage.kill()
        assert stage.standing == []
        assert report.mode == "live"
        assert not report.done
        (trouble,) = report.troubles
        assert re.search(r"the last engine \(pid 999999, started 2[-\d :]+Z, 1 h ago\) has left no word", trouble)
        assert re.search(r"live at binance, as an older one \(pid 4711, 2[-\d :]+Z\) left 5 h ago", trouble)


async def test_settings_that_say_the_same_make_an_older_card_good(place: Places) -> None:
    async with staged("binance", place) as stage:
        write_card(place.kill_card, older(stage.card))
        last_start(place)
        stage.order("spot")
        report = await stage.kill(card=lambda: stage.card)
        assert stage.standing == []
        assert (report.done, report.troubles, len(report.venues)) == (True, [], 1)
        assert any("the settings say the same" in each for each in report.notes)


async def test_what_the_settings_trade_is_cancelled_though_an_older_card_says_paper(place: Places) -> None:
    async with staged("binance", place) as stage:
        write_card(place.kill_card, older(make_card("paper", ())))
        last_start(place)
        stage.order("spot")
        report = await stage.kill(card=lambda: stage.card)
        assert stage.standing == []
        assert report.mode == "live, paper"
        assert not report.done
        assert "live at binance, as the settings say" in " ".join(report.troubles)


async def test_what_either_says_is_cancelled(place: Places) -> None:
    """Play money once, and real money by the settings of now: at both places, each with its own journal."""
    async with staged("binance", place) as stage, serve(Venue("bybit")) as url:
        other = VenueCard(name="bybit", url=url, instruments=(LINEAR,))
        write_card(place.kill_card, older(msgspec.structs.replace(stage.card, mode="testnet")))
        last_start(place)
        stage.order("spot")
        report = await stage.kill(card=lambda: KillCard(mode="live", venues=(other,), database=str(place.database)))
        assert stage.standing == []
        assert [one.venue for one in report.venues] == ["bybit", "binance"]
        assert all(one.clean for one in report.venues)
        same = msgspec.structs.replace(stage.card, venues=(other,))
        write_card(place.kill_card, older(stage.card))
        report = await stage.kill(card=lambda: same)
        assert (report.mode, [one.venue for one in report.venues]) == ("live", ["bybit", "binance"])


async def test_an_older_card_with_settings_that_cannot_be_read(place: Places) -> None:
    def broken() -> KillCard:
        raise SettingsInvalid("this is not TOML")

    write_card(place.kill_card, older(make_card("paper", ())))
    last_start(place)
    report = await asyncio.to_thread(kill, place, environment={}, card=broken)
    assert report.latched
    assert not report.done
    assert "the settings cannot be read: this is not TOML" in " ".join(report.troubles)


async def test_an_older_card_does_not_close_positions_that_the_settings_keep(place: Places) -> None:
    async with staged("binance", place) as stage:
        write_card(place.kill_card, older(msgspec.structs.replace(stage.card, flatten=True)))
        last_start(place)
        assert not (await stage.kill(card=lambda: stage.card)).flatten
        assert (await stage.kill(card=lambda: stage.card, flatten=True)).flatten
        assert (await stage.kill()).flatten


def full(monkeypatch: pytest.MonkeyPatch, *, renames: bool = True) -> None:
    """Let nothing be written: as on a full disk, where a file can still be renamed, or on a broken one."""
    replace = Path.replace

    def written(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def renamed(self: Path, target: Path) -> Path:
        if renames:
            return replace(self, target)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(card_module.os, "fsync", written)
    monkeypatch.setattr(Path, "replace", renamed)


async def test_a_card_that_cannot_be_written_makes_the_one_before_an_older_one(
    place: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after the engine has ended cleanly, when no note tells of it any more."""
    async with staged("binance", place) as stage:
        live = make_card("live", ("bybit:BTC/USDT",))
        with monkeypatch.context() as patch:
            full(patch)
            said = write_card(place.kill_card, live)
        assert "No space left on device" in said
        assert "`tradetui kill` without this engine" in said
        assert "live at bybit" in said
        assert f"live at binance, as an older one (pid {os.getpid()}" in said
        assert read_card(place.kill_card) is None
        stage.order("spot")
        report = await stage.kill()
        assert stage.standing == []
        assert not report.done
        assert "the last engine has left no word of what it trades" in report.troubles[0]
        assert sorted(each.name for each in place.state.iterdir() if each.name.startswith("kill.json")) == [
            "kill.json.old"
        ]
        assert write_card(place.kill_card, live) == ""
        assert not place.kill_card.with_name("kill.json.old").exists()
        assert (await stage.kill(environment={})).mode == "live"


def test_where_not_even_that_goes_it_is_said_what_would_be_believed(
    place: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_card(place.kill_card, make_card("paper", ()))
    full(monkeypatch, renames=False)
    said = write_card(place.kill_card, make_card("live", ("binance:BTC/USDT",)))
    assert "would take that for this engine's" in said
    assert "live at binance" in said


def test_without_an_older_card_it_is_said_that_there_is_none(place: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    full(monkeypatch)
    said = write_card(place.kill_card, make_card("live", ("binance:BTC/USDT",)))
    assert "goes by the settings that it finds" in said
    assert "older one" not in said


async def test_a_card_that_cannot_be_read_is_none_and_said(place: Places) -> None:
    place.kill_card.write_bytes(b'{"mode":"li')
    report = await asyncio.to_thread(kill, place, environment={}, card=lambda: make_card("paper", ()))
    assert not report.done
    assert "the last engine has left no word of what it trades that can be read" in report.troubles[0]


def test_nothing_that_takes_time_is_loaded() -> None:
    code = "import sys, tradetui.__main__, tradetui.kill.command; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "ccxt",
        "aiohttp",
        "textual",
        "polars",
        "numpy",
        "aiosqlite",
        "typer",
        "rich",
        "asyncio",
        "engine.runtime",
        "engine.types",
        "tradetui.config",
    }
    assert not heavy & set(loaded)


def test_the_card_holds_no_key_and_is_for_its_owner_alone(place: Places) -> None:
    card = make_card("testnet", ("binance:BTC/USDT", "binance:ETH/USDT", "bybit:BTC/USDT:USDT"), credentials="/k.toml")
    write_card(place.kill_card, card)
    assert place.kill_card.stat().st_mode & 0o777 == 0o600
    left = read_card(place.kill_card)
    assert unstamped(left) == card
    assert left is not None
    assert left.pid == os.getpid()
    assert 0 <= time.time_ns() - left.at < 60 * 10**9
    assert [(venue.name, venue.url, len(venue.instruments)) for venue in card.venues] == [
        ("binance", "https://testnet.binance.vision", 2), ("bybit", "https://api-testnet.bybit.com", 1),
    ]  # fmt: skip
    assert make_card("paper", ("binance:BTC/USDT",)).venues == ()
    place.kill_card.write_bytes(b"\xff")
    assert read_card(place.kill_card) is None


async def test_no_secret_is_left_anywhere(place: Places, tmp_path: Path) -> None:
    async with staged("binance", place) as stage:
        stage.venue.control(
            "fault", {"kind": "refuse", "on": "open", "times": 9, "text": f"bad secret {SECRET} key {KEY}"}
        )
        code, said, _ = await command(tmp_path, "--reason", "why")
        assert code == 1
        assert KEY not in said
    searched(tmp_path)
    assert b"why" in place.kills.read_bytes()


def searched(folder: Path) -> None:
    """Look for the marked key in everything that was written."""
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert SECRET.encode() not in content, path
            assert KEY.encode() not in content, path
