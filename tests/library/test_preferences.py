"""A user's preferences: one JSON object, merged, guarded, and no key lost however many write."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from recollect import AsyncRecollect, Conflict, InvalidInput, Recollect

WRITERS, KEYS = 16, 6


def test_put_get_set_remove_delete(memory: Recollect) -> None:
    """Each call says what is there afterwards; what changes nothing is no new version."""
    preferences = memory.user("u").preferences
    assert (preferences.get(), preferences.record(), preferences.remove("x"), preferences.delete()) == (
        {},
        None,
        False,
        False,
    )
    put = preferences.put({"a": 1, "b": {"c": [1, None, "x"]}})
    assert (put.version, put.values, put.user_id) == (1, {"a": 1, "b": {"c": [1, None, "x"]}}, "u")
    assert preferences.record() == put
    assert preferences.set("d", None).values == {**put.values, "d": None}
    assert preferences.set("a", 1).version == 2
    assert (preferences.remove("a"), preferences.remove("a")) == (True, False)
    assert preferences.get() == {"b": {"c": [1, None, "x"]}, "d": None}
    replaced = preferences.put({})
    assert (replaced.values, replaced.created_at) == ({}, put.created_at)
    assert (preferences.delete(), preferences.get(), preferences.record()) == (True, {}, None)
    assert preferences.set("a", 1).version == 1


def test_merge_patch(memory: Recollect) -> None:
    """The examples of RFC 7396, appendix A, whose target and patch are objects."""
    examples: list[tuple[Any, Any, Any]] = [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ]
    for i, (target, patch, result) in enumerate(examples):
        preferences = memory.user(f"u{i}").preferences
        preferences.put(target)
        assert preferences.merge(patch).values == result
        assert preferences.get() == result
    assert memory.user("new").preferences.merge({"a": {"b": None}, "c": None}).values == {"a": {}}


def test_expect(memory: Recollect) -> None:
    """`expect` is the version that must be stored, 0 for none; a lost guard writes nothing."""
    preferences = memory.user("u").preferences
    with pytest.raises(Conflict):
        preferences.put({"a": 1}, expect=1)
    assert preferences.put({"a": 1}, expect=0).version == 1
    for wrong in (0, 2):
        with pytest.raises(Conflict):
            preferences.put({"lost": True}, expect=wrong)
    assert preferences.put({"a": 2}, expect=1).version == 2
    assert preferences.put({"a": 3}).version == 3
    assert preferences.get() == {"a": 3}
    for bad in (-1, True, "1", 1.0):
        with pytest.raises(InvalidInput):
            preferences.put({}, expect=bad)  # type: ignore[arg-type]


def test_what_comes_back_is_the_callers_own(memory: Recollect) -> None:
    """Changing what was given or returned changes nothing that is stored."""
    preferences = memory.user("u").preferences
    given: dict[str, Any] = {"list": [1], "deep": {"x": 1}}
    preferences.put(given)
    given["list"].append(2)
    found = preferences.get()
    found["deep"]["x"] = 99
    found["new"] = 1
    assert preferences.get() == {"list": [1], "deep": {"x": 1}}


EVERY = {f"k{writer}.{i}": writer * i for writer in range(WRITERS) for i in range(KEYS)}


def write(preferences: Any, writer: int) -> None:
    for i in range(KEYS):
        preferences.set(f"k{writer}.{i}", writer * i)
        preferences.set("shared", writer)
        preferences.merge({"deep": {f"{writer}": i}})


def in_threads(calls: list[Callable[[], None]]) -> None:
    errors: list[BaseException] = []
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], None]) -> None:
        gate.wait()
        try:
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def check_all(found: dict[str, Any]) -> None:
    assert {key: found[key] for key in found if key.startswith("k")} == EVERY
    assert found["deep"] == {f"{writer}": KEYS - 1 for writer in range(WRITERS)}
    assert found["shared"] in range(WRITERS)


def test_sixteen_threads_lose_no_key(url: str) -> None:
    """Sixteen threads set keys of one document through one client: every key is there, each change a version."""
    with Recollect(url) as memory:
        preferences = memory.user("u").preferences
        in_threads([lambda writer=writer: write(preferences, writer) for writer in range(WRITERS)])  # type: ignore[misc]
        check_all(preferences.get())


def test_sixteen_clients_lose_no_key(url: str) -> None:
    """The same with a client, and a connection, for each."""
    if not url.startswith("sqlite:///"):
        return
    clients = [Recollect(url) for _ in range(WRITERS)]
    in_threads([lambda w=w, c=c: write(c.user("u").preferences, w) for w, c in enumerate(clients)])  # type: ignore[misc]
    check_all(clients[0].user("u").preferences.get())
    for client in clients:
        client.close()


def test_sixteen_tasks_lose_no_key(url: str) -> None:
    """Sixteen tasks of one loop."""

    async def run() -> dict[str, Any]:
        async with AsyncRecollect(url) as memory:
            preferences = memory.user("u").preferences

            async def one(writer: int) -> None:
                for i in range(KEYS):
                    await preferences.set(f"k{writer}.{i}", writer * i)
                    await preferences.set("shared", writer)
                    await preferences.merge({"deep": {f"{writer}": i}})

            await asyncio.gather(*map(one, range(WRITERS)))
            return await preferences.get()

    check_all(asyncio.run(run()))
