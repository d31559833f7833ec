"""Messages as rows and back: nothing is lost on the way, whatever they hold."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack

from recollect.model import Message, Part
from recollect.store.prepared import Columns, Prepared, columns_of, prepared, row_of

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=2)
TIMES = st.datetimes(timezones=st.just(UTC))
PARTS = st.lists(st.builds(lambda text: Part(type="text", text=text), TEXT) | st.builds(Part, OBJECTS), max_size=3)
MESSAGES = st.builds(
    Message,
    st.sampled_from(["user", "assistant", "system", "tool"]),
    st.none() | TEXT | PARTS,
    id=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    name=st.none() | TEXT,
    metadata=OBJECTS,
    created_at=TIMES,
    tool_calls=st.none() | st.lists(OBJECTS, max_size=2),
    tool_call_id=st.none() | TEXT,
    extra=OBJECTS,
    tokens=st.integers(0, 2**31),
    expires_at=st.none() | TIMES,
)


@settings(deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=4))
def test_rows_are_their_messages(messages: list[Message]) -> None:
    """Prepared rows are a sequence of the messages that they were made of, and are given back as they are."""
    columns = columns_of([row_of(message, "some terms") for message in messages])
    sequence = Prepared(columns)
    assert len(sequence) == len(messages)
    assert list(sequence) == messages
    assert sequence[:2] == messages[:2]
    assert all(one == other for one, other in zip(sequence, messages, strict=True))
    assert prepared(sequence, []) is columns
    assert prepared(messages, ["some terms"] * len(messages)) == columns


@settings(deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=4))
def test_columns_cross_to_another_process(messages: list[Message]) -> None:
    """As msgpack they are the same messages still."""
    data = msgpack.encode(columns_of([row_of(message, "some terms") for message in messages]))
    assert list(Prepared(msgpack.decode(data, type=Columns))) == messages


def test_a_plain_message_has_no_more() -> None:
    """A role and a text with id and time are a row of six columns."""
    plain = Message("user", "Hi", id="1", created_at=datetime(2026, 1, 2, tzinfo=UTC), tokens=5)
    columns = columns_of([row_of(plain, ""), row_of(plain.replace(name=""), "")])
    assert list(columns.more) == [1]
