"""Recordings from disk: every container, every way to be torn, merged in the order of reception."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import RecordingUnusable
from engine.ingestion import tape
from engine.ingestion.tape import Line, TapeFile, files_of, merge

FRAMES = [
    b'{"stream":"btcusdt@trade","data":{"e":"trade","p":"%d.50","x":{"y":1}}}' % (61_000 + 7919 * n % 997)
    for n in range(24)
]
TEXT = [b"%d %s\n" % (1_000_000_000 + 1000 * n, frame) for n, frame in enumerate(FRAMES)]
LINES = [(1_000_000_000 + 1000 * n, 0, frame) for n, frame in enumerate(FRAMES)]


def read(path: Path, index: int = 0) -> tuple[list[Line], TapeFile]:
    file = TapeFile(path, index)
    return [line for chunk in file.lines() for line in chunk], file


def members(pack: object, per_member: int = 6) -> list[bytes]:
    assert callable(pack)
    return [pack(b"".join(TEXT[at : at + per_member])) for at in range(0, len(TEXT), per_member)]


CONTAINERS = {
    "plain.jsonl": lambda data: data,
    "one.gz": gzip.compress,
    "one.zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("per_member", [6, 24])
def test_containers(name: str, per_member: int, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"".join(members(CONTAINERS[name], per_member)))
    lines, file = read(path)
    assert lines == LINES
    assert file.notes == []
    assert (file.malformed, file.backwards) == (0, 0)


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_torn_tail_at_every_offset(name: str, tmp_path: Path) -> None:
    """Whatever the length of what is left: whole lines from the beginning, nothing else, and it is said."""
    parts = members(CONTAINERS[name])
    whole = b"".join(parts)
    edges = {0}
    for part in parts:
        edges.add(max(edges) + len(part))
    if name.startswith("plain"):
        # A plain file may end behind any line, with or without the line break.
        edges = {0}
        for line in TEXT:
            edges |= {max(edges) + len(line) - 1, max(edges) + len(line)}
    path = tmp_path / name
    longest = 0
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        lines, file = read(path)
        assert lines == LINES[: len(lines)], f"cut at {length} of {len(whole)}: a line that was not written"
        assert file.malformed == 0
        assert len(lines) >= longest - 1
        longest = max(longest, len(lines))
        assert bool(file.notes) == (length not in edges), f"cut at {length}: {file.notes}"
    assert longest == len(LINES)


@pytest.mark.parametrize("name", ["one.gz", "one.zst"])
def test_bytes_damaged_in_the_middle_keep_what_came_before(name: str, tmp_path: Path) -> None:
    parts = members(CONTAINERS[name])
    for at in range(20, len(parts[1]) - 10, 3):
        broken = bytearray(parts[1])
        broken[at] ^= 0x55
        path = tmp_path / name
        path.write_bytes(parts[0] + bytes(broken) + parts[2])
        lines, _ = read(path)
        assert lines[:6] == LINES[:6]


@pytest.mark.parametrize("rubbish", [b"\0" * 20, b"garbage", b"\x1f\x8b"])
def test_rubbish_behind_the_last_member_is_said(rubbish: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"".join(TEXT)) + rubbish)
    lines, file = read(path)
    assert lines == LINES
    assert len(file.notes) == 1


def test_empty_and_missing_files(tmp_path: Path) -> None:
    for name in ("a.gz", "a.zst", "a.txt"):
        (tmp_path / name).write_bytes(b"")
        lines, file = read(tmp_path / name)
        assert (lines, file.notes) == ([], [])
    with pytest.raises(RecordingUnusable, match=r"missing\.gz"):
        read(tmp_path / "missing.gz")
    with pytest.raises(RecordingUnusable, match="no such file"):
        files_of(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordingUnusable, match=r"\.gz"):
        files_of(tmp_path / "empty")


def test_files_of_a_folder_are_sorted_and_chosen_by_name(tmp_path: Path) -> None:
    for name in ("b/2.gz", "a/1.gz", "a/0.zst", "c.log", "SOURCE.md", "x.feather"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert files_of(tmp_path) == sorted(tmp_path / name for name in ("b/2.gz", "a/1.gz", "a/0.zst", "c.log"))
    assert files_of(tmp_path / "SOURCE.md") == [tmp_path / "SOURCE.md"]


def test_stamps_that_run_backwards_are_held(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b'5 {"a":1}\n3 {"b":1}\n-7 {"c":1}\n9 {"d":1}\n')
    lines, file = read(path)
    assert [(stamp, frame) for stamp, _, frame in lines] == [
        (5, b'{"a":1}'),
        (5, b'{"b":1}'),
        (5, b'{"c":1}'),
        (9, b'{"d":1}'),
    ]
    assert file.backwards == 2


def test_lines_without_a_stamp_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b'5 {"a":1}\nrubbish\n{"b":1}\n\n1.5 {"c":1}\n\xff\xfe\n6 {"d":1}\n')
    lines, file = read(path)
    assert [stamp for stamp, _, _ in lines] == [5, 6]
    assert file.malformed == 4


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(st.lists(st.integers(0, 40), max_size=30), min_size=1, max_size=4),
    chunk=st.sampled_from([1, 16, 64, 4096]),
)
def test_merge_is_a_stable_sort(
    files: list[list[int]], chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By receive stamp; ties in the order of paths, then of lines; whatever the size of the chunks read."""
    monkeypatch.setattr(tape, "CHUNK", 8 * chunk)
    tapes = []
    expected: list[Line] = []
    for index, stamps in enumerate(files):
        path = tmp_path / f"{index}.txt"
        rows = [(stamp, index, b'{"n":%d}' % n) for n, stamp in enumerate(sorted(stamps))]
        path.write_bytes(b"".join(b"%d %s\n" % (stamp, frame) for stamp, _, frame in rows))
        tapes.append(TapeFile(path, index))
        expected += rows
    merged = [line for batch in merge(tapes) for line in batch]
    assert merged == sorted(expected, key=lambda line: (line[0], line[1]))
    assert all(a[0] <= b[0] for a, b in pairwise(merged))


def test_merge_of_recorded_files(recordings: Path) -> None:
    """Two symbols, two days: all lines, in order."""
    paths = sorted((recordings / "spot").glob("*.gz"))
    count = 0
    last = 0
    per_file = [0] * len(paths)
    for batch in merge([TapeFile(path, index) for index, path in enumerate(paths)]):
        for stamp, index, _ in batch:
            assert stamp >= last
            last = stamp
            per_file[index] += 1
        count += len(batch)
    assert per_file == [41249, 58325, 33618, 46126]
    assert count == sum(per_file)
