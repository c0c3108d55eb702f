"""Blocks: whole lines, none waited for."""

from __future__ import annotations

import io
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.blocks import BLOCK_BYTES, blocks, widen

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pieces:
    """A file that has these pieces to read, one at a time."""

    def __init__(self, *pieces: bytes) -> None:
        self.left = [piece for piece in pieces if piece]

    def read1(self, _: int) -> bytes:
        return self.left.pop(0) if self.left else b""

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("read by the line")


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([b"a\nb\n", b"c\n"], [b"a\nb\n", b"c\n"], id="whole lines as they come"),
        pytest.param([b"a\nb", b"b\nc\n"], [b"a\n", b"bb\nc\n"], id="a line in two"),
        pytest.param([b"a", b"a", b"a", b"\nb\n"], [b"aaa\nb\n"], id="a line in many"),
        pytest.param([b"a\n", b"b"], [b"a\n", b"b"], id="no end of the last line"),
        pytest.param([b"a", b"b"], [b"ab"], id="no end at all"),
        pytest.param([b"a\n", b"\n", b"\n\nb\n"], [b"a\n", b"\n", b"\n\nb\n"], id="blank lines"),
    ],
)
def test_blocks_end_with_a_line(pieces: list[bytes], expected: list[bytes]) -> None:
    assert list(blocks(Pieces(*pieces))) == expected


@given(st.binary(max_size=200).map(lambda some: some.replace(b"\0", b"\n")), st.lists(st.integers(0, 200), max_size=20))
def test_law_of_blocks(content: bytes, at: list[int]) -> None:
    """However it arrives, nothing is lost, added or moved, and each block but the last ends with a line."""
    cuts = [0, *sorted(min(place, len(content)) for place in at), len(content)]
    found = list(blocks(Pieces(*(content[start:end] for start, end in itertools.pairwise(cuts)))))
    assert b"".join(found) == content
    assert all(block.endswith(b"\n") for block in found[:-1])
    assert all(found)


def test_a_block_is_not_waited_for() -> None:
    """A tap that sends one line an hour has it taken within that hour."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=BLOCK_BYTES) as file:
        found = blocks(file)
        for line in (b"a\n", b"b\n"):
            os.write(writing, line)
            assert next(found) == line
        os.write(writing, b"c\nbegun")
        assert next(found) == b"c\n"
        os.close(writing)
        assert list(found) == [b"begun"]


def test_a_long_input_is_read_in_blocks() -> None:
    line = b"x" * 98 + b"\n"
    content = line * (3 * BLOCK_BYTES // len(line))
    found = list(blocks(io.BytesIO(content)))
    assert b"".join(found) == content
    assert len(found) == 3
    assert max(map(len, found)) < BLOCK_BYTES + len(line)


def test_a_line_may_be_longer_than_a_block() -> None:
    line = b"x" * (3 * BLOCK_BYTES) + b"\n"
    assert list(blocks(io.BytesIO(b"a\n" + line))) == [b"a\n", line]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(io.StringIO("Zoë\n\ud800\n"), id="text"),
        pytest.param(["Zoë\n", b"\xed\xa0\x80\n"], id="any lines"),
    ],
)
def test_other_sources(source: Any) -> None:
    assert b"".join(blocks(source)) == "Zoë\n\ud800\n".encode("utf-8", "surrogatepass")


def test_a_file_without_a_buffer(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"a\nb\n")
    with (tmp_path / "lines").open("rb", buffering=0) as file:
        assert list(blocks(file)) == [b"a\nb\n"]


def test_a_pipe_is_widened_to_a_block() -> None:
    fcntl = pytest.importorskip("fcntl")
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file, os.fdopen(writing, "wb"):
        widen(file)
        assert fcntl.fcntl(file, fcntl.F_GETPIPE_SZ) >= BLOCK_BYTES


def test_what_is_no_pipe_stays_as_it_is() -> None:
    with Path(os.devnull).open("rb") as file:
        widen(file)
    widen(io.BytesIO())
