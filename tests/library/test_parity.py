"""The sync and the async surface are one; all of it is documented; importing it costs little."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import recollect

TWINS = [
    (recollect.Recollect, recollect.AsyncRecollect),
    (recollect.SessionHandle, recollect.AsyncSessionHandle),
    (recollect.NamespaceHandle, recollect.AsyncNamespaceHandle),
    (recollect.UserHandle, recollect.AsyncUserHandle),
    (recollect.UserPreferences, recollect.AsyncUserPreferences),
]
PAIRS = pytest.mark.parametrize(("sync", "twin"), TWINS, ids=[sync.__name__ for sync, _ in TWINS])
HANDLES = {a.__name__: s.__name__ for s, a in TWINS}


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def shape(function: Any) -> list[tuple[str, Any, Any]]:
    parameters = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, one.default) for one in parameters]


def hints(function: Any) -> dict[str, str]:
    """The annotations as written, the async handles by the names of their sync twins."""
    found = {}
    for name, hint in inspect.get_annotations(function).items():
        for twin, sync in HANDLES.items():
            hint = hint.replace(twin, sync)
        found[name] = hint.replace("AsyncIterator", "Iterator")
    return found


def is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


@PAIRS
def test_the_same_names(sync: type, twin: type) -> None:
    """What the one has, the other has."""
    assert public(sync) == public(twin)
    assert public(sync)


@PAIRS
def test_the_same_calls(sync: type, twin: type) -> None:
    """The same parameters, kinds, defaults and types; each is a method where the other is one, a property likewise."""
    for name in public(sync):
        one, other = inspect.getattr_static(sync, name), inspect.getattr_static(twin, name)
        assert type(one) is type(other), name
        if isinstance(one, property):
            one, other = one.fget, other.fget
        assert shape(one) == shape(other), name
        assert hints(one) == hints(other), name
        assert not is_async(one), name
        if isinstance(other, property):
            assert not is_async(other), name
    if sync is recollect.Recollect:
        assert shape(sync.__init__) == shape(twin.__init__)  # type: ignore[misc]


@PAIRS
def test_the_same_words(sync: type, twin: type) -> None:
    """The docstrings are the same but for the name of the class and of the statement."""
    for name in ["", *public(sync)]:
        one, other = (inspect.getattr_static(kind, name) if name else kind for kind in (sync, twin))
        words = (other.__doc__ or "").replace("``async with``", "``with``").replace("AsyncRecollect", "Recollect")
        assert one.__doc__ == words, name


@PAIRS
def test_io_is_awaited(sync: type, twin: type) -> None:
    """Of the async twin everything is awaited or iterated but what does no I/O."""
    plain = {name for name in public(twin) if not is_async(inspect.getattr_static(twin, name))}
    assert plain <= {
        "store", "scope", "embeds", "in_scope", "session", "user", "namespace", "path", "id", "user_id", "preferences",
    }  # fmt: skip
    assert hasattr(sync, "__enter__") == hasattr(twin, "__aenter__") == (sync is recollect.Recollect)
    assert not hasattr(sync, "__aenter__")
    assert not hasattr(twin, "__enter__")


def reachable() -> Iterator[tuple[str, Any]]:
    for name in recollect.__all__:
        found = getattr(recollect, name)
        if not (inspect.isclass(found) or inspect.isfunction(found)):
            continue
        yield name, found
        if inspect.isclass(found):
            for member in sorted(public(found)):
                value = inspect.getattr_static(found, member)
                if inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod):
                    yield f"{name}.{member}", value


@pytest.mark.parametrize("name", [name for name, _ in reachable()])
def test_everything_has_a_docstring(name: str) -> None:
    """Each public class, function, method and property says what it is for, in words of its own."""
    found = dict(reachable())[name]
    words = found.__doc__
    if not words and "." in name:
        words = inspect.getdoc(getattr(getattr(recollect, name.split(".")[0]), name.split(".")[1]))
    assert words
    assert words.strip()
    if inspect.isclass(found):
        assert "Struct(" not in words
        assert found.__doc__ not in [base.__doc__ for base in found.__mro__[1:] if base is not object]


def test_all_is_what_there_is() -> None:
    """`__all__` is sorted, complete, and everything in it is there."""
    names = recollect.__all__
    assert len(set(names)) == len(names)
    assert all(hasattr(recollect, name) for name in names)
    seen = {name for name, value in vars(recollect).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert seen <= set(names)


def test_records_are_frozen() -> None:
    """Nothing that comes back from the library can be changed in place by accident."""
    for name in recollect.__all__:
        found = getattr(recollect, name)
        if inspect.isclass(found) and issubclass(found, msgspec.Struct):
            assert found.__struct_config__.frozen, name


def python(code: str) -> Any:
    source = str(Path(recollect.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {source!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(run.stdout)


def test_importing_loads_little() -> None:
    """Nothing beyond the standard library and msgspec (with what that loads itself); no event loop, no database."""
    loaded, more = python(
        "import json; bare = set(sys.modules)\nimport msgspec; before = set(sys.modules)\nimport recollect\n"
        "print(json.dumps([sorted({name.split('.')[0] for name in set(sys.modules) - seen}) for seen in (bare, before)]))"
    )
    assert {name for name in more if name not in sys.stdlib_module_names} == {"recollect"}
    assert not {"asyncio", "sqlite3", "_sqlite3", "ssl", "socket", "http", "typer", "pydantic"} & set(loaded)


def test_the_sync_client_loads_no_event_loop() -> None:
    """A sync client on a file works to its end without asyncio; sqlite3 comes with the store that needs it."""
    loaded = python(
        "import json, recollect\n"
        "with recollect.Recollect('memory://') as memory:\n"
        "    memory.session('s', 'u').append({'role': 'user', 'content': 'Hi 안녕'})\n"
        "    assert 'sqlite3' not in sys.modules\n"
        "with recollect.Recollect('sqlite://') as memory:\n"
        "    session = memory.session('s', 'u')\n"
        "    session.append({'role': 'user', 'content': 'Hi'})\n"
        "    session.context(); memory.search('hi'); memory.user('u').preferences.set('a', 1); list(memory.export_lines())\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    assert "sqlite3" in loaded
    assert "asyncio" not in loaded


def test_importing_is_quick() -> None:
    """Less than 150 ms of this process's own time beyond the interpreter's start: the least of five."""
    code = "import time; begin = time.process_time(); import recollect; print(time.process_time() - begin)"
    taken = [python(code) for _ in range(5)]
    assert min(taken) < 0.150, taken
