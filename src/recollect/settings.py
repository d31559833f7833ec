"""The configuration: ``RECOLLECT_*`` in the environment, ``recollect.toml``, and what a command was told.

What a command was told goes before the environment, the environment before the file. Names are those of the options of
``recollect serve``: ``--llm-model`` is ``RECOLLECT_LLM_MODEL`` and ``llm_model = "..."`` in the file.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from recollect import ConfigError, Embedder, embedder_from_settings
from recollect.config_file import CONFIG_FILE, read_config

try:
    from pydantic import Field, SecretStr, ValidationError, field_validator
    from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
except ImportError as error:
    raise ConfigError('pydantic-settings is not installed: pip install "recollect[server]"') from error

DEFAULT_SCOPE = "default"


class ApiKey(NamedTuple):
    """A key of the HTTP API and the one scope that it opens."""

    key: SecretStr
    scope: str


class Settings(BaseSettings):
    """Everything that can be configured; `load_settings` makes one, with errors that name the setting."""

    model_config = SettingsConfigDict(
        env_prefix="RECOLLECT_",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    url: str = Field(
        default="sqlite:///recollect.db", repr=False, min_length=1, description="Where the memory is: a store URL."
    )
    api_keys: Annotated[tuple[ApiKey, ...], NoDecode] = Field(
        default=(), description="key:scope, comma separated. Without keys the server listens on loopback only."
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="The address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 is any free one.")
    llm_base_url: str | None = Field(default=None, repr=False, description="An OpenAI-compatible endpoint.")
    llm_model: str | None = Field(default=None, description="The chat model; without one the offline answerer replies.")
    llm_api_key: SecretStr | None = Field(default=None, description="The endpoint's key, where it needs one.")
    llm_timeout: float = Field(default=60.0, gt=0, le=3600, description="Seconds that the model may be silent.")
    embed_base_url: str | None = Field(
        default=None, repr=False, description="An OpenAI-compatible endpoint for embeddings."
    )
    embed_model: str | None = Field(
        default=None, description="The embedding model; local:NAME runs one in this process (sentence-transformers)."
    )
    embed_api_key: SecretStr | None = Field(default=None, description="The embedder's key, where it needs one.")
    ttl: float | None = Field(
        default=None, gt=0, description="Seconds that a new session lives; for ever when not set."
    )
    sliding: bool = Field(default=False, description="Whether each message begins a session's ttl anew.")
    max_context_tokens: int = Field(default=4000, ge=1, description="The budget of the context of a reply.")
    summarizer: Literal["auto", "extractive", "off"] = Field(
        default="auto",
        description="Who summarises long sessions: auto is the chat model where one is set; off is nobody.",
    )
    summary_max_recent: int = Field(
        default=20, ge=1, description="Messages that a summary leaves out; twice as many make one due."
    )
    summary_max_tokens: int | None = Field(
        default=None, ge=1, description="Tokens of messages that make one due; max_context_tokens when not set."
    )
    summary_length: int = Field(default=800, ge=20, description="Tokens of a summary at most.")
    digest: Literal["off", "rules", "model"] = Field(
        default="off",
        description="Who draws memories from what users say: rules needs no model, model is the chat model, off is nobody.",
    )
    digest_every: float = Field(
        default=5.0, ge=0.1, le=86400, description="Seconds between looks at what has been said."
    )
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1024, description="The largest request body.")
    requests_per_minute: int = Field(
        default=600_000, ge=0, description="For each key, or address without keys; 0 is no limit."
    )
    max_concurrent_requests: int = Field(default=1000, ge=1, description="More than these are told to come back.")
    shutdown_grace: float = Field(
        default=5.0, ge=0, le=300, description="Seconds that streams in flight get at the end."
    )
    sweep_every: float = Field(
        default=3600.0, ge=0, description="Seconds between removals of what has expired; 0 is never."
    )
    on_unavailable: Literal["raise", "buffer"] = Field(
        default="raise",
        description="buffer: messages that the store cannot take now are kept in a file and delivered when it is back.",
    )
    buffer_path: str | None = Field(
        default=None, min_length=1, description="The buffer's file; recollect-buffer.db when not set."
    )
    buffer_bytes: int | None = Field(
        default=None, ge=1, description="The most that the buffer keeps; 256 MiB when not set."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="What is logged.")
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto: console at a terminal, else JSON."
    )

    @field_validator("api_keys", mode="before")
    @classmethod
    def _read_keys(cls, given: object) -> tuple[ApiKey, ...]:
        return _keys(given)

    @field_validator("log_level", "log_format", "summarizer", "digest", "on_unavailable", mode="before")
    @classmethod
    def _lower(cls, given: object) -> object:
        return given.lower() if isinstance(given, str) else given

    @property
    def loopback_only(self) -> bool:
        """Whether `host` can be reached from this machine only."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What was told, the environment; the file is merged into the first by `load_settings`."""
        return init_settings, env_settings


def load_settings(file: str | os.PathLike[str] | None = None, /, **told: Any) -> Settings:
    """The configuration.

    Parameters
    ----------
    file: the TOML file; ``RECOLLECT_CONFIG``, or ``recollect.toml`` if there is one, when None.
    told: settings by name, before all others; a None is as if it were not there.

    Raises `ConfigError` that names the setting for a value that cannot be, an unknown key of the file, a missing file.
    """
    named = file or os.environ.get("RECOLLECT_CONFIG")
    path = Path(named or CONFIG_FILE)
    from_file = read_config(path) if named or path.is_file() else {}
    told = {name: value for name, value in told.items() if value is not None}
    in_environment = {name for name in Settings.model_fields if os.environ.get(f"RECOLLECT_{name.upper()}")}
    below = {name: value for name, value in from_file.items() if name not in in_environment}
    try:
        return Settings(**{**below, **told})
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(error, path, from_file, told))) from None


def _explain(error: ValidationError, path: Path, from_file: Mapping[str, Any], told: Mapping[str, Any]) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        name = str(problem["loc"][0]) if problem["loc"] else "settings"
        if name in told or (name not in Settings.model_fields):
            where = name
        elif name in from_file and not os.environ.get(f"RECOLLECT_{name.upper()}"):
            where = f"{name} in {path}"
        else:
            where = f"RECOLLECT_{name.upper()}"
        lines.append(f"{where}: {problem['msg'].removeprefix('Value error, ')}")
    return lines


def _keys(given: object) -> tuple[ApiKey, ...]:
    if isinstance(given, str):
        pairs = [part.strip().partition(":")[::2] for part in given.split(",") if part.strip()]
    elif isinstance(given, Mapping):
        pairs = [(str(key), str(scope)) for key, scope in given.items()]
    elif isinstance(given, list | tuple):
        pairs = []
        for item in given:
            key, scope = item if isinstance(item, tuple) else str(item).partition(":")[::2]
            pairs.append((key.get_secret_value() if isinstance(key, SecretStr) else str(key), str(scope)))
    else:
        raise ValueError("keys are written key:scope, comma separated")
    seen: set[str] = set()
    pairs = [(key.strip(), scope) for key, scope in pairs]
    for number, (key, scope) in enumerate(pairs, 1):
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError(
                f"key number {number} is empty or holds what a header cannot: letters, digits, - . _ ~ + /"
            )
        if key in seen:
            raise ValueError(f"key number {number} is there twice")
        if len(scope.encode("utf-8", "replace")) > 512:
            raise ValueError(f"the scope of key number {number} is longer than 512 bytes")
        seen.add(key)
    return tuple(ApiKey(SecretStr(key), scope.strip() or DEFAULT_SCOPE) for key, scope in pairs)


def embedder_of(settings: Settings) -> Embedder | None:
    """The embedder of the configuration; None when none is named. Raises `ConfigError` for what cannot work."""
    key = settings.embed_api_key
    return embedder_from_settings(
        settings.embed_base_url, settings.embed_model, None if key is None else key.get_secret_value()
    )
