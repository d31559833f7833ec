"""The PostgreSQL store: psycopg 3, one schema of its own in a database of yours."""

from recollect.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
