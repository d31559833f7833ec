"""Turn LoCoMo's conversations into JSON Lines that `recollect import` reads.

    python examples/locomo_to_jsonl.py path/to/locomo > locomo.jsonl
    recollect import locomo.jsonl
    recollect chat --session conv-26/session_1

LoCoMo (Maharana et al., ACL 2024; CC BY-NC 4.0) is not part of this project. Give its folder, one of its files, or
set RECOLLECT_DATA. Of each conversation every dated session becomes a session, ``conv-26/session_1``, of the user
``conv-26``; the first speaker has the role ``user``, the second ``assistant``, each with the ``name``. A turn's
``dia_id`` is the message's id. Within a session the turns follow each other by five seconds, as LoCoMo dates
sessions only. Where a turn shares a photo, its caption is in the text too (``[photo: ...]``), so that it is found and
a model sees it, and alone in the metadata.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BETWEEN_TURNS = timedelta(seconds=5)


def files(path: Path) -> list[Path]:
    """The JSON files that a path stands for: a file, a folder of them, or a folder that has the folder ``locomo``."""
    if path.is_file():
        return [path]
    folder = path / "locomo" if (path / "locomo").is_dir() else path
    return sorted(folder.glob("*.json"))


def lines(source: Any) -> Iterator[dict[str, Any]]:
    """The messages of one conversation, or of a list of them (the original ``locomo10.json`` is one)."""
    for conversation in source if isinstance(source, list) else [source]:
        yield from _conversation(conversation["sample_id"], conversation["conversation"])


def _conversation(name: str, conversation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    numbers = sorted(
        int(key.removeprefix("session_"))
        for key, turns in conversation.items()
        if key.startswith("session_") and isinstance(turns, list)
    )
    for number in numbers:
        session = f"session_{number}"
        instant = _date(conversation[f"{session}_date_time"])
        for turn in conversation[session]:
            metadata = {
                key: turn[key] for key in ("dia_id", "blip_caption", "img_url") if turn.get(key) not in (None, [])
            }
            caption = turn.get("blip_caption")
            yield {
                "session": f"{name}/{session}",
                "user": name,
                "role": "user" if turn["speaker"] == conversation["speaker_a"] else "assistant",
                "name": turn["speaker"],
                "content": "\n".join(filter(None, (turn["text"], caption and f"[photo: {caption}]"))),
                "id": turn["dia_id"],
                "created_at": instant.isoformat(),
                "metadata": metadata,
            }
            instant += BETWEEN_TURNS


def _date(text: str) -> datetime:
    return datetime.strptime(text, "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "path",
        type=Path,
        nargs="?",
        default=os.environ.get("RECOLLECT_DATA"),
        help="LoCoMo's folder or one of its files; RECOLLECT_DATA if not given",
    )
    path = parser.parse_args().path
    if path is None:
        parser.error("where is LoCoMo? Give its folder, or set RECOLLECT_DATA")
    found = files(Path(path))
    if not found:
        parser.error(f"there is no JSON file in {path}")
    for file in found:
        try:
            for line in lines(json.loads(file.read_text("utf-8"))):
                sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        except (KeyError, TypeError, ValueError) as error:
            parser.exit(1, f"{file} is not a LoCoMo conversation: {error!r}\n")


if __name__ == "__main__":
    main()
