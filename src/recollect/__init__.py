"""Recollect: the memory of a chatbot or an agent, on the database its owner already runs."""

from recollect.blocking import NamespaceHandle, Recollect, SessionHandle, UserHandle, UserPreferences
from recollect.client import AsyncRecollect
from recollect.connect import connect
from recollect.core.context import Context, Dropped, Section
from recollect.core.extractive import ExtractiveSummarizer
from recollect.core.lines import LineError
from recollect.core.records import UNSET, Unset, merge_patch
from recollect.core.reindex import Reindexed
from recollect.core.summarizer import Passage, Summarized, Summarizer, SummaryTask
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
    Document,
    Hit,
    Memory,
    Message,
    Page,
    Part,
    Preferences,
    Receipt,
    Refused,
    Session,
    Spread,
    Stats,
    Summary,
    Swept,
)
from recollect.namespace import AsyncNamespaceHandle
from recollect.recall.embedders import Embedder, LocalEmbedder, OpenAIEmbedder, embedder_from_settings
from recollect.recall.highlights import highlights
from recollect.session import AsyncSessionHandle
from recollect.store import Appended, Capabilities, Store
from recollect.user import AsyncUserHandle, AsyncUserPreferences

__version__ = "0.1.0"

__all__ = [
    "UNSET",
    "Appended",
    "AsyncNamespaceHandle",
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
    "Document",
    "Dropped",
    "Embedder",
    "ExtractiveSummarizer",
    "Hit",
    "ImportReport",
    "InvalidInput",
    "LimitExceeded",
    "LineError",
    "LocalEmbedder",
    "Memory",
    "Message",
    "NamespaceHandle",
    "NotFound",
    "OpenAIEmbedder",
    "Page",
    "Part",
    "Passage",
    "Preferences",
    "Receipt",
    "Recollect",
    "RecollectError",
    "Refused",
    "Reindexed",
    "Section",
    "Session",
    "SessionHandle",
    "Spread",
    "Stats",
    "Store",
    "Summarized",
    "Summarizer",
    "Summary",
    "SummaryTask",
    "Swept",
    "TokenCounter",
    "Unavailable",
    "Unset",
    "Unsupported",
    "UserHandle",
    "UserPreferences",
    "__version__",
    "connect",
    "embedder_from_settings",
    "estimate_tokens",
    "highlights",
    "merge_patch",
    "tiktoken_counter",
]
