"""Checks that are the same in every store: guarded writes, cursors that count."""

from __future__ import annotations

from recollect.errors import Conflict, InvalidInput, NotFound
from recollect.store.contract import ABSENT, ANY


def next_version(expect: int, version: int | None, what: str) -> int:
    """The version that a `Put` gives.

    Parameters
    ----------
    expect: of the `Put`. version: that is stored, None for no row. what: is written, for the message.

    Raises `Conflict` if another version is stored than the one that is expected.
    """
    if expect == ANY or expect == (ABSENT if version is None else version):
        return (version or 0) + 1
    raise changed_meanwhile(expect, version, what)


def changed_meanwhile(expect: int, version: int | None, what: str) -> Conflict:
    """The error of a guarded write that lost."""
    return Conflict(
        f"{what} changed meanwhile: version {version or 'absent'}, expected {expect if expect > 0 else 'absent'}"
    )


def parse_feed_cursor(after: str | None, last: int, swept: int) -> int:
    """The number that a feed cursor stands for; 0 for None.

    Raises `InvalidInput` if it was never given by this feed, `NotFound` if entries behind it are gone already.
    """
    if after is None:
        return swept
    if not (after.isascii() and after.isdigit() and len(after) < 19) or int(after) > last:
        raise InvalidInput(f"not a cursor of this feed: {after[:40]!r}", field="after")
    if int(after) < swept:
        raise swept_away()
    return int(after)


def swept_away() -> NotFound:
    """The error for a cursor behind which entries are gone already."""
    return NotFound("the feed no longer holds what came after this cursor; read the tables again and begin anew")
