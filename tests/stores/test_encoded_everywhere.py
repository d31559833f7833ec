"""Pages as JSON on the stores with servers: byte for byte what the messages give, whatever is in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recollect import Recollect
from recollect.core.messages import MessageLike
from recollect.store import LogText
from recollect.store.driver import drive
from recollect.stores import _columns
from recollect.stores._columns import BREAK, woven
from recollect.stores.redis import reads
from tests.library.test_read_json import check, logs
from tests.services import redis
from tests.services.postgres import postgres_url, schema

_numbers = count()


@contextmanager
def redis_url(place: Path) -> Iterator[str]:
    yield f"{redis.server_url()}?prefix={redis.prefix_of(place)}"
    redis.remove(redis.server_url(), redis.prefix_of(place))


@contextmanager
def own_schema(place: Path) -> Iterator[str]:
    with schema() as name:
        yield f"{postgres_url()}?schema={name}"


@pytest.fixture(scope="module", params=[redis_url, own_schema], ids=["redis", "postgres"])
def memory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recollect]:
    """A memory on each."""
    with ExitStack() as stack:
        url = stack.enter_context(request.param(tmp_path_factory.mktemp("pages")))
        yield stack.enter_context(Recollect(url))


def page(memory: Recollect, session: str, limit: int = 10, **bounds: Any) -> LogText | None:
    """What the store itself gives."""
    return drive(memory.store.query_json((memory.scope, session), limit=limit, **bounds))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=logs, id=st.text(min_size=1, max_size=6))
def test_any_log(memory: Recollect, log: list[MessageLike], id: str) -> None:
    """With a gap, too."""
    session = memory.session(f"{id}{next(_numbers)}", user=id)
    session.append(log)
    check(session)
    session.pop()
    session.append({"role": "user", "content": "behind a gap"})
    check(session)


def test_usual_messages_are_encoded_by_columns(memory: Recollect, monkeypatch: pytest.MonkeyPatch) -> None:
    """From both ends; the last number, whether more follow, and the owner are told."""
    counts: list[int] = []

    def noted(columns: Any, seqs: Any, *rest: Any) -> bytes:
        counts.append(rest[2])
        return woven(columns, seqs, *rest)

    for module in (_columns, reads):
        monkeypatch.setattr(module, "woven", noted)
    session = memory.session(f"usual{next(_numbers)}", "ann")
    session.append([{"role": "user", "content": f"say {n}"} for n in range(12)])
    for bounds, last, more in (
        ({}, 10, True),
        ({"limit": 12}, 12, False),
        ({"reverse": True}, 3, True),
        ({"after": (1,), "before": (12,), "limit": 9}, 10, True),
    ):
        found = page(memory, session.id, **bounds)
        assert found is not None
        assert (found.last, found.more, found.user_id) == (last, more, "ann")
    assert counts == [10, 12, 10, 9]


@pytest.mark.parametrize(
    "odd",
    [
        {"content": f"a{BREAK}b"},
        {"content": "a\0b\x01c"},
        {"id": f"a{BREAK}b"},
        {"id": "a\0b"},
        {"content": "long " * 25_000},
        {"content": [{"type": "text", "text": "x"}]},
        {"name": "Ann"},
        {"refusal": None},
        {"ttl": 3600},
        {"metadata": {"b": 1, "a": 1.0, "c": "\0", "d": {"ab": 1, "c": 1e300}}},
        {"metadata": {"line": "a\nb"}},
    ],
    ids=str,
)
def test_one_that_is_not_usual(memory: Recollect, odd: dict[str, Any]) -> None:
    """Among others: the page is right however it is made."""
    session = memory.session(f"odd{next(_numbers)}")
    session.append(
        [*({"role": "user", "content": f"say {n}"} for n in range(9)), {"role": "user", "content": "x"} | odd]
    )
    check(session)
