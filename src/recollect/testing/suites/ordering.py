"""Exact order: numbers that the store gives, without gap or repetition, whatever the writers and their clocks do."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from recollect.model import Message
from recollect.store import Partition
from recollect.testing.kit import SCOPE, Kit
from recollect.testing.suite import Suite

WRITERS = 8
EACH = 12


class Ordering(Suite):
    """Messages have contiguous numbers, given inside the commit."""

    promise = "ordering"

    async def test_numbers_begin_at_one(self, kit: Kit) -> None:
        """The messages of a session get the numbers 1, 2, 3 and so on, inside the commit that appends them."""
        first = await kit.append("s", "a", "b")
        second = await kit.append("s", "c")
        assert [row.seq for row in first] == [1, 2]
        assert [row.seq for row in second] == [3]
        assert [(row.seq, row.content) for row in await kit.log("s")] == [(1, "a"), (2, "b"), (3, "c")]

    async def test_sessions_count_for_themselves(self, kit: Kit) -> None:
        """Every session has numbers of its own."""
        for _ in range(2):
            await kit.append("s", "x")
            await kit.append("t", "y", "z")
        assert [row.seq for row in await kit.log("s")] == [1, 2]
        assert [row.seq for row in await kit.log("t")] == [1, 2, 3, 4]

    async def test_order_of_the_batch(self, kit: Kit) -> None:
        """The messages of one append are numbered in the order in which they were given."""
        texts = [f"message {n}" for n in range(200)]
        stored = await kit.append("s", *texts)
        assert [row.seq for row in stored] == list(range(1, 201))
        assert await kit.contents("s") == texts

    async def test_order_of_the_operations(self, kit: Kit) -> None:
        """Several appends in one commit are numbered in the order of the operations."""
        first, second = await kit.commit("s", kit.op("a", "b"), kit.op("c"))
        assert [row.seq for row in [*first, *second]] == [1, 2, 3]
        assert await kit.contents("s") == ["a", "b", "c"]

    async def test_clock_has_no_say(self, kit: Kit) -> None:
        """The order is that of the commits, not that of `created_at` and not that of the clock."""
        now = kit.clock()
        for n in range(6):
            kit.clock.back(3600 * n)
            await kit.append("s", kit.message(str(n), created_at=now - timedelta(days=n)))
        rows = await kit.log("s")
        assert [row.seq for row in rows] == [1, 2, 3, 4, 5, 6]
        assert [row.content for row in rows] == ["0", "1", "2", "3", "4", "5"]

    async def test_equal_instants_overwrite_nothing(self, kit: Kit) -> None:
        """Messages with the very same `created_at` are all kept, each with a number of its own."""
        for n in range(10):
            await kit.append("s", str(n), str(n))
        assert len({row.seq for row in await kit.log("s")}) == 20

    async def test_delete_frees_no_number(self, kit: Kit) -> None:
        """A number is not given again after its message was deleted."""
        await kit.append("s", "a", "b", "c")
        await kit.delete(session="s", table="messages", seq=3)
        await kit.delete(session="s", table="messages", seq=1)
        (row,) = await kit.append("s", "d")
        assert row.seq == 4
        assert [row.seq for row in await kit.log("s")] == [2, 4]

    async def test_clear_keeps_counting(self, kit: Kit) -> None:
        """After all messages of a session were deleted its numbers go on where they were."""
        await kit.append("s", "a", "b", "c")
        assert await kit.delete(session="s", table="messages") == 3
        assert (await kit.there("s")).last_seq == 3
        (row,) = await kit.append("s", "d")
        assert row.seq == 4
        header = await kit.there("s")
        assert (header.last_seq, header.message_count) == (4, 1)

    async def test_deleted_session_begins_anew(self, kit: Kit) -> None:
        """A session that was deleted with its header begins again at 1."""
        await kit.append("s", "a", "b", "c")
        await kit.delete(session="s")
        (row,) = await kit.append("s", "d")
        assert row.seq == 1
        assert await kit.contents("s") == ["d"]

    async def test_expired_message_frees_no_number(self, kit: Kit) -> None:
        """A number is not given again after its message expired."""
        await kit.append("s", "a", kit.message("b", ttl=10))
        kit.clock.forward(10)
        (row,) = await kit.append("s", "c")
        assert row.seq == 3
        await kit.store.sweep()
        (row,) = await kit.append("s", "d")
        assert row.seq == 4

    async def test_last_seq_is_the_highest_ever_given(self, kit: Kit) -> None:
        """`last_seq` is the highest number ever given in the session, whatever was removed since."""
        await kit.append("s", "a", kit.message("b", ttl=5))
        assert (await kit.there("s")).last_seq == 2
        kit.clock.forward(5)
        await kit.store.sweep()
        assert (await kit.there("s")).last_seq == 2

    async def test_what_was_given_on_input_does_not_count(self, kit: Kit) -> None:
        """`seq` and `session_id` are set by the store, whatever the message carries."""
        (row,) = await kit.append("s", kit.message("a", seq=77, session_id="elsewhere"))
        assert (row.seq, row.session_id) == (1, "s")
        assert await kit.log("s") == [row]
        assert await kit.log("elsewhere") == []

    async def test_many_writers_of_one_session(self, kit: Kit) -> None:
        """With many writers on one session nothing is lost, nothing doubled, and the numbers have no gap."""
        answers = await kit.together(*(partial(_writer, kit, "s", n) for n in range(WRITERS)))
        rows = await kit.log("s")
        assert [row.seq for row in rows] == list(range(1, WRITERS * EACH + 1))
        assert {row.id for row in rows} == {row.id for given in answers for row in given}
        assert sorted((row for given in answers for row in given), key=_seq) == rows

    async def test_each_writer_keeps_its_order(self, kit: Kit) -> None:
        """Among many writers the messages of each stay in the order in which it wrote them, a batch side by side."""
        await kit.together(*(partial(_batches, kit, "s", n) for n in range(WRITERS)))
        rows = await kit.log("s")
        for n in range(WRITERS):
            own = [row for row in rows if row.name == f"writer {n}"]
            assert [row.content for row in own] == [str(i) for i in range(EACH)]
            for first, second, third in zip(own[::3], own[1::3], own[2::3], strict=True):
                assert (second.seq, third.seq) == (first.seq + 1, first.seq + 2)

    async def test_many_writers_of_many_sessions(self, kit: Kit) -> None:
        """Writers of different sessions do not disturb each other's numbers."""
        await kit.together(*(partial(_writer, kit, f"s{n % 4}", n) for n in range(WRITERS)))
        for n in range(4):
            rows = await kit.log(f"s{n}")
            assert [row.seq for row in rows] == list(range(1, 2 * EACH + 1))
            header = await kit.there(f"s{n}")
            assert (header.message_count, header.last_seq) == (2 * EACH, 2 * EACH)

    async def test_one_header_for_the_first_writers(self, kit: Kit) -> None:
        """When many writers begin the same session at once it has one header, which counts them all."""
        await kit.together(*(partial(_one, kit, f"s{n}", w) for n in range(3) for w in range(WRITERS)))
        for n in range(3):
            header = await kit.there(f"s{n}")
            assert (header.message_count, header.last_seq, header.version) == (WRITERS, WRITERS, 1)
        assert len(await kit.rows("sessions", SCOPE)) == 3

    async def test_one_id_from_many_writers(self, kit: Kit) -> None:
        """When many writers append the same ids at once, one of them writes each and all get the same numbers."""
        rows = [kit.message(str(n), id=f"same {n}") for n in range(5)]
        answers = await kit.together(*(partial(_same, kit, rows) for _ in range(WRITERS)))
        assert sum(given[1] for given in answers) == 5
        assert all(given[0] == answers[0][0] for given in answers)
        assert await kit.log("s") == answers[0][0]

    async def test_reader_sees_no_hole(self, kit: Kit) -> None:
        """A reader who has seen `n` never finds something new below `n`, however many write meanwhile."""
        done: list[int] = []

        async def write(n: int) -> None:
            try:
                await _writer(kit, "s", n)
            finally:
                done.append(n)

        async def read() -> None:
            seen: list[tuple[int, str]] = []
            while True:
                last = len(done) == WRITERS
                found = [(row.seq, row.id) for row in await kit.log("s")]
                assert [seq for seq, _ in found] == list(range(1, len(found) + 1))
                assert found[: len(seen)] == seen
                seen = found
                if last:
                    break
                await kit.mode.rest()
            assert len(seen) == WRITERS * EACH

        await kit.together(*(partial(write, n) for n in range(WRITERS)), read, read)

    async def test_two_clients_share_the_numbers(self, kit: Kit) -> None:
        """Two clients of one database, as two processes are, append to one session without gap or repetition."""
        self.need_shared(kit)
        stores = [kit.store, await kit.another(), await kit.another()]

        async def write(n: int) -> None:
            for i in range(EACH):
                await kit.append("s", kit.message(str(i), id=f"{n}-{i}", name=str(n)), store=stores[n])

        await kit.together(*(partial(write, n) for n in range(len(stores))))
        for store in stores:
            rows = await store.query("messages", (SCOPE, "s"), limit=1000)
            assert [row.seq for row in rows] == list(range(1, EACH * len(stores) + 1))
        for n in range(len(stores)):
            assert [row.content for row in rows if row.name == str(n)] == [str(i) for i in range(EACH)]


def _seq(row: Message) -> int:
    return row.seq


async def _writer(kit: Kit, session: str, n: int) -> list[Message]:
    stored: list[Message] = []
    for i in range(EACH):
        stored += await kit.append(session, kit.message(str(i), id=f"writer {n} message {i}", name=f"writer {n}"))
    return stored


async def _batches(kit: Kit, session: str, n: int) -> None:
    for i in range(0, EACH, 3):
        rows = [kit.message(str(k), id=f"writer {n} message {k}", name=f"writer {n}") for k in range(i, i + 3)]
        await kit.append(session, *rows)


async def _one(kit: Kit, session: str, n: int) -> None:
    await kit.store.commit(Partition(SCOPE, "session", session), [kit.op(kit.message("x", id=f"from {n}"))])


async def _same(kit: Kit, rows: list[Message]) -> tuple[list[Message], int]:
    stored = await kit.append("s", *rows)
    return list(stored), stored.written
