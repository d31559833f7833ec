"""Many commits at once: appends that follow each other go to the server together, in one call and one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec

from recollect.errors import RecollectError
from recollect.store import Append, Commit, Result
from recollect.stores.postgres.commits import Statements, appended, head_values, json_rows
from recollect.stores.postgres.links import Link, Rows

MAX_BYTES = 8 * 1024 * 1024
MAX_COMMITS = 200
"""In one call: each takes a lock, and the server has room for some thousands of them in all."""

Outcome = list[Result] | RecollectError
_dumps = msgspec.json.Encoder().encode
_HEAD = ("scope", "session", "owner", "begun", "expires", "ttl")


async def commit_many(
    link: Link,
    sql: Statements,
    commits: Sequence[Commit],
    now: datetime,
    alone: Callable[[Commit], Awaitable[list[Result]]],
) -> list[Outcome]:
    """An outcome for each commit.

    Parameters
    ----------
    alone: does one commit that is not a single append.
    """
    outcomes: list[Outcome] = []
    for together, some in groupby(commits, _is_append):
        if not together:
            for commit in some:
                outcomes.append(await _caught(alone, commit))
            continue
        for calls, text in _calls(list(some), now):
            outcomes += await _together(link, sql, calls, text, now, alone)
    return outcomes


def _is_append(commit: Commit) -> bool:
    return len(commit.ops) == 1 and isinstance(commit.ops[0], Append)


async def _caught(alone: Callable[[Commit], Awaitable[list[Result]]], commit: Commit) -> Outcome:
    try:
        return await alone(commit)
    except RecollectError as error:
        return error


def _calls(commits: list[Commit], now: datetime) -> Any:
    """Commits in calls of a bounded size, each call's text with them."""
    calls: list[Commit] = []
    texts: list[bytes] = []
    size = 0
    for commit in commits:
        text = _text(commit, len(calls), now)
        if calls and (size + len(text) > MAX_BYTES or len(calls) >= MAX_COMMITS):
            yield calls, b"[" + b",".join(texts) + b"]"
            calls, texts, size = [], [], 0
            text = _text(commit, 0, now)
        calls.append(commit)
        texts.append(text)
        size += len(text)
    yield calls, b"[" + b",".join(texts) + b"]"


def _text(commit: Commit, place: int, now: datetime) -> bytes:
    (op,) = commit.ops
    assert isinstance(op, Append)
    head = zip(_HEAD, head_values(commit.partition, op, now), strict=True)
    return _dumps({"n": place, "rows": msgspec.Raw(json_rows(op).encode()), **dict(head)})


async def _together(
    link: Link,
    sql: Statements,
    commits: list[Commit],
    text: bytes,
    now: datetime,
    alone: Callable[[Commit], Awaitable[list[Result]]],
) -> list[Outcome]:
    try:
        answer = await link.fetch(sql.append_many, (now, text.decode()))
    except RecollectError as error:
        if len(commits) == 1:
            return [error]
        # One that cannot be written takes the others of its call with it: each for itself, then.
        return [await _caught(alone, commit) for commit in commits]
    places: list[Rows] = [[] for _ in commits]
    for place, *row in answer:
        places[place].append(tuple(row))
    outcomes: list[Outcome] = []
    for commit, rows in zip(commits, places, strict=True):
        (op,) = commit.ops
        assert isinstance(op, Append)
        try:
            outcomes.append([appended(commit.partition, op, rows)])
        except RecollectError as error:
            outcomes.append(error)
    return outcomes
