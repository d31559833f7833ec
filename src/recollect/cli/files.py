"""Files as an import reads them and an export leaves them."""

from __future__ import annotations

import errno
import gzip
import os
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

BUFFER = 1 << 20
HEAD = 4096
LONGEST_LINE = 256 * 1024 * 1024 + 1
"""One more than `Recollect.import_lines` takes: what is longer is not read into memory."""

_MAGIC = {
    b"SQLite format 3\0": "an SQLite database: give it as --url sqlite:///FILE",
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: zstd -dc FILE | recollect import -",
    b"BZh": "compressed with bzip2: bzip2 -dc FILE | recollect import -",
    b"\xfd7zXZ\0": "compressed with xz: xz -dc FILE | recollect import -",
    b"\xff\xfe": "UTF-16 text: iconv -f UTF-16 -t UTF-8 FILE | recollect import -",
    b"\xfe\xff": "UTF-16 text: iconv -f UTF-16 -t UTF-8 FILE | recollect import -",
    b"PAR1": "a Parquet table: only JSON Lines can be imported",
}


class Unreadable(Exception):
    """The file, or the rest of it, cannot be read as JSON Lines; the message says why, and what to do."""


class Source:
    """A file to import: its lines, and how much of it is read.

    Parameters
    ----------
    name: a path, or ``-`` for standard input. What is compressed with gzip is unpacked, whatever its name.

    Raises OSError, and `Unreadable` for a file that is certainly something else.
    """

    def __init__(self, name: str) -> None:
        self.name = "standard input" if name == "-" else name
        self._raw: BinaryIO = sys.stdin.buffer if name == "-" else Path(name).open("rb", BUFFER)  # noqa: SIM115
        self.size = _size(self._raw)
        head = self._peek()
        self.compressed = head.startswith(b"\x1f\x8b")
        self._lines: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=self._raw)) if self.compressed else self._raw
        self._consumed = 0
        self._failure: Exception | None = None
        if not self.compressed and (kind := _other_kind(head)):
            self.close()
            raise Unreadable(f"{self.name} is {kind}")

    def _peek(self) -> bytes:
        peek = getattr(self._raw, "peek", None)
        return b"" if peek is None else cast(bytes, peek(HEAD))[:HEAD]

    def __iter__(self) -> Iterator[bytes]:
        """The lines with their ends. One that is too long comes as its beginning only.

        Where reading fails the lines end, so that those before are not lost; `check_whole` raises the failure.
        """
        try:
            for line in iter(partial(self._lines.readline, LONGEST_LINE), b""):
                self._consumed += len(line)
                yield line
                if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                    self._skip_line()
        except (OSError, EOFError, zlib.error) as error:
            self._failure = error

    def check_whole(self) -> None:
        """Raise `Unreadable` if the file ended before its end."""
        if isinstance(self._failure, EOFError):
            raise Unreadable(f"{self.name} is cut short: the lines before are imported, the rest is missing")
        if self._failure is not None:
            raise Unreadable(f"{self.name} is damaged ({self._failure}): the lines before are imported")

    def _skip_line(self) -> None:
        for piece in iter(partial(self._lines.readline, BUFFER), b""):
            self._consumed += len(piece)
            if piece.endswith(b"\n"):
                return

    def position(self) -> int:
        """Bytes of the file that are read, compressed as they are."""
        if self.compressed:
            with suppress(OSError):
                return self._raw.tell()
        return self._consumed

    def close(self) -> None:
        """Let go of the file."""
        if self.compressed:
            self._lines.close()
        if self._raw is not sys.stdin.buffer:
            self._raw.close()


def _other_kind(head: bytes) -> str | None:
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if b"\0" in head:
        return "binary, not JSON Lines"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        return "a JSON array, not JSON Lines: jq -c '.[]' FILE | recollect import -"
    return None


def _size(file: BinaryIO) -> int | None:
    with suppress(OSError, ValueError):
        status = os.fstat(file.fileno())
        if status.st_size:
            return status.st_size
    return None


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that appears whole or not at all: written beside `path`, then renamed; packed if that ends in ``.gz``.

    A device or a pipe is written as it is.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(path.parent))
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb", BUFFER) as plain:
            temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
            if path.suffix == ".gz":
                with gzip.GzipFile(filename="", mode="wb", fileobj=plain, compresslevel=6, mtime=0) as packed:
                    yield cast(BinaryIO, packed)
            else:
                yield plain
            plain.flush()
            os.fsync(plain.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
