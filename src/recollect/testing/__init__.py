"""The conformance kit: what every store promises, as tests that the author of a store runs."""

from recollect.errors import missing_extra

try:
    import hypothesis as _hypothesis  # noqa: F401
    import pytest
    import rich as _rich  # noqa: F401
except ImportError as _error:
    raise missing_extra(_error.name or "pytest", "testing") from _error

for _module in ("suites", "machine", "twins", "kit"):
    pytest.register_assert_rewrite(f"recollect.testing.{_module}")

from recollect.testing.clock import ManualClock  # noqa: E402
from recollect.testing.faults import FaultyStore  # noqa: E402
from recollect.testing.kit import Kit  # noqa: E402
from recollect.testing.machine import StoreMachine, check_histories  # noqa: E402
from recollect.testing.services import require  # noqa: E402
from recollect.testing.suite import Suite  # noqa: E402
from recollect.testing.suites import SUITES, StoreSuites  # noqa: E402

__all__ = [
    "SUITES",
    "FaultyStore",
    "Kit",
    "ManualClock",
    "StoreMachine",
    "StoreSuites",
    "Suite",
    "check_histories",
    "require",
]
