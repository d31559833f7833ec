"""Many commits at once: appends that follow each other go to the server together, in one call and one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import msgspec

from recollect.errors import RecollectError
from recollect.store import Append, Commit, Result
from recollect.stores.postgres.commits import Statements, appended, head_values, json_rows
from recollect.stores.postgres.links import Link, Rows

MAX_CHARACTERS = 8 * 1024 * 1024
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
    waiting: list[tuple[Commit, str]] = []
    size = 0

    async def send() -> None:
        nonlocal waiting, size
        if waiting:
            outcomes.extend(await _together(link, sql, waiting, now, alone))
        waiting, size = [], 0

    for commit in commits:
        try:
            rows = _rows(commit)
        except RecollectError as error:
            await send()
            outcomes.append(error)
            continue
        if rows is None:
            await send()
            outcomes.append(await _caught(alone, commit))
            continue
        if size + len(rows) > MAX_CHARACTERS or len(waiting) >= MAX_COMMITS:
            await send()
        waiting.append((commit, rows))
        size += len(rows)
    await send()
    return outcomes


def _rows(commit: Commit) -> str | None:
    """The rows of a commit that is a single append; None for another one."""
    if len(commit.ops) == 1 and isinstance(commit.ops[0], Append):
        return json_rows(commit.ops[0])
    return None


async def _caught(alone: Callable[[Commit], Awaitable[list[Result]]], commit: Commit) -> Outcome:
    try:
        return await alone(commit)
    except RecollectError as error:
        return error


def _heads(commits: list[Commit], now: datetime) -> str:
    heads = []
    for place, (partition, (op, *_)) in enumerate(commits):
        assert isinstance(op, Append)
        heads.append({"n": place, **dict(zip(_HEAD, head_values(partition, op, now), strict=True))})
    return _dumps(heads).decode()


async def _together(
    link: Link,
    sql: Statements,
    waiting: list[tuple[Commit, str]],
    now: datetime,
    alone: Callable[[Commit], Awaitable[list[Result]]],
) -> list[Outcome]:
    commits = [commit for commit, _ in waiting]
    try:
        answer = await link.fetch(sql.append_many, (now, _heads(commits, now), "\n".join(rows for _, rows in waiting)))
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
