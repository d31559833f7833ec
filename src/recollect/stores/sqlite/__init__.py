"""SQLite: one file in WAL mode, any number of processes."""

from recollect.stores.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
