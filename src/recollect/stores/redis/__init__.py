"""The Redis store: streams, hashes and sorted sets on one server or on a Redis Cluster."""

from recollect.errors import missing_extra

try:
    import hiredis as _hiredis  # noqa: F401
    import redis as _redis  # noqa: F401
except ImportError as _error:
    raise missing_extra(_error.name or "redis", "redis") from _error

from recollect.stores.redis.options import Options, parse_url
from recollect.stores.redis.store import RedisStore

__all__ = ["Options", "RedisStore", "parse_url"]
