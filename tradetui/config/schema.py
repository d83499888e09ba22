"""The settings as a list of keys with type, bounds, default and documentation, read from their classes."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import msgspec
from msgspec import inspect

from tradetui.config.sections import Settings
from tradetui.config.toml import dotted

Path = tuple[str, ...]

VERY_LIKE = 0.85
"""Likeness of two keys, 0 to 1, from which one is taken for a slip in the other."""

LIKE = 0.75
"""The same for names, wherever they stand."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One key.

    `table`: its value is a table whose entries are laid over each other one by one; `pairs`: positive numbers by
    BASE/QUOTE, else texts. `place`: it names a file or folder.
    `allowed` says in words what it may be.
    """

    path: Path
    type: Any
    default: Any
    description: str
    allowed: str
    table: bool
    pairs: bool
    place: bool
    text: bool

    @property
    def key(self) -> str:
        """The dotted key."""
        return dotted(self.path)

    def convert(self, value: object) -> Any:
        """Return a TOML value as the setting's own type.

        Raises:
            msgspec.ValidationError: It is not allowed.
        """
        return msgspec.convert(value, self.type)

    def read(self, text: str) -> object:
        """Return the value that a text outside a file means: TOML, or the text itself where a text is wanted."""
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
        return text if self.text and not isinstance(value, str) else value


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the file."""

    path: Path
    title: str


def _sections(kind: type[msgspec.Struct], path: Path = ()) -> Iterator[tuple[Section, type[msgspec.Struct]]]:
    title = (kind.__doc__ or "").partition("\n")[0]
    yield Section(path=path, title=title), kind
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _sections(field.type, (*path, field.name))


def _settings() -> Iterator[Setting]:
    for section, kind in _sections(Settings):
        values: Any = Settings()
        for name in section.path:
            values = getattr(values, name)
        for field in msgspec.structs.fields(kind):
            if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
                continue
            notes = [note for note in get_args(field.type)[1:] if isinstance(note, msgspec.Meta)]
            extra = {name: value for note in notes for name, value in (note.extra or {}).items()}
            form = _bare(inspect.type_info(field.type))
            yield Setting(
                path=(*section.path, field.name),
                type=field.type,
                default=getattr(values, field.name),
                description=next((note.description for note in reversed(notes) if note.description), ""),
                allowed=extra.get("allowed") or _words(field.type, form),
                table=isinstance(form, inspect.DictType),
                pairs=isinstance(form, inspect.DictType) and not isinstance(_bare(form.value_type), inspect.StrType),
                place=bool(extra.get("path")),
                text=isinstance(form, inspect.StrType | inspect.LiteralType),
            )


def _bare(form: inspect.Type) -> inspect.Type:
    return _bare(form.type) if isinstance(form, inspect.Metadata) else form


def _words(kind: Any, form: inspect.Type) -> str:
    """Say what a type allows."""
    match form:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            return ("a whole number" if isinstance(form, inspect.IntType) else "a number") + _bounds(form)
        case inspect.LiteralType():
            return "one of " + ", ".join(get_args(get_args(kind)[0]))
        case inspect.EnumType():
            return "one of " + ", ".join(member.value for member in form.cls)
        case inspect.VarTupleType():
            item = _bare(form.item_type)
            if isinstance(item, inspect.EnumType):
                return "a list of one or more of " + ", ".join(member.value for member in item.cls)
            if isinstance(item, inspect.FloatType):
                return f"a list of one or more numbers, each{_bounds(item)}"
            return "a list of one or more texts"
        case inspect.StrType() if form.pattern:
            return f"a text that matches {form.pattern}"
        case _:
            return "a text"


def _bounds(form: inspect.IntType | inspect.FloatType) -> str:
    if form.ge is not None and form.le is not None:
        return f" from {_number(form.ge)} to {_number(form.le)}"
    low = f" above {_number(form.gt)}" if form.gt is not None else ""
    high = f" and below {_number(form.lt)}" if form.lt is not None else ""
    most = f" and at most {_number(form.le)}" if form.le is not None else ""
    return low + high + most


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else str(value)


SETTINGS: dict[Path, Setting] = {setting.path: setting for setting in _settings()}
"""Every setting by its path, in the order of the file."""

SECTIONS: dict[Path, Section] = {section.path: section for section, _ in _sections(Settings)}
"""Every table by its path; the empty path is the whole file."""


TABLES: tuple[Path, ...] = (*filter(None, SECTIONS), ("profiles",))
"""Every table that the file may hold."""


def find(parts: Sequence[str]) -> tuple[Setting, Path] | None:
    """Return the setting at a path, and the rest of the path, which names an entry of its table."""
    for length in range(1, len(parts) + 1):
        setting = SETTINGS.get(tuple(parts[:length]))
        if setting is not None and (length == len(parts) or setting.table):
            return setting, tuple(parts[length:])
    return None


def nearest(path: Path) -> str:
    """Say which key was probably meant by one that does not exist."""
    wrong, name = ".".join(path).lower(), path[-1].lower()

    def likeness(known: Sequence[str]) -> float:
        return difflib.SequenceMatcher(None, wrong, ".".join(known)).ratio()

    likest = max(SETTINGS, key=likeness)
    if likeness(likest) >= VERY_LIKE:
        return f"did you mean {dotted(likest)}?"
    homes = sorted((known[:-1] for known in SETTINGS if known[-1] == name), key=likeness, reverse=True)
    if homes:
        return "it belongs in " + " or ".join(f"[{dotted(home)}]" for home in homes)
    siblings = {known[-1]: known for known in (*SETTINGS, *TABLES) if known[:-1] == path[:-1]}
    if close := difflib.get_close_matches(name, siblings, 1):
        return f"did you mean {dotted(siblings[close[0]])}?"
    if close := difflib.get_close_matches(name, {known[-1] for known in SETTINGS}, 1, LIKE):
        return f"did you mean {dotted(max((k for k in SETTINGS if k[-1] == close[0]), key=likeness))}?"
    if siblings:
        return f"known {'here ' if path[:-1] else ''}are {', '.join(siblings)}"
    sections = {known[-1]: dotted(known) for known in TABLES}
    for part in reversed(path):
        if close := difflib.get_close_matches(part.lower(), sections, 1, LIKE):
            return f"there is a section [{sections[close[0]]}]"
    return f"known sections are {', '.join(dict.fromkeys(known[0] for known in TABLES))}"
