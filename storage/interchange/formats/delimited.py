"""CSV: any delimiter, with or without a header, columns in any order, packed or not; read as text, so nothing is
guessed.

Without a header six columns are time, open, high, low, close, volume, a seventh the number of trades, and twelve those
of a Binance kline; where the rows contradict that, the file is refused until somebody names its columns.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ImportRefused
from storage.interchange.batch import Hints, Parsed
from storage.interchange.identity import Identity, of_name
from storage.interchange.packed import content, members
from storage.interchange.tabular import take

if TYPE_CHECKING:
    import polars as pl

KLINE = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count", "taker_buy_volume",
    "taker_buy_quote_volume", "ignore",
)  # fmt: skip
"""Columns of Binance's klines, in the archive and by REST."""

BARE = {6: KLINE[:6], 7: (*KLINE[:6], "trades"), 12: KLINE}
"""Columns of files that do not name them, by their number."""

DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
CONTRADICTED = 0.05
"""Share of refused rows from which on the columns of a file without a header are something else."""


def read(path: Path, hints: Hints) -> Parsed:
    """Read a file of candles or trades.

    Raises:
        ImportRefused: It is none; the message says why and what to do.
    """
    parsed = Parsed("csv")
    text_table(parsed, content(path), of_name(path), hints, "csv")
    return parsed


def read_zip(path: Path, hints: Hints) -> Parsed:
    """Read a zip of CSV files, whose names or whose own name tell what they are.

    Raises:
        ImportRefused: As `read`.
    """
    parsed = Parsed("csv")
    for member, data in members(path):
        text_table(parsed, data, of_name(path.with_name(member) if pair_in(member) else path), hints, "csv")
    return parsed


def pair_in(member: str) -> bool:
    """Tell whether a name tells an instrument."""
    return bool(of_name(Path(member)).symbol)


def text_table(
    parsed: Parsed, data: bytes, identity: Identity, hints: Hints, usual: str, bare: dict[int, tuple[str, ...]] = BARE
) -> None:
    """Take a table in text into `parsed`; `bare` names the columns of one without a header.

    Raises:
        ImportRefused: No table, or of something else.
    """
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")  # lines as old spreadsheets end them
    head = first_lines(data)
    if not head:
        parsed.note("no rows")
        return
    delimiter = delimiter_of(head)
    skipped, cells = 0, [line.split(delimiter) for line in head]
    while skipped < len(cells) - 1 and (head[skipped].startswith("#") or len(cells[skipped]) < 3 <= len(cells[-1])):
        skipped += 1  # a comment, or the address of whoever made the file
    first = [cell.strip().strip("\"'").strip("\x00") for cell in cells[skipped]]
    named = not any(_NUMBER.fullmatch(cell) for cell in first)
    if hints.columns:
        names = list(hints.columns)
        if len(names) != len(first):
            raise ImportRefused(
                f"--columns names {len(names)} columns, and the file has {len(first)}: - stands for one to leave out"
            )
    elif named:
        names = first
    elif len(first) in bare:
        names = list(bare[len(first)])
    else:
        raise ImportRefused(
            f"no header, and {len(first)} columns: name them in order with --columns, "
            "as in --columns time,open,high,low,close,volume"
        )
    before = skipped + (1 if named else 0)
    frame = _frame(parsed, _without_lines(data, before), delimiter, len(names), before)
    refused = parsed.refusals.count
    take(parsed, frame, names, identity, hints, usual, first_row=before + 1)
    guessed = bare is BARE and not named and not hints.columns
    if guessed and parsed.refusals.count - refused > CONTRADICTED * frame.height:
        why = ", ".join(f"{count} x {kind}" for kind, count in parsed.refusals.kinds.most_common(3))
        raise ImportRefused(
            f"no header; read as {', '.join(names)} its rows make no sense ({why}): name them with --columns"
        )


def first_lines(data: bytes, most: int = 20) -> list[str]:
    """Return the first lines that hold something, as text."""
    text = data[:65_536].decode("utf-8-sig", "replace")
    lines = [line.removesuffix("\r") for line in (text if "\n" in text else text.replace("\r", "\n")).split("\n")]
    if len(data) > 65_536:
        lines = lines[:-1]
    return [line for line in lines if line.strip()][:most]


def delimiter_of(lines: list[str]) -> str:
    """Return what parts the cells of most lines, a comma where nothing does.

    Of two that fit, it is the one that more lines have as often: decimal commas do not stand in a header.
    """

    def fit(each: str) -> tuple[int, int, int]:
        usual = usual_count(lines, each)
        return usual, sum(line.count(each) == usual for line in lines), -DELIMITERS.index(each)

    return max(DELIMITERS, key=fit)


def usual_count(lines: list[str], delimiter: str) -> int:
    """Return how many delimiters most lines have."""
    return sorted(line.count(delimiter) for line in lines)[len(lines) // 2]


def _without_lines(data: bytes, count: int) -> bytes:
    """Return data without its mark of encoding, and without its first lines that hold something."""
    place = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while count and place < len(data):
        end = data.find(b"\n", place)
        end = len(data) if end < 0 else end + 1
        count -= bool(data[place:end].strip())
        place = end
    return data[place:]


def _frame(parsed: Parsed, data: bytes, delimiter: str, width: int, before: int) -> pl.DataFrame:
    """Return all rows as texts. Lines of different widths are read one by one, and the odd ones refused."""
    import polars as pl

    data = data.replace(b"\x00", b"")
    schema = {f"c{i}": pl.String for i in range(width)}
    if not data.strip():
        return pl.DataFrame(schema=schema)
    try:
        frame = pl.read_csv(
            io.BytesIO(data),
            has_header=False,
            separator=delimiter,
            infer_schema=False,
            encoding="utf8-lossy",
            quote_char='"',
        )
    except (pl.exceptions.PolarsError, OSError):
        frame = None
    if frame is not None and frame.width == width:
        if frame.height:
            blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
            frame = frame.filter(~blank)
        return frame.rename(dict(zip(frame.columns, schema, strict=True)))
    rows: list[list[str]] = []
    lines = csv.reader(io.StringIO(data.decode("utf-8", "replace"), newline=""), delimiter=delimiter)
    try:
        for cells in lines:
            if len(cells) == width:
                rows.append(cells)
            elif cells:
                parsed.rows += 1
                parsed.refusals.add(
                    before + lines.line_num, "not as many fields as columns", f"{len(cells)} instead of {width}",
                    delimiter.join(cells),
                )  # fmt: skip
    except csv.Error as error:
        raise ImportRefused(f"line {before + lines.line_num} cannot be read: {error}") from error
    return pl.DataFrame(rows, schema=schema, orient="row")
