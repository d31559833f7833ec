"""Search: messages that have at least one of the terms, best first; terms are opaque."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

import pytest

from recollect.errors import Unsupported
from recollect.model import Session
from recollect.store import Candidate
from recollect.testing.kit import Kit
from recollect.testing.suite import Suite

TERMS = (
    "or", "and", "not", "near", "near/3", "a*", "*", "^a", "-a", "+a", "a:b", "rowid:1", "terms:a", '"', '"a"', "'",
    "''", "(", ")", "(a", "a)", ";", "--", "%", "_", "?", "$1", ":1", "@a", "\\", "|", "&", "!", "<->", "a&b", "a|b",
    "!a", "{a}", "[a]", "~1", "#", ",", ".", "null", "0", "00", "1.0", "a.b", "a-b", "a_b", "snake_case", "v1.2.3",
    "a@b.org", "o'clock", "a", "ä", "ss", "ı", "i", "é", "e", "fi", "k", "한", "한국", "국", "漢", "汉", "日本", "ひ",
    "ヒ", "💬", "👩‍👩‍👧", "ё", "е", "x" * 64, "x" * 63, "the", "running", "run", "runs",
)  # fmt: skip
"""Terms that a query language, a tokenizer, a stemmer, a stop list or a collation would change."""

FORMS = (
    "OR",
    "or",
    "A",
    "a",
    "À",
    "à",
    "a\u0300",
    "\u212a",
    "K",
    "k",
    "ﾋ",
    "ヒ",
    "ﬁ",
    "fi",
    "ẞ",
    "ß",
    "ss",
    "İ",
    "i\u0307",
)
"""Terms that differ by case, width or composition. The analyzer makes only one of each kind."""

OTHERS = (0, 300)
"""How many messages come afterwards: a store may keep the newest apart until enough have gathered for its index."""


class Search(Suite):
    """A message is found by the terms it was appended with, and by nothing else."""

    promise = "search"
    needs = "text_search"

    async def test_found_at_once(self, kit: Kit) -> None:
        """What a commit has acknowledged is found at once, where the capabilities do not say that it may lag."""
        for n in range(5):
            await _say(kit, f"s{n}", "apple")
            assert len(await kit.find("apple")) == n + 1

    @pytest.mark.parametrize("others", OTHERS)
    async def test_any_of_the_terms(self, kit: Kit, others: int) -> None:
        """A message is found if it has at least one of the terms."""
        await _say(kit, "s", "apple pie", "pear", "plum cake", "apple pear", "", "pineapple apples")
        await _crowd(kit, others)
        assert await _found(kit, "apple") == ["apple pear", "apple pie"]
        assert await _found(kit, "apple", "pear") == ["apple pear", "apple pie", "pear"]
        assert await _found(kit, "cake", "nothing") == ["plum cake"]
        assert await _found(kit, "nothing") == []
        assert await _found(kit, "app") == []

    async def test_no_terms(self, kit: Kit) -> None:
        """With no terms the answer is empty."""
        await _say(kit, "s", "apple", "")
        assert await kit.find() == []

    async def test_found_rows_are_whole(self, kit: Kit) -> None:
        """A search gives whole rows, the same as every other way of reading them."""
        given = kit.message("text", metadata={"k": [1]}, name="n", extra={"e": None}, tokens=3, ttl=100)
        (stored,) = await kit.append("s", given, user="u", terms=["apple"])
        (found,) = await kit.find("apple")
        assert isinstance(found, Candidate)
        assert found.row == stored
        assert isinstance(found.score, float)

    @pytest.mark.parametrize("others", OTHERS)
    async def test_statistics(self, kit: Kit, others: int) -> None:
        """The answer carries what its scores come from: the rows in the index, and how many have each term."""
        await _say(kit, "s", "apple pie", "apple", "pear", "")
        await _crowd(kit, others)
        found = await kit.find("apple", "pear", "nothing", limit=1)
        assert (len(found), found.having) == (1, {"apple": 2, "pear": 1, "nothing": 0})
        assert found.total == 3 + (others + 3 if others else 0)

    async def test_messages_without_terms(self, kit: Kit) -> None:
        """A message appended without terms is found by nothing, also not by its text."""
        await kit.append("s", "apple", terms=[""])
        assert await kit.find("apple") == []
        assert await kit.find("") == []

    async def test_terms_of_each_row(self, kit: Kit) -> None:
        """Each message has the terms given for it, not those of its neighbours or of its repetition."""
        old = kit.message("old", id="old")
        await kit.append("s", old, terms=["first"])
        await kit.append("s", kit.message("x"), old, kit.message("y"), terms=["a", "b", "c"])
        assert await _found(kit, "a") == ["x"]
        assert await _found(kit, "b") == []
        assert await _found(kit, "c") == ["y"]
        assert await _found(kit, "first") == ["old"]

    @pytest.mark.parametrize("others", OTHERS)
    async def test_terms_are_opaque(self, kit: Kit, others: int) -> None:
        """Terms are opaque: nothing in them is query syntax, and none is taken for another."""
        assert len(set(TERMS)) == len(TERMS)
        for start in range(0, len(TERMS), 40):
            await _say(kit, "s", *TERMS[start : start + 40])
        await _crowd(kit, others)
        for term in TERMS:
            assert await _found(kit, term) == [term]

    @pytest.mark.parametrize("others", OTHERS)
    async def test_terms_are_not_folded(self, kit: Kit, others: int) -> None:
        """Two terms that differ only by case, width or composition are two: folding them is the analyzer's business."""
        await _say(kit, "s", *FORMS)
        await _crowd(kit, others)
        for term in FORMS:
            assert await _found(kit, term) == [term]

    async def test_opaque_terms_together(self, kit: Kit) -> None:
        """A query of terms that look like syntax finds what has any of them."""
        await _say(kit, "s", *TERMS)
        await _say(kit, "s", "other")
        assert await _found(kit, *TERMS) == sorted(TERMS)

    @pytest.mark.parametrize("others", OTHERS)
    async def test_terms_side_by_side(self, kit: Kit, others: int) -> None:
        """Every term of a message finds it, whatever stands beside it."""
        await kit.append("s", "all", terms=[" ".join(TERMS)])
        await kit.append("s", "none", terms=["nothing"])
        await _crowd(kit, others)
        for term in TERMS:
            assert await _found(kit, term) == ["all"]

    @pytest.mark.parametrize("others", OTHERS)
    async def test_best_first(self, kit: Kit, others: int) -> None:
        """The answer is in the order of the scores, the highest first."""
        for n in range(30):
            await _say(kit, f"s{n % 3}", " ".join(["filler"] * (n % 7) + ["apple"] * (n % 4) + ["pear"] * (n % 2)))
        await _crowd(kit, others)
        found = await kit.find("apple", "pear")
        scores = [hit.score for hit in found]
        assert scores == sorted(scores, reverse=True)
        assert len(found) == len({(hit.row.session_id, hit.row.seq) for hit in found}) > 20

    @pytest.mark.parametrize("others", OTHERS)
    async def test_more_terms_are_better(self, kit: Kit, others: int) -> None:
        """Of messages of one length, that which has all of the terms is better than those which have one."""
        await _say(kit, "s", *(f"w{n} x{n}" for n in range(20)), "apple filler", "pear filler", "apple pear")
        await _crowd(kit, others)
        best, *rest = await kit.find("apple", "pear")
        assert best.row.content == "apple pear"
        assert all(hit.score < best.score for hit in rest)

    @pytest.mark.parametrize("others", OTHERS)
    async def test_rare_terms_are_better(self, kit: Kit, others: int) -> None:
        """A message with a rare term is better than one of the same length with a common term."""
        await _say(kit, "s", *(f"common w{n}" for n in range(12)), *(f"x{n} y{n}" for n in range(20)), "rare z")
        await _crowd(kit, others)
        best, *rest = await kit.find("common", "rare")
        assert best.row.content == "rare z"
        assert len(rest) == 12
        assert all(hit.score < best.score for hit in rest)

    @pytest.mark.parametrize("others", OTHERS)
    async def test_short_messages_are_better(self, kit: Kit, others: int) -> None:
        """Of messages that have a term once, a short one is better than a long one."""
        await _say(kit, "s", *(f"x{n} y{n}" for n in range(20)), "apple " + "filler " * 60 + "end", "apple pie")
        await _crowd(kit, others)
        first, second = await kit.find("apple")
        assert first.row.content == "apple pie"
        assert first.score > second.score

    @pytest.mark.parametrize("others", OTHERS)
    async def test_limit_keeps_the_best(self, kit: Kit, others: int) -> None:
        """A search gives at most `limit` rows: the best ones."""
        await _say(kit, "s", *(f"w{n} x{n} v{n}" for n in range(30)), *(f"apple w{n} x{n}" for n in range(9)))
        await _say(kit, "s", "apple pear plum", "apple pear x")
        await _crowd(kit, others)
        assert [hit.row.content for hit in await kit.find("apple", "pear", "plum", limit=2)] == [
            "apple pear plum",
            "apple pear x",
        ]
        assert len(await kit.find("apple", limit=5)) == 5
        assert len(await kit.find("apple", limit=11)) == 11
        assert len(await kit.find("apple", limit=12)) == 11

    async def test_common_terms_are_found(self, kit: Kit) -> None:
        """A message is found by a term however common it is, also when another term of the query is rare."""
        await _say(kit, "s", *["common"] * 1500, "rare", *(f"w{n}" for n in range(700)))
        found = await kit.find("common", "rare")
        assert found[0].row.content == "rare"
        assert len(found) == 1501
        assert len(await kit.find("common", "rare", limit=3)) == 3

    async def test_repeated_query_terms(self, kit: Kit) -> None:
        """A term that comes twice in a query finds each message once."""
        await _say(kit, "s", "apple", "pear")
        assert await _found(kit, "apple", "apple") == ["apple"]

    async def test_many_query_terms(self, kit: Kit) -> None:
        """A query may have hundreds of terms."""
        await _say(kit, "s", *(f"w{n}" for n in range(20)))
        assert len(await kit.find(*(f"w{n}" for n in range(15, 600)))) == 5

    @pytest.mark.parametrize("others", OTHERS)
    async def test_filters(self, kit: Kit, others: int) -> None:
        """A filter narrows by user, session, role and time, each alone and all together; `since` is inclusive, `until` is not."""
        now, step = kit.clock(), timedelta(microseconds=1)
        await kit.append("s", kit.message("0", created_at=now), user="u", terms=["w"])
        await kit.append("s", kit.message("1", created_at=now + step, role="assistant"), user="u", terms=["w"])
        await kit.append("t", kit.message("2", created_at=now + 2 * step), user="u", terms=["w"])
        await kit.append("v", kit.message("3", created_at=now + 3 * step), user="v", terms=["w"])
        await kit.append("nobody's", kit.message("4", created_at=now + 4 * step), terms=["w"])
        await _crowd(kit, others)

        async def found(**wanted: Any) -> str:
            return "".join(sorted(str(hit.row.content) for hit in await kit.find("w", **wanted)))

        assert await found() == "01234"
        assert await found(user_id="u") == "012"
        assert await found(user_id="nobody") == ""
        assert await found(session_id="s") == "01"
        assert await found(role="assistant") == "1"
        assert await found(since=now + 2 * step) == "234"
        assert await found(until=now + 2 * step) == "01"
        assert await found(since=now + step, until=now + 3 * step) == "12"
        seoul = timezone(timedelta(hours=9))
        assert await found(since=(now + 3 * step).astimezone(seoul)) == "34"
        assert await found(user_id="u", session_id="s", role="user", since=now, until=now + 3 * step) == "0"
        assert await found(user_id="v", session_id="s") == ""

    async def test_filter_and_limit(self, kit: Kit) -> None:
        """The filter narrows before the limit counts: what it lets through is not pushed out by better rows that it does not."""
        await _say(kit, "loud", *["apple pear"] * 300)
        await _say(kit, "quiet", *(f"apple filler w{n}" for n in range(5)))
        found = await kit.find("apple", "pear", limit=5, session_id="quiet")
        assert [hit.row.session_id for hit in found] == ["quiet"] * 5

    @pytest.mark.parametrize("others", OTHERS)
    async def test_expired_and_limit(self, kit: Kit, others: int) -> None:
        """What has expired takes no place of the limit."""
        for n in range(3):
            await kit.append(f"gone{n}", *["x"] * 60, ttl=10, terms=["apple pear"] * 60)
        await kit.append("s", *(kit.message("x", ttl=10) for _ in range(60)), terms=["apple pear"] * 60)
        await _say(kit, "s", "apple filler a", "apple filler b")
        await _crowd(kit, others)
        kit.clock.forward(10)
        assert await _found(kit, "apple", "pear", limit=2) == ["apple filler a", "apple filler b"]

    @pytest.mark.parametrize("others", OTHERS)
    async def test_deleted_is_not_found(self, kit: Kit, others: int) -> None:
        """What was deleted is not found: one message, all of a session, the session itself."""
        await _say(kit, "one", "apple a", "apple b")
        await _say(kit, "all", "apple c")
        await _say(kit, "gone", "apple d")
        await _crowd(kit, others)
        await kit.delete(session="one", table="messages", seq=1)
        await kit.delete(session="all", table="messages")
        await kit.delete(session="gone")
        assert await _found(kit, "apple") == ["apple b"]
        await kit.store.sweep()
        assert await _found(kit, "apple") == ["apple b"]
        await _say(kit, "all", "apple e")
        await _say(kit, "gone", "apple f")
        assert await _found(kit, "apple") == ["apple b", "apple e", "apple f"]

    async def test_put_of_the_header(self, kit: Kit) -> None:
        """A Put of the header changes nothing in what is found."""
        await _say(kit, "s", "apple")
        await kit.put(Session(id="s", title="pear"))
        assert await _found(kit, "apple") == ["apple"]
        assert await _found(kit, "pear") == []

    async def test_vector_without_the_capability(self, kit: Kit) -> None:
        """A search by vector raises Unsupported where the capabilities have no vector search."""
        if kit.store.capabilities.vector_search:
            kit.skip("the store claims vector search")
        with pytest.raises(Unsupported):
            await kit.store.search("tenant", terms=["a"], vector=[0.1, 0.2], limit=1)
        with pytest.raises(Unsupported):
            await kit.store.search("tenant", terms=[], vector=[0.1, 0.2], limit=1)


async def _crowd(kit: Kit, size: int) -> None:
    """Messages that have nothing in common with what is looked for, brought in bulk and one by one."""
    if size:
        await _say(kit, "crowd", *(f"crowd{n} crowd{n + 1}" for n in range(size)))
        for n in range(3):
            await _say(kit, "crowd", f"crowd{n}")


async def _say(kit: Kit, session: str, *texts: str) -> None:
    await kit.append(session, *texts, terms=list(texts))


async def _found(kit: Kit, *terms: str, limit: int = 1000) -> list[str]:
    return sorted(str(hit.row.content) for hit in await kit.find(*terms, limit=limit))
