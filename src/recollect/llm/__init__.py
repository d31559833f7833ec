"""Chat models: their protocol, any OpenAI-compatible endpoint, the offline answerer, turns of a conversation,
summaries."""

from recollect.llm.events import Event, Finished, Source, Started, TextDelta, Turn, TurnUsage
from recollect.llm.offline import OFFLINE
from recollect.llm.openai import OpenAIChatModel, from_settings
from recollect.llm.protocol import ChatModel, Delta, ModelError, TurnError, Usage
from recollect.llm.summarizer import ModelSummarizer, openai_summarizer
from recollect.llm.turns import ChatTurns

__all__ = [
    "OFFLINE",
    "ChatModel",
    "ChatTurns",
    "Delta",
    "Event",
    "Finished",
    "ModelError",
    "ModelSummarizer",
    "OpenAIChatModel",
    "Source",
    "Started",
    "TextDelta",
    "Turn",
    "TurnError",
    "TurnUsage",
    "Usage",
    "from_settings",
    "openai_summarizer",
]
