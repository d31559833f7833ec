"""Many commits at once: appends that follow each other go to the server together, in one transaction.

Many rows go by COPY: the sessions' turns are taken and their numbers asked for, the rows are written with these, and the
headers and the feed follow. What can be done beside the server's work is done while it reads the rows. A few rows, or several
appends to one session, are one call of a function.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from recollect.errors import RecollectError
from recollect.store import Append, Appended, Commit, Partition, Result
from recollect.stores.postgres.commits import (
    Statements,
    appended,
    head_values,
    json_rows,
    known_of,
    numbered,
    of_another,
)
from recollect.stores.postgres.copying import copied_fields, copied_head, is_plain, pieces, plain_fields
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
_KNOWN = 5
"""In an answer of ``enter_many``, the first column of a message that was there already."""
_HEAD = ("scope", "session", "owner", "begun", "expires", "ttl")


class _Waiting(NamedTuple):
    """An append that goes with others.

    Parameters
    ----------
    places: of its messages in `op.rows`, by id, each id once. fields: of those that are no plain text by place, as COPY
        has them. size: characters, or so.
    """

    commit: Commit
    partition: Partition
    op: Append
    places: dict[str, int]
    fields: dict[int, str]
    size: int


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
        if size + one.size > MAX_CHARACTERS or len(waiting) >= MAX_COMMITS:
            await send()
        waiting.append(one)
        size += one.size
    await send()
    return outcomes


def _prepared(commit: Commit) -> _Waiting | None:
    """A commit that is a single append; None for another one. Raises `LimitExceeded`."""
    if len(commit.ops) != 1 or not isinstance(commit.ops[0], Append):
        return None
    op = commit.ops[0]
    places: dict[str, int] = {}
    fields: dict[int, str] = {}
    size = 0
    for place, (message, terms) in enumerate(zip(op.rows, op.terms, strict=True)):
        if message.id in places:
            continue
        places[message.id] = place
        content = message.content
        if isinstance(content, str) and is_plain(message):
            size += len(content) + len(terms)
        else:
            fields[place] = copied_fields(message, terms)
            size += len(fields[place])
    return _Waiting(commit, commit.partition, op, places, fields, size)


async def _caught(alone: Alone, commit: Commit) -> Outcome:
    try:
        return await alone(commit)
    except RecollectError as error:
        return error


async def _together(link: Link, sql: Statements, waiting: list[_Waiting], now: datetime, alone: Alone) -> list[Outcome]:
    is_copied = len({one.partition for one in waiting}) == len(waiting) and (
        sum(len(one.places) for one in waiting) >= COPY_FROM
    )
    try:
        if is_copied:
            is_sure = not link.is_alone

            async def copied(run: Run, copy: Copy) -> list[Outcome]:
                nonlocal is_sure
                was_sure, is_sure = is_sure, True
                return await _copied(run, copy, sql, waiting, now, is_sure=was_sure)

            return await link.loading(copied)
        return await _called(link, sql, waiting, now)
    except RecollectError as error:
        if len(waiting) == 1:
            return [error]
        # One that cannot be written takes the others of its call with it: each for itself, then.
        return [await _caught(alone, one.commit) for one in waiting]


def _heads(waiting: list[_Waiting], now: datetime, ids: Callable[[list[str]], list[str]] | None = None) -> str:
    """What is said of each append before its rows. `ids`: those that are to be looked for, of all of an append."""
    heads = []
    for place, one in enumerate(waiting):
        head: dict[str, Any] = {"n": place, **dict(zip(_HEAD, head_values(one.partition, one.op, now), strict=True))}
        if ids is not None:
            head["ids"] = list(map(escape, ids(list(one.places))))
        heads.append(head)
    return _dumps(heads).decode()


def _ends(ids: list[str]) -> list[str]:
    return [ids[0], ids[-1]] if len(ids) > 2 else ids


def _by_place(answer: Rows, count: int) -> list[Rows]:
    places: list[Rows] = [[] for _ in range(count)]
    for place, *row in answer:
        places[place].append(tuple(row))
    return places


async def _called(link: Link, sql: Statements, waiting: list[_Waiting], now: datetime) -> list[Outcome]:
    lines = "\n".join(json_rows(one.op) for one in waiting)
    answer = await link.fetch(sql.append_many, (now, _heads(waiting, now), lines))
    outcomes: list[Outcome] = []
    for one, rows in zip(waiting, _by_place(answer, len(waiting)), strict=True):
        try:
            outcomes.append([appended(one.partition, one.op, rows)])
        except RecollectError as error:
            outcomes.append(error)
    return outcomes


async def _copied(
    run: Run, copy: Copy, sql: Statements, waiting: list[_Waiting], now: datetime, *, is_sure: bool
) -> list[Outcome]:
    """Appends to as many sessions.

    To look for every id costs a tenth of it all, and what is loaded twice is mostly loaded as a whole: so the first and
    the last id of each append are looked for, and all where one of them is there. Where another one is, the server refuses
    the row, everything is undone and comes again with `is_sure`: all ids are looked for.
    """
    answer = await run(sql.enter_many, (now, _heads(waiting, now, list if is_sure else _ends)))
    if not is_sure and any(row[_KNOWN] is not None for row in answer):
        answer = await run(sql.enter_many, (now, _heads(waiting, now, list)))
    outcomes: list[Outcome] = []
    entered: list[tuple[_Waiting, list[Result], Rows]] = []
    for one, rows in zip(waiting, _by_place(answer, len(waiting)), strict=True):
        _, _, is_refused, *_ = rows[0]
        results: list[Result] = []
        outcomes.append(of_another(one.partition) if is_refused else results)
        if not is_refused:
            entered.append((one, results, rows))
    tails: list[dict[str, Any]] = []
    others: list[str] = []

    def plain() -> Iterator[str]:
        for one, results, rows in entered:
            number, owner, _, last, *_ = rows[0]
            head = copied_head(one.partition.scope, one.partition.id, number, owner)
            known = known_of(rows, 4)
            there = set(known)
            result = numbered(one.partition, one.op, unescape_or_none(owner), last + 1, known)
            results.append(result)
            tails.append(_tail(one.partition, number, last, result, now))
            seq = last
            for id, place in one.places.items():
                if id in there:
                    continue
                seq += 1
                if place in one.fields:
                    others.append(f"{head}\t{seq}\t{one.fields[place]}")
                else:
                    yield f"{head}\t{seq}\t{plain_fields(one.op.rows[place], one.op.terms[place])}"

    data = pieces(plain())
    first = next(data, None)
    if first is not None:
        await copy(sql.copy_plain, chain([first], data))
    if others:
        await copy(sql.copy_messages, pieces(others))
    await run(sql.leave_many, (now, _dumps(tails).decode()))
    return outcomes


def _tail(partition: Partition, number: int, last: int, result: Appended, now: datetime) -> dict[str, Any]:
    """What ``leave_many`` is to know of an append to the session with this number, which had `last` as its last seq."""
    active = [row.created_at for row in result if row.seq > last and row.created_at is not None]
    return {
        "scope": escape(partition.scope),
        "session": escape(partition.id),
        "no": number,
        "first": last + 1,
        "written": result.written,
        "active": min(now, max(active)) if active else None,
    }
