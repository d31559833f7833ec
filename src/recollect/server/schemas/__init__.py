"""What goes in and out over HTTP, as the documentation describes it.

Bodies of messages are checked by the library itself (its errors name the field); the models here check the smaller
forms, and give ``/docs`` its schemas and examples. Answers are not validated again: tests do that.
"""

from recollect.server.schemas.base import JSONObject, Page
from recollect.server.schemas.chat import ChatIn, ChatOut, SourceOut, UsageOut
from recollect.server.schemas.figures import ChangeOut, ReceiptOut, SpreadOut, StatsOut
from recollect.server.schemas.memories import DocumentIn, DocumentOut, HitOut, MemoryIn, MemoryOut, SuggestionOut
from recollect.server.schemas.messages import MessageIn, MessageOut
from recollect.server.schemas.sessions import (
    ContextOut,
    DroppedOut,
    SectionOut,
    SessionOut,
    SessionPatch,
    SummarizeIn,
    SummaryIn,
    SummaryOut,
)
from recollect.server.schemas.system import AboutOut, FieldError, ModelOut, Problem, StatusOut, StoreOut

__all__ = [
    "AboutOut",
    "ChangeOut",
    "ChatIn",
    "ChatOut",
    "ContextOut",
    "DocumentIn",
    "DocumentOut",
    "DroppedOut",
    "FieldError",
    "HitOut",
    "JSONObject",
    "MemoryIn",
    "MemoryOut",
    "MessageIn",
    "MessageOut",
    "ModelOut",
    "Page",
    "Problem",
    "ReceiptOut",
    "SectionOut",
    "SessionOut",
    "SessionPatch",
    "SourceOut",
    "SpreadOut",
    "StatsOut",
    "StatusOut",
    "StoreOut",
    "SuggestionOut",
    "SummarizeIn",
    "SummaryIn",
    "SummaryOut",
    "UsageOut",
]
