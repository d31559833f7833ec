"""What the model should see now: a budget of tokens, filled section by section."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from recollect.core.base import Base
from recollect.core.context import Context
from recollect.core.recall import recall
from recollect.core.sections import Filling
from recollect.errors import InvalidInput
from recollect.model import Hit

SHARES = {"instructions": 0.5, "preferences": 0.15, "summary": 0.25, "recalled": 0.25, "window": 0.25}
"""The sections in the order in which they are filled, and the largest part of the budget that each may take before the
window gets its turn. The window's is the part that the others leave to it; it has no cap, takes what is left, and what
it leaves in its turn is offered to recalled passages again."""

CANDIDATES = 24
"""Passages that are looked at, of which some are shown anyway."""


async def build_context(
    base: Base,
    session_id: str,
    user_id: str | None,
    *,
    query: str | None,
    max_tokens: int,
    shares: Mapping[str, float] | None,
    namespaces: Sequence[tuple[str, ...]] = (),
) -> Context:
    """Fill the budget. Deterministic: the same store and question give the same context.

    The newest message (with its tool call, if it answers one) is always in it, `LimitExceeded` if it alone is over the
    budget; and the user's last message, if both together are not. No message, passage or tool pair is cut.
    """
    order = checked_shares(shares)
    filling = Filling(base, session_id, max_tokens, order)
    await filling.newest()
    question = query if query is not None else filling.question
    hits: list[Hit] = []
    for section, share in order.items():
        if not share:
            continue
        if section == "instructions":
            await filling.instructions()
        elif section == "preferences" and user_id is not None:
            filling.preferences(await base.preferences(user_id))
        elif section == "summary":
            filling.summary(await base.summary(session_id))
        elif section == "recalled":
            hits = await _recalled(base, session_id, user_id, question, namespaces)
            filling.recall(hits, question)
    await filling.window()
    if order["recalled"]:
        filling.recall(hits, question, at_last=True)
    return filling.context()


def checked_shares(given: Mapping[str, float] | None) -> dict[str, float]:
    """The share of every section, in the order in which they are filled: the ones that are given come first."""
    if given is None:
        return SHARES
    if not isinstance(given, Mapping):
        raise InvalidInput(f"shares is a dict of sections and numbers, not {type(given).__name__}", field="shares")
    for name, share in given.items():
        if name not in SHARES:
            raise InvalidInput(f"there is no section {name!r}: {', '.join(SHARES)}", field="shares")
        if type(share) not in (int, float) or not math.isfinite(share) or not 0 <= share <= 1:
            raise InvalidInput(f"the share of {name} is a number from 0 to 1, not {share!r}", field="shares")
    return {**given, **{name: share for name, share in SHARES.items() if name not in given}}


async def _recalled(
    base: Base, session_id: str, user_id: str | None, question: str, namespaces: Sequence[tuple[str, ...]]
) -> list[Hit]:
    """What may help to answer the question, the best first: of this user, or of this session where it has none; and of
    the namespaces."""
    if not question.strip():
        return []
    return await recall(
        base,
        question,
        limit=CANDIDATES,
        user_id=user_id,
        session_id=session_id if user_id is None else None,
        namespaces=namespaces,
    )
