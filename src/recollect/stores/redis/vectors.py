"""Vectors: one member of a sorted set each, whose score is the number of its message.

A member is ``SEQ ID MODEL DATA``: the id and the model as they are in keys, then the bytes. So a stretch of them is one
read, and the vector of a message goes by its score.
"""

from __future__ import annotations

from recollect.errors import CorruptRecord
from recollect.model import Vector
from recollect.stores.redis.keys import decode, encode


def vector_member(vector: Vector) -> bytes:
    """The member that holds a vector."""
    return f"{vector.seq} {encode(vector.id)} {encode(vector.model)} ".encode() + vector.data


def vector_of(member: str, session_id: str) -> Vector:
    """The vector of a member, as the connection gives it: text that stands for bytes."""
    try:
        seq, id, model, data = member.encode("utf-8", "surrogateescape").split(b" ", 3)
        return Vector(
            session_id=session_id, seq=int(seq), id=decode(id.decode()), model=decode(model.decode()), data=data
        )
    except ValueError as error:
        raise CorruptRecord(f"a vector of session {session_id!r} does not decode: {member[:40]!r}") from error
