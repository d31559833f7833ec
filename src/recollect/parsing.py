"""The lines of an import read in a second process, so that one core reads while the other writes.

The process is this module, run by the same Python with the same path: the folder that one stands in is none of its business.
It ends when its standard input does. Both ways a frame is eight bytes
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
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO

import msgspec
from msgspec import Struct

from recollect.core.lines import BATCH_BYTES, BATCH_LINES, Batch, LineError, Parsed, Parser, Run
from recollect.core.messages import Intake
from recollect.core.regroup import Group, Pool
from recollect.core.tokens import estimate_tokens
from recollect.errors import InvalidInput, Unavailable
from recollect.store import BlockingDriver, Capabilities

CHUNK_LINES = BATCH_LINES // 2
CHUNK_BYTES = BATCH_BYTES // 2
AHEAD = 4
"""A chunk of lines at most, and how many chunks the process is given beyond the one that is waited for."""

PIPE_BYTES = 1024 * 1024
"""What a pipe holds: most systems allow no more."""

SWITCH_SECONDS = 0.0005
"""After which the thread that takes lines in gets its turn: with 5 ms the other side would wait for it."""

_LENGTH = struct.Struct("<Q")


class _Batch(Struct, array_like=True, gc=False):
    runs: int
    lines: int
    bytes: int
    failure: LineError | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode_lines = msgspec.msgpack.Decoder(list[bytes]).decode
_decode_batch: Callable[[bytes], _Batch | None] = msgspec.msgpack.Decoder(_Batch | None).decode
_decode_run = msgspec.msgpack.Decoder(Run).decode


_DIED = Batch([], None, -1, -1)
"""What stands behind the last batch when the process has ended."""


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
        self._received: SimpleQueue[Batch | None] = SimpleQueue()
        self._wanted = threading.Semaphore(1)
        self._receiver: threading.Thread | None = None
        self._closed = False
        self._lock = threading.Lock()

    def __call__(self) -> Batch | None:
        if not self._begun:
            self._begin()
        while self._process is not None:
            while self._asked <= AHEAD and not self._ended:
                self._send(next(self._chunks, []))
            if not self._asked:
                return None
            batch = self._received.get()
            if batch is _DIED:
                raise Unavailable("the process that reads the lines has ended", retryable=True)
            if batch is not None:
                self._wanted.release()
                return batch
            self._asked -= 1
        return next(self._ready, None)

    def _begin(self) -> None:
        self._begun = True
        first, second = next(self._chunks, []), next(self._chunks, [])
        if not second:
            parser = Parser(self._intake, indexed=self._capabilities.text_search)
            self._ready = map(Parsed.batch, parser.batches(iter(first)))
            return
        about = (self._capabilities.item_bytes, int(self._capabilities.text_search), int(self._stop))
        command = [sys.executable, "-P", "-m", "recollect.parsing", *map(str, about)]
        path = os.pathsep.join(filter(None, [*sys.path, str(Path(__file__).parents[1])]))
        with self._lock:
            if self._closed:  # by another thread, while this one read the first lines
                return
            self._process = process = subprocess.Popen(  # noqa: S603 (this Python, this module)
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": path}
            )
            assert process.stdin is not None
            assert process.stdout is not None
            self._receiver = threading.Thread(
                target=self._receive, args=(process.stdout,), name="recollect-import", daemon=True
            )
            self._receiver.start()
        _widen(process.stdin)
        _widen(process.stdout)
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

    def _receive(self, file: IO[bytes]) -> None:
        """Take in what comes back, a batch ahead of what is written: the process need not wait for the writing, and what
        it made is decoded while the disk is waited for."""
        try:
            while True:
                head = _decode_batch(_read_frame(file))
                batch = None
                if head is not None:
                    self._wanted.acquire()
                    if self._process is None:
                        return
                    runs = [_decode_run(_read_frame(file)) for _ in range(head.runs)]
                    batch = Batch(runs, head.failure, head.lines, head.bytes)
                self._received.put(batch)
                del batch  # or the next one would be made beside it
        except (EOFError, OSError, ValueError):
            pass
        finally:
            self._received.put(_DIED)  # whatever ended this: nobody may wait for what does not come

    def close(self) -> None:
        """End the process, and then the thread that takes in what it made."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        self._wanted.release()
        if self._receiver is not None:
            self._receiver.join()  # two that read from one pipe would each get half a frame
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was not sent yet has nobody to go to
                    pipe.close()
        process.wait()


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


def _regrouped(
    parser: Parser, pool: Pool, lines: list[bytes], *, stop: bool
) -> Iterator[tuple[Group, LineError | None]]:
    """What is to be written after a chunk of lines; after an empty one, all that is left."""
    for batch in parser.batches(iter(lines)):
        for run in batch.runs:
            pool.add(run)
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
        _write_frame(file, runs.pop().run())
    file.flush()


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold more, where the system can (Linux): fewer changes between the two processes."""
    with suppress(ImportError, OSError):
        from fcntl import F_SETPIPE_SZ, fcntl

        fcntl(pipe, F_SETPIPE_SZ, PIPE_BYTES)


def _write_frame(file: IO[bytes], value: object) -> None:
    data = _encode(value)
    file.write(_LENGTH.pack(len(data)))
    file.write(data)


def _read_frame(file: IO[bytes]) -> bytes:
    """Raises `EOFError` where there is no more."""
    (length,) = _LENGTH.unpack(_exactly(file, _LENGTH.size))
    return _exactly(file, length)


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError
    return data


def main() -> None:
    """The process: lines in, batches out. Lines are taken in while others are read, so that neither side can block both."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the importing process is interrupted too, and ends this one
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.disable()  # nothing here is cyclic, and each batch lets go of the one before
    frames: SimpleQueue[bytes | None] = SimpleQueue()

    def take() -> None:
        with suppress(EOFError):
            while True:
                frames.put(_read_frame(sys.stdin.buffer))
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
