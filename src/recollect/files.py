"""Files as text: what `remember_document` takes, from PDF, HTML, Markdown and plain text."""

from __future__ import annotations

import io
import mimetypes
from pathlib import PurePath
from typing import NamedTuple

from recollect import ConfigError, InvalidInput

_HTML = ("text/html", "application/xhtml+xml")
_PDF = "application/pdf"
_PLAIN = ("text/", "application/json", "application/xml", "application/x-yaml", "application/toml")
_BINARY_SHARE = 0.02
"""Of control characters, from which bytes are no text."""


class FileText(NamedTuple):
    """A file's text, and the title that it names itself; None where it names none."""

    text: str
    title: str | None


def read_file(data: bytes, name: str, media_type: str | None = None) -> FileText:
    """The text of a file; headings become Markdown's, so that passages end where sections do.

    Parameters
    ----------
    data: the file's bytes. name: its name, by whose ending it is told what it is, where `media_type` does not say.

    Raises `InvalidInput` for what holds no text, is damaged or encrypted, `ConfigError` for a missing library with the
    line that installs it.
    """
    kind = _kind(name, media_type, data)
    if kind == _PDF:
        found = _pdf(data, name)
    elif kind in _HTML:
        found = _html(_decoded(data, name))
    elif kind is None or kind.startswith(_PLAIN):
        found = _plain(_decoded(data, name))
    else:
        raise InvalidInput(f"{name} is {kind}: PDF, HTML, Markdown and plain text can be read", field="file")
    if not found.text.strip():
        raise InvalidInput(f"{name} holds no text (a scan needs character recognition first)", field="file")
    return found


def _kind(name: str, media_type: str | None, data: bytes) -> str | None:
    if data.startswith(b"%PDF-"):
        return _PDF
    told = (media_type or "").partition(";")[0].strip().lower()
    if told and told != "application/octet-stream":
        return told
    if PurePath(name).suffix.lower() in (".md", ".markdown"):
        return "text/markdown"
    return mimetypes.guess_type(name)[0]


def _pdf(data: bytes, name: str) -> FileText:
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ImportError as error:
        raise ConfigError('pypdf is not installed: pip install "recollect[documents]"') from error
    try:
        reader = PdfReader(io.BytesIO(data))
        pages = [page.extract_text() for page in reader.pages]
        title = reader.metadata.title if reader.metadata else None
    except (PyPdfError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"{name} cannot be read as a PDF: {error}", field="file") from error
    return FileText("\n\n".join(page.strip() for page in pages if page.strip()), title or None)


def _html(text: str) -> FileText:
    try:
        from bs4 import BeautifulSoup
        from markdownify import ATX, MarkdownConverter
    except ImportError as error:
        raise ConfigError('markdownify is not installed: pip install "recollect[documents]"') from error
    soup = BeautifulSoup(text, "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else None
    for part in soup(["script", "style", "template", "noscript", "nav", "head"]):
        part.decompose()
    body: str = MarkdownConverter(heading_style=ATX, escape_misc=False).convert_soup(soup)
    return FileText(body.strip(), title or None)


def _plain(text: str) -> FileText:
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return FileText(text, first.lstrip("#").strip() if first.startswith("# ") else None)


def _decoded(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = _guessed(data, name)
    control = sum(character < " " and character not in "\t\n\r\f\v" for character in text[:10_000])
    if control > _BINARY_SHARE * min(len(text), 10_000):
        raise InvalidInput(f"{name} is not text", field="file")
    return text.replace("\0", "")


def _guessed(data: bytes, name: str) -> str:
    try:
        from charset_normalizer import from_bytes
    except ImportError as error:
        raise ConfigError('charset-normalizer is not installed: pip install "recollect[documents]"') from error
    best = from_bytes(data).best()
    if best is None:
        raise InvalidInput(f"{name} is not text in any encoding", field="file")
    return str(best)
