"""The lines of an import read in a second process, so that one core reads while the other writes.

The process is this module, run by the same Python; it ends when its standard input does. Both ways a frame is eight bytes
of length and a msgpack value. To it go chunks of lines, an empty one behind the last. Back come the batches that are
ready to be written, in an order of its own (`core.regroup`): what one is and then its runs, each a frame, so that neither
side has all of it twice in memory. None says that a chunk is through.
"""

from __future__ import annotations

import gc
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import IO

import msgspec
from msgspec import Struct

from recollect.core.lines import BATCH_BYTES, BATCH_LINES, Batch, LineError, Parser, Run
from recollect.core.messages import Intake
from recollect.core.regroup import Group, Pool
from recollect.core.tokens import estimate_tokens
from recollect.errors import InvalidInput, Unavailable
from recollect.store import BlockingDriver, Capabilities
from recollect.store.prepared import PreparedRow

CHUNK_LINES = BATCH_LINES // 2
CHUNK_BYTES = BATCH_BYTES // 2
AHEAD = 4
"""A chunk of lines at most, and how many chunks the process is given beyond the one that is waited for."""

_LENGTH = struct.Struct("<Q")


class _Run(Struct, array_like=True, gc=False):
    session: str
    user: str | None
    rows: list[PreparedRow]
    lines: list[int]


class _Batch(Struct, array_like=True, gc=False):
    runs: int
    lines: int
    bytes: int
    failure: LineError | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode_lines = msgspec.msgpack.Decoder(list[bytes]).decode
_decode_batch: Callable[[bytes], _Batch | None] = msgspec.msgpack.Decoder(_Batch | None).decode
_decode_run = msgspec.msgpack.Decoder(_Run).decode


class ReadElsewhere:
    """Reads batches in a second process. A source that is no longer than one batch is read in this one.

    Parameters
    ----------
    lines: bytes, one line each. intake: for a short source. capabilities: of the store.
    stop: whether a bad line ends the import: then all that stands before it comes first.

    Calling it gives the next batch, None behind the last one; it blocks. Raises `Unavailable` if the process dies.
    """

    def __init__(self, lines: Iterable[bytes], intake: Intake, capabilities: Capabilities, *, stop: bool) -> None:
        self._chunks = _chunks(iter(lines))
        self._intake = intake
        self._capabilities = capabilities
        self._stop = stop
        self._ready: Iterator[Batch] = iter(())
        self._asked = 0
        self._ended = False
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = False

    def __call__(self) -> Batch | None:
        if not self._begun:
            self._begin()
        while self._process is not None:
            while self._asked <= AHEAD and not self._ended:
                self._send(next(self._chunks, []))
            if not self._asked:
                return None
            batch = _decode_batch(self._receive())
            if batch is not None:
                runs = [_run(_decode_run(self._receive())) for _ in range(batch.runs)]
                return Batch(runs, batch.failure, batch.lines, batch.bytes)
            self._asked -= 1
        return next(self._ready, None)

    def _begin(self) -> None:
        self._begun = True
        first, second = next(self._chunks, []), next(self._chunks, [])
        if not second:
            self._ready = Parser(self._intake, indexed=self._capabilities.text_search).batches(iter(first))
            return
        about = (self._capabilities.item_bytes, int(self._capabilities.text_search), int(self._stop))
        command = [sys.executable, "-m", "recollect.parsing", *map(str, about)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 (this Python, this module)
        self._send(first)
        self._send(second)

    def _send(self, chunk: list[bytes]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._ended = not chunk
        try:
            _write_frame(self._process.stdin, chunk)
            self._process.stdin.flush()
        except OSError as error:
            raise Unavailable("the process that reads the lines has ended", retryable=True) from error
        self._asked += 1

    def _receive(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        frame = _read_frame(self._process.stdout)
        if frame is None:
            raise Unavailable("the process that reads the lines has ended", retryable=True)
        return frame

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _chunks(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        if not isinstance(line, bytes):
            raise InvalidInput(f"lines for another process are bytes, not {type(line).__name__}", field="lines")
        chunk.append(line)
        size += len(line)
        if len(chunk) >= CHUNK_LINES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _run(given: _Run) -> Run:
    run = Run(given.session, given.user)
    run.rows = given.rows
    run.lines = given.lines
    return run


def _hold(pool: Pool, run: Run) -> None:
    held = pool.of(run.session, run.user)
    before = len(held.data)
    for row, line in zip(run.rows, run.lines, strict=True):
        held.add(row, line)
    pool.count(run.session, len(run.rows), len(held.data) - before)


def _regrouped(
    parser: Parser, pool: Pool, lines: list[bytes], *, stop: bool
) -> Iterator[tuple[Group, LineError | None]]:
    """What is to be written after a chunk of lines; after an empty one, all that is left."""
    for batch in parser.batches(iter(lines)):
        for run in batch.runs:
            _hold(pool, run)
        pool.read(batch.lines, batch.bytes)
        if batch.failure is not None:
            if stop:
                yield from ((group, None) for group in pool.rest())
            yield Group([], 0, 0), batch.failure
    yield from ((group, None) for group in (pool.ready() if lines else pool.rest()))


def _write_group(file: IO[bytes], group: Group, failure: LineError | None) -> None:
    """What decodes as a `_Batch`, and as its runs; they are let go of one by one."""
    runs = group.runs
    _write_frame(file, (len(runs), group.lines, group.bytes, failure))
    runs.reverse()
    while runs:
        _write_frame(file, runs.pop().encoded())
    file.flush()


def _write_frame(file: IO[bytes], value: object) -> None:
    data = _encode(value)
    file.write(_LENGTH.pack(len(data)))
    file.write(data)


def _read_frame(file: IO[bytes]) -> bytes | None:
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = file.read(length)
    return data if len(data) == length else None


def main() -> None:
    """The process: lines in, batches out. Lines are taken in while others are read, so that neither side can block both."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the importing process is interrupted too, and ends this one
    gc.disable()  # nothing here is cyclic, and each batch lets go of the one before
    frames: SimpleQueue[bytes | None] = SimpleQueue()

    def take() -> None:
        while (frame := _read_frame(sys.stdin.buffer)) is not None:
            frames.put(frame)
        frames.put(None)

    threading.Thread(target=take, daemon=True).start()
    item_bytes, indexed, stop = map(int, sys.argv[1:])
    parser, pool = Parser(Intake(BlockingDriver(), estimate_tokens, item_bytes), indexed=bool(indexed)), Pool()
    try:
        while (frame := frames.get()) is not None:
            for group, failure in _regrouped(parser, pool, _decode_lines(frame), stop=bool(stop)):
                _write_group(sys.stdout.buffer, group, failure)
            _write_frame(sys.stdout.buffer, None)
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
