"""What a store is: the contract, the declared tables, the driver it waits with."""

from recollect.store.contract import (
    ABSENT,
    ANY,
    Append,
    Appended,
    Candidate,
    Capabilities,
    Commit,
    Delete,
    Filter,
    LogText,
    Op,
    Partition,
    Put,
    Result,
    SessionDefaults,
    Store,
)
from recollect.store.driver import BlockingDriver, Driver, utc_now
from recollect.store.tables import PATHS, TABLES, Column, Path, Table

__all__ = [
    "ABSENT",
    "ANY",
    "PATHS",
    "TABLES",
    "Append",
    "Appended",
    "BlockingDriver",
    "Candidate",
    "Capabilities",
    "Column",
    "Commit",
    "Delete",
    "Driver",
    "Filter",
    "LogText",
    "Op",
    "Partition",
    "Path",
    "Put",
    "Result",
    "SessionDefaults",
    "Store",
    "Table",
    "utc_now",
]
