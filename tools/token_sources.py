"""Where the texts for the token table come from, and their exact counts."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("RECOLLECT_DATA", ROOT.parent / "shared" / "data"))


def run(*command: str, cwd: Path | None = None) -> str | None:
    """What the command prints, or None where it is missing or fails."""
    if not shutil.which(command[0]):
        return None
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


class Sources:
    """Text from packages, fetched once into `cache`."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.missing: list[str] = []

    def _folder(self, name: str, fetch: Callable[[Path], bool]) -> Path:
        folder = self.cache / name
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=self.cache) as scratch:
                if fetch(Path(scratch)):
                    shutil.copytree(scratch, folder, symlinks=True)
        if not folder.exists() and name not in self.missing:
            self.missing.append(name)
        return folder

    def deb(self, name: str) -> Path:
        """The files of a Debian package."""

        def fetch(scratch: Path) -> bool:
            if run("apt-get", "download", name, cwd=scratch) is None:
                return False
            archive = next(scratch.glob("*.deb"))
            if run("dpkg-deb", "-x", str(archive), str(scratch)) is None:
                return False
            archive.unlink()
            return True

        return self._folder(name, fetch)

    def wheel(self, name: str) -> Path:
        """The files of a package of PyPI."""

        def fetch(scratch: Path) -> bool:
            pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:")
            if run(*pip, "--dest", str(scratch), name) is None:
                return False
            archive = next(scratch.glob("*.whl"))
            with zipfile.ZipFile(archive) as files:
                files.extractall(scratch)
            archive.unlink()
            return True

        return self._folder(name, fetch)

    def npm(self, name: str) -> Path:
        """The files of a package of npm, without its dependencies."""

        def fetch(scratch: Path) -> bool:
            if run("npm", "pack", "--silent", name, cwd=scratch) is None:
                return False
            archive = next(scratch.glob("*.tgz"))
            with tarfile.open(archive) as files:
                files.extractall(scratch, filter="data")
            archive.unlink()
            return True

        return self._folder(name, fetch)


def exact(texts: list[str], cache: Path) -> list[int]:
    """The o200k_base count of each text."""
    if not (cache / "node_modules" / "gpt-tokenizer").exists():
        (cache / "package.json").write_text("{}")
        if run("npm", "install", "--silent", "--prefix", str(cache), "gpt-tokenizer") is None:
            sys.exit(
                "token_table: cannot install the npm package gpt-tokenizer (Node 20, npm and a registry are needed)"
            )
    script = Path(__file__).with_name("exact_tokens.mjs")
    done = subprocess.run(
        ["node", str(script), str(cache)], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    counts: list[int] = json.loads(done.stdout)
    return counts


def halves(items: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Every other one for the fit, the rest held out."""
    every = list(items)
    return every[::2], every[1::2]


def read(files: Iterable[Path], cap: int = 20_000) -> list[str]:
    """The beginnings of the files that are text."""
    found = []
    for file in files:
        try:
            found.append(file.read_text(encoding="utf-8")[:cap])
        except (OSError, UnicodeDecodeError):
            continue
    return found


def paragraphs(files: Iterable[Path]) -> list[str]:
    """The paragraphs of HTML pages, without tags, scripts and listings."""
    found = []
    for page in read(files, 10**9):
        page = re.sub(r"(?s)<(script|style|head|pre).*?</\1>", "", page)
        text = html.unescape(re.sub(r"<[^>]+>", "", page))
        found += [line.strip() for line in text.split("\n") if len(line.strip()) > 15]
    return list(dict.fromkeys(found))


def foreign(texts: Iterable[str], share: float = 0.5) -> list[str]:
    """Those in which at least `share` of the characters are not Latin."""
    return [text for text in texts if sum(character > "\u02ff" for character in text) >= share * len(text)]


def without_accents(text: str) -> str:
    """ASCII letters only, as people type who have no other keyboard."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if c.isascii())
