"""The extractor that needs no model: plain statements about oneself in English and Korean, precise rather than complete."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import Formatter
from typing import TYPE_CHECKING, Any

from recollect.core.extractor import ExtractionTask, Said, Statement
from recollect.recall.sentences import sentences

if TYPE_CHECKING:
    from recollect.core.statement_patterns import Rule

_HANGUL = re.compile(r"[가-힣]")
_END = re.compile(r"[\s.!~…。ㅎㅋ^:)]+\Z")
_EMOJI = re.compile(r"[\u2600-\u27bf\U0001f000-\U0001faff\ufe0f\u200d]+")
_NO_KEY = re.compile(r"[^\w]+")


class RuleExtractor:
    """Draws stated preferences and facts by a table of patterns; see `recollect.Extractor`.

    It takes whole clauses that the user says about him- or herself: what is liked and disliked, favourites, where one lives
    and works, allergies, names of pets and kin. It takes nothing from questions, quotations, hypotheses, hearsay or the
    past, and nothing that only the conversation explains (*I love it*). A negation stays one.
    """

    @property
    def name(self) -> str:
        """``rules``."""
        return "rules"

    @property
    def max_input_tokens(self) -> int:
        """More than a conversation has in a batch; a message that is longer is a document."""
        return 10_000

    @property
    def max_known(self) -> int:
        """None: what a statement takes the place of is found by its slot."""
        return 0

    def extract(self, task: ExtractionTask) -> list[Statement]:
        """The plain statements in the user's messages, in order."""
        return [statement for said in task.messages if said.role == "user" for statement in _stated(said)]


def _stated(said: Said) -> list[Statement]:
    found: dict[str, Statement] = {}
    quoted = False
    for line in said.text.splitlines():
        fence = line.lstrip().startswith("```")
        quoted ^= fence
        if quoted or fence or line.lstrip().startswith((">", "|")):
            continue
        for sentence in sentences(line):
            for statement in _of_sentence(sentence, said.id):
                found[statement.content] = statement
    return list(found.values())


def _of_sentence(sentence: str, id: str) -> list[Statement]:
    # Here and below: a table that takes some time to compile, of which who never digests knows nothing.
    from recollect.core.statement_patterns import CLAUSE, ENGLISH, KOREAN, NOT_PLAIN

    text = _EMOJI.sub(" ", sentence).strip()
    if NOT_PLAIN.search(text):
        return []
    rules = KOREAN if _HANGUL.search(text) else ENGLISH
    whole = _matched(text, rules, id)
    if whole is not None:
        return [whole]
    pieces = [_matched(piece, rules, id) for piece in CLAUSE.split(text) if piece]
    return [piece for piece in pieces if piece is not None]


def _matched(text: str, rules: Sequence[Rule], id: str) -> Statement | None:
    from recollect.core.statement_patterns import CLOSING, OPENING

    text = _END.sub("", text)
    text = OPENING.sub("", text + " ", count=1).strip() if OPENING.match(text) else text
    text = CLOSING.sub("", text)
    for rule in rules:
        match = rule.pattern.fullmatch(text)
        if match is not None:
            pieces = {name: " ".join(piece.split()) for name, piece in match.groupdict().items()}
            return _filled(rule, pieces, id) if all(map(_clear, pieces.values())) else None
    return None


def _clear(piece: str) -> bool:
    from recollect.core.statement_patterns import MOST_WORDS, UNCLEAR, UNCLEAR_INSIDE

    return (
        0 < len(piece.split()) <= MOST_WORDS and UNCLEAR.match(piece) is None and UNCLEAR_INSIDE.search(piece) is None
    )


def _filled(rule: Rule, pieces: dict[str, str], id: str) -> Statement:
    told: dict[str, Any] = dict(pieces)
    told["X"] = pieces.get("x", "").capitalize()
    told["pair"] = " / ".join(sorted(piece.casefold() for piece in pieces.values()))
    low = {name: piece.casefold().replace("colour", "color") for name, piece in told.items()}
    value = pieces.get("y") or pieces.get("x")
    if rule.key == "prefers" and "y" in pieces:
        value = f"{pieces['x']} to {pieces['y']}"
    return Statement(
        content=_FILL.format(rule.content, **told),
        kind=rule.kind,
        messages=[id],
        slot=_FILL.format(rule.slot, **low) or None,
        key=None if rule.key is None else _NO_KEY.sub("_", _FILL.format(rule.key, **low)),
        value=value if rule.kind == "preference" else None,
        listed=rule.listed,
        opposite=rule.opposite,
    )


class _Filling(Formatter):
    """Fills a template; after a colon stands a Korean particle, which takes the form that the sound before it asks for."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """The piece, with its particle."""
        if not format_spec:
            return str(value)
        last = str(value)[-1:]
        closed = "가" <= last <= "힣" and (ord(last) - ord("가")) % 28 > 0
        return f"{value}{_PARTICLES[format_spec][0 if closed else 1]}"


_PARTICLES = {"을": ("을", "를"), "은": ("은", "는"), "이다": ("이다", "다")}
_FILL = _Filling()
