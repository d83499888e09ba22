"""Where the panes are: layouts as trees of splits, fitted to any terminal. Pure; the screen places widgets by it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

CHARTS = ("chart1", "chart2", "chart3", "chart4")

TRADING = ("positions", "orders", "fills", "journal", "risk", "equity")
"""Panes of trading; where nothing can be traded they are shown only to who goes there."""

PANES = (*CHARTS, "heat", "ladder", "tape", "markets", "system", "alerts", "events", "data", *TRADING)

DIGITS = dict(zip("23456789", PANES[4:12], strict=True))
"""Panes by key; `1` is the charts. Those of trading have keys of their own."""

LEAST = 80, 24
"""Columns and lines below which there is no desk."""


class Box(NamedTuple):
    """A rectangle of cells."""

    x: int
    y: int
    width: int
    height: int


class Part(NamedTuple):
    """A part of a split: a pane or another split, its weight, or its size in cells if that is fixed."""

    node: Split | str
    weight: float = 1.0
    cells: int = 0


class Split(NamedTuple):
    """Parts side by side (`across`) or one under the other. What does not fit is left out, the last part first."""

    across: bool
    parts: tuple[Part, ...]


LEAST_OF = {
    "main": (40, 8), "chart": (36, 7), "heat": (40, 8), "ladder": (17, 8), "tape": (22, 5), "markets": (36, 4),
    "system": (36, 5), "alerts": (36, 5), "events": (36, 4), "data": (36, 5), "positions": (36, 4), "orders": (36, 4),
    "fills": (36, 4), "journal": (36, 4), "risk": (36, 6), "equity": (36, 7),
}  # fmt: skip
"""Columns and lines below which a pane is not worth its place."""


def across(*parts: Part) -> Part:
    """Return parts side by side."""
    return Part(Split(True, parts))


def down(*parts: Part) -> Part:
    """Return parts one under the other."""
    return Part(Split(False, parts))


def weighing(part: Part, weight: float) -> Part:
    """Return a part with another weight."""
    return part._replace(weight=weight)


_QUAD = down(across(Part("chart1"), Part("chart2")), across(Part("chart3"), Part("chart4")))

_SIDE = down(
    Part("markets", cells=-1), Part("positions", cells=-1), Part("orders", 1.2), Part("system", 1.4), Part("alerts"),
    Part("events", 0.7),
)  # fmt: skip

_BOOK = across(Part("heat", 4), Part("ladder", cells=28), Part("tape", cells=38))

WIDE = {
    "desk": down(weighing(across(weighing(_QUAD, 5), weighing(_SIDE, 3)), 4), weighing(_BOOK, 3)),
    "quad": _QUAD,
    "duo": down(weighing(across(Part("chart1"), Part("chart2")), 3), weighing(_BOOK, 2)),
    "solo": across(Part("main", 3), down(Part("ladder", 2), Part("tape"))),
    "book": across(Part("heat", 3), Part("ladder", cells=40), Part("tape", cells=44)),
    "engine": across(Part("system", 3), down(Part("markets", cells=-1), Part("alerts", 2), Part("events"))),
    "data": across(Part("main", 3), Part("data", 3)),
    "trading": across(
        weighing(
            down(
                weighing(across(Part("main", 3), Part("ladder", cells=28)), 3),
                weighing(across(down(Part("fills"), Part("journal")), Part("equity")), 2),
            ),
            5,
        ),
        weighing(down(Part("positions"), Part("orders", 1.3), Part("risk", 3)), 4),
    ),
}
"""Layouts of a wide and high terminal; `main` is the pane in focus if it has no other place, else the chart of now."""

NORMAL = {
    "desk": down(
        weighing(across(Part("main", 2), down(Part("markets", cells=-1), Part("system", 2), Part("alerts"))), 5),
        weighing(across(Part("heat", 3), Part("ladder", cells=26), Part("tape", cells=27)), 4),
    ),
    "quad": _QUAD,
    "duo": down(Part("chart1"), Part("chart2")),
    "solo": across(Part("main", 4), Part("ladder", cells=26)),
    "book": across(Part("heat", 3), down(Part("ladder", 3), Part("tape", 2))),
    "engine": down(Part("system", 3), Part("alerts", 2), Part("events")),
    "data": down(Part("main", 3), Part("data", 4)),
    "trading": across(
        weighing(down(Part("main", 3), Part("orders", 1.5)), 5), weighing(down(Part("positions"), Part("risk", 2.4)), 4)
    ),
}

NARROW = {
    "desk": across(Part("main", 4), Part("ladder", cells=19)),
    "quad": _QUAD,
    "duo": down(Part("chart1"), Part("chart2")),
    "solo": across(Part("main")),
    "book": across(Part("heat", 3), Part("ladder", cells=19)),
    "engine": down(Part("system", 3), Part("alerts", 2)),
    "data": down(Part("main"), Part("data", 1.2)),
    "trading": down(Part("main", 2), Part("positions"), Part("orders", 1.4)),
}

PRESETS = tuple(WIDE)
"""Names of the layouts, in the order of the key."""

TOP, BOTTOM = 2, 2
"""Lines over the panes (status, tabs) and under them (events, footer)."""


def tree(preset: str, width: int, height: int) -> Part:
    """Return the layout of that name that suits a terminal."""
    table = WIDE if width >= 160 and height >= 48 else NORMAL if width >= 110 and height >= 34 else NARROW
    return table.get(preset) or table["desk"]


def arrange(
    preset: str,
    width: int,
    height: int,
    *,
    focus: str,
    chart: str,
    zoomed: bool = False,
    folded: Collection[str] = (),
    without: Collection[str] = (),
    lines: Mapping[str, int] | None = None,
    banner: int = 0,
    replay: bool = False,
    account: bool = False,
) -> dict[str, Box]:
    """Return where everything is on a terminal of `width` columns and `height` lines.

    Args:
        preset: Name of the layout.
        width: Columns.
        height: Lines.
        focus: The pane in focus; it always has a place.
        chart: The chart that was last in focus.
        zoomed: The pane in focus is shown alone.
        folded: Panes of which only the title is shown.
        without: Panes that are not shown at all, unless they are in focus.
        lines: Lines of the panes whose height follows what is in them.
        banner: Lines of the banner.
        replay: There is a line that tells where a replay stands.
        account: There is a line that tells how trading stands.
    """
    found = {
        "status": Box(0, 0, width, 1),
        "tabs": Box(0, 1, width, 1),
        "event": Box(0, height - 2, width, 1),
        "footer": Box(0, height - 1, width, 1),
    }
    top = TOP
    if replay:
        found["replay"] = Box(0, top, width, 1)
        top += 1
    if account:
        found["account"] = Box(0, top, width, 1)
        top += 1
    banner = max(min(banner, height - top - BOTTOM - 8), 0)
    if banner:
        found["banner"] = Box(0, top, width, banner)
        top += banner
    body = Box(0, top, width, height - top - BOTTOM)
    hidden = set(without) - {focus}
    shut = set(folded)
    if zoomed:
        found[focus] = body
        return found
    root = _prune(_fill(tree(preset, width, height), focus, chart, hidden), body.width, body.height, focus, lines or {})
    if root is None or focus not in _names(root):
        root = Part(focus)
    _place(root, body, shut, lines or {}, found)
    return found


def _names(part: Part) -> list[str]:
    """Return the panes in a part, in reading order."""
    if isinstance(part.node, str):
        return [part.node]
    return [name for each in part.node.parts for name in _names(each)]


def _narrow(part: Part) -> set[str]:
    """Return the panes that are given a width of their own: too little for another one."""
    if isinstance(part.node, str):
        return {part.node} if part.cells > 0 else set()
    return set().union(*(_narrow(each) for each in part.node.parts))


def _fill(root: Part, focus: str, chart: str, hidden: set[str]) -> Part:
    """Take out what is not to be shown, and find the pane in focus a place: the main one, or another pane's."""
    names = _names(root)
    new = {"main": chart if focus in names else focus}
    if focus not in names and "main" not in names:
        free = [name for name in names if name not in _narrow(root)]
        new[free[0] if focus.startswith("chart") else free[-1]] = focus

    def filled(part: Part) -> Part:
        if isinstance(part.node, str):
            return part._replace(node=new.get(part.node, part.node))
        kept = tuple(filled(each) for each in part.node.parts if each.node not in hidden)
        return part._replace(node=part.node._replace(parts=kept))

    return filled(root)


def _least(part: Part) -> tuple[int, int]:
    """Return the columns and lines that a part needs."""
    if isinstance(part.node, str):
        return LEAST_OF.get(part.node, LEAST_OF["chart"])
    sizes = [_least(each) for each in part.node.parts] or [(0, 0)]
    widths, heights = [width for width, _ in sizes], [height for _, height in sizes]
    return (sum(widths), max(heights)) if part.node.across else (max(widths), sum(heights))


def _prune(part: Part, width: int, height: int, focus: str, lines: Mapping[str, int]) -> Part | None:
    """Return a part without what has no room in `width` x `height`; the pane in focus is the last to go."""
    least = _least(part)
    if isinstance(part.node, str):
        return part if (least[0] <= width and least[1] <= height) or part.node == focus else None
    wide = part.node.across
    room, parts = width if wide else height, list(part.node.parts)
    while len(parts) > 1 and sum(_least(each)[0 if wide else 1] for each in parts) > room:
        parts.remove(next(each for each in reversed(parts) if focus not in _names(each)))
    shares = _shares(parts, room, lines, wide=wide)
    pruned = [
        _prune(each, size if wide else width, height if wide else size, focus, lines)
        for each, size in zip(parts, shares, strict=True)
    ]
    kept = tuple(each for each in pruned if each is not None)
    return part._replace(node=part.node._replace(parts=kept)) if kept else None


def _shares(parts: list[Part], room: int, lines: Mapping[str, int], *, wide: bool) -> list[int]:
    """Share out columns (`wide`) or lines: sizes of their own first, the rest by weight, nobody below what he needs."""
    if not parts:
        return []
    given: dict[int, int] = {}
    for number, part in enumerate(parts):
        if part.cells > 0:
            given[number] = part.cells
        elif part.cells < 0:  # as many lines as there are, within a third
            given[number] = max(min(lines.get(str(part.node), 0), room // 3), LEAST_OF[str(part.node)][1])
    if len(given) == len(parts):
        del given[0]
    needs = [_least(part)[0 if wide else 1] for part in parts]
    while True:
        left = max(room - sum(given.values()), 0)
        others = [number for number in range(len(parts)) if number not in given]
        total = sum(parts[number].weight for number in others)
        short = [number for number in others if left * parts[number].weight / total < needs[number]]
        if not short or len(short) == len(others):
            break
        given |= {number: needs[number] for number in short}
    taken, seen = 0, 0.0
    for number in others:
        seen += parts[number].weight
        given[number] = max(round(left * seen / total) - taken, 0)
        taken += given[number]
    return [given[number] for number in range(len(parts))]


def _place(part: Part, box: Box, folded: set[str], lines: Mapping[str, int], found: dict[str, Box]) -> None:
    """Give every pane its place; folded panes take one line under those beside or above them."""
    if isinstance(part.node, str):
        found[part.node] = box._replace(height=1) if part.node in folded else box
        return
    open_ = [each for each in part.node.parts if not set(_names(each)) <= folded]
    shut = [name for each in part.node.parts if set(_names(each)) <= folded for name in _names(each)]
    room = max(box.height - len(shut), 0)
    for row, name in enumerate(shut):
        found[name] = Box(box.x, box.y + (room if open_ else 0) + row, box.width, 1)
    if part.node.across:
        x = box.x
        for each, size in zip(open_, _shares(open_, box.width, lines, wide=True), strict=True):
            _place(each, Box(x, box.y, size, room), folded, lines, found)
            x += size
    else:
        y = box.y
        for each, size in zip(open_, _shares(open_, room, lines, wide=False), strict=True):
            _place(each, Box(box.x, y, box.width, size), folded, lines, found)
            y += size
