"""The Redis store keeps every promise: on one server, on one with RediSearch, on a cluster of three."""

from __future__ import annotations

from pathlib import Path

from recollect.connect import connect
from recollect.store import Store
from recollect.stores.memory import MemoryStore
from recollect.testing import StoreSuites
from tests.services import redis as servers


class TestRedis(StoreSuites):
    name = "redis://"

    def make_store(self, place: Path) -> Store:
        return connect(f"{servers.server_url()}?prefix={servers.prefix_of(place)}")

    def make_oracle(self) -> Store:
        return MemoryStore()

    def remove(self, place: Path) -> None:
        servers.remove(servers.server_url(), servers.prefix_of(place))


class TestRedisStack(StoreSuites):
    name = "redis:// with RediSearch"

    def make_store(self, place: Path) -> Store:
        return connect(f"{servers.stack_url()}?prefix={servers.prefix_of(place)}")

    def make_oracle(self) -> Store:
        return MemoryStore()

    def remove(self, place: Path) -> None:
        servers.remove(servers.stack_url(), servers.prefix_of(place))


class TestRedisCluster(StoreSuites):
    name = "redis+cluster://"

    def make_store(self, place: Path) -> Store:
        # Fewer shards than a cluster usually has, for every read across sessions asks each of them.
        return connect(f"{servers.cluster_url()}?prefix={servers.prefix_of(place)}&shards=4")

    def make_oracle(self) -> Store:
        return MemoryStore()

    def remove(self, place: Path) -> None:
        servers.remove(servers.cluster_url(), servers.prefix_of(place))
