"""Vectors of documents: float16 rows of length one, and a bit for each dimension's sign as a first stage.

The first stage counts equal bits over all documents (48 bytes each at 384 dimensions) and keeps the best; the second
takes the exact cosine of those.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXACT_UP_TO = 4096
"""Documents whose cosines are all taken: the first stage would save less than a millisecond."""

FIRST_STAGE = 2000
"""Documents that the first stage leaves."""

NONE = -1


class _Table(NamedTuple):
    """Rows, some of them still unused."""

    slots: NDArray[np.int32]
    """The document of each row; `NONE` where it was removed."""
    matrix: NDArray[np.float16]
    bits: NDArray[np.uint64]
    sum: NDArray[np.float64]
    """Of all rows; no rounding, as the rows are of float16."""

    def grown(self, more: int) -> _Table:
        """With so many more rows."""
        import numpy as np

        return _Table(
            np.concatenate([self.slots, np.full(more, NONE, np.int32)]),
            np.concatenate([self.matrix, np.zeros((more, self.matrix.shape[1]), np.float16)]),
            np.concatenate([self.bits, np.zeros((more, self.bits.shape[1]), np.uint64)]),
            self.sum,
        )


class Vectors:
    """The vectors of an index, by slot."""

    def __init__(self) -> None:
        self._count = 0
        self._rows: dict[int, int] = {}
        self._table: _Table | None = None

    def __len__(self) -> int:
        """Documents that have one."""
        return len(self._rows)

    @property
    def dimension(self) -> int | None:
        """Of the vectors that are there."""
        return None if self._table is None else self._table.matrix.shape[1]

    @property
    def mean(self) -> NDArray[np.float32] | None:
        """Of the vectors that are there."""
        return None if self._table is None or not self._rows else (self._table.sum / len(self._rows)).astype("f4")

    @property
    def size_bytes(self) -> int:
        """Memory that they take."""
        return sum(array.nbytes for array in self._table or ()) + 100 * len(self._rows)

    def attach(self, slots: Sequence[int], matrix: NDArray[np.floating]) -> None:
        """Take in a row for each slot, `NONE` among them left out; a second one for a slot replaces the first.

        Raises
        ------
        ValueError
            Not a row for each, not finite, or not of the dimension of the others.
        """
        import numpy as np

        rows: NDArray[np.float32] = np.asarray(matrix, dtype=np.float32)
        if rows.ndim != 2 or len(rows) != len(slots):
            raise ValueError(f"{len(slots)} documents need as many vectors, not an array of the shape {rows.shape}")
        self.check(rows.shape[1])
        if not np.isfinite(rows).all():
            raise ValueError("a vector has a component that is not a finite number")
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = (rows / np.where(norms > 0, norms, 1)).astype(np.float32)
        last = {slot: row for row, slot in enumerate(slots) if slot != NONE}
        if last:
            chosen = rows[list(last.values())]
            table, places = self._places(list(last), chosen.shape[1])
            table.sum[:] -= table.matrix[places].sum(axis=0, dtype=np.float64)
            table.slots[places], table.matrix[places], table.bits[places] = list(last), chosen, signs_of(chosen)
            table.sum[:] += table.matrix[places].sum(axis=0, dtype=np.float64)

    def _places(self, slots: Sequence[int], dimension: int) -> tuple[_Table, list[int]]:
        """The rows of slots, new ones for those that have none."""
        import numpy as np

        if self._table is None:
            self._table = _Table(
                np.empty(0, np.int32),
                np.empty((0, dimension), np.float16),
                np.empty((0, (dimension + 63) // 64), np.uint64),
                np.zeros(dimension),
            )
        for slot in slots:
            if slot not in self._rows:
                self._rows[slot] = self._count
                self._count += 1
        if self._count > len(self._table.slots):
            self._table = self._table.grown(self._count - len(self._table.slots) + max(64, self._count // 2))
        return self._table, [self._rows[slot] for slot in slots]

    def check(self, dimension: int) -> None:
        """Raise a ValueError when a vector of so many dimensions cannot be compared with these."""
        if self.dimension is not None and dimension != self.dimension:
            raise ValueError(
                f"a vector of {dimension} dimensions cannot be compared with the {self.dimension} of the index:"
                " another model made them, and all have to be made anew"
            )

    def remove(self, slots: Collection[int]) -> None:
        """Forget the vectors of slots."""
        for slot in slots:
            row = self._rows.pop(slot, None)
            if row is not None and self._table is not None:
                self._table.slots[row] = NONE
                self._table.sum[:] -= self._table.matrix[row]
                self._table.matrix[row] = 0

    def compact(self, kept: Sequence[int]) -> None:
        """The slots that are kept are numbered anew, from 0 on in their order."""
        import numpy as np

        pairs = [(new, self._rows[old]) for new, old in enumerate(kept) if old in self._rows]
        self._rows = {new: position for position, (new, _) in enumerate(pairs)}
        self._count = len(pairs)
        if not pairs or self._table is None:
            self._table = None
            return
        rows = [row for _, row in pairs]
        slots = np.array([new for new, _ in pairs], np.int32)
        self._table = _Table(slots, self._table.matrix[rows], self._table.bits[rows], self._table.sum)

    def similarities(
        self, query: NDArray[np.floating], wanted: Collection[int]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
        """Slots and their cosines with the query: all where there are few, else the likely ones and those wanted.

        The last is the mean cosine of all there are, less for the fewer they are: one alone is not the mean of anything.

        Parameters
        ----------
        wanted: slots whose cosines are taken in any case, where they have a vector.

        Raises
        ------
        ValueError
            The query is not one finite vector of the dimension of the others.
        """
        import numpy as np

        vector = np.asarray(query, dtype=np.float32)
        if vector.ndim != 1 or not np.isfinite(vector).all():
            raise ValueError("a query's vector is one row of finite numbers")
        self.check(len(vector))
        if self._table is None or not self._rows:
            return np.empty(0, np.int64), np.empty(0, np.float32), 0.0
        vector = (vector / (float(np.linalg.norm(vector)) or 1.0)).astype(np.float32)
        table, count = self._table, self._count
        slots, matrix, bits = table.slots[:count], table.matrix[:count], table.bits[:count]
        if self._count <= EXACT_UP_TO:
            rows = np.flatnonzero(slots != NONE)
        else:
            differing = np.bitwise_count(bits ^ signs_of(vector[np.newaxis])).sum(axis=1, dtype=np.int32)
            differing[slots == NONE] = np.iinfo(np.int32).max
            likely = np.argpartition(differing, FIRST_STAGE)[:FIRST_STAGE]
            rows = np.union1d(likely, np.array([self._rows[slot] for slot in wanted if slot in self._rows], np.int64))
            rows = rows[slots[rows] != NONE]
        # Not a matrix product: BLAS would wake threads for it, and sum in an order of its own.
        cosines = np.einsum("ij,j->i", matrix[rows].astype(np.float32), vector)
        others = (len(self._rows) - 1) / len(self._rows)
        mean = others * float(np.einsum("j,j->", table.sum, vector.astype(np.float64))) / len(self._rows)
        return slots[rows].astype(np.int64), cosines, mean


def signs_of(rows: NDArray[np.float32]) -> NDArray[np.uint64]:
    """The signs of rows, 64 dimensions a number."""
    import numpy as np

    bits = np.packbits(rows > 0, axis=1)
    padded = np.zeros((len(rows), (rows.shape[1] + 63) // 64 * 8), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return padded.view(np.uint64)
