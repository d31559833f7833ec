"""Capabilities: what is declared works, what is not declared is refused aloud."""

from __future__ import annotations

import pytest

from recollect.errors import LimitExceeded, Unsupported
from recollect.model import Preferences
from recollect.store import Partition
from recollect.testing.kit import SCOPE, Kit, a_document, put
from recollect.testing.suite import Suite

AFFORDABLE_BYTES = 32 * 1024 * 1024
AFFORDABLE_OPS = 20_000


class CapabilitiesDeclared(Suite):
    """Declared: it passes. Not declared: it raises Unsupported."""

    promise = "capabilities"

    async def test_values(self, kit: Kit) -> None:
        """The capabilities name real limits: at least the bytes of one message and one operation."""
        declared = kit.store.capabilities
        assert declared.item_bytes >= 1024
        assert declared.commit_ops >= 3
        assert declared.feed in ("store", "scope", "partition")
        assert declared.index_consistency in ("immediate", "eventual")

    async def test_text_search_not_declared(self, kit: Kit) -> None:
        """A store without text search raises Unsupported for terms; one with it answers."""
        await kit.append("s", "a", terms=["w"])
        if kit.store.capabilities.text_search:
            assert len(await kit.find("w")) == 1
        else:
            with pytest.raises(Unsupported):
                await kit.find("w")

    async def test_largest_item(self, kit: Kit) -> None:
        """A message of `item_bytes` is stored whole; a larger one raises LimitExceeded and nothing is written."""
        size = kit.store.capabilities.item_bytes
        if size > AFFORDABLE_BYTES:
            kit.skip(f"{size} bytes are more than a test can afford")
        # The fields that are JSON objects count with their text, "{}" each.
        text = "x" * (size - 4)
        await kit.append("s", text)
        assert await kit.contents("s") == [text]
        with pytest.raises(LimitExceeded):
            await kit.append("s", "small", "x" * (size + 1))
        assert await kit.contents("s") == [text]
        assert (await kit.there("s")).last_seq == 1

    async def test_most_operations(self, kit: Kit) -> None:
        """A commit of `commit_ops` operations is applied whole; one more raises LimitExceeded and nothing is written."""
        most = kit.store.capabilities.commit_ops
        if most > AFFORDABLE_OPS:
            kit.skip(f"{most} operations are more than a test can afford")
        partition = Partition(SCOPE, "user", "u")
        results = await kit.store.commit(partition, [put(a_document("u"))] * most)
        assert len(results) == most
        row = await kit.store.get("preferences", (SCOPE, "u"))
        assert isinstance(row, Preferences)
        assert row.version == most
        with pytest.raises(LimitExceeded):
            await kit.store.commit(partition, [put(a_document("u"))] * (most + 1))
        assert await kit.store.get("preferences", (SCOPE, "u")) == row
