"""Recollect: the memory of a chatbot or an agent, on the database its owner already runs."""

from recollect.blocking import Recollect, SessionHandle, UserHandle, UserPreferences
from recollect.client import AsyncRecollect
from recollect.connect import connect
from recollect.core.context import Context, Dropped, Section
from recollect.core.lines import LineError
from recollect.core.records import UNSET, Unset, merge_patch
from recollect.core.tokens import TokenCounter, estimate_tokens, tiktoken_counter
from recollect.core.transfer import ImportReport
from recollect.errors import (
    ConfigError,
    Conflict,
    CorruptRecord,
    InvalidInput,
    LimitExceeded,
    NotFound,
    RecollectError,
    Unavailable,
    Unsupported,
)
from recollect.model import (
    Buffered,
    Change,
    Delivered,
    Hit,
    Message,
    Page,
    Part,
    Preferences,
    Receipt,
    Refused,
    Session,
    Stats,
    Summary,
    Swept,
)
from recollect.session import AsyncSessionHandle
from recollect.store import Appended, Capabilities, Store
from recollect.user import AsyncUserHandle, AsyncUserPreferences

__version__ = "0.1.0"

__all__ = [
    "UNSET",
    "Appended",
    "AsyncRecollect",
    "AsyncSessionHandle",
    "AsyncUserHandle",
    "AsyncUserPreferences",
    "Buffered",
    "Capabilities",
    "Change",
    "ConfigError",
    "Conflict",
    "Context",
    "CorruptRecord",
    "Delivered",
    "Dropped",
    "Hit",
    "ImportReport",
    "InvalidInput",
    "LimitExceeded",
    "LineError",
    "Message",
    "NotFound",
    "Page",
    "Part",
    "Preferences",
    "Receipt",
    "Recollect",
    "RecollectError",
    "Refused",
    "Section",
    "Session",
    "SessionHandle",
    "Stats",
    "Store",
    "Summary",
    "Swept",
    "TokenCounter",
    "Unavailable",
    "Unset",
    "Unsupported",
    "UserHandle",
    "UserPreferences",
    "__version__",
    "connect",
    "estimate_tokens",
    "merge_patch",
    "tiktoken_counter",
]
