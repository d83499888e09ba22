"""The engine as a process: lock, log, recovery, engine, monitor and socket put together, run, and put away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from engine.actions import Action, Attributed
from engine.alerts import Alert, Alerts, Cause
from engine.clock import Clock
from engine.collector import give_back
from engine.data.structures import Structures
from engine.errors import ConsoleError, EngineFailed, StorageFailed
from engine.monitor import REPLAY, Identity, LogView, Monitor
from engine.playback import Playback
from engine.pulse import Resources
from engine.replay import Observer
from engine.runtime import Engine
from engine.server import Server
from engine.supervisor import Part
from engine.text import inert
from engine.topics import Topics
from engine.trader import Trader
from engine.types import SECOND
from engine.worker import Worker
from storage.journal import EventJournal
from tradetui import __version__, asking, bootstrap, crash, replays
from tradetui.audit import Audit, standing
from tradetui.commands import commands
from tradetui.config.sections import Settings
from tradetui.credentials import load_credentials
from tradetui.data_commands import data_commands
from tradetui.lock import Holder, ProfileLock
from tradetui.logs import ProcessLog, open_log
from tradetui.notify import notify
from tradetui.places import Places, own
from tradetui.redaction import Redactor
from tradetui.stored import Stored
from tradetui.trading import Trading, missed, replay_commands, replayed
from tradetui.webhook import Webhook, secrets_of, webhook_url

log = logging.getLogger("tradetui.engine")

TRIM_S = 10.0
"""Seconds between two times that freed memory is handed back, and the service manager is told that we live."""

REMEMBERED = 60 * SECOND
"""How long the unclean end of the last engine stays among the active alerts."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Service:
    """The engine of one profile, from lock to goodbye."""

    def __init__(
        self,
        settings: Settings,
        places: Places,
        *,
        echo: TextIO | None = None,
        workers: Sequence[Worker] = (),
        playback: Playback | None = None,
    ) -> None:
        """Take the profile: folders, lock, log.

        With `playback` the engine replays a recording for those who attach: it ends when they have gone, and its places
        with it.

        Raises:
            EngineRunning: Another engine has the profile.
            SettingsInvalid: A folder, the credentials or a setting is wrong.
        """
        self.settings = settings
        if playback is None:
            places = places.of_mode(settings.trading.mode)
        self.places = places
        file = settings.credentials.file
        self.redact = Redactor()
        self._credentials = load_credentials(Path(file) if file else None)
        for credentials in self._credentials.values():
            self.redact.add(credentials.secrets)
        self.webhook: Webhook | None = None
        if playback is None and (url := webhook_url()) is not None:
            self.redact.add(secrets_of(url))
            mode, notices = settings.trading.mode, settings.notices
            self.webhook = Webhook(url, notices.least, fills=notices.fills, profile=places.profile, mode=mode)
        self.workers = workers
        self.playback = playback
        self.engine: Engine | None = None
        self.stored = Stored(places, settings.storage)
        self.trading: Trading | None = None
        self.stopping = asyncio.Event()
        self._temporary = tempfile.tempdir
        self.started = time.time_ns()
        places.make()
        self._lock = ProfileLock(places.lock)
        self._handlers = self._take_signals()
        try:
            self._lock.acquire(
                Holder(pid=os.getpid(), socket=str(places.socket), started=self.started, version=__version__)
            )
            chosen = settings.log
            self.log: ProcessLog = open_log(
                places, "engine", chosen.level, chosen.max_mb, chosen.backups, self._seq, self.redact, echo=echo
            )
        except BaseException:
            self._lock.release()
            self._give_back_signals()
            raise
        self._last_error = _LastError()
        logging.getLogger().addHandler(self._last_error)
        self._hooks = crash.install(places, "engine", self.redact, self._seq)

    def clean(self, text: str) -> str:
        """Return text from outside without secrets and control characters."""
        return inert(self.redact(text))

    def _seq(self) -> int:
        return self.engine.state.seq if self.engine is not None else 0

    def __enter__(self) -> Service:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Put everything back, the lock last; a fault of ours leaves a crash report and one line."""
        self._take_signals()  # the loop has let go of them; the lock is not free yet
        fault = isinstance(error, Exception) and not isinstance(error, ConsoleError)
        report = None
        if fault:
            assert error is not None
            log.critical("the engine ended by a fault of ours: %s", error, exc_info=error)
            report = crash.crash_report(self.places, "engine", error, self.redact, self._seq)
        self._hooks.remove()
        tempfile.tempdir = self._temporary
        logging.getLogger().removeHandler(self._last_error)
        self.log.close()
        if self.playback is not None and not fault:
            replays.remove(self.places)
        self._lock.release()
        self._give_back_signals()
        if fault:
            where = report or self.places.logs / "engine.log"
            raise EngineFailed(f"the engine ended by a fault of ours; see {where}") from None

    async def run(self, *, observer: Observer | None = None, duration: float = 0.0) -> Engine:
        """Run the engine until it is told to stop: by a signal, by a client, or after `duration` seconds (0: never).

        Raises:
            ConsoleError: It cannot go on for a reason that a person has to mend.
        """
        loop = asyncio.get_running_loop()
        self._hooks.attach(loop)
        self._signals(loop)
        if duration > 0:
            loop.call_later(duration, self.stop, "its time is over")
        self._clean()
        stored, playback = self.stored, self.playback
        trading = None
        if playback is None and self.settings.parts.trading:
            trading = self.trading = Trading(self.settings, self.places, stored, self._credentials, self.started)
        journal = EventJournal(stored.writer, old=self.places.journal)
        engine = self.engine = self._make_engine(observer)
        if trading is not None:
            for worker in self.workers:
                worker.part.run = missed(engine, worker.part.name, worker.part.run)
        try:
            await stored.writer.open()
        except StorageFailed as error:
            log.error("%s; the engine goes on without it", error)  # noqa: TRY400 - the text says all

        def changed(change: str, alert: Alert) -> None:
            journal.append(engine.now(), engine.state.seq, "alert", change, alert=alert)
            if self.webhook is not None:
                self.webhook.alert(change, alert)
            log.log(_LEVELS[alert.severity], "alert %s: %s %s: %s", change, alert.code, alert.component, alert.text)

        alerts = Alerts(changed, self.clean)
        await self._recover(journal, alerts, self.started if playback is None else engine.now())
        trader = await self._join_trading(engine, alerts)
        engine.take_up()
        monitor = self._monitor(engine, alerts, journal)
        topics = Topics(
            engine,
            monitor,
            journal,
            f"{self.started:x}",
            playback.view if playback else None,
            asking.queries(engine, stored, self.places, self.settings.data_provider),
            trading.records if trading is not None else None,
        )
        audit = Audit(stored.writer.record, self.places.mode, self.clean, engine.now) if playback is None else None
        server = Server(topics, monitor, self.places.socket, commands=self._commands(engine, alerts, trader, audit))
        monitor.last_error = lambda: self._last_error.text
        monitor.consoles = server.consoles
        monitor.workers = lambda: tuple(worker.view() for worker in self.workers)
        monitor.refused_consoles = lambda: server.refused
        if self.webhook is not None:
            engine.companions.append(Part(name="webhook", run=self.webhook.run))
            if trader is not None:
                trader.notice = self.webhook.beside(trader.notice, engine.now, self.clean)
        kill = None
        if trading is not None and trader is not None:
            engine.companions += trading.parts(engine, trader)
            kill = trading.signal(trader)
            kill.install(loop)
        engine.companions += [
            *stored.parts(),
            Part(name="monitor", run=monitor.run),
            Part(name="socket", run=server.run),
            Part(name="journal", run=journal.run),
            Part(name="upkeep", run=self._upkeep),
            *(worker.part for worker in self.workers),
        ]
        if playback is not None:
            monitor.jumps = lambda: playback.player.jumps
            engine.companions.append(Part(name="audience", run=partial(replays.audience, server.consoles, self.stop)))
            does = f"replays {', '.join(path.name for path in playback.recording.paths)}"
        else:
            does = f"follows {', '.join(self.settings.data_provider.symbols)}"
        log.info("engine of profile %s, pid %d, %s", self.places.profile, os.getpid(), does)
        telling = asyncio.create_task(self._tell(server))
        try:
            await engine.run(self.stopping)
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling
            if kill is not None:
                kill.remove()
            if trading is not None and trader is not None:
                await trading.close(engine, trader)
            journal.append(engine.now(), engine.state.seq, "stop", text=f"pid {os.getpid()}")
            await journal.flush()
            if audit is not None:
                await audit.flush()
            await stored.close()
            log.info("engine stopped at record %d", engine.state.seq)
        return engine

    def _make_engine(self, observer: Observer | None) -> Engine:
        """Return the engine: that of the replay, or one that follows what is set."""
        stored = self.stored
        if self.playback is not None:
            engine = self.playback.engine
            engine.store = stored.writer
            return engine
        clock, kept = Clock(), self.settings.data_provider.cache.candles_per_timeframe
        return bootstrap.build_engine(
            self.settings,
            [],
            observer=observer,
            clock=clock,
            store=stored.writer,
            archive=stored.archive,
            structures=Structures(stored.archive, kept, clock.now, stored.writer.save_structure),
            account=self.trading.account if self.trading is not None else None,
        )

    async def _join_trading(self, engine: Engine, alerts: Alerts) -> Trader | None:
        """Put trading between the engine's core and the outside, with what was traded before; None where it is off."""
        trading, playback = self.trading, self.playback
        if trading is None:
            if playback is not None and playback.trades:
                engine.trader = replayed(playback, engine, alerts)
                return engine.trader
            return None
        trader = trading.join(engine, alerts)
        try:
            await trading.recover(engine)
        except StorageFailed as error:
            trading.unreadable(engine, str(error))
        except Exception as error:
            log.exception("what was traded before cannot be understood")
            trading.unreadable(engine, f"a fault of ours: {type(error).__name__}")
        return trader

    def _commands(
        self, engine: Engine, alerts: Alerts, trader: Trader | None, audit: Audit | None
    ) -> dict[str, Action | Attributed]:
        """Return what clients may have done; a live engine audits it, a replay has no audit."""
        known: dict[str, Action | Attributed] = dict(commands(alerts, self.log, self.stop, self.playback))
        if audit is not None:
            known = audit.over(known | data_commands(self.stored, self.places), {"log_level": lambda: self.log.level})
            if self.trading is not None and trader is not None:
                made = self.trading.commands(engine, trader)
                known |= audit.refusals(made, partial(standing, self.trading.account))
        elif self.playback is not None and trader is not None:
            known |= replay_commands(self.playback, trader, self.places, self.redact)
        return known

    # Signals: SIGINT, SIGTERM, and SIGHUP when the terminal is gone, unless somebody (nohup) has said otherwise.

    def _take_signals(self) -> dict[signal.Signals, Any]:
        """Before and after the loop a signal only asks to stop; return what was done with them before."""
        if threading.current_thread() is not threading.main_thread():
            return {}
        wanted = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        return {number: signal.signal(number, lambda *_: self.stopping.set()) for number in wanted}

    def _give_back_signals(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _signals(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in self._handlers:
            loop.add_signal_handler(number, self.stop, number.name)

    def stop(self, why: str) -> None:
        """Begin to stop; `run` returns soon after."""
        if not self.stopping.is_set():
            log.info("stopping: %s", why)
            self.stopping.set()
            notify("STOPPING=1")

    def _clean(self) -> None:
        """Empty the folder of temporary files; what an engine that was killed left there is of no use."""
        shutil.rmtree(self.places.temporary, ignore_errors=True)
        mine = self.places.temporary / "engine"
        own(self.places.temporary)
        own(mine)
        tempfile.tempdir = str(mine)

    async def _recover(self, journal: EventJournal, alerts: Alerts, now: int) -> None:
        """Take up what earlier engines left, and say if the last one did not end cleanly (`now` by its clock)."""
        alerts.recall(await journal.load())
        before = self._lock.left_behind
        if before is not None:
            journal.skip()
        journal.append(now, 0, "start", text=f"tradetui {__version__}, pid {os.getpid()}")
        if before is not None:
            log.warning("the last engine (pid %d) did not end cleanly", before.pid)
            cause = Cause("ENGINE_DIED", "engine", f"pid {before.pid} did not end cleanly", "a new one has taken over")
            alerts.passing(cause, now, hold=REMEMBERED)

    def _monitor(self, engine: Engine, alerts: Alerts, journal: EventJournal) -> Monitor:
        parts = self.settings.parts
        wanted = {"inference": parts.inference, "training": parts.training, "trading": parts.trading}
        lost = [0]

        def others() -> Iterator[Cause]:
            yield from self.stored.troubles()
            if self.trading is not None:
                yield from self.trading.troubles()
            if journal.error and not self.stored.writer.error:
                yield Cause("JOURNAL_FAILED", "journal", journal.error, "tried again five times a second")
            for cause, times in self.stored.news():
                alerts.passing(cause, engine.now(), times=times, hold=10 * SECOND)
            if self.webhook is not None and (given_up := self.webhook.news()) is not None:
                alerts.passing(given_up[0], engine.now(), times=given_up[1], hold=10 * SECOND)
            errors, lost[0] = self.log.errors + self.log.dropped - lost[0], self.log.errors + self.log.dropped
            if errors > 0:
                alerts.passing(
                    Cause("LOG_FAILED", "log", self.log.last_error or "too many lines at once", "tried again"),
                    engine.now(), times=errors, hold=10 * SECOND,
                )  # fmt: skip

        return Monitor(
            engine,
            Identity(
                profile=self.places.profile,
                version=__version__,
                started=self.started,
                parts={name: "not built" if on else "off" for name, on in wanted.items()},
                data=REPLAY if self.playback is not None else "live",
                trading="off" if engine.state.account is None else str(engine.state.account.mode),
            ),
            alerts,
            monotonic=time.monotonic,
            resources=Resources(self.places.state),
            disk_low_mb=self.settings.engine.disk_low_mb,
            others=others,
            log=lambda: LogView(level=self.log.level, dropped=self.log.dropped + self.log.errors),
            clean=self.clean,
        )

    async def _upkeep(self) -> None:
        while True:
            give_back()
            self._lock.renew()
            notify("WATCHDOG=1")
            await asyncio.sleep(TRIM_S)

    async def _tell(self, server: Server) -> None:
        """Tell the service manager when clients can come."""
        await server.ready.wait()
        log.info("ready: %s", self.places.socket)
        notify("READY=1")


class _LastError(logging.Handler):
    """Keeps the last error that was logged, for the health of the process."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, with its time, UTC."""
        with contextlib.suppress(Exception):
            at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(record.created))
            self.text = f"{at} {record.name}: {record.getMessage()}"


_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR, "critical": logging.CRITICAL}
