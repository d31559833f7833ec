"""The actions of a transaction, and how many of them one takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from recollect.stores.dynamodb.known import Entry
from recollect.stores.dynamodb.values import Item, bound_of, text

MOST = 100
"""Actions of one TransactWriteItems."""

MOST_BYTES = 3_500_000
"""Of the 4 MB that one transaction may have, with room for keys and expressions."""

Action = dict[str, dict[str, Any]]


def put(table: str, item: Item) -> Action:
    """Write an item, whatever is there."""
    return {"Put": {"TableName": table, "Item": item}}


def guarded_put(table: str, item: Item, hash: str, commit_id: str | None) -> Action:
    """Write an item if what is there was written by that commit; None: if nothing is there. Tells what is there if not."""
    return {"Put": {"TableName": table, "Item": item, **_guard(hash, commit_id)}}


def guarded_delete(table: str, key: Item, hash: str, commit_id: str | None) -> Action:
    """Delete an item if it was written by that commit."""
    return {"Delete": {"TableName": table, "Key": key, **_guard(hash, commit_id)}}


def check(table: str, key: Item, hash: str, commit_id: str) -> Action:
    """Fail unless an item was written by that commit."""
    return {"ConditionCheck": {"TableName": table, "Key": key, **_guard(hash, commit_id)}}


def absent(table: str, key: Item, hash: str) -> Action:
    """Fail if there is an item."""
    return {"ConditionCheck": {"TableName": table, "Key": key, **_guard(hash, None)}}


def _guard(hash: str, commit_id: str | None) -> dict[str, Any]:
    tell = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    if commit_id is None:
        return {"ConditionExpression": f"attribute_not_exists({hash})", **tell}
    return {
        "ConditionExpression": "commit_id = :commit",
        "ExpressionAttributeValues": {":commit": text(commit_id)},
        **tell,
    }


def put_entry(table: str, entry: Entry) -> Action:
    """Write an entry of the index; that of an id in question only if the id was never used.

    One that was, by a message that is gone, fails as well: what stands against it says so, and the next try knows.
    """
    return put(table, entry.item) if entry.guarded is None else guarded_put(table, entry.item, "session_id", None)


def delete(table: str, key: Item) -> Action:
    """Delete an item, if it is there."""
    return {"Delete": {"TableName": table, "Key": key}}


def size(actions: list[Action]) -> int:
    """Bytes that the items which are put take at most."""
    return sum(bound_of(action["Put"]["Item"]) for action in actions if "Put" in action)


def fits(actions: list[Action]) -> bool:
    """Whether one transaction takes them all."""
    return len(actions) <= MOST and size(actions) <= MOST_BYTES


def chunks(actions: Iterable[Action], most: int = MOST - 1) -> Iterator[list[Action]]:
    """The actions in their order, as many together as fit."""
    chunk: list[Action] = []
    held = 0
    for action in actions:
        bytes_of = size([action])
        if chunk and (len(chunk) >= most or held + bytes_of > MOST_BYTES):
            yield chunk
            chunk, held = [], 0
        chunk.append(action)
        held += bytes_of
    if chunk:
        yield chunk
