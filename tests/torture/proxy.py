"""A port in front of a server, in a process of its own, that cuts connections in the middle of what is said.

``proxy.py PORT SEED [MEAN]``: forwards to 127.0.0.1:PORT; its own port is the first line of standard output. Each
connection is cut after a random number of bytes, MEAN on the average: mostly of a reply, so that what was asked is done and
nobody hears of it; now and then of a question. A line on standard input ends the cutting, the end of it ends the process.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import subprocess
import sys
from types import TracebackType
from typing import Self

MEAN_BYTES = 3_000


class Proxy:
    """The process, for those who start it."""

    def __init__(self, port: int, seed: int, mean: int = MEAN_BYTES) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(port), str(seed), str(mean)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def calm(self) -> None:
        """Cut no more."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def close(self) -> int:
        """End it; how many connections it has cut."""
        out, _ = self._process.communicate(timeout=20)
        return int(out)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


class _Cutter:
    def __init__(self, port: int, seed: int, mean: int) -> None:
        self._port = port
        self._dice = random.Random(seed)
        self._mean = mean
        self._tasks: set[asyncio.Task[None]] = set()
        self.calm = False
        self.cuts = 0

    async def serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            self.calm = True
        print(self.cuts, flush=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        of_questions = self._dice.random() < 0.2
        left = int(self._dice.expovariate(1 / self._mean))

        async def forward(source: asyncio.StreamReader, target: asyncio.StreamWriter, is_cut: bool) -> None:
            budget = left
            try:
                while data := await source.read(65536):
                    if is_cut and not self.calm and len(data) > budget:
                        target.write(data[:budget])
                        await target.drain()
                        self.cuts += 1
                        break
                    budget -= len(data)
                    target.write(data)
                    await target.drain()
            except OSError:
                pass

        halves = [
            asyncio.create_task(forward(reader, server_writer, of_questions)),
            asyncio.create_task(forward(server_reader, writer, not of_questions)),
        ]
        self._tasks.update(halves)
        await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
        for half in halves:
            half.cancel()
        for end in (writer, server_writer):
            if self._dice.random() < 0.5 and not end.transport.is_closing():
                # With this a close is a reset, and what was not read yet is lost.
                ending: socket.socket = end.get_extra_info("socket")
                ending.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()
        self._tasks.difference_update(halves)


if __name__ == "__main__":
    asyncio.run(_Cutter(*map(int, sys.argv[1:4])).serve())
