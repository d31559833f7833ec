"""Pages of a query, and what the items of a session's pages are: whole messages, pieces of them, what is hidden."""

from __future__ import annotations

from typing import Any

from recollect.errors import CorruptRecord
from recollect.stores.dynamodb.client import Client
from recollect.stores.dynamodb.header import Header
from recollect.stores.dynamodb.items import joined
from recollect.stores.dynamodb.values import Item, get_number, text

PAGE = 5000
"""Items that a page is asked for at most; of usual ones DynamoDB's own limit of a megabyte ends it before."""


class Pages:
    """The pages of a query, one after the other."""

    def __init__(self, client: Client, query: dict[str, Any], page: dict[str, Any] | None = None) -> None:
        self.client = client
        self._query = query | (page or {})
        self._more = True

    async def next(self) -> list[Item] | None:
        """The next page, None behind the last."""
        if not self._more:
            return None
        items, start = await self.client.query(**self._query)
        self._query["ExclusiveStartKey"] = start
        self._more = start is not None
        return items


class Assembler:
    """Puts large messages together from the items of a query, which come in the order of their keys or against it."""

    def __init__(self, reverse: bool) -> None:
        self._reverse = reverse
        self._pieces: list[Item] = []
        self._head: Item | None = None

    def take(self, item: Item) -> Item | None:
        """A whole message, if this item completes one. Pieces without their message are left out."""
        place = item["timestamp"]["S"]
        if "field" in item:
            if self._reverse:
                self._pieces.append(item)
                return None
            head = self._head
            if head is None or not place.startswith(head["timestamp"]["S"]):
                return None
            self._pieces.append(item)
            return self._done(head) if len(self._pieces) == int(head["pieces"]["N"]) else None
        count = get_number(item, "pieces")
        if self._reverse:
            self._pieces = [piece for piece in reversed(self._pieces) if piece["timestamp"]["S"].startswith(place)]
            if len(self._pieces) < count:
                raise CorruptRecord(f"the message at {place} lacks {count - len(self._pieces)} of its {count} pieces")
            return self._done(item)
        self._head, self._pieces = (item, []) if count else (None, [])
        return None if count else item

    def _done(self, head: Item) -> Item:
        whole = joined(head, self._pieces) if self._pieces else head
        self._pieces, self._head = [], None
        return whole


def between(
    table: str, session: str, low: str, high: str, *, reverse: bool = False, consistent: bool = True
) -> dict[str, Any]:
    """A query of a session's items, from a sort key to another, both included."""
    return {
        "TableName": table,
        "KeyConditionExpression": "session_id = :session AND #ts BETWEEN :low AND :high",
        "ExpressionAttributeNames": {"#ts": "timestamp"},
        "ExpressionAttributeValues": {":session": text(session), ":low": text(low), ":high": text(high)},
        "ScanIndexForward": not reverse,
        "ConsistentRead": consistent,
    }


def hidden(header: Header, place: str) -> bool:
    """Whether a place of the session is below its floor, or in a stretch that holds remains."""
    return place <= header.floor or any(low <= place <= high for low, high in header.garbage)


def is_live(item: Item, now: str) -> bool:
    """Whether an item has not expired."""
    return "expires_at" not in item or item["expires_at"]["S"] > now
