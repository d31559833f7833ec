"""``recollect.toml`` and the environment, for every command."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from recollect import config_file
from recollect.cli import serve
from recollect.cli.app import app


def test_the_file_names_the_store(filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recollect.toml").write_text(f'url = "{filled}"\n')
    assert "trip" in CliRunner().invoke(app, ["sessions"]).stdout
    monkeypatch.setenv("RECOLLECT_URL", "sqlite:///other.db")
    assert "trip" not in CliRunner().invoke(app, ["sessions"]).stdout
    assert "trip" in CliRunner().invoke(app, ["sessions", "--url", filled]).stdout


def test_another_file(filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.toml").write_text(f'url = "{filled}"\n')
    monkeypatch.setenv("RECOLLECT_CONFIG", "other.toml")
    assert "trip" in CliRunner().invoke(app, ["sessions"]).stdout
    monkeypatch.setenv("RECOLLECT_CONFIG", "nix.toml")
    result = CliRunner().invoke(app, ["sessions"])
    assert result.exit_code == 1
    assert "cannot read" in result.stderr


@pytest.mark.parametrize("command", ["sessions", "stats", "chat", "doctor", "export"])
def test_a_key_that_is_no_setting_is_named(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recollect.toml").write_text('urll = "sqlite:///elsewhere.db"\n')
    result = CliRunner().invoke(app, [command])
    assert result.exit_code != 0
    assert "unknown key 'urll' in " in result.stdout + result.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "recollect.toml"]


def test_serve_has_an_option_for_every_setting() -> None:
    from recollect.settings import Settings

    assert tuple(Settings.model_fields) == config_file.SETTINGS

    assert {*serve.OPTIONS, "url"} == set(Settings.model_fields)
