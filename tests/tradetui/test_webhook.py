"""Notices by webhook: what is sent, what is given up, and that the address is never shown."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest
from aiohttp import web

from engine.alerts import CATALOGUE, Alerts, Cause
from engine.errors import SettingsInvalid
from tradetui.credentials import Secret
from tradetui.redaction import Redactor
from tradetui.webhook import TRIES, WAITING, Notice, Webhook, secrets_of, webhook_url

ADDRESS = "https://user:marked-password@hooks.example.org/services/T0marked/marked-token-0123456789?key=marked-key-1"
T0 = 1_723_161_400_000_000_000


class Server:
    """Answers as it is told, and keeps what it was sent."""

    def __init__(self, *answers: int | Exception | tuple[int, float]) -> None:
        self.answers = list(answers)
        self.got: list[Notice] = []
        self.slept: list[float] = []

    async def post(self, url: str, body: bytes) -> tuple[int, float]:
        assert url == ADDRESS
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        status, wait = answer if isinstance(answer, tuple) else (answer, 0.0)
        if status == 200:
            self.got.append(msgspec.json.decode(body, type=Notice))
        return status, wait

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def webhook(self, least: str = "error", *, fills: bool = False) -> Webhook:
        return Webhook(
            Secret(ADDRESS), least, fills=fills, profile="default", mode="paper", post=self.post, sleep=self.sleep
        )


@contextlib.asynccontextmanager
async def running(webhook: Webhook) -> AsyncIterator[None]:
    """Let it run until all that waits was sent or given up."""
    task = asyncio.create_task(webhook.run())
    try:
        yield
        async with asyncio.timeout(30):
            while webhook.sent + webhook.given_up < webhook_taken[webhook]:  # noqa: ASYNC110 - another task sends
                await asyncio.sleep(0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


webhook_taken: dict[Webhook, int] = {}


def take(webhook: Webhook, number: int, code: str = "KILLED") -> None:
    """So many alerts, raised."""
    webhook_taken[webhook] = webhook_taken.get(webhook, 0) + number
    alerts = Alerts(webhook.alert)
    for each in range(number):
        alerts.passing(Cause(code, f"x{each}", f"number {each}"), T0 + each)


async def test_what_is_sent_says_when_who_and_what() -> None:
    server = Server()
    webhook = server.webhook()
    take(webhook, 1)
    async with running(webhook):
        pass
    assert server.got == [
        Notice(
            ts=T0, profile="default", mode="paper", code="KILLED", severity="critical", component="x0", text="number 0"
        )
    ]
    assert webhook.news() is None


@pytest.mark.parametrize("least", ["info", "warning", "error", "critical"])
async def test_only_what_is_bad_enough_is_sent(least: str) -> None:
    server = Server()
    webhook = server.webhook(least)
    alerts = Alerts(webhook.alert)
    for code in CATALOGUE:
        alerts.passing(Cause(code, "x", "it happened"), T0)
    order = ["info", "warning", "error", "critical"]
    wanted = [
        code
        for code, kind in CATALOGUE.items()
        if order.index(kind.severity.name.lower()) >= order.index(least) and code not in ("FILLED", "NOTICE_FAILED")
    ]
    webhook_taken[webhook] = len(wanted)
    async with running(webhook):
        pass
    assert [notice.code for notice in server.got] == wanted


async def test_an_alert_is_sent_once_while_it_lasts_and_again_when_it_comes_back() -> None:
    server = Server()
    webhook = server.webhook()
    alerts = Alerts(webhook.alert)
    cause = Cause("TRADING_HALTED", "trading", "the kill switch holds")
    for at in (0, 1, 2):
        alerts.lasting([cause], T0 + at)
    alerts.lasting([], T0 + 3)
    alerts.lasting([cause], T0 + 4)
    webhook_taken[webhook] = 2
    async with running(webhook):
        pass
    assert [notice.ts - T0 for notice in server.got] == [0, 4]


async def test_fills_are_sent_each_where_they_are_wanted_and_not_as_alerts() -> None:
    for fills, sent in ((True, ["one", "two"]), (False, [])):
        server = Server()
        webhook = server.webhook("info", fills=fills)
        take(webhook, 1, "FILLED")
        webhook.fill(T0, "binance:BTC/USDT", "one")
        webhook.fill(T0, "binance:BTC/USDT", "two")
        webhook_taken[webhook] = len(sent)
        async with running(webhook):
            pass
        assert [(notice.code, notice.text) for notice in server.got] == [("FILLED", text) for text in sent]


async def test_what_fails_is_tried_again_with_growing_pauses_and_in_order() -> None:
    server = Server(500, aiohttp.ClientError(), (429, 7.0), TimeoutError())
    webhook = server.webhook()
    take(webhook, 2)
    async with running(webhook):
        pass
    assert [notice.text for notice in server.got] == ["number 0", "number 1"]
    assert server.slept == [1.0, 2.0, 7.0, 8.0]
    assert webhook.error == ""


async def test_what_is_not_taken_is_given_up_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    failing: list[int | Exception | tuple[int, float]] = [503] * TRIES
    server = Server(*failing, 404, 301)
    webhook = server.webhook()
    take(webhook, 4)
    with caplog.at_level(logging.WARNING):
        async with running(webhook):
            pass
    assert [notice.text for notice in server.got] == ["number 3"]
    assert len(server.slept) == TRIES - 1  # a wrong address is not tried again
    news = webhook.news()
    assert news is not None
    cause, lost = news
    assert lost == 3
    assert cause.code == "NOTICE_FAILED"
    assert cause.text.startswith("3 notices could not be sent to the webhook")
    assert webhook.news() is None
    assert "marked" not in caplog.text
    assert "HTTP 503" in caplog.text


async def test_what_waits_is_bounded_and_the_newest_is_kept() -> None:
    server = Server()
    webhook = server.webhook()
    take(webhook, WAITING + 5)
    assert webhook.waiting == WAITING
    async with running(webhook):
        pass
    assert server.got[0].text == "number 5"
    assert server.got[-1].text == f"number {WAITING + 4}"
    news = webhook.news()
    assert news is not None
    assert news[1] == 5


async def test_the_server_gets_a_post_of_json_and_a_redirect_is_not_followed() -> None:
    seen: list[tuple[str, str, str]] = []

    async def take_it(request: web.Request) -> web.Response:
        seen.append((request.method, request.content_type, (await request.json())["code"]))
        raise web.HTTPFound("/elsewhere")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take_it)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        url = Secret(f"http://127.0.0.1:{port}/marked-token")
        webhook = Webhook(url, "error", fills=False, profile="default", mode="live")
        take(webhook, 1)
        async with running(webhook):
            pass
    finally:
        await runner.cleanup()
    assert seen == [("POST", "application/json", "KILLED")]
    assert webhook.error == "it answered HTTP 302"


# The address. ---------------------------------------------------------------------------------------------------------


def test_the_address_comes_from_the_environment() -> None:
    assert webhook_url({}) is None
    assert webhook_url({"TRADETUI_WEBHOOK_URL": " "}) is None
    found = webhook_url({"TRADETUI_WEBHOOK_URL": ADDRESS})
    assert found is not None
    assert (found.reveal(), str(found), repr(found)) == (ADDRESS, "***", "***")


@pytest.mark.parametrize("text", ["marked", "ftp://marked/x", "https://", "http://[marked", "https://h/mar ked"])
def test_a_wrong_address_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        webhook_url({"TRADETUI_WEBHOOK_URL": text})
    assert "mark" not in str(refused.value)


def test_no_piece_of_an_address_gets_past_the_redactor() -> None:
    redact = Redactor(secrets_of(Secret(ADDRESS)))
    said = [
        f"POST {ADDRESS} failed",
        "GET /services/T0marked/marked-token-0123456789?key=marked-key-1 HTTP/1.1",
        "path=/services/T0marked/marked-token-0123456789",
        "token marked-token-0123456789, marked-key-1, marked-password",
    ]
    for text in said:
        assert "marked" not in redact(text), redact(text)


def test_a_webhook_shows_nothing_of_its_address() -> None:
    webhook = Server().webhook()
    assert "marked" not in repr(webhook) + repr({name: getattr(webhook, name) for name in vars(webhook)})
