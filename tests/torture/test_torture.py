"""A little of the torture in every run; `make torture` has more."""

from __future__ import annotations

from typing import get_args

import pytest

from tests.torture.history import History
from tests.torture.run import How, torture
from tests.torture.targets import TARGETS


@pytest.mark.parametrize("how", get_args(How))
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_lost_doubled_or_out_of_order(name: str, how: How) -> None:
    if (name, how) == ("sqlite", "cut"):
        return  # there is no connection
    with TARGETS[name]() as target:
        outcome = torture(target, seconds=6, least=60, how=how, writers=6, sessions=3)
    assert outcome.wrong == []
    assert outcome.acknowledged + outcome.kept > 20
    assert outcome.writers_killed > 5
    assert outcome.server_killed > 0 or target.kill is None
    assert outcome.cuts > 0 or how != "cut"
    assert outcome.kept > 0 or how != "buffer"


def test_the_checker_sees_what_is_wrong() -> None:
    """A checker that finds nothing has to be one that could."""
    from recollect import Message, Recollect
    from tests.torture.history import check

    with Recollect("memory://") as memory:
        session = memory.session("s")
        session.append([Message(role="user", content="x", id=f"w-{n}") for n in (0, 2, 1)])
        history = History()
        history.add(
            ["T w-0 s", "T w-1 s", "T w-2 s", "T w-3 s", "A w-0 s 1", "A w-1 s 2", "A w-3 s 4", "B w-0 s", "B w-7 s"]
        )
        followed = list(memory.changes())
        wrong = check(history, memory, followed)
        assert len(wrong) == 4
        assert "s: w-1 comes behind w-2" in wrong
        assert "w-1 was acknowledged as ('s', 2) and is ('s', 3)" in wrong
        assert "w-3 was acknowledged as ('s', 4) and is nowhere" in wrong
        assert "w-7 was kept for s and is nowhere" in wrong
        assert any("follower" in line for line in check(history, memory, followed * 2))
        session.pop()
        assert any("the header says" in line or "ends at 3 of 2" in line for line in check(history, memory, followed))
