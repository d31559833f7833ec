"""What a store is: the contract, the declared tables, the driver it waits with."""

from recollect.store.contract import (
    ABSENT,
    ANY,
    Append,
    Appended,
    Attach,
    Candidate,
    Capabilities,
    Commit,
    Delete,
    Filter,
    Found,
    Op,
    Partition,
    Put,
    Result,
    SessionDefaults,
)
from recollect.store.driver import BlockingDriver, Driver, Signal, utc_now
from recollect.store.optional import LogText, Store, Stretch
from recollect.store.tables import PATHS, TABLES, Column, Path, Table

__all__ = [
    "ABSENT",
    "ANY",
    "PATHS",
    "TABLES",
    "Append",
    "Appended",
    "Attach",
    "BlockingDriver",
    "Candidate",
    "Capabilities",
    "Column",
    "Commit",
    "Delete",
    "Driver",
    "Filter",
    "Found",
    "LogText",
    "Op",
    "Partition",
    "Path",
    "Put",
    "Result",
    "SessionDefaults",
    "Signal",
    "Store",
    "Stretch",
    "Table",
    "utc_now",
]
