"""The configuration: where values come from, and what is said of those that cannot be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from recollect import ConfigError
from recollect.settings import load_settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder and an empty environment."""
    for name in [name for name in os.environ if name.startswith("RECOLLECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_defaults_serve_a_file_on_loopback() -> None:
    settings = load_settings()
    assert settings.url == "sqlite:///recollect.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.api_keys == ()
    assert settings.llm_model is None
    assert settings.ttl is None
    assert settings.max_context_tokens == 4000
    assert settings.max_body_bytes == 16 * 1024 * 1024
    assert settings.loopback_only


def test_told_before_environment_before_file(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "recollect.toml").write_text('port = 1\nhost = "localhost"\nttl = 60\n')
    assert load_settings().port == 1
    monkeypatch.setenv("RECOLLECT_PORT", "2")
    assert load_settings().port == 2
    settings = load_settings(port=3, host=None)
    assert (settings.port, settings.host, settings.ttl) == (3, "localhost", 60)


def test_a_file_is_named_by_the_environment_or_the_caller(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "a.toml").write_text('LLM-MODEL = "a"\n')
    (elsewhere / "b.toml").write_text('recollect_llm_model = "b"\n')
    monkeypatch.setenv("RECOLLECT_CONFIG", "a.toml")
    assert load_settings().llm_model == "a"
    assert load_settings("b.toml").llm_model == "b"
    monkeypatch.setenv("RECOLLECT_CONFIG", "missing.toml")
    with pytest.raises(ConfigError, match=r"cannot read missing\.toml"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prot = 1", r"unknown key 'prot' in recollect\.toml"),
        ("[server]\nport = 1", r"unknown key 'server' in recollect\.toml"),
        ("port = \nhost = 1", r"recollect\.toml is not TOML: .*line 1"),
        ('port = "many"', r"port in recollect\.toml: .*integer"),
        ("ttl = -5", r"ttl in recollect\.toml: .*greater than 0"),
        ("api_keys = 5", r"api_keys in recollect\.toml: keys are written key:scope"),
    ],
)
def test_a_bad_file_is_named_with_its_key(elsewhere: Path, text: str, says: str) -> None:
    (elsewhere / "recollect.toml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "65536"),
        ("TTL", "0"),
        ("MAX_CONTEXT_TOKENS", "0"),
        ("MAX_BODY_BYTES", "-1"),
        ("REQUESTS_PER_MINUTE", "-1"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("SLIDING", "perhaps"),
        ("API_KEYS", "two words:a"),
        ("API_KEYS", ":scope"),
        ("API_KEYS", "a:x,a:y"),
        ("API_KEYS", "schlüssel:a"),
    ],
)
def test_a_bad_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"RECOLLECT_{name}", value)
    with pytest.raises(ConfigError, match=f"^RECOLLECT_{name}: "):
        load_settings()


@pytest.mark.parametrize(
    "given", ["k1:alice, k2 : bob,", {"k1": "alice", "k2": "bob"}, ["k1:alice", "k2:bob"], ("k1:alice", "k2:bob")]
)
def test_keys_are_read_from_text_tables_and_lists(given: Any) -> None:
    keys = load_settings(api_keys=given).api_keys
    assert [(key.key.get_secret_value(), key.scope) for key in keys] == [("k1", "alice"), ("k2", "bob")]


def test_a_key_without_a_scope_opens_the_default_one() -> None:
    (key,) = load_settings(api_keys="only-a-key").api_keys
    assert key.scope == "default"


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TTL", "LLM_MODEL", "API_KEYS", "PORT"):
        monkeypatch.setenv(f"RECOLLECT_{name}", "")
    settings = load_settings()
    assert (settings.ttl, settings.llm_model, settings.api_keys, settings.port) == (None, None, (), 8000)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOLLECT_URL", "postgresql://user:secret-1@host/db")
    settings = load_settings(api_keys="secret-2:a", llm_api_key="secret-3", llm_base_url="http://u:secret-4@host")
    assert "secret" not in repr(settings) + str(settings)
    with pytest.raises(ConfigError) as caught:
        load_settings(api_keys="secret 5:a", llm_api_key=["secret-6"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("example.com", False),
    ],
)
def test_loopback_is_known(host: str, loopback: bool) -> None:
    assert load_settings(host=host).loopback_only is loopback
