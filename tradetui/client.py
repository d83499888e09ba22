"""The engine as a client sees it: one connection with its requests and subscriptions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from engine.errors import EngineUnreachable, ProtocolError, RequestDenied
from engine.protocol import (
    ANSWER_MOST,
    HEADER,
    PROTOCOL,
    Answer,
    Bye,
    Command,
    Denied,
    Done,
    Get,
    Hello,
    Refused,
    Request,
    Series,
    State,
    Subscribe,
    Unsubscribe,
    Welcome,
    frame,
    read_answer,
)
from engine.types import SECOND
from engine.unix import reachable
from tradetui import __version__
from tradetui.lock import Holder, holder_of, is_held
from tradetui.places import Places

log = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_S = 5.0
"""Time for an answer; an engine that needs longer does not answer."""

ORDER_S = 5.0
"""An order that the engine has not come to within so long is denied: it was meant for the market of now."""

STARTING_S = 30.0
"""An engine that has no socket after so long is not starting any more."""


def in_time() -> int:
    """Return until when an order that is sent now may be carried out, UTC ms."""
    return int((time.time() + ORDER_S) * 1000)


class Client:
    """One open connection. Answers are matched to requests by id; news of subscriptions go to their callbacks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, welcome: Welcome) -> None:
        self.welcome = welcome
        self._reader = reader
        self._writer = writer
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._callbacks: dict[int, Callable[[State | Series], None]] = {}
        self._reading = asyncio.create_task(self._read())
        self._ended = ""

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading
        self._writer.close()

    async def lost(self) -> str:
        """Wait until the connection has ended; return why."""
        await asyncio.wait((self._reading,))
        return self._ended

    async def get(self, topic: str, kind: type[T], **asked: Any) -> T:
        """Ask for a state topic once.

        Raises:
            RequestDenied: The engine says why not.
            EngineUnreachable: The connection ended, or there was no answer in time.
        """
        answer = await self._ask(Get(id=next(self._ids), topic=topic, **asked))
        if not isinstance(answer, State):
            raise EngineUnreachable(f"the engine gave a {type(answer).__name__} for {topic}", hung=True)
        return self._understood(answer.data, kind)

    async def rows(self, topic: str, kind: type[T], **asked: Any) -> list[T]:
        """Ask for a series topic once.

        Raises:
            RequestDenied: The engine says why not.
            EngineUnreachable: The connection ended, or there was no answer in time.
        """
        answer = await self._ask(Get(id=next(self._ids), topic=topic, **asked))
        if not isinstance(answer, Series):
            raise EngineUnreachable(f"the engine gave a {type(answer).__name__} for {topic}", hung=True)
        return [self._understood(row, kind) for row in answer.rows]

    def _understood(self, data: msgspec.Raw, kind: type[T]) -> T:
        try:
            return msgspec.msgpack.decode(data, type=kind)
        except msgspec.ValidationError as error:
            raise EngineUnreachable(
                f"the engine is tradetui {self.welcome.version}, this is {__version__}: stop it and start it again "
                f"({error})",
                hung=True,
            ) from error

    async def subscribe(self, topic: str, callback: Callable[[State | Series], None], **asked: Any) -> int:
        """Have `callback` called with a topic now and whenever it changes; return the subscription's id.

        When the engine ends a subscription by itself, the whole connection ends and says why.

        Raises:
            RequestDenied: The engine says why not.
            EngineUnreachable: The connection ended, or there was no answer in time.
        """
        request = Subscribe(id=next(self._ids), topic=topic, **asked)
        self._callbacks[request.id] = callback
        try:
            await self._ask(request)
        except BaseException:
            self._callbacks.pop(request.id, None)
            raise
        return request.id

    async def unsubscribe(self, number: int) -> None:
        """End a subscription."""
        self._callbacks.pop(number, None)
        await self._ask(Unsubscribe(id=next(self._ids), subscription=number))

    async def command(self, name: str, /, **arguments: str | int | float | bool) -> str:
        """Have the engine do something; return its word about it.

        Raises:
            RequestDenied: The engine says why not.
            EngineUnreachable: The connection ended, or there was no answer in time.
        """
        answer = await self._ask(Command(id=next(self._ids), name=name, arguments=arguments))
        return answer.text if isinstance(answer, Done) else ""

    async def _ask(self, request: Request) -> Answer:
        if self._reading.done():
            raise EngineUnreachable(self._ended or "the connection to the engine has ended")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = future
        try:
            await asyncio.sleep(0)  # a goodbye that is there is read first: a write that fails would discard it
            self._writer.write(frame(request))
            async with asyncio.timeout(ANSWER_S):
                answer = await future
        except TimeoutError as error:
            raise EngineUnreachable(f"the engine (pid {self.welcome.pid}) does not answer") from error
        finally:
            self._waiting.pop(request.id, None)
        if isinstance(answer, Denied):
            raise RequestDenied(answer.code, answer.reason)
        return answer

    async def _read(self) -> None:
        try:
            while True:
                answer = await _answer(self._reader)
                if isinstance(answer, Bye | Refused):
                    self._ended = answer.reason
                    return
                if isinstance(answer, Welcome):
                    continue
                future = self._waiting.get(answer.id)
                if future is not None and not future.done():
                    future.set_result(answer)
                elif isinstance(answer, Denied) and answer.id in self._callbacks:
                    self._ended = f"the engine has ended a subscription: {answer.reason}"
                    return
                callback = self._callbacks.get(answer.id)
                if callback is not None and isinstance(answer, State | Series):
                    callback(answer)
        except (OSError, asyncio.IncompleteReadError, ProtocolError) as error:
            closed = isinstance(error, EOFError | ConnectionError)
            self._ended = "the engine closed the connection" if closed else str(error)
        except Exception as error:
            log.exception("news could not be taken in")
            self._ended = f"a fault of ours: {type(error).__name__}: {error}"
        finally:
            gone = EngineUnreachable(self._ended or "the connection to the engine has ended")
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(gone)


async def _answer(reader: asyncio.StreamReader) -> Answer:
    (length,) = HEADER.unpack(await reader.readexactly(HEADER.size))
    if length > ANSWER_MOST:
        raise ProtocolError(f"a frame of {length} bytes")
    return read_answer(await reader.readexactly(length))


async def connect(places: Places, name: str) -> Client:
    """Open a connection to the running engine of a profile; `name` tells the engine who asks.

    Raises:
        EngineUnreachable: None is running, it does not answer, or it refuses; the message says which and what to do.
    """
    holder = holder_of(places.lock)
    path = Path(holder.socket) if holder is not None else places.socket
    try:
        async with asyncio.timeout(ANSWER_S):
            with reachable(path) as address:
                reader, writer = await asyncio.open_unix_connection(address, limit=1 << 20)
            try:
                writer.write(frame(Hello(protocol=PROTOCOL, version=__version__, client=name)))
                answer = await _answer(reader)
            except BaseException:
                writer.close()
                raise
    except TimeoutError as error:
        who = f" (pid {holder.pid})" if holder is not None else ""
        raise EngineUnreachable(f"the engine of profile {places.profile!r}{who} does not answer", hung=True) from error
    except (OSError, asyncio.IncompleteReadError) as error:
        if isinstance(error, PermissionError):
            raise EngineUnreachable(f"{path}: this engine belongs to another user") from error
        raise _absent(places, holder, path) from error
    except ProtocolError as error:
        raise EngineUnreachable(f"{path}: what answers is no engine of this kind: {error}", hung=True) from error
    if isinstance(answer, Welcome) and answer.profile == places.profile:
        return Client(reader, writer, answer)
    writer.close()
    if isinstance(answer, Welcome):
        other = f"{path} belongs to the engine of profile {answer.profile!r} (pid {answer.pid}); "
        held = is_held(places.lock)
        raise EngineUnreachable(f"{other}no engine of profile {places.profile!r} is running", hung=held)
    if isinstance(answer, Refused):
        raise EngineUnreachable(f"the engine refused the connection: {answer.reason}", hung=True, refused=True)
    raise EngineUnreachable(f"{path}: what answers is no engine of this kind", hung=True)


def _absent(places: Places, holder: Holder | None, path: Path) -> EngineUnreachable:
    """Say why nobody answers at a socket."""
    name = places.profile
    if places.replay and not is_held(places.lock):
        return EngineUnreachable(f"no replay {name!r} is running; `tradetui --replay PATH` starts one")
    if not is_held(places.lock):
        more = "" if name == "default" else f" --profile {name}"
        return EngineUnreachable(
            f"no engine of profile {name!r} is running; start one with `tradetui{more}` or `tradetui --headless{more}`"
        )
    said = f"the engine of profile {name!r} is starting or stopping; try again"
    if holder is not None and time.time_ns() - holder.started > STARTING_S * SECOND:
        said = (
            f"the engine of profile {name!r} (pid {holder.pid}) is stopping, or somebody took away its socket {path}; "
            f"it makes that again where it can: try again, else `kill {holder.pid}`"
        )
    return EngineUnreachable(said, hung=True, starting=True)


@contextlib.asynccontextmanager
async def engine_of(places: Places, name: str) -> AsyncIterator[Client]:
    """Open a connection for the length of a block.

    Raises:
        EngineUnreachable: As `connect`.
    """
    client = await connect(places, name)
    try:
        yield client
    finally:
        await client.close()
