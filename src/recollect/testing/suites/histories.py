"""Random histories: whatever is done in whatever order, the store answers as the memory store does."""

from __future__ import annotations

import pytest

from recollect.testing.machine import check_histories
from recollect.testing.modes import MODES, Mode
from recollect.testing.suite import Suite


class Histories(Suite):
    """Any history gives the same answers as on the memory store."""

    promise = "histories"

    @pytest.mark.parametrize("kind", MODES, ids=lambda mode: mode.name)
    def test_random_histories(self, kind: type[Mode]) -> None:
        """Any history of writes, reads, clock jumps, sweeps and new starts gives the same rows and the same errors as on the memory store."""
        check_histories(kind, self.make_store, self.make_oracle, retention=self.feed_retention, lag=self.lag)
