"""Placeholder until helper's file lands."""

from typing import Protocol


class TokenCounter(Protocol):
    def __call__(self, text: str, /) -> int: ...


def estimate_tokens(text: str) -> int:
    return (len(text) + 3) // 4


def tiktoken_counter(encoding: str = "o200k_base") -> TokenCounter:
    return estimate_tokens
