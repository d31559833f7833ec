"""The Lua scripts, put together from the files beside this one. Redis knows a script by the SHA-1 of its text."""

from __future__ import annotations

from hashlib import sha1
from importlib.resources import files
from typing import Final

SOURCES: Final[dict[str, str]] = {}
"""The text of each script by its SHA-1, for a server that does not know it (yet, or any longer)."""

Command = tuple[str | bytes | int, ...]


class Script:
    """One script.

    Parameters
    ----------
    parts: the files it is made of, without their ending.
    """

    def __init__(self, *parts: str) -> None:
        folder = files("recollect.stores.redis") / "lua"
        text = "\n".join((folder / f"{part}.lua").read_text("utf-8") for part in parts)
        self.sha = sha1(text.encode(), usedforsecurity=False).hexdigest()
        SOURCES[self.sha] = text

    def __call__(self, keys: tuple[str, ...], *args: str | int | bytes) -> Command:
        """The command that runs it."""
        return ("EVALSHA", self.sha, len(keys), *keys, *args)


COMMIT = Script("append", "time", "no_docs", "session", "feed", "commit")
COMMIT_INDEXED = Script("time", "docs", "session", "feed", "commit")
SWEEP = Script("time", "no_docs", "session", "feed", "sweep")
SWEEP_INDEXED = Script("time", "docs", "session", "feed", "sweep")
PREFERENCES = Script("preferences_head", "feed", "preferences")
HEADERS = Script("headers")
BOUNDS = Script("bounds")
SWEEP_FEED = Script("sweep_feed")


def with_source(command: Command) -> Command:
    """The same call of a script, by its whole text."""
    return ("EVAL", SOURCES[str(command[1])], *command[2:])
