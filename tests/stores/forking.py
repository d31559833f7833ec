"""A client that is used on both sides of a fork."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import os
import sys
from recollect import Recollect
url, children, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
memory = Recollect(url)
session = memory.session("s")
session.append({"role": "user", "content": "parent"})
made = []
for i in range(children):
    pid = os.fork()
    if pid == 0:
        for _ in range(each):
            session.append({"role": "user", "content": "child"})
        os._exit(0)
    made.append(pid)
for _ in range(each):
    session.append({"role": "user", "content": "parent"})
codes = [os.waitpid(pid, 0)[1] for pid in made]
assert codes == [0] * children, codes
rows = session.tail(1000)
assert [row.seq for row in rows] == list(range(1, (children + 1) * each + 2)), len(rows)
memory.close()
"""


def check_forked(url: str, *, children: int, each: int) -> None:
    """Fork children from a process that has appended; all of them and the parent append `each` messages at once.

    Fails unless every process ends well and the numbers are without a gap.
    """
    words = [sys.executable, "-c", _SCRIPT, url, str(children), str(each)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
