"""Many commits at once: appends that follow each other go to the server together, in one transaction.

Many rows go by COPY: the sessions' turns are taken and their numbers asked for, the rows are written with these, and the
headers and the feed follow. A few rows, or several appends to one session, are one call of a function.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from recollect.errors import RecollectError
from recollect.store import Append, Commit, Partition, Result
from recollect.stores.postgres.commits import (
    Statements,
    appended,
    head_values,
    json_rows,
    known_of,
    numbered,
    of_another,
)
from recollect.stores.postgres.copying import copied_fields, copied_head, pieces
from recollect.stores.postgres.links import Copy, Link, Rows, Run
from recollect.stores.postgres.text import escape, unescape_or_none

MAX_CHARACTERS = 8 * 1024 * 1024
MAX_COMMITS = 200
"""In one transaction: each takes a lock, and the server has room for some thousands of them in all."""
COPY_FROM = 100
"""Rows from which on COPY, which takes five trips and not one, is the faster way."""

Outcome = list[Result] | RecollectError
Alone = Callable[[Commit], Awaitable[list[Result]]]
_dumps = msgspec.json.Encoder().encode
_HEAD = ("scope", "session", "owner", "begun", "expires", "ttl")


class _Waiting(NamedTuple):
    """An append that goes with others: its rows by id, each id once, as COPY has them."""

    commit: Commit
    partition: Partition
    op: Append
    rows: dict[str, str]


async def commit_many(
    link: Link, sql: Statements, commits: Sequence[Commit], now: datetime, alone: Alone
) -> list[Outcome]:
    """An outcome for each commit.

    Parameters
    ----------
    alone: does one commit that is not a single append.
    """
    outcomes: list[Outcome] = []
    waiting: list[_Waiting] = []
    size = 0

    async def send() -> None:
        nonlocal waiting, size
        if waiting:
            outcomes.extend(await _together(link, sql, waiting, now, alone))
        waiting, size = [], 0

    for commit in commits:
        try:
            one = _prepared(commit)
        except RecollectError as error:
            await send()
            outcomes.append(error)
            continue
        if one is None:
            await send()
            outcomes.append(await _caught(alone, commit))
            continue
        length = sum(map(len, one.rows.values()))
        if size + length > MAX_CHARACTERS or len(waiting) >= MAX_COMMITS:
            await send()
        waiting.append(one)
        size += length
    await send()
    return outcomes


def _prepared(commit: Commit) -> _Waiting | None:
    """A commit that is a single append; None for another one. Raises `LimitExceeded`."""
    if len(commit.ops) != 1 or not isinstance(commit.ops[0], Append):
        return None
    op = commit.ops[0]
    rows: dict[str, str] = {}
    for message, terms in zip(op.rows, op.terms, strict=True):
        if message.id not in rows:
            rows[message.id] = copied_fields(message, terms)
    return _Waiting(commit, commit.partition, op, rows)


async def _caught(alone: Alone, commit: Commit) -> Outcome:
    try:
        return await alone(commit)
    except RecollectError as error:
        return error


async def _together(link: Link, sql: Statements, waiting: list[_Waiting], now: datetime, alone: Alone) -> list[Outcome]:
    is_copied = len({one.partition for one in waiting}) == len(waiting) and (
        sum(len(one.rows) for one in waiting) >= COPY_FROM
    )
    try:
        if is_copied:
            return await link.loading(lambda run, copy: _copied(run, copy, sql, waiting, now))
        return await _called(link, sql, waiting, now)
    except RecollectError as error:
        if len(waiting) == 1:
            return [error]
        # One that cannot be written takes the others of its call with it: each for itself, then.
        return [await _caught(alone, one.commit) for one in waiting]


def _heads(waiting: list[_Waiting], now: datetime, *, ids: bool) -> str:
    heads = []
    for place, one in enumerate(waiting):
        head: dict[str, Any] = {"n": place, **dict(zip(_HEAD, head_values(one.partition, one.op, now), strict=True))}
        if ids:
            head["ids"] = list(map(escape, one.rows))
        heads.append(head)
    return _dumps(heads).decode()


def _by_place(answer: Rows, count: int) -> list[Rows]:
    places: list[Rows] = [[] for _ in range(count)]
    for place, *row in answer:
        places[place].append(tuple(row))
    return places


async def _called(link: Link, sql: Statements, waiting: list[_Waiting], now: datetime) -> list[Outcome]:
    lines = "\n".join(json_rows(one.op) for one in waiting)
    answer = await link.fetch(sql.append_many, (now, _heads(waiting, now, ids=False), lines))
    outcomes: list[Outcome] = []
    for one, rows in zip(waiting, _by_place(answer, len(waiting)), strict=True):
        try:
            outcomes.append([appended(one.partition, one.op, rows)])
        except RecollectError as error:
            outcomes.append(error)
    return outcomes


async def _copied(run: Run, copy: Copy, sql: Statements, waiting: list[_Waiting], now: datetime) -> list[Outcome]:
    answer = await run(sql.enter_many, (now, _heads(waiting, now, ids=True)))
    outcomes: list[Outcome] = []
    entered: list[tuple[_Waiting, str, int, set[str]]] = []
    tails: list[dict[str, Any]] = []
    for one, rows in zip(waiting, _by_place(answer, len(waiting)), strict=True):
        number, owner, is_refused, last, *_ = rows[0]
        if is_refused:
            outcomes.append(of_another(one.partition))
            continue
        known = known_of(rows, 4)
        there = set(known)
        result = numbered(one.partition, one.op, unescape_or_none(owner), last + 1, known)
        outcomes.append([result])
        entered.append((one, copied_head(one.partition.scope, one.partition.id, number, owner), last + 1, there))
        active = [row.created_at for row in result if row.seq > last and row.created_at is not None]
        tails.append(
            {
                "scope": escape(one.partition.scope),
                "session": escape(one.partition.id),
                "no": number,
                "first": last + 1,
                "written": result.written,
                "active": min(now, max(active)) if active else None,
            }
        )

    def lines() -> Iterator[str]:
        for one, head, seq, there in entered:
            for id, fields in one.rows.items():
                if id not in there:
                    yield f"{head}\t{seq}\t{fields}"
                    seq += 1

    if any(tail["written"] for tail in tails):
        await copy(sql.copy_messages, pieces(lines()))
    await run(sql.leave_many, (now, _dumps(tails).decode()))
    return outcomes
