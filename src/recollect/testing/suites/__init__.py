"""One module a promise; every test's docstring is a sentence of the contract."""

from recollect.testing.suites.atomicity import Atomicity
from recollect.testing.suites.capabilities import CapabilitiesDeclared
from recollect.testing.suites.deletion import Deletion
from recollect.testing.suites.expiry import Expiry
from recollect.testing.suites.feed import Feed
from recollect.testing.suites.fidelity import Fidelity
from recollect.testing.suites.histories import Histories
from recollect.testing.suites.isolation import Isolation
from recollect.testing.suites.lifecycle import Lifecycle
from recollect.testing.suites.ordering import Ordering
from recollect.testing.suites.push import Push
from recollect.testing.suites.records import Records
from recollect.testing.suites.retries import Retries
from recollect.testing.suites.search import Search
from recollect.testing.suites.vectors import Vectors
from recollect.testing.suites.windows import Windows

SUITES = (
    Ordering,
    Atomicity,
    Retries,
    Records,
    Deletion,
    Fidelity,
    Windows,
    Expiry,
    Search,
    Vectors,
    Feed,
    Push,
    Isolation,
    Lifecycle,
    CapabilitiesDeclared,
    Histories,
)
"""Every promise, in the order of the page "What every store promises"."""


class StoreSuites(
    Ordering,
    Atomicity,
    Retries,
    Records,
    Deletion,
    Fidelity,
    Windows,
    Expiry,
    Search,
    Vectors,
    Feed,
    Push,
    Isolation,
    Lifecycle,
    CapabilitiesDeclared,
    Histories,
):
    """All promises. A store that passes is a store."""
