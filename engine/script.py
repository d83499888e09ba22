"""Scripts that drive a replay: JSON lines, each a command and the replay time at which it enters the queue.

{"at_ms": 1723161400000, "command": {"order": {"symbol": "binance:BTC/USDT", "side": "buy", "quantity": "0.01"}}}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import msgspec

from engine.errors import SettingsInvalid
from engine.ingestion.symbols import full_key
from engine.operator import OperatorAsked, OperatorCommand, Who
from engine.replay import Asked
from engine.types import MS

COMMANDS: dict[str, type[OperatorCommand]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(OperatorCommand)
}


AMOUNTS = frozenset({"quantity", "price", "stop_price", "stop_loss", "take_profit"})


class _Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    at_ms: int
    command: dict[str, Any]


def read_script(path: Path) -> list[Asked]:
    """Return what a script asks, in the order of its times; lines of the same time stay in their order.

    Raises:
        SettingsInvalid: It cannot be read, or a line is none; the message names it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"--script {path}: {getattr(error, 'strerror', None) or error}") from error
    found = [
        _asked(path, number, line)
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    return sorted(found, key=lambda asked: asked.at)


def _asked(path: Path, number: int, line: str) -> Asked:
    where = f"--script {path}, line {number}"
    try:
        said = msgspec.json.decode(line, type=_Line)
    except msgspec.MsgspecError as error:
        raise SettingsInvalid(
            f'{where}: {error}; expected {{"at_ms": ..., "command": {{"order": {{...}}}}}}'
        ) from error
    if len(said.command) != 1:
        raise SettingsInvalid(f"{where}: a line has one command; there are {', '.join(COMMANDS)}")
    name, arguments = next(iter(said.command.items()))
    if name not in COMMANDS:
        raise SettingsInvalid(f"{where}: unknown command {name!r}; there are {', '.join(COMMANDS)}")
    try:
        command = msgspec.convert(_exact(arguments), COMMANDS[name])
    except (msgspec.ValidationError, SettingsInvalid) as error:
        raise SettingsInvalid(f"{where}: {name}: {error}") from error
    event = OperatorAsked(id=number, who=Who(client="script"), command=command)
    return Asked(at=said.at_ms * MS, event=event)


def _exact(arguments: Any) -> Any:
    """Take amounts that were written as JSON numbers as the decimals that stand there, and a bare pair as Binance spot.

    Raises:
        SettingsInvalid: A bare symbol is no pair.
    """
    if not isinstance(arguments, dict):
        return arguments
    found = dict(arguments)
    for name in AMOUNTS & found.keys():
        if isinstance(found[name], int | float) and not isinstance(found[name], bool):
            found[name] = str(found[name])
    symbol = found.get("symbol")
    if isinstance(symbol, str) and "/" in symbol and ":" not in symbol:
        found["symbol"] = full_key(symbol)
    return found
