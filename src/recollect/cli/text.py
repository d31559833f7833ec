"""Text as a terminal may show it: control characters made visible, instants, sizes, counts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_CONTROLS: dict[int, int | str] = {code: 0x2400 + code for code in range(32) if code not in (9, 10)}
_CONTROLS |= {9: "    ", 127: 0x2421}
_CONTROLS |= dict.fromkeys((*range(0x80, 0xA0), *range(0xD800, 0xE000)), 0xFFFD)
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)
_PASSWORD = re.compile(r"^([^/?#]*//[^/?#:@]*:)[^/?#]*@")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def clean(text: str) -> str:
    """The text without the power to move the cursor or to colour the terminal: a stored message may hold anything."""
    return text.replace("\r\n", "\n").translate(_CONTROLS)


def without_password(url: str) -> str:
    """A store's URL as it may be shown and logged."""
    return _PASSWORD.sub(r"\1***@", url, count=1)


def one_line(text: str) -> str:
    """The text on one line, with single spaces."""
    return " ".join(clean(text).split())


def count(number: int, noun: str) -> str:
    """``1 message``, ``3,032 messages``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(number: float) -> str:
    """Bytes for people: ``812 B``, ``1.4 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def seconds(span: float) -> str:
    """A span for people: ``340 ms``, ``1.4 s``, ``12 min``, ``3.5 h``, ``2 days``."""
    if span < 0.9995:
        return f"{span * 1000:.0f} ms"
    for unit, below, length in (("s", 90, 1), ("min", 5400, 60), ("h", 129_600, 3600)):
        if span < below:
            amount = span / length
            return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"
    return f"{span / 86400:.1f} days" if span < 859_680 else f"{span / 86400:,.0f} days"


def when(instant: datetime | None) -> str:
    """An instant on this machine's clock, to the minute."""
    return "" if instant is None else instant.astimezone().strftime("%Y-%m-%d %H:%M")


def ago(instant: datetime | None, now: datetime | None = None) -> str:
    """How long ago an instant was: ``just now``, ``5 min ago``, ``3 days ago``; its date when it is over a month."""
    if instant is None:
        return ""
    seconds = ((now or datetime.now(UTC)) - instant).total_seconds()
    if abs(seconds) < 10:
        return "just now"
    amount, unit = _span(abs(seconds))
    if unit == "date":
        return instant.astimezone().strftime("%Y-%m-%d")
    return f"{amount} {unit} ago" if seconds > 0 else f"in {amount} {unit}"


def _span(seconds: float) -> tuple[int, str]:
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h")):
        if seconds < limit:
            return int(seconds // divisor), unit
    days = int(seconds // 86400)
    return (days, "day" if days == 1 else "days") if days < 31 else (0, "date")


def parse_when(text: str) -> datetime:
    """An instant as people write it: ``2024-05-01``, ``2024-05-01T14:00Z``, or how long ago (``90m``, ``2h``, ``7d``).

    Without an offset it is on this machine's clock. Raises ValueError.
    """
    span = _AGO.fullmatch(text.strip())
    try:
        if span is not None:
            return datetime.now(UTC) - timedelta(seconds=float(span[1]) * _SECONDS[span[2].lower()])
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{text!r} is not a time: write 2024-05-01, 2024-05-01T14:00:00+02:00, or how long ago (90m, 2h, 7d)"
        ) from error
