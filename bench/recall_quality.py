"""How well is found what was said? Recall on LoCoMo, KorQuAD and MemoryBank, without a model and with one.

python bench/recall_quality.py [DATA] [--model MiniLM's folder or name]

DATA is a folder that `recollect.cli.eval_data` reads; RECOLLECT_DATA when not given. The index is asked directly: every
store ranks with it. With `--model` (sentence-transformers; `pip install --group recall`) the same again with vectors.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from recollect.cli.eval_data import LOCOMO_CATEGORIES, Corpus, Question, read, recall_at
from recollect.recall.index import Document, PartitionIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Embed = Callable[[Sequence[str]], NDArray[np.float32]]

KS = (5, 10, 50)
ENGLISH_MODELS = ("all-MiniLM", "all-mpnet", "minilm_l6_v2")


class Answers:
    """A corpus in an index, and what it answers."""

    def __init__(self, corpus: Corpus, embed: Embed | None = None, knows: Sequence[str] | None = None) -> None:
        self._corpus, self._embed, self._knows = corpus, embed, knows
        self._index = PartitionIndex()
        self._ids: dict[tuple[str, int], str] = {}
        logs: dict[str, list[Document]] = {}
        for number, message in enumerate(corpus.messages):
            log = logs.setdefault(message["session"], [])
            at = datetime.fromisoformat(message["created_at"]).timestamp() if "created_at" in message else number
            name = message.get("name")
            log.append(Document(len(log) + 1, message["id"], message["content"], name, message["role"], at))
        for name, documents in logs.items():
            self._index.extend(name, documents, linked=True)
            self._ids.update({(name, document.seq): document.id for document in documents})
            if embed is not None:
                matrix = embed([document.text for document in documents])
                self._index.attach(name, [document.seq for document in documents], matrix)

    def __iter__(self) -> Iterator[tuple[Question, list[str]]]:
        """Each question with the ids found, best first."""
        questions = self._corpus.questions
        vectors: Sequence[NDArray[np.float32] | None] = [None] * len(questions)
        if self._embed is not None:
            vectors = list(self._embed([self._index.bare(question.text) or question.text for question in questions]))
        for question, vector in zip(questions, vectors, strict=True):
            found = self._index.search(question.text, limit=max(KS), vector=vector, knows=self._knows)
            yield question, [self._ids[hit.log, hit.seq] for hit in found]


def sentence_transformer(name: str) -> Embed:
    """A local model; nothing is downloaded when it is a folder."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(name, device="cpu")

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return vectors

    return embed


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("RECOLLECT_DATA"))
    parser.add_argument("--model", help="a sentence-transformers model: a folder or a name")
    options = parser.parse_args()
    if options.data is None:
        parser.error("where are the data? Give their folder, or set RECOLLECT_DATA")
    runs: list[tuple[str, Embed | None, Sequence[str] | None]] = [("no model", None, None)]
    if options.model:
        knows = ["english"] if any(name in options.model for name in ENGLISH_MODELS) else None
        runs.append((Path(options.model).name, sentence_transformer(options.model), knows))
    table = Table(title="Recall, percent")
    for heading in ("data", "questions", *(f"{label} R@{k}" for label, _, _ in runs for k in KS)):
        table.add_column(heading, justify="left" if heading == "data" else "right")
    for name, corpora in read(Path(options.data)).items():
        results = [[answer for corpus in corpora for answer in Answers(corpus, *run[1:])] for run in runs]
        _add(table, name, results)
        for category in LOCOMO_CATEGORIES.values():
            _add(table, f"  {category}", [[a for a in answers if a[0].category == category] for answers in results])
    Console(width=160 if not sys.stdout.isatty() else None).print(table)


def _add(table: Table, name: str, results: list[list[tuple[Question, list[str]]]]) -> None:
    if not results[0]:
        return
    cells = [
        f"{100 * sum(recall_at(found, q.gold, k) for q, found in answers) / len(answers):.1f}"
        for answers in results
        for k in KS
    ]
    table.add_row(name, str(len(results[0])), *cells)


if __name__ == "__main__":
    main()
