"""The fit of the costs in `recollect.core.token_costs`; needs numpy."""

from __future__ import annotations

import base64
import importlib
import sys
import zlib
from pathlib import Path
from typing import Any

from token_noise import SEED, SIZES, pieces
from token_sources import exact
from token_texts import PERIODIC, Corpus

from recollect.core import token_costs, tokens

# What being off costs, by kind: too high, too low. High is harmless where the text is hostile.
OVER = (1.0, 0.15, 0.6, 0.01)
UNDER = (1.1, 2.5, 1.5, 2.0)
STEPS, RATE, RIDGE = 4000, 0.03, 2e-6
# A table as the fit sees it: 16 x 16, and a row and a column for `OTHER` in texts that are not all ASCII.
WIDE = 256 + 32


def features(text: str) -> tuple[list[int], list[int]]:
    """How often each pair of classes stands in the text: Latin classes (WIDE numbers), scripts (256 numbers)."""
    latin, scripts = [0] * WIDE, [0] * 256
    if text.isascii():
        for pair in tokens._pairs(text.encode().translate(tokens._CLASS)):
            latin[pair] += 1
        return latin, scripts
    latin_classes, script_classes = tokens._mixed_classes(text)
    for pair in tokens._pairs(latin_classes):
        before, own = pair >> 4, pair & 15
        latin[256 + own if before == token_costs.OTHER else 272 + before if own == token_costs.OTHER else pair] += 1
    for pair in tokens._pairs(script_classes):
        scripts[pair] += 1
    return latin, scripts


def floors(np: Any) -> Any:
    """What a pair costs at least in the dense Latin table: signs and capitals in a row seldom merge as rulers do."""
    low = np.zeros((4, WIDE), dtype=np.float32)
    low[1, :256] = 0.05
    for number in range(16):
        low[1, 17 * number] = {0: 0.01, 1: 0.15, 2: 0.33}.get(number, 0.1 if number < 10 else 0.38)
    return low


def fitted(rows: list[tuple[str, int, int, float]]) -> Any:
    """Costs in tokens, plain and dense: two lines of WIDE for Latin, two for the scripts; by Adam on relative errors."""
    np = importlib.import_module("numpy")
    rng = np.random.default_rng(0)
    made = [features(text) for text, *_ in rows]
    exact_ = np.array([count for _, count, *_ in rows], dtype=np.float32)[:, None]
    seen = [
        np.array([(*pair[which], *[0] * (WIDE - len(pair[which]))) for pair in made], np.float32) / exact_
        for which in (0, 1)
    ]
    weight = np.array([row[3] for row in rows], dtype=np.float32)
    kind = np.array([row[2] for row in rows])
    over, under = (np.choose(kind, costs).astype(np.float32) * weight / weight.sum() for costs in (OVER, UNDER))
    low, high = floors(np), np.array([[1.99], [1.99], [3.98], [3.98]], dtype=np.float32)
    costs = (np.array([[0.25], [0.25], [0.6], [0.6]]) + rng.normal(0, 0.15, (4, WIDE))).astype(np.float32)
    mean, square, every = np.zeros_like(costs), np.zeros_like(costs), np.arange(len(rows))
    for step in range(1, STEPS + 1):
        # Noise, at first, decides which table answers for a text: else the plain and the dense one would become the same.
        noise = max(1e-9, 0.15 * (1 - step / STEPS / 0.4))
        both = [each @ costs[2 * i : 2 * i + 2].T for i, each in enumerate(seen)]
        chosen = [(each + rng.gumbel(0, noise, each.shape)).argmax(1) for each in both]
        error = sum(each[every, choice] for each, choice in zip(both, chosen, strict=True)) - 1
        pull = (np.where(error > 0, over, under) * error).astype(np.float32)
        slope = np.stack([(pull * (chosen[i] == k)) @ seen[i] for i in (0, 1) for k in (0, 1)]) + RIDGE * costs
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope * slope
        rate = RATE * (1 - step / STEPS) ** 0.5
        costs -= rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-9)
        costs = np.clip(costs, low, high).astype(np.float32)
    return costs


def alone(cache: Path) -> bytes:
    """What each character from U+0080 to U+1FFFF costs by itself; where it is no single token, its neighbours' mean."""
    points = [point for point in range(0x80, 0x20000) if not 0xD800 <= point < 0xE000]
    cost = dict(zip(points, exact([chr(point) for point in points], cache), strict=True))
    found = bytearray(cost.get(point, 3) for point in range(0x20000))
    for block in range(0, 0x20000, 64):
        apart = [each for each in found[block : block + 64] if each > 1]
        if apart and not 0x1F300 <= block < 0x1FB00:
            mean = round(sum(apart) / len(apart) + 0.2)
            found[block : block + 64] = bytes(each if each == 1 else mean for each in found[block : block + 64])
    return bytes(found[0x80:])


def rows_of_hex(data: bytes) -> str:
    return "".join(f'    "{data[i : i + 16].hex(" ")}"\n' for i in range(0, len(data), 16))


def fit(found: list[Corpus], cache: Path) -> str:
    """The constants, as the source text that stands between the marks in token_costs.py."""
    rows: list[tuple[str, int, int, float]] = []
    for corpus in found:
        if corpus.weight and not corpus.fit:
            sys.exit(f"token_table: no text to fit on: {corpus.row}")
        texts = corpus.fit if corpus.kind == PERIODIC else pieces(corpus.fit, corpus.pieces, SEED, SIZES)
        counts = exact(texts, cache)
        # A text of a few tokens says less: its relative error is mostly rounding.
        sure = [n / (n + 20) for n in counts]
        rows += [
            (t, n, corpus.kind, corpus.weight * s / sum(sure)) for t, n, s in zip(texts, counts, sure, strict=True) if n
        ]
    print(f"fitting on {len(rows)} texts", file=sys.stderr)
    costs = fitted(rows)

    def whole(row: Any, unit: int) -> bytes:
        return bytes(min(255, round(float(cost) * unit)) for cost in row)

    lines = ["# fit:start (written by `python tools/token_table.py --fit`; see `corpora` there for the texts)\n"]
    for name, row, what in (
        (
            "PLAIN",
            costs[0],
            "Costs in 1/128 of a token, a row for each class of the character before: text that merges well.",
        ),
        ("DENSE", costs[1], "The same for text that does not."),
    ):
        table = whole(row, token_costs.TOKEN)
        corner = table[256 + 15]
        lines += [f"# {what}\n{name} = bytes.fromhex(\n{rows_of_hex(table[:256])})\n"]
        lines += [f"# Its last row and its last column in a text that is not all ASCII.\n{name}_BESIDE = (\n"]
        lines += [
            f'    bytes.fromhex("{part.hex(" ")}"),\n' for part in (table[256:272], table[272:287] + bytes([corner]))
        ]
        lines += [")\n"]
    for name, row, what in (
        ("SCRIPT_PLAIN", costs[2], "Costs in 1/64 of a token, a row for each script before: words of that script."),
        ("SCRIPT_DENSE", costs[3], "The same for random letters."),
    ):
        table = whole(row[:256], token_costs.TOKEN // token_costs.SCRIPT_UNIT)
        lines += [f"# {what}\n{name} = bytes.fromhex(\n{rows_of_hex(table)})\n"]
    packed = base64.b85encode(zlib.compress(alone(cache), 9)).decode()
    body = "".join(f'    "{packed[i : i + 92]}"\n' for i in range(0, len(packed), 92))
    lines += [
        f"# Tokens of each character by itself, U+0080 to U+1FFFF, a byte each; compressed.\nALONE = (\n{body})\n"
    ]
    return "".join(lines) + "# fit:end"
