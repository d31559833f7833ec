"""A layer that does nothing is not noticed."""

from __future__ import annotations

import inspect

from recollect import Recollect
from recollect.store import BlockingDriver, Store
from recollect.store.driver import drive
from recollect.store.layers import Layer
from recollect.stores.memory import MemoryStore
from recollect.stores.sqlite import SQLiteStore


def test_it_hands_every_call_down() -> None:
    """Whatever `Store` has, also what a store need not write: a default of the layer's own would hide the store's."""
    offered = {name for name in dir(Store) if not name.startswith("_")} | {"capabilities", "driver", "kind"}
    assert offered <= set(vars(Layer))
    for name in offered:
        mine, theirs = vars(Layer)[name], inspect.getattr_static(Store, name, None)
        assert inspect.iscoroutinefunction(mine) == inspect.iscoroutinefunction(theirs), name


def test_two_of_them() -> None:
    with Recollect(Layer(Layer(MemoryStore()))) as memory:
        memory.session("s", user="u").append({"role": "user", "content": "dog"})
        assert len(memory.search("dog")) == 1
        assert len(memory.changes()) == 1
        assert memory.store.url == "memory://"
        assert memory.store.kind == "memory"
        assert memory.warnings() == []
        assert memory.buffered().waiting == 0
        assert memory.deliver().delivered == 0
        assert memory.sweep().messages == 0
        memory.store.driver.now()
        drive(memory.store.wait("default", None, 0.0))
    assert "CREATE TABLE" in Layer(SQLiteStore()).template("sql")
    assert Layer(SQLiteStore()).templates == ("sql",)
    assert drive(Layer(MemoryStore()).check_tables(BlockingDriver())) == []
    assert drive(Layer(MemoryStore()).create_tables(BlockingDriver())) == []
