"""Embedders: what makes vectors of texts. None is needed; with one, recall finds what is said in other words too."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

from recollect.errors import ConfigError, Unavailable

LOCAL = "local:"
"""Before a model's name or folder: it runs in this process, by sentence-transformers."""

BATCH = 128
"""Texts of one request."""

MAX_CHARACTERS = 8_000
"""Of a text that is embedded; models read the first hundreds or thousands of tokens of a text and ignore the rest."""


@runtime_checkable
class Embedder(Protocol):
    """Anything with these two members serves. It is called in a worker thread, or in the caller's own in sync code.

    A third one, `languages`, may name the languages (``english``) and scripts (``hangul``, ``cjk``, ``hiragana``,
    ``cyrillic``) that it knows; without it, it is asked (`recollect.recall.probe`), once for each.
    """

    @property
    def model(self) -> str:
        """What made the vectors: they are kept under this name, and those of another are never compared with them."""

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Sequence[Sequence[float]]:
        """One vector a text, all of the same length.

        Parameters
        ----------
        texts: not empty. query: whether they are questions; some models embed those in another way.

        Raises anything when it cannot: recall then goes on by words, and says so.
        """


class OpenAIEmbedder:
    """An OpenAI-compatible endpoint, by the official `openai` client.

    Parameters
    ----------
    model: as the endpoint calls it, e.g. ``text-embedding-3-small`` or ``nomic-embed-text``.
    base_url: e.g. ``http://localhost:11434/v1`` for Ollama; OpenAI itself when None.
    api_key: None for endpoints that need none; ``OPENAI_API_KEY`` is used for OpenAI itself only.
    dimensions: asked of models that can shorten their vectors.
    timeout: seconds for a request of up to 128 texts. max_retries: when it is refused, times out, or is answered by
        408, 409, 429 or 5xx, with growing pauses or as ``Retry-After`` asks.

    Raises `ConfigError` when `openai` is not installed or a key is missing.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        dimensions: int | None = None,
        timeout: float = 20.0,
        max_retries: int = 2,
    ) -> None:
        try:
            import openai
        except ImportError as error:
            raise ConfigError('openai is not installed: pip install "recollect[llm]"') from error
        if base_url is not None and urlsplit(base_url).scheme not in ("http", "https"):
            raise ConfigError(f"the embedder's base URL starts with http:// or https://, not {base_url!r}")
        key = api_key or ("not-needed" if base_url else os.environ.get("OPENAI_API_KEY"))
        if not key:
            raise ConfigError(
                "the OpenAI API needs a key: set RECOLLECT_EMBED_API_KEY, or RECOLLECT_EMBED_BASE_URL for another endpoint"
            )
        self._model = model
        self._extra: dict[str, Any] = {} if dimensions is None else {"dimensions": dimensions}
        self._error = openai.OpenAIError
        self._client = openai.OpenAI(api_key=key, base_url=base_url, timeout=timeout, max_retries=max_retries)

    @property
    def model(self) -> str:
        """The name that its vectors are kept under."""
        return self._model if not self._extra else f"{self._model}@{self._extra['dimensions']}"

    def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        """One vector a text, in requests of 128; raises `Unavailable` when the endpoint does not answer as it should."""
        found: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            some = list(texts[start : start + BATCH])
            try:
                answer = self._client.embeddings.create(
                    model=self._model, input=some, encoding_format="float", **self._extra
                )
                vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
            except (self._error, AttributeError, TypeError, ValueError) as error:
                raise Unavailable(f"the embedder {self._model!r} does not answer as it should: {error}") from error
            if len(vectors) != len(some):
                raise Unavailable(f"the embedder {self._model!r} gave {len(vectors)} vectors for {len(some)} texts")
            found += vectors
        return found


class LocalEmbedder:
    """A sentence-transformers model in this process.

    Parameters
    ----------
    model: its name or the folder that it lies in. query_prefix, document_prefix: put before texts, as some models want.

    Raises `ConfigError` when `sentence-transformers` is not installed or the model cannot be loaded.
    """

    def __init__(self, model: str, *, query_prefix: str = "", document_prefix: str = "") -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ConfigError('sentence-transformers is not installed: pip install "recollect[local]"') from error
        try:
            self._encoder = SentenceTransformer(model)
        except Exception as error:
            raise ConfigError(f"the embedding model {model!r} cannot be loaded: {error}") from error
        folder = Path(model)
        self._model = "/".join(folder.absolute().parts[-2:]) if folder.exists() else model
        self._prefixes = (document_prefix, query_prefix)

    @property
    def model(self) -> str:
        """The name that its vectors are kept under."""
        return self._model

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Any:
        """One vector a text, as rows of an array."""
        prefix = self._prefixes[query]
        return self._encoder.encode(
            [prefix + text for text in texts], batch_size=64, show_progress_bar=False, normalize_embeddings=True
        )


def embedder_from_settings(
    base_url: str | None, model: str | None, api_key: str | None = None, *, timeout: float = 20.0
) -> Embedder | None:
    """The embedder of the configuration; None when none is named.

    Parameters
    ----------
    model: of the endpoint, or ``local:`` with the name or folder of a sentence-transformers model.

    Raises `ConfigError` for an endpoint without a model.
    """
    if not model:
        if base_url:
            raise ConfigError(
                "RECOLLECT_EMBED_BASE_URL is set and RECOLLECT_EMBED_MODEL is not: which model shall it be?"
            )
        return None
    if model.startswith(LOCAL):
        return LocalEmbedder(model.removeprefix(LOCAL))
    return OpenAIEmbedder(model, base_url=base_url or None, api_key=api_key or None, timeout=timeout)
