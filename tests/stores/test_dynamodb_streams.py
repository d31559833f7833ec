"""The feed by DynamoDB Streams: the suite of the feed on a real stream; splits, trims and old iterators on a scripted one."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from recollect import Recollect
from recollect.errors import ConfigError, InvalidInput, NotFound
from recollect.model import Change
from recollect.store import BlockingDriver, Partition, Store
from recollect.store.driver import drive
from recollect.stores.dynamodb import schema
from recollect.stores.dynamodb.failures import translate
from recollect.stores.dynamodb.options import Options
from recollect.stores.dynamodb.streams import StreamFeed
from recollect.testing.kit import Kit
from recollect.testing.suites.feed import Feed
from tests.services.dynamodb import make_store, options_of, prefix_of, raw_client, remove_tables


class TestStreams(Feed):
    name = "dynamodb://?feed=streams"

    def make_store(self, place: Path) -> Store:
        return make_store(place, feed="streams")

    def remove(self, place: Path) -> None:
        remove_tables(place)

    async def test_swept_entries(self, kit: Kit) -> None:
        """A sweep leaves the stream as it is."""
        await kit.append("s", "a")
        whole = await kit.feed()
        kit.clock.forward(kit.retention + 1)
        assert (await kit.store.sweep()).changes == 0
        assert await kit.feed() == whole

    async def test_last_cursor_outlives_the_sweep(self, kit: Kit) -> None:
        """A follower who has read everything loses nothing by a sweep: its cursor stays good, however old it is."""
        await kit.append("s", "a")
        (last,) = await kit.feed()
        kit.clock.forward(kit.retention + 1)
        await kit.store.sweep()
        assert await kit.feed(after=last.cursor) == []
        await kit.append("s", "b")
        (change,) = await kit.feed(after=last.cursor)
        assert change.first_seq == 2


# -- what no emulator has: shards that end, are split and are trimmed --------------------------------------------------


class Shard:
    """A shard of the scripted stream."""

    def __init__(self, parent: str | None) -> None:
        self.parent = parent
        self.records: list[dict[str, Any]] = []
        self.ended = False
        self.trimmed = False


class Stream:
    """A stream as AWS describes it, with the calls of a client: pages may be empty before the end."""

    def __init__(self) -> None:
        self.arn = "arn:aws:dynamodb:us-east-1:1:table/app-changes/stream/1"
        self.shards: dict[str, Shard] = {}
        self.asked: list[str] = []
        self.page = 3
        self.gaps = 0
        self.stale: set[str] = set()
        self._sequence = itertools.count(100_000_000_000_000_000_000)
        self._stamp = itertools.count(1)
        self.feed = StreamFeed(
            self,  # type: ignore[arg-type]
            schema.names(Options()),
            BlockingDriver(),
            retention=86400,
            ttl=True,
        )

    def split(self, *shards: str, parent: str | None = None) -> None:
        """Let shards begin; their parent ends."""
        for shard in shards:
            self.shards[shard] = Shard(parent)
        if parent is not None:
            self.shards[parent].ended = True

    def write(self, shard: str, session: str, *, scope: str = "default", changes: int = 1) -> None:
        """A commit of a session, whose item lies in a shard."""
        stamp = next(self._stamp)
        said = [("append", "messages", stamp, stamp + n) for n in range(changes)]
        at = f"2026-11-21T12:00:{stamp % 60:02}.000000Z"
        image = self.feed.entry(Partition(scope, "session", session), stamp, at, said)
        record = {"SequenceNumber": str(next(self._sequence)), "NewImage": image}
        self.shards[shard].records.append({"eventName": "MODIFY", "dynamodb": record})

    def remove(self, shard: str) -> None:
        """DynamoDB removes an item."""
        record = {"SequenceNumber": str(next(self._sequence)), "Keys": {}}
        self.shards[shard].records.append({"eventName": "REMOVE", "dynamodb": record})

    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        self.asked.append(operation)
        if operation == "describe_table":
            return {"Table": {"LatestStreamArn": self.arn}}
        if operation == "describe_stream":
            names = [name for name, shard in self.shards.items() if not shard.trimmed]
            start = names.index(arguments["ExclusiveStartShardId"]) + 1 if "ExclusiveStartShardId" in arguments else 0
            listed = names[start : start + 2]
            found = [
                {"ShardId": name} | ({"ParentShardId": parent} if (parent := self.shards[name].parent) else {})
                for name in listed
            ]
            more = {"LastEvaluatedShardId": listed[-1]} if start + 2 < len(names) else {}
            return {"StreamDescription": {"Shards": found, **more}}
        if operation == "get_shard_iterator":
            return {"ShardIterator": self._iterator(arguments)}
        return self._records(arguments)

    def _iterator(self, arguments: dict[str, Any]) -> str:
        name = arguments["ShardId"]
        shard = self.shards.get(name)
        if shard is None or shard.trimmed:
            raise self._error("ResourceNotFoundException") from self._cause
        place = 0
        if (kind := arguments["ShardIteratorType"]) != "TRIM_HORIZON":
            numbers = [record["dynamodb"]["SequenceNumber"] for record in shard.records]
            if arguments["SequenceNumber"] not in numbers:
                raise self._error("TrimmedDataAccessException") from self._cause
            place = numbers.index(arguments["SequenceNumber"]) + (kind == "AFTER_SEQUENCE_NUMBER")
        return f"{name}:{place}:{self.gaps}"

    def _records(self, arguments: dict[str, Any]) -> dict[str, Any]:
        iterator = arguments["ShardIterator"]
        if iterator in self.stale:
            self.stale.discard(iterator)
            raise self._error("ExpiredIteratorException") from self._cause
        name, place, gaps = iterator.split(":")
        if int(gaps):
            return {"Records": [], "NextShardIterator": f"{name}:{place}:{int(gaps) - 1}"}
        shard, begin = self.shards[name], int(place)
        found = shard.records[begin : begin + min(self.page, arguments["Limit"])]
        end = begin + len(found)
        ended = shard.ended and end == len(shard.records)
        return {"Records": found, **({} if ended else {"NextShardIterator": f"{name}:{end}:0"})}

    def _error(self, code: str) -> BaseException:
        from botocore.exceptions import ClientError

        self._cause = ClientError({"Error": {"Code": code, "Message": code}}, "GetRecords")
        found = translate(self._cause, "GetRecords", "here")
        assert found is not None
        return found

    def read(self, after: str | None = None, limit: int = 1000, scope: str = "default") -> list[Change]:
        """The feed, by a reader that remembers."""
        return drive(self.feed.changes(scope, after, limit))

    def read_anew(self, after: str | None = None, limit: int = 1000) -> list[Change]:
        """The same by a process that has read nothing yet."""
        feed = StreamFeed(
            self,  # type: ignore[arg-type]
            schema.names(Options()),
            BlockingDriver(),
            retention=86400,
            ttl=True,
        )
        return drive(feed.changes("default", after, limit))


def _seen(changes: list[Change]) -> list[tuple[str, int]]:
    return [(change.partition, change.first_seq) for change in changes]


@pytest.fixture
def split() -> Stream:
    """Two shards at the start; the first was split into two, one of those again."""
    stream = Stream()
    stream.split("a", "b")
    for n in range(7):
        stream.write("a" if n % 2 else "b", f"s{n % 2}")
    stream.split("a-1", "a-2", parent="a")
    for n in range(5):
        stream.write("a-1", "s1", changes=1 + n % 3)
        stream.write("a-2", "s3", scope="other")
    stream.split("a-1-1", parent="a-1")
    stream.write("a-1-1", "s1")
    stream.write("a-2", "s3")
    stream.remove("a-2")
    return stream


def test_splits_are_followed_in_order(split: Stream) -> None:
    whole = split.read()
    assert len({change.cursor for change in whole}) == len(whole) == 7 + 9 + 2
    for session in ("s0", "s1", "s3"):
        stamps = [change.first_seq for change in whole if change.partition == session]
        assert stamps == sorted(stamps)


def test_every_cursor_goes_on_in_this_process_and_in_another(split: Stream) -> None:
    whole = split.read()
    for n, change in enumerate(whole):
        assert sorted(_seen(split.read(change.cursor))) == sorted(_seen(whole[n + 1 :]))
        assert sorted(_seen(split.read_anew(change.cursor))) == sorted(_seen(whole[n + 1 :]))
    for read in (split.read, split.read_anew):
        seen: list[Change] = []
        while page := read(seen[-1].cursor if seen else None, 2):
            seen += page
        assert _seen(seen) == _seen(whole)


def test_a_split_while_it_is_followed(split: Stream) -> None:
    seen = split.read()
    split.write("b", "s0")
    split.split("b-1", "b-2", parent="b")
    split.write("b-2", "s0")
    more = split.read(seen[-1].cursor)
    assert [change.partition for change in more] == ["s0", "s0"]
    assert _seen(split.read_anew(seen[-1].cursor)) == _seen(more)
    assert split.read(more[-1].cursor) == []


def test_empty_pages_are_passed_over_in_the_end() -> None:
    stream = Stream()
    stream.split("a")
    stream.write("a", "s")
    (first,) = stream.read()
    stream.gaps = 5
    stream.write("a", "s")
    reader = StreamFeed(
        stream,  # type: ignore[arg-type]
        schema.names(Options()),
        BlockingDriver(),
        retention=86400,
        ttl=True,
    )
    asked = [drive(reader.changes("default", first.cursor, 10)) for _ in range(4)]
    assert [len(page) for page in asked] == [0, 0, 0, 0]  # two pages, then one a call
    asked = [drive(reader.changes("default", first.cursor, 10)) for _ in range(2)]
    assert [len(page) for page in asked] == [1, 1]


def test_a_follower_that_is_up_to_date_asks_once_a_shard() -> None:
    stream = Stream()
    stream.split("a")
    stream.write("a", "s")
    (first,) = stream.read()
    stream.asked.clear()
    assert stream.read(first.cursor) == []
    assert stream.asked == ["get_records"]
    stream.stale = {"a:1:0"}
    stream.write("a", "s")
    assert len(stream.read(first.cursor)) == 1


def test_what_is_trimmed_is_said(split: Stream) -> None:
    whole = split.read()
    split.shards["b"].records.clear()
    with pytest.raises(NotFound, match="24 hours"):
        split.read_anew(whole[-1].cursor)
    split.shards["b"].trimmed = True
    with pytest.raises(NotFound, match="24 hours"):
        split.read_anew(whole[-1].cursor)
    split.arn += "1"
    with pytest.raises(NotFound, match="another stream"):
        split.read_anew(whole[-1].cursor)
    with pytest.raises(InvalidInput):
        split.read_anew(whole[-1].cursor[:-3])


# -- the tables --------------------------------------------------------------------------------------------------------


def test_a_table_without_a_stream_is_refused(place: Path) -> None:
    with Recollect(make_store(place)) as memory:
        memory.open()
    with pytest.raises(ConfigError, match=r"its stream is off, not NEW_IMAGE \(\?feed=streams\)"):
        Recollect(make_store(place, feed="streams")).open()


def test_a_session_has_one_item_in_the_table_of_changes(place: Path) -> None:
    store = make_store(place, feed="streams", ttl=True)
    assert "feed=streams" in store.url
    with Recollect(store) as memory:
        for n in range(3):
            memory.session("s", user="u").append({"role": "user", "content": str(n)})
        memory.user("u").preferences.set("k", 1)
        assert len(memory.changes().items) == 4
        found = raw_client().scan(TableName=f"{prefix_of(place)}-changes")["Items"]
        assert sorted((item["feed"]["S"], item["position"]["S"]) for item in found) == [
            ("session/s", "last"),
            ("user/u", "last"),
        ]
        assert all("ttl" in item for item in found)
        memory.sweep()
        clock = store._threads.now
        store._threads.now = lambda: clock().replace(year=clock().year + 1)
        memory.sweep()
        assert raw_client().scan(TableName=f"{prefix_of(place)}-changes")["Items"] == []
        assert len(memory.changes().items) == 4
    assert options_of(place).feed == "items"
