"""Trading from the console: everything that acts asks first, the kill switch never does, and nothing is assumed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.widgets import Static

from tests.tradetui import account_rows as rows
from tests.tradetui.console.consoles import SIZES, Shown, console
from tests.tradetui.fake_engine import FakeEngine, alert, market
from tradetui.console.holdings import held, marks
from tradetui.console.keymap import ACTS, KEYS
from tradetui.console.killing import KillSwitch
from tradetui.console.layout import TRADING
from tradetui.console.screens.choosing import Choose
from tradetui.console.screens.dialogs import Confirm, Dialog
from tradetui.console.screens.ticket import FIELDS, Pick, Ticket
from tradetui.console.screens.ticket import told as preview_told
from tradetui.console.view import View
from tradetui.places import Places, places

ETH, BTC = rows.ETH, rows.BTC


@pytest.fixture
def here(tmp_path: Path) -> Places:
    return places("default", {"HOME": str(tmp_path)})


@contextlib.asynccontextmanager
async def trading(
    here: Places, size: tuple[int, int] = (120, 40), *, preset: str = "trading", **told: Any
) -> AsyncIterator[tuple[FakeEngine, Shown]]:
    async with FakeEngine(here) as engine:
        engine.states |= rows.everything() | told
        engine.states["markets"] = [market(), market(BTC, last=61000.5)]
        engine.says["preview"] = msgspec.json.encode(rows.preview()).decode()
        async with console(here, size, view=View(preset=preset)) as shown:
            await shown.sees("2,683.62")
            await shown.sees(engine.states["trading"].state.upper())
            yield engine, shown


def asked(engine: FakeEngine) -> list[tuple[str, dict[str, Any]]]:
    """Return the commands that would change something."""
    return [command for command in engine.commands if command[0] != "preview"]


def said(shown: Shown) -> str:
    """Return what a dialog says, however it is wrapped."""
    return " ".join(str(each.render()) for each in shown.app.screen.query(Static))


async def until(shown: Shown, engine: FakeEngine, count: int = 1) -> None:
    await shown.becomes(lambda: len(asked(engine)) >= count)


# What is said. ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_mode_state_and_money_are_never_out_of_sight(here: Places, size: tuple[int, int]) -> None:
    async with trading(here, size, preset="desk", trading=rows.trading()) as (engine, shown):
        assert shown.screen[0].startswith("  PAPER ")
        line = shown.screen[2]
        for word in ("REDUCE", "not armed since", "equity 10,182.40", "day \u25b2+76.80", "dd 0.61 %"):
            assert word in line, word
        engine.states["trading"] = rows.trading(
            state="halted", latched=True, unresolved=2, blind_s=724.0, reasons=("the kill switch holds",)
        )
        engine.say("trading")
        await shown.sees("HALTED")
        for word in ("2 UNRESOLVED", "blind 12m04s", "the kill switch holds"):
            assert word in shown.screen[2], word
        engine.states["trading"] = rows.active(mode="live", word="LIVE")
        engine.say("trading")
        await shown.misses("PAPER", of="status")
        assert shown.screen[0].split()[:2] == ["LIVE", "live"]


async def test_without_trading_the_panes_say_so(here: Places) -> None:
    async with FakeEngine(here), console(here, (200, 60)) as shown:
        await shown.sees("healthy")
        assert "no orders" in shown.screen[0]
        assert not set(TRADING) & shown.boxes.keys()
        for name in TRADING:
            shown.app.focus_pane(name)
            await shown.pilot.pause()
            await shown.sees("no trading here: no such topic")
        await shown.press("B")
        await shown.sees("no trading: no such topic")
        assert len(shown.app.screen_stack) == 1


async def test_panes_by_their_keys(here: Places) -> None:
    async with trading(here) as (_engine, shown):
        for key, name in zip(("f2", "f3", "f4", "f5", "f8", "f9"), TRADING, strict=True):
            await shown.press(key)
            assert shown.app.desk.view.pane == name
            assert name in shown.boxes
        await shown.sees("Equity")
        assert shown.pane("equity").fault == ""
        for line in ("orders", "risk"):
            shown.app.enter(line)
            assert shown.app.desk.view.pane == line


async def test_fills_and_refusals_are_told_and_ring(here: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    async with trading(here) as (engine, shown):
        rung: list[int] = []
        monkeypatch.setattr(shown.app, "bell", lambda: rung.append(1))
        first = engine.states["orders"]
        filled = rows.order(5, filled="0.25", state="filled", open=False, average="2682.25", post_only=True)
        lost = rows.order(6, state="rejected", open=False, reason="insufficient balance: 3 USDT are free")
        engine.states["orders"] = [lost, filled, *first[1:]]
        engine.say("orders")
        await shown.sees("rejected buy 0.25 ETH/USDT limit 2682.25 (PAPER): insufficient balance")
        assert "filled buy 0.25 ETH/USDT limit 2682.25 (PAPER) at 2682.25" in "\n".join(
            note.text for note in shown.app.link.notes
        )
        await shown.becomes(lambda: rung)
        await shown.pilot.pause(0.3)
        assert rung == [1], "one bell for the fill, none for the refusal"
        engine.states["alerts"] = [alert(9)]
        engine.say("alerts")
        await shown.becomes(lambda: len(rung) > 1)
        assert rung == [1, 1]
        shown.app.enter("bell off")
        engine.states["alerts"] = [alert(10), alert(9)]
        engine.say("alerts")
        await shown.pilot.pause(0.4)
        assert rung == [1, 1]


# What asks. ---------------------------------------------------------------------------------------------------------


async def test_no_acting_key_does_anything_before_a_yes(here: Places) -> None:
    async with trading(here, (200, 60), preset="desk") as (engine, shown):
        acting = [key for key in KEYS if key.id in ACTS]
        for name, out in (("chart2", "enter"), ("orders", "escape"), ("alerts", "enter")):
            for key in acting:
                shown.app.desk.kill_until = 0.0
                shown.app.focus_pane(name)
                await shown.press(key.names)
                await shown.press(out)
                for _ in range(3):
                    if len(shown.app.screen_stack) > 1:
                        await shown.press("escape")
                assert len(shown.app.screen_stack) == 1, (name, key.id)
        assert asked(engine) == []


async def test_cancelling_asks_which(here: Places) -> None:
    async with trading(here) as (engine, shown):
        await shown.press("C")
        await shown.sees("PAPER: cancel which of 3 orders?")
        await shown.press("enter")
        await shown.press("C", "s")
        await until(shown, engine)
        assert asked(engine) == [("cancel", {"symbol": ETH})]
        await shown.press("f3", "C")
        await shown.sees("the chosen one: buy 0.25 ETH/USDT limit 2682.25")
        await shown.press("o")
        await until(shown, engine, 2)
        assert asked(engine)[1] == ("cancel", {"order": "k3x-5"})
        await shown.press("C", "a")
        await until(shown, engine, 3)
        assert asked(engine)[2] == ("cancel", {"all": True})


async def test_flattening_asks_what(here: Places) -> None:
    async with trading(here) as (engine, shown):
        await shown.press("F")
        await shown.sees("ETH/USDT: 0.5 at 2,682.5, open \u25bc-0.25")
        await shown.press("n")
        shown.app.enter("flatten all")
        await shown.sees("PAPER: flatten all 1 position?")
        await shown.press("y")
        await until(shown, engine)
        assert asked(engine) == [("flatten", {})]
        await shown.press("F", "s")
        await until(shown, engine, 2)
        assert asked(engine)[1] == ("flatten", {"symbol": ETH})
        engine.states["positions"] = [rows.position(instrument=BTC)]
        engine.say("positions")
        await shown.press("f2")
        await shown.sees("BTC")
        await shown.press("F", "s")
        await until(shown, engine, 3)
        assert asked(engine)[2] == ("flatten", {"symbol": BTC}), "that of the row, not of the desk"


async def test_arming_takes_the_word_and_nothing_else(here: Places) -> None:
    async with trading(here, trading=rows.trading(venues=(rows.venue(),))) as (engine, shown):
        await shown.press("M")
        await shown.sees("differs: 0.25 ETH more than was known here")
        await shown.sees("unknown")
        await shown.press(*"paper", "enter")
        await shown.sees("expected PAPER, in capitals")
        assert asked(engine) == []
        await shown.press(*"PAPER", "space", *"UNKNOWN", "enter")
        await until(shown, engine)
        assert asked(engine) == [("arm", {"word": "PAPER", "unknown_withdrawal": True})]
        engine.states["trading"] = rows.active()
        engine.say("trading")
        await shown.sees("ACTIVE")
        await shown.press("M")
        await shown.sees("PAPER: disarm?")
        await shown.press("y")
        await until(shown, engine, 2)
        assert asked(engine)[1][0] == "disarm"


async def test_a_halt_ends_with_a_reason(here: Places) -> None:
    view = rows.trading(state="halted", latched=True, reasons=("the kill switch holds",))
    async with trading(here, trading=view) as (engine, shown):
        await shown.press("M", "enter", *"PAPER", "enter")
        await shown.sees("a halt ends with a reason")
        await shown.press(*"flat", "enter", "enter")
        await until(shown, engine)
        assert asked(engine) == [("arm", {"word": "PAPER", "reason": "flat"})]


async def test_switches_ask(here: Places) -> None:
    async with trading(here) as (engine, shown):
        await shown.press("f8", "/", *"entries", "enter", "enter")
        await shown.sees("PAPER: turn entries off?")
        await shown.press("y")
        await until(shown, engine)
        assert asked(engine) == [("switch", {"name": "entries", "on": False})]
        shown.app.enter("switch eth off")
        await shown.sees("PAPER: turn ETH/USDT off?")
        await shown.press("enter")
        assert len(asked(engine)) == 1


# Limits. ------------------------------------------------------------------------------------------------------------


async def test_limits_are_staged_and_sent_as_one(here: Places) -> None:
    async with trading(here) as (engine, shown):
        await shown.press("f8", "/", *"max", "enter", "right", "right")
        await shown.sees("\u2192 22 % *")
        await shown.press("down", "ctrl+left")
        await shown.sees("\u2192 40 % *")
        await shown.press("escape")
        assert shown.app.desk.staged == {}
        await shown.press("home", "right", "down", "down", "right")
        assert shown.app.desk.staged == {"max_position": 0.21, "max_leverage": 1.1}
        engine.refuses["limits"] = "max_leverage is 1.1 x: at most 1 x on spot"
        await shown.press("enter")
        await shown.sees("max_position: 20 % \u2192 21 %")
        await shown.press("y")
        await shown.sees("max_leverage is 1.1 x: at most 1 x on spot")
        assert asked(engine) == [("limits", {"max_position": 0.21, "max_leverage": 1.1})]
        await shown.press("escape")
        assert len(shown.app.desk.staged) == 2, "what was refused is still there to be changed"


async def test_a_limit_is_typed(here: Places) -> None:
    async with trading(here) as (_engine, shown):
        await shown.press("f8", "/", *"exposure", "enter", "equals_sign")
        assert shown.app.command_line.open
        await shown.press(*"35%", "enter")
        assert shown.app.desk.staged == {"max_exposure": 0.35}
        shown.app.enter("limits max_exposure 9000%")
        await shown.sees("max_exposure: expected 0 % to 1000 %")
        shown.app.enter("limits nothing 1")
        await shown.sees("no limit 'nothing'")
        await shown.press("backspace")
        assert shown.app.desk.staged == {}


# Orders. ------------------------------------------------------------------------------------------------------------


async def test_a_ticket_shows_what_it_costs_and_asks(here: Places) -> None:
    async with trading(here, (80, 24)) as (engine, shown):
        await shown.press("B", *"0.01")
        await shown.sees("cost 26.82 USDT, fee 0.00001 ETH")
        await shown.press("enter")
        await shown.sees("PAPER: Buy 0.01 ETH/USDT at the market?")
        await shown.press("enter")
        assert asked(engine) == []
        assert engine.commands[-1] == (
            "preview",
            {"symbol": ETH, "side": "buy", "type": "market", "quantity": "0.01", "time_in_force": "gtc"},
        )
        engine.slow.add("order")
        await shown.press("enter", "y")
        await until(shown, engine)
        assert asked(engine)[0][1]["quantity"] == "0.01"
        assert len(shown.app.screen_stack) == 1
        assert list(shown.app.desk.asked.values()) == ["buy 0.01 ETH/USDT at the market (PAPER)"]
        await shown.press("f3")
        await shown.sees("1 asked, 3 open")


async def test_without_an_engine_nothing_is_sent_and_that_is_known(here: Places) -> None:
    async with trading(here) as (engine, shown):
        shown.app.enter("order buy 1")
        await shown.sees("Buy 1 ETH/USDT at the market?")
        await engine.stop()
        await shown.becomes(lambda: not shown.app.link.attached)
        await asyncio.sleep(Confirm.READ_S)
        await shown.press("y")
        await shown.sees("not sent, no engine is attached: buy 1 ETH/USDT")
        assert shown.app.desk.asked == {}
        assert asked(engine) == []


async def test_the_field_in_focus_stands_out_without_colours(here: Places) -> None:
    async with trading(here) as (_engine, shown):
        shown.app.set_class(True, "bare")
        await shown.press("B", "down")
        await shown.becomes(lambda: isinstance(shown.app.screen, Ticket))
        focused = shown.app.screen.focused
        assert focused is not None
        assert focused.styles.text_style.reverse


async def test_what_rests_at_a_better_price_slips_nowhere(here: Places) -> None:
    assert "slippage 0.2 bps" in preview_told(rows.preview(), "USDT")[0]
    assert "slippage" not in preview_told(rows.preview(slippage_bps=-2540.9), "USDT")[0]


async def test_every_refusal_is_shown_whole(here: Places) -> None:
    async with trading(here) as (engine, shown):
        view = rows.preview(allowed=False, refusals=(rows.REFUSAL, "3 trades are open; the limit is 3"))
        engine.says["preview"] = msgspec.json.encode(view).decode()
        engine.refuses["order"] = rows.REFUSAL
        shown.app.enter("order buy 1 stop=2600 target=2,800")
        await shown.sees("As it stands the engine will refuse it.")
        words = said(shown)
        assert "order 0.33 ETH or less, or set a nearer stop" in words
        assert "stop-loss 2600, take profit 2800" in words
        await shown.press("y")
        await shown.sees("refused")
        assert rows.REFUSAL in said(shown)
        given = dict(asked(engine)[0][1])
        assert given.pop("until_ms") > time.time() * 1000
        assert given == {
            "symbol": ETH, "side": "buy", "type": "market", "quantity": "1", "stop_loss": "2600", "take_profit": "2800"
        }  # fmt: skip
        assert shown.app.desk.asked == {}


@pytest.mark.parametrize(
    ("lines", "told", "command"),
    [
        (0, "take profit 2684.41 for ETH/USDT", ("protect", {"symbol": ETH, "take_profit": "2684.41"})),
        (1, "price 2682.66", ("amend", {"order": "k3x-5", "price": "2682.66"})),
        (2, "stop-loss 2682.36", ("protect", {"symbol": ETH, "stop_loss": "2682.36"})),
    ],
)
async def test_a_line_is_moved_by_keys(here: Places, lines: int, told: str, command: tuple[str, Any]) -> None:
    async with trading(here) as (engine, shown):
        await shown.press("A", *(["tab"] * lines), "up", "up", "pageup", "pagedown", "right")
        assert shown.app.desk.hold
        await shown.press("enter")
        await shown.sees(told)
        await shown.press("y")
        await until(shown, engine)
        assert asked(engine) == [command]
        assert shown.app.desk.taken is None


async def test_the_chosen_order_comes_into_the_hand(here: Places) -> None:
    async with trading(here) as (_engine, shown):
        await shown.press("f3", "down", "down", "A")
        assert shown.app.desk.taken is not None
        assert shown.app.desk.taken.what == "stop_loss", "the stop order is that of the position"
        assert shown.app.desk.view.pane == "chart2"
        await shown.sees("stop 0.5: 2681.95, was 2681.95; enter asks")


async def test_an_order_comes_into_the_hand_even_where_a_stop_stands_at_its_price(here: Places) -> None:
    orders = [rows.order(5, price="2681.95"), *rows.orders()[1:]]
    async with trading(here, orders=orders) as (_engine, shown):
        await shown.press("f3", "A")
        assert shown.app.desk.taken is not None
        assert (shown.app.desk.taken.what, shown.app.desk.taken.id) == ("order", orders[0].id)


async def test_a_line_is_let_go(here: Places) -> None:
    async with trading(here) as (engine, shown):
        await shown.press("A", "up", "escape")
        assert shown.app.desk.taken is None
        assert len(shown.app.screen_stack) == 1
        assert asked(engine) == []


# The kill switch. ---------------------------------------------------------------------------------------------------

WHERE: dict[str, tuple[str, ...]] = {
    "a chart": (), "a table": ("f3",), "zoomed": ("z",), "frozen": ("space",), "the command line": ("colon",),
    "a filter": ("f3", "slash"), "help": ("question_mark",), "a question": ("F",), "the ticket": ("B",),
    "the arming": ("M",), "a line in the hand": ("A",), "the palette": ("ctrl+p",), "the jump": ("grave_accent",),
    "leaving": ("q",), "indicators": ("1", "i"),
}  # fmt: skip


@pytest.mark.parametrize("where", WHERE)
async def test_two_keys_kill_wherever_one_is(here: Places, where: str) -> None:
    async with trading(here, trading=rows.trading()) as (engine, shown):
        await shown.press(*WHERE[where])
        await shown.press("K")
        await shown.sees("K again within 2 s kills")
        assert asked(engine) == []
        await shown.press("K")
        await until(shown, engine)
        assert [name for name, _ in asked(engine)] == ["kill"]


async def test_one_key_alone_does_nothing(here: Places) -> None:
    async with trading(here) as (engine, shown):
        await shown.press("K")
        shown.app.desk.kill_until = shown.app.link.monotonic()
        await shown.press("K")
        await shown.pilot.pause(0.1)
        assert asked(engine) == []


@pytest.mark.parametrize("how", ["silent", "gone"])
async def test_an_engine_that_does_not_answer_is_killed_from_outside(
    here: Places, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside: list[int] = []

    async def from_outside(_: KillSwitch, *, flatten: bool) -> str:
        assert not flatten
        outside.append(1)
        return "killed"

    monkeypatch.setattr(KillSwitch, "_from_outside", from_outside)
    monkeypatch.setattr("tradetui.console.killing.KILL_S", 0.1)
    async with trading(here) as (engine, shown):
        engine.slow.add("kill")
        if how == "gone":
            await engine.stop()
            await shown.sees("GONE")
        await shown.press("K", "K")
        await shown.sees("killed")
        assert outside == [1]


# What it looks like. ------------------------------------------------------------------------------------------------

DIALOGS: dict[str, tuple[str, ...]] = {"ticket": ("B", *"0.01"), "arming": ("M",), "cancel": ("C",), "flatten": ("F",)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DIALOGS)
async def test_dialogs(here: Places, name: str, size: tuple[int, int], golden: Callable[[Path, str], None]) -> None:
    view = rows.trading(venues=(rows.venue(),), blind_s=724.0, blind_from=rows.NOW)
    async with trading(here, size, trading=view) as (_engine, shown):
        await shown.press(*DIALOGS[name])
        if name == "ticket":  # before a quantity is there, what the settings would choose is told
            await shown.becomes(lambda: "cost 26.82" in shown.text and "Type a quantity" not in shown.text)
        box = shown.app.screen.query_one(".box").region
        lines = [strip.text for strip in shown.app.screen._compositor.render_strips()]
        text = "\n".join(line[box.x : box.right].rstrip() for line in lines[box.y : box.bottom]) + "\n"
        assert box.bottom <= size[1]
        golden(Path(__file__).parent / "goldens" / f"{name}-{size[0]}x{size[1]}.txt", text)


# What a person did not mean. ----------------------------------------------------------------------------------------


async def test_an_answer_before_anybody_can_have_read_the_question_is_none(
    here: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with trading(here, trading=rows.trading(state="active", armed=True, reasons=())) as (engine, shown):
        monkeypatch.setattr(Dialog, "READ_S", 3600.0)
        for keys in (("F", "s"), ("F", "a"), ("C", "a")):
            await shown.press(*keys)
            assert isinstance(shown.app.screen, Choose)
            await shown.press("escape")
        shown.app.dealing.disarm()
        await shown.press("y")
        assert isinstance(shown.app.screen, Confirm)
        await shown.press("n")  # what does nothing is taken at once
        assert len(shown.app.screen_stack) == 1
        assert not asked(engine)


@pytest.mark.parametrize("keys", [("B",), ("F",), ("C",), ("A",)])
async def test_what_was_asked_of_an_engine_is_not_asked_of_another(here: Places, keys: tuple[str, ...]) -> None:
    async with trading(here) as (engine, shown):
        await shown.press(*keys)
        assert len(shown.app.screen_stack) == 2
        shown.app.link.pid += 1
        await shown.sees("another engine is attached")
        assert len(shown.app.screen_stack) == 1
        assert shown.app.desk.taken is None
        assert not asked(engine)


async def test_a_yes_to_another_engine_asks_nothing(here: Places) -> None:
    async with trading(here) as (engine, shown):
        shown.app.dealing.disarm()
        await shown.pilot.pause()
        shown.app.link.started += 1
        assert isinstance(shown.app.screen, Confirm)
        shown.app.screen.action_answer(True)
        await shown.sees("not asked: another engine")
        assert not asked(engine)


async def test_a_refusal_waits_until_the_dialog_in_front_of_it_is_closed(here: Places) -> None:
    async with trading(here) as (_engine, shown):
        await shown.press("B")
        shown.app.dealing.questions.tell("refused", ["the whole of the reason"])
        assert isinstance(shown.app.screen, Ticket)
        await shown.press("escape")
        await shown.becomes(lambda: "the whole of the reason" in said(shown))


async def test_a_ticket_is_for_the_instrument_on_the_desk_even_if_it_is_not_traded(here: Places) -> None:
    async with trading(here, trading=rows.trading(instruments=(ETH,))) as (_engine, shown):
        shown.app.symbol(BTC)
        await shown.press("B")
        assert shown.app.screen.query_one("#symbol", Pick).value == BTC


async def test_down_goes_down_a_column_of_the_ticket(here: Places) -> None:
    async with trading(here) as (_engine, shown):
        await shown.press("B")
        seen = []
        for _ in range(len(FIELDS)):
            await shown.press("down")
            assert shown.app.screen.focused is not None
            seen.append(shown.app.screen.focused.id)
        assert seen[:4] == ["size", "time_in_force", "take_profit", "time_stop_s"]
        assert sorted(map(str, seen)) == sorted(field.name for field in FIELDS)


async def test_after_a_halt_stop_and_target_are_told_as_off(here: Places) -> None:
    halted = rows.trading(state="halted", latched=True, reasons=("the kill switch holds",))
    async with trading(here, (200, 60), trading=halted) as (_engine, shown):
        line = next(line for line in shown.screen if "\u25b2 LONG" in line)
        assert line.count(" off ") == 2
        labels = [each.label for each in held(shown.app.link.account, ETH)]
        assert [each for each in labels if " OFF " in each] == ["stop OFF 0.5", "target OFF 0.5"]
        assert len(marks(shown.app.link.account, ETH)) == 1  # the order of a person
