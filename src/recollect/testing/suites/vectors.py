"""Vectors: what an embedder made of a message is kept beside it, and goes with it."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from recollect.errors import Unsupported
from recollect.model import Message, Vector
from recollect.store import Attach, Delete, Stretch
from recollect.testing.kit import SCOPE, Kit
from recollect.testing.suite import Suite

DIMENSIONS = 8


def packed(numbers: Sequence[float]) -> bytes:
    """Numbers as a vector's data, made of length 1."""
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return struct.pack(f"<{len(numbers)}e", *(number / length for number in numbers))


def direction(degrees: float) -> list[float]:
    """A vector in a plane, by its angle: the nearer two angles, the nearer the vectors."""
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees)), *[0.0] * (DIMENSIONS - 2)]


def of(message: Message, degrees: float = 0.0, model: str = "m") -> Vector:
    """A vector of a message."""
    return Vector(
        session_id=message.session_id, seq=message.seq, id=message.id, model=model, data=packed(direction(degrees))
    )


async def attach(kit: Kit, session: str, *vectors: Vector, scope: str = SCOPE) -> int:
    """Attach vectors; how many are kept."""
    (kept,) = await kit.commit(session, Attach(vectors=vectors), scope=scope)
    assert type(kept) is int, f"an Attach gives a number, not a {type(kept).__name__}"
    return kept


class Vectors(Suite):
    """Vectors lie beside their message, whole, and go with it; the nearest are found where the backend can."""

    promise = "vectors"
    needs = "vectors"

    async def kept(self, kit: Kit, session: str = "s", *, scope: str = SCOPE, **bounds: Any) -> list[Vector]:
        """The vectors of a session."""
        return await kit.rows("vectors", scope, session, **bounds)

    async def test_round_trip(self, kit: Kit) -> None:
        """Vectors come back as they were given, in the order of their messages, byte for byte."""
        rows = await kit.append("s", *"abc")
        given = [of(row, 30.0 * row.seq) for row in rows]
        assert await attach(kit, "s", *reversed(given)) == 3
        assert await self.kept(kit) == given

    async def test_every_byte(self, kit: Kit) -> None:
        """Data is opaque bytes of any length up to 4,096 dimensions; a model's name is any text."""
        (row,) = await kit.append("s", "a")
        vector = of(row, model="org/модель:v1 ✓").replace(data=bytes(range(256)) * 32)
        assert await attach(kit, "s", vector) == 1
        assert await self.kept(kit) == [vector]

    async def test_pages(self, kit: Kit) -> None:
        """The path is read in pages, from either end, within bounds of the number."""
        rows = await kit.append("s", *"abcdef")
        await attach(kit, "s", *(of(row) for row in rows if row.seq != 3))
        assert [v.seq for v in await self.kept(kit, limit=2)] == [1, 2]
        assert [v.seq for v in await self.kept(kit, after=(2,), limit=2)] == [4, 5]
        assert [v.seq for v in await self.kept(kit, before=(5,), limit=2, reverse=True)] == [4, 2]

    async def test_vectors_in_stretches(self, kit: Kit) -> None:
        """Parts of many logs have the vectors of their messages that are there."""
        rows = await kit.append("s", *"abc", kit.message("d", ttl=10))
        (other,) = await kit.append("t", "e")
        given = [of(row, 20.0 * row.seq) for row in rows if row.seq != 2]
        await attach(kit, "s", *given)
        await attach(kit, "t", of(other))
        kit.clock.forward(10)
        asked = [Stretch("t", 1, 3), Stretch("s", 2, 9), Stretch("nowhere", 1, 2), Stretch("s", 1, 1)]
        found = await kit.store.stretches("vectors", SCOPE, asked)
        assert [list(part) for part in found] == [[of(other)], [given[1]], [], [given[0]]]

    async def test_another_takes_its_place(self, kit: Kit) -> None:
        """A message has one vector: attaching again replaces it, of another model too."""
        (row,) = await kit.append("s", "a")
        await attach(kit, "s", of(row, 10.0))
        later = of(row, 70.0, model="other")
        assert await attach(kit, "s", later) == 1
        assert await self.kept(kit) == [later]

    async def test_only_beside_its_message(self, kit: Kit) -> None:
        """A vector whose message is not there, or has another id, is left out; the others are kept."""
        first, second = await kit.append("s", *"ab")
        strangers = (of(first).replace(seq=9), of(second).replace(id="other"))
        assert await attach(kit, "s", *strangers, of(first)) == 1
        assert await self.kept(kit) == [of(first)]
        assert await attach(kit, "nowhere", of(first)) == 0
        assert await kit.header("nowhere") is None

    async def test_derived(self, kit: Kit) -> None:
        """Attaching changes no header and makes no entry in the feed."""
        (row,) = await kit.append("s", "a")
        header, feed = await kit.there("s"), await kit.feed()
        kit.clock.forward(60)
        await attach(kit, "s", of(row))
        assert await kit.there("s") == header
        assert await kit.feed() == feed

    async def test_gone_with_its_message(self, kit: Kit) -> None:
        """A deleted message takes its vector along; clearing and deleting the session take all."""
        rows = await kit.append("s", *"abc")
        await attach(kit, "s", *map(of, rows))
        await kit.delete(session="s", table="messages", seq=2)
        assert [v.seq for v in await self.kept(kit)] == [1, 3]
        await kit.delete(session="s", table="messages")
        assert await self.kept(kit) == []
        (row,) = await kit.append("s", "d")
        await attach(kit, "s", of(row))
        await kit.delete(session="s")
        await kit.append("s", *"efgh")
        assert await self.kept(kit) == []

    async def test_replaced_in_one_commit(self, kit: Kit) -> None:
        """A message deleted and appended again in one commit has no vector until one is attached."""
        (row,) = await kit.append("s", "a")
        await attach(kit, "s", of(row))
        await kit.commit("s", Delete(table="messages", seq=1), kit.op(kit.message("b", id=row.id)))
        assert await self.kept(kit) == []
        assert await attach(kit, "s", of(row)) == 0
        assert await attach(kit, "s", of(row).replace(seq=2)) == 1

    async def test_expired(self, kit: Kit) -> None:
        """An expired message's vector is not read, nor attached to, nor there when the message's number lives on."""
        long, short = await kit.append("s", kit.message("a"), kit.message("b", ttl=10))
        await attach(kit, "s", of(long), of(short))
        kit.clock.forward(10)
        assert [v.seq for v in await self.kept(kit)] == [1]
        assert await attach(kit, "s", of(short)) == 0
        await kit.store.sweep()
        assert [v.seq for v in await self.kept(kit)] == [1]

    async def test_expired_session(self, kit: Kit) -> None:
        """An expired session's vectors are gone; a new session under its id begins without any."""
        (row,) = await kit.append("s", kit.message("a", id="same"), ttl=10)
        await attach(kit, "s", of(row))
        kit.clock.forward(10)
        assert await self.kept(kit) == []
        await kit.append("s", kit.message("b", id="same"))
        assert await self.kept(kit) == []

    async def test_many(self, kit: Kit) -> None:
        """Five hundred vectors go in with one operation."""
        rows = await kit.append("s", *(str(n) for n in range(500)))
        assert await attach(kit, "s", *(of(row, row.seq / 10) for row in rows)) == 500
        assert [v.seq for v in await self.kept(kit)] == list(range(1, 501))

    async def test_tenants(self, kit: Kit) -> None:
        """A tenant's vectors are not another's."""
        (row,) = await kit.append("s", "a")
        await kit.append("s", kit.message("a", id=row.id), scope="other")
        await attach(kit, "s", of(row))
        assert await self.kept(kit, scope="other") == []

    async def test_owner_changes(self, kit: Kit) -> None:
        """A session that is taken over by a user keeps its vectors."""
        (row,) = await kit.append("s", "a")
        await attach(kit, "s", of(row))
        await kit.append("s", "b", user="u")
        assert await self.kept(kit) == [of(row)]

    async def test_nearest(self, kit: Kit) -> None:
        """Where the backend searches vectors, the nearest messages come first, scored by cosine; elsewhere it says so."""
        rows = await kit.append("s", *"abcd")
        await attach(kit, "s", *(of(row, 25.0 * row.seq) for row in rows))
        if not kit.store.capabilities.vector_search:
            with pytest.raises(Unsupported):
                await kit.store.search(SCOPE, terms=(), vector=direction(0), model="m", limit=3)
            return
        await kit.settle()
        found = await kit.store.search(SCOPE, terms=(), vector=direction(0), model="m", limit=3)
        assert [row.content for row, _ in found] == ["a", "b", "c"]
        wanted = [math.cos(math.radians(25.0 * n)) for n in (1, 2, 3)]
        assert [score for _, score in found] == pytest.approx(wanted, abs=0.01)

    async def test_nearest_within(self, kit: Kit) -> None:
        """The nearest are looked for within scope, filter and model, among what lives; vectors of another length are not compared."""
        if not kit.store.capabilities.vector_search:
            kit.skip("the store does not claim vector_search")
        mine = await kit.append("s", *"abc", user="u")
        other = await kit.append("t", kit.message("d", role="assistant"), kit.message("e", ttl=10), user="v")
        away = await kit.append("s", "f", scope="other")
        await attach(kit, "s", of(mine[0], 40), of(mine[1], 50), of(mine[2], 5, model="other"))
        await attach(kit, "t", of(other[0], 10), of(other[1], 1))
        await attach(kit, "s", of(away[0], 0), scope="other")

        async def nearest(**wanted: Any) -> list[Any]:
            await kit.settle()
            from recollect.store import Filter

            found = await kit.store.search(
                SCOPE, terms=(), vector=direction(0), model="m", limit=10, filter=Filter(**wanted)
            )
            return [row.content for row, _ in found]

        assert await nearest() == ["e", "d", "a", "b"]
        assert await nearest(user_id="u") == ["a", "b"]
        assert await nearest(session_id="t", role="assistant") == ["d"]
        assert await nearest(since=kit.clock() + timedelta(hours=1)) == []
        kit.clock.forward(10)
        assert await nearest() == ["d", "a", "b"]
        short = of(mine[0]).replace(data=packed([1.0, 0.0]))
        await attach(kit, "s", short)
        assert await nearest() == ["d", "b"]
