"""A commit that one transaction does not take: a stretch of the session is announced, filled by several at once, and shown.

While it is filled, its header says ``busy_until`` and its lanes are open: items of the index that each transaction of the
filling checks. Whoever writes the header meanwhile closes the lanes in the same transaction, so that nothing can be written
into the stretch, or over the entry of an id, once it has become garbage. Transactions that check one item conflict with each
other (Amazon DynamoDB Developer Guide, "Transaction conflict handling"): so each thread has a lane of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from recollect.errors import Unavailable
from recollect.stores.dynamodb import actions
from recollect.stores.dynamodb.actions import Action
from recollect.stores.dynamodb.client import Cancelled, Client, pause_of
from recollect.stores.dynamodb.keys import lane_entry
from recollect.stores.dynamodb.values import Item, text

LANES = 4
"""Transactions on the way at once. Part of the layout: whoever closes lanes closes so many."""

TURNS = 40
PASSING = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded", "None"}
"""Reasons that say nothing of what is stored: the same transaction may go through the next time."""


def _keys(session: str) -> list[Item]:
    return [{"session_id": text(session), "entry": text(lane_entry(number))} for number in range(LANES)]


def opened(index: str, session: str, commit_id: str) -> list[Action]:
    """What opens the lanes of a large commit.

    Parameters
    ----------
    index: the table. session: the partition key. commit_id: of the header that announces it.
    """
    return [actions.put(index, key | {"commit_id": text(commit_id)}) for key in _keys(session)]


def closed(index: str, session: str) -> list[Action]:
    """What closes them, in the transaction that writes the next header."""
    return [actions.delete(index, key) for key in _keys(session)]


def fill(client: Client, index: str, session: str, commit_id: str, puts: Iterable[Action]) -> None:
    """Write a stretch through the open lanes, in a thread for each.

    `puts` are taken when there is a lane for them, so that the server has work while the rest is being made.

    Raises `Cancelled` if the lanes were closed, or if a condition of one of `puts` does not hold.
    """
    waiting, lock, failed = actions.chunks(puts), threading.Lock(), threading.Event()

    def drain(key: Item) -> None:
        lane = actions.check(index, key, "session_id", commit_id)
        while not failed.is_set():
            with lock:
                chunk = next(waiting, None)
            if chunk is None:
                return
            try:
                _send(client, [lane, *chunk])
            except BaseException:
                failed.set()
                raise

    with ThreadPoolExecutor(LANES, thread_name_prefix="recollect-fill") as pool:
        for done in [pool.submit(drain, key) for key in _keys(session)]:
            done.result()


def _send(client: Client, sent: list[Action]) -> None:
    """One transaction. It needs no token: it writes the same if it is repeated."""
    for turn in range(TURNS):
        try:
            client.request("transact_write_items", {"TransactItems": sent})
        except Cancelled as cancelled:
            if not PASSING.issuperset(cancelled.codes):
                raise
            time.sleep(pause_of(turn))
        else:
            return
    raise Unavailable(f"DynamoDB at {client.where} is busy: a part of a large commit was refused {TURNS} times")
