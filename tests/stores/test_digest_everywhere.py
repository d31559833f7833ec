"""The digest on the stores with servers: each message once, the claim, the guard, what is superseded, suggestions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recollect import InvalidAnswer, Message, Recollect, Unavailable
from tests.library.extractors import Scripted
from tests.stores.test_summaries_everywhere import dynamodb_store, postgres_store, redis_store


@pytest.mark.parametrize("make", [redis_store, postgres_store, dynamodb_store])
def test_the_life_of_a_digest(make: object, tmp_path: Path) -> None:
    """It fails and leaves nothing, is done once by many, sets aside, supersedes, and is forgotten with the user."""
    assert callable(make)
    with make(tmp_path) as store, Recollect(store) as memory:
        for number in range(6):
            memory.session(f"s{number}", user="ann").append([Message("user", f"{number}.{i}") for i in range(25)])
        with pytest.raises(Unavailable):
            memory.digest(Scripted(Unavailable("away")))
        model = Scripted(pause=0.02)
        with ThreadPoolExecutor(3) as pool:
            reports = list(pool.map(lambda _: memory.digest(model), range(3)))
        assert sum(report.messages for report in reports) == 150 == len(model.seen)
        said = [one.content for one in memory.user("ann").memories(1000, closed=True)]
        assert len(said) == len(set(said)) == 150
        assert not any(memory.digest(model).to_dict().values())

        memory.session("bob", user="bob").append(Message("user", "I live in Busan"))
        assert memory.digest(Scripted(InvalidAnswer("prose"))).aside == 1
        assert memory.digest(again=True).new == 1
        memory.session("bob").append([Message("user", "I live in Seoul"), Message("user", "저는 커피를 좋아해요")])
        report = memory.digest()
        assert (report.superseding, report.new) == (1, 1)
        bob = memory.user("bob")
        assert sorted(one.content for one in bob.memories()) == ["Lives in Seoul.", "커피를 좋아한다."]
        (suggestion,) = bob.suggestions()
        assert bob.accept(suggestion.id).values == {"likes": ["커피"]}
        assert bob.suggestions() == []
        bob.forget()
        assert list(bob.memories(closed=True)) == []
        assert not any(memory.digest().to_dict().values())
