"""In this process only."""

from recollect.stores.memory.store import MemoryStore

__all__ = ["MemoryStore"]
