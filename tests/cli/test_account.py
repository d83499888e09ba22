"""What the commands about the account print: of a running engine, of the database where none runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from engine.errors import EngineUnreachable, RequestDenied
from engine.orders import Fill, FillKept, Liquidity, Mode, Side, decimal, units
from engine.trading import past, riskview, views
from engine.trading.recall import image
from engine.tradingviews import JournalView
from storage.writer import Writer
from tests.engine.trading.books import KEY, Books
from tradetui import client
from tradetui.cli import account, reading
from tradetui.cli.account import SHORT, _short
from tradetui.cli.app import app
from tradetui.places import places

Run = Callable[..., str]


@pytest.fixture(scope="module")
def books() -> Books:
    """A trade that was stopped out, an open position with a stop, and an order that rests."""
    books = Books()
    books.order("buy", "0.05", stop_loss="59000")
    books.move(5_890_000, 5_890_200)
    books.wait(301.0)
    books.order("buy", "0.02", stop_loss="58000")
    books.order("buy", "0.01", "limit", price="57000")
    books.order("sell", "7")
    return books


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == code or (code and isinstance(done.exception, Exception)), done.output
        return done.output if not code else str(done.exception)

    return run


class Answering:
    """An engine that answers out of books, as a client sees it."""

    def __init__(self, books: Books, denies: str = "") -> None:
        self.books = books
        self.denies = denies
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def get(self, topic: str, kind: Any, **asked: Any) -> Any:
        self.asked.append((topic, asked))
        if self.denies and topic not in past.PAST:
            raise RequestDenied(self.denies, "trading is off")
        books, state, of = self.books, self.books.driver.state, self.books.account
        if topic in past.PAST:
            start, end = (None if asked[name] is None else asked[name] * 10**6 for name in ("start_ms", "end_ms"))
            found: Any = past.past(
                books.kept, topic, limit=asked["limit"], start=start, end=end, instrument=asked["instrument"]
            )
        else:
            found = {
                "trading": lambda: views.trading_view(state, of, books.now),
                "positions": lambda: views.positions_view(state, of),
                "orders": lambda: views.orders_view(of),
                "risk": lambda: riskview.risk_view(state, of, books.now, None),
            }[topic]()
        return msgspec.convert(msgspec.to_builtins(found), kind)


@pytest.fixture
def engine(books: Books, monkeypatch: pytest.MonkeyPatch) -> Answering:
    """A running engine."""
    answering = Answering(books)

    @asynccontextmanager
    async def engine_of(*_: object) -> Any:
        yield answering

    monkeypatch.setattr(client, "engine_of", engine_of)
    return answering


@pytest.fixture
def stored(books: Books, run: Run) -> Run:
    """No engine, and the records of one that has ended."""

    async def write() -> None:
        async with Writer(places("default").database) as writer:
            for row in books.kept.rows:
                await writer.record(row.kind, row.key, row.body, mode="paper", ts=row.ts)

    asyncio.run(write())
    return run


# A running engine. ----------------------------------------------------------------------------------------------------


def test_open_positions(engine: Answering, run: Run) -> None:
    said = run("positions")
    assert KEY in said
    assert "58000" in said
    assert "engine" in said
    (row,) = json.loads(run("positions", "--json"))
    assert (row["quantity"], row["stop_held"], row["mode"]) == ("0.01998", "engine", "paper")
    assert run("positions", "--symbol", "ETH/USDT") == "no open position\n"


def test_open_orders_and_all_of_them(engine: Answering, run: Run) -> None:
    opened = json.loads(run("orders", "--json"))
    assert {(each["type"], each["state"]) for each in opened} == {("limit", "working"), ("stop", "working")}
    every = json.loads(run("orders", "--all", "--json"))
    assert len(every) > len(opened)
    assert {each["id"] for each in opened} <= {each["id"] for each in every}
    said = run("orders", "--all")
    assert "filled" in said
    assert "reduce only" in said
    assert "operator" in said
    assert len(json.loads(run("orders", "--all", "--limit", "2", "--json"))) == 2
    assert run("orders", "--symbol", "ETH/USDT").startswith("no open order")


def test_fills(engine: Answering, run: Run) -> None:
    said = run("fills", "--since", "2024-08-09")
    assert "58900" in said
    assert "taker" in said
    assert engine.asked[-1] == (
        "fill_history", {"instrument": "", "limit": 50, "start_ms": 1_723_161_600_000, "end_ms": None},
    )  # fmt: skip
    rows = json.loads(run("fills", "--json"))
    assert [each["realised"] for each in rows] == ["0", "-54.99495", "0"]
    assert "realised" in said.splitlines()[0]
    assert "-54.99495" in said
    assert run("fills", "--since", "2025-01-01") == "no fill\n"


def test_risk(engine: Answering, run: Run) -> None:
    said = run("risk")
    assert said.startswith("PAPER ACTIVE")
    assert "max_open_trades" in said
    assert "Open trades at a time." in said
    assert f"{KEY}: stop-loss 58000 (here)" in said
    found = json.loads(run("risk", "--json"))
    assert (found["trading"]["mode"], len(found["risk"]["limits"])) == ("paper", 15)


def test_what_trades_brought(engine: Answering, run: Run) -> None:
    said = run("pnl")
    for word in ("PAPER ACTIVE", "2024-08-09", KEY, "hit rate 0.00 %", "long", "realised -54.99495"):
        assert word in said
    found = json.loads(run("pnl", "--json"))
    assert found["closed"]["total"]["net"] == found["trades"][0]["net"] == "-60.937055"
    assert found["now"]["equity"]


def test_who_changed_what(engine: Answering, run: Run) -> None:
    said = run("audit")
    assert "anna (console 7)" in said
    assert "refused" in said
    assert "is more than" in said
    assert len(json.loads(run("audit", "--limit", "1", "--json"))) == 1


def test_long_states_do_not_push_what_came_of_it_out_of_sight() -> None:
    assert (len(_short("reduce: " + "x" * 200)), _short("active")) == (SHORT, "active")


def test_an_engine_that_does_not_trade_is_not_an_error_where_the_past_is_meant(engine: Answering, run: Run) -> None:
    engine.denies = "not_available"
    assert "trading is off" in run("positions", code=2)
    assert json.loads(run("pnl", "--json"))["now"] is None


def test_more_trades_than_one_answer_holds_are_asked_for_page_by_page(
    monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    rows = [
        JournalView(
            id=f"t{number}", instrument=KEY, mode="paper", side="long", quantity="1", entry="1", exit="1", opened=0,
            closed=(number // 3) * 10**6, gross="1", fees="0", funding="0", net="1", r=None, reason="",
        )
        for number in range(40, 0, -1)
    ]  # fmt: skip
    monkeypatch.setattr(reading, "PAGE", 7)

    def page(*_: object, end_ms: int | None = None, **__: object) -> tuple[list[JournalView], bool]:
        return [row for row in rows if end_ms is None or row.closed < end_ms * 10**6][:7], False

    monkeypatch.setattr(reading, "past_rows", page)
    monkeypatch.setattr(account, "reached", lambda *_: None)
    assert json.loads(run("pnl", "--json"))["closed"]["total"]["trades"] == 40


# No engine. -----------------------------------------------------------------------------------------------------------


def test_without_an_engine_the_past_is_read_from_the_database(stored: Run) -> None:
    for command, word in (("orders", "working"), ("fills", "58900"), ("pnl", "-60.937055"), ("audit", "anna")):
        said = stored(command)
        assert said.startswith("no engine that trades is running; this is what is stored"), command
        assert word in said
    assert len(json.loads(stored("orders", "--json"))) == 2
    assert len(json.loads(stored("orders", "--all", "--json"))) > 2
    assert len(json.loads(stored("fills", "--symbol", "BTC/USDT", "--limit", "2", "--json"))) == 2


def test_what_was_earned_is_told_without_an_engine_and_what_is_open_is_named(stored: Run, books: Books) -> None:
    """Hand-made market: 0.05 bought at 60001, its fee in the base asset, and stopped out; then 0.02 bought again."""
    said = stored("pnl")
    of = views.trading_view(books.driver.state, books.account, books.now)
    (held,) = views.positions_view(books.driver.state, books.account)
    cost = books.account.ledgers["paper"].positions[KEY].cost
    assert f"realised {of.realised} USDT  fees {of.fees} USDT  funding none" in said
    assert "unrealised: unknown without an engine, for open positions need a price" in said
    (row,) = (line for line in said.splitlines() if line.startswith(KEY) and held.quantity in line)
    assert decimal(cost) in row
    found = json.loads(stored("pnl", "--json"))
    assert found["now"] is None
    known = found["stored"]
    assert (known["mode"], known["realised"], known["fees"]) == ("paper", {"USDT": of.realised}, {"USDT": of.fees})
    assert (known["unrealised"], known["ts"]) == (None, max(row.ts for row in books.kept.rows))
    assert [(each["instrument"], each["quantity"], each["cost"]) for each in known["positions"]] == [
        (KEY, held.quantity, decimal(cost))
    ]
    assert found["closed"]["total"]["net"] == "-60.937055"
    assert json.loads(stored("pnl", "--symbol", "ETH/USDT", "--json"))["stored"]["positions"] == []
    assert "no open position" in stored("pnl", "--symbol", "ETH/USDT")


def test_what_is_stored_is_the_newest_image_and_what_came_after(run: Run) -> None:
    books = Books()
    books.order("buy", "0.02")
    held = image(books.account)
    before = len(books.kept.rows)
    books.order("buy", "0.01")

    async def write() -> None:
        async with Writer(places("default").database) as writer:
            for place, row in enumerate(books.kept.rows):
                if place == before:
                    await writer.record("image", "i", msgspec.json.encode(held), mode="paper", ts=books.now)
                if place >= before or row.kind == "order":  # of what the image holds the fills are missing here
                    await writer.record(row.kind, row.key, row.body, mode="paper", ts=row.ts)

    asyncio.run(write())
    (row,) = json.loads(run("pnl", "--json"))["stored"]["positions"]
    assert row["quantity"] == views.positions_view(books.driver.state, books.account)[0].quantity == "0.02997"
    assert "no closed trade" in run("pnl")


def test_a_live_account_is_told_by_asset_over_all_its_venues(run: Run, tmp_path: Path) -> None:
    """Hand-made records of a bought coin and a short contract, and a sale in another quote asset."""
    file = tmp_path / "XDG_CONFIG_HOME" / "tradetui" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[trading]\nmode = "live"\n')
    here = places("default").of_mode("live")

    def fill(number: int, key: str, side: str, quantity: str, price: str, fee: str, asset: str) -> FillKept:
        one = Fill(
            id=str(number), order=f"o-{number}", instrument=key, side=Side(side), quantity=units(quantity),
            price=units(price), fee=units(fee), fee_asset=asset, liquidity=Liquidity.TAKER, mode=Mode.LIVE, ts=number,
        )  # fmt: skip
        return FillKept(order=one.order, ts=number, fill=one)

    fills = [
        fill(1, "binance:ETH/BTC", "buy", "2", "0.05", "0.0001", "BTC"),
        fill(2, "binance:ETH/BTC", "sell", "1", "0.06", "0.0001", "BTC"),
        fill(3, "bybit:BTC/USDT:USDT", "sell", "0.5", "60000", "3", "USDT"),
    ]

    async def write() -> None:
        async with Writer(here.database) as writer:
            for each in fills:
                await writer.record("fill", f"f{each.ts}", msgspec.json.encode(each), mode="live", ts=each.ts)

    here.make()
    asyncio.run(write())
    known = json.loads(run("pnl", "--json"))["stored"]
    assert (known["mode"], known["realised"]) == ("live", {"BTC": "0.01"})
    assert known["fees"] == {"BTC": "0.0002", "USDT": "3"}
    held = [(each["instrument"], each["quantity"], each["cost"], each["asset"]) for each in known["positions"]]
    assert held == [("binance:ETH/BTC", "1", "0.05", "BTC"), ("bybit:BTC/USDT:USDT", "-0.5", "-30000", "USDT")]
    said = run("pnl")
    assert said.splitlines()[1].startswith("LIVE, as last known 1970")
    assert "realised 0.01 BTC  fees 0.0002 BTC, 3 USDT" in said


def test_a_record_that_cannot_be_read_is_said(run: Run) -> None:
    async def write() -> None:
        async with Writer(places("default").database) as writer:
            await writer.record("order", "o", b'{"when":1}', mode="paper", ts=1)

    asyncio.run(write())
    assert "cannot be read by this version of tradetui" in run("pnl", code=2)


@pytest.mark.parametrize("command", ["positions", "risk"])
def test_what_only_an_engine_knows_needs_one(stored: Run, command: str) -> None:
    assert "no engine of profile 'default' is running" in stored(command, code=2)


def test_an_engine_that_hangs_is_not_passed_over(stored: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def hung(*_: object) -> object:
        raise EngineUnreachable("the engine does not answer", hung=True)

    monkeypatch.setattr(client, "engine_of", hung)
    for command in ("orders", "fills", "pnl", "audit"):
        assert "does not answer" in stored(command, code=2)


def test_without_a_database_it_is_said_what_makes_one(run: Run) -> None:
    assert "there is no database" in run("fills", code=2)


@pytest.mark.parametrize("since", ["yesterday", "2h30", "2024-13-01", "-1d"])
def test_a_time_that_is_none_is_refused(run: Run, since: str) -> None:
    assert "is no time" in run("fills", f"--since={since}", code=2)


def test_a_length_of_time_is_counted_back_from_now(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    assert [reading.since_ms(text) for text in ("", "90s", "2m", "3h", "7d")] == [
        None, 999_910_000, 999_880_000, 989_200_000, 395_200_000,
    ]  # fmt: skip
