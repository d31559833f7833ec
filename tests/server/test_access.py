"""Keys and scopes; without keys, loopback only."""

from __future__ import annotations

import pytest

from recollect import ConfigError
from recollect.server import run
from recollect.server.auth import check_exposure, is_loopback_name
from recollect.settings import load_settings
from tests.server.harness import problem, serving

HI = {"role": "user", "content": "Hi"}
KEYS = "alice-key:alice,bob-key:bob,alice-key-2:alice"
PATH = "/api/v1/sessions/s/messages"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong"),
        bearer(""),
        bearer("alice-key:alice"),
        bearer("alice-ke"),
        bearer("ünknown"),
        {"authorization": "Basic YWxpY2Uta2V5"},
        {"authorization": "alice-key"},
        {"x-api-key": "alice-key"},
    ],
)
def test_no_key_no_answer(headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    with serving(api_keys=KEYS) as api:
        for path in ("/api/v1/sessions", "/api/v1/about", "/metrics", "/api/v1/nowhere", "/static"):
            answer = api.get(path, headers=raw)
            problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        problem(api.post(PATH, json=HI, headers=raw), 401, "unauthorized")


def test_a_key_sees_its_scope_and_no_other() -> None:
    with serving(api_keys=KEYS) as api:
        alice, alice_too, bob = bearer("alice-key"), bearer("alice-key-2"), {"authorization": "bearer  bob-key "}
        assert api.post(PATH, json={**HI, "id": "m"}, headers=alice, params={"user_id": "u"}).status_code == 201
        api.put("/api/v1/users/u/preferences", json={"a": 1}, headers=alice)
        assert api.get(PATH, headers=alice_too).json()["items"][0]["id"] == "m"
        assert api.get(PATH, headers=bob).json()["items"] == []
        problem(api.get("/api/v1/sessions/s", headers=bob), 404, "not-found")
        problem(api.delete("/api/v1/sessions/s", headers=bob), 404, "not-found")
        assert api.get("/api/v1/users/u/preferences", headers=bob).json() == {}
        assert api.get("/api/v1/search?q=Hi", headers=bob).json()["items"] == []
        assert api.get("/api/v1/changes", headers=bob).json()["items"] == []
        assert api.get("/api/v1/stats", headers=bob).json()["messages"] == 0
        assert set(api.delete("/api/v1/users/u", headers=bob).json().values()) == {0}
        assert api.post(PATH, json={**HI, "id": "m"}, headers=bob).json()["seq"] == 1
        api.post("/api/v1/chat", json={"message": "Hi there", "session_id": "s"}, headers=bob)
        assert len(api.get(PATH, headers=alice).json()["items"]) == 1
        assert api.get("/api/v1/about", headers=bob).json()["scope"] == "bob"
        assert api.get("/api/v1/about", headers=alice).json()["auth"] is True
        cursor = api.get("/api/v1/changes", headers=alice).json()["items"][-1]["cursor"]
        assert all(
            change["partition"] != "u"
            for change in api.get("/api/v1/changes", params={"after": cursor}, headers=bob).json()["items"]
        )


def test_what_needs_no_key() -> None:
    with serving(api_keys=KEYS) as api:
        for path in ("/", "/healthz", "/readyz", "/docs", "/openapi.json", "/favicon.ico", "/static/app.js"):
            assert api.get(path).is_success, path
        problem(api.get("/static/../api/v1/sessions"), 401, "unauthorized")
        problem(api.get("/%68ealthz"), 401, "unauthorized")
        assert api.get("/metrics", headers=bearer("bob-key")).is_success
        assert api.get("/healthz", headers={"host": "chat.example"}).is_success


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "127.0.0.1.nip.io"])
def test_without_keys_it_refuses_to_listen_elsewhere(host: str) -> None:
    with pytest.raises(ConfigError, match="RECOLLECT_API_KEYS"):
        run(load_settings(host=host, url="memory://"))
    check_exposure(load_settings(host=host, api_keys="some-key:a"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_without_keys_loopback_will_do(host: str) -> None:
    check_exposure(load_settings(host=host))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "[::1]:8000", "app.localhost", "LOCALHOST"]
)
def test_names_of_this_machine(host: str) -> None:
    assert is_loopback_name(host)
    with serving() as api:
        assert api.get("/api/v1/sessions", headers={"host": host}).is_success


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "192.168.0.1", "", "[::", "127.0.0.1@evil.example"]
)
def test_other_names_are_refused_so_that_rebinding_a_name_gains_nothing(host: str) -> None:
    assert not is_loopback_name(host)
    with serving() as api:
        problem(api.get("/api/v1/sessions", headers={"host": host}), 421, "misdirected")
        problem(api.get("/healthz", headers={"host": host}), 421, "misdirected")


def test_pages_of_other_sites_are_refused() -> None:
    with serving() as api:
        for origin in ("https://evil.example", "null", "http://localhost.evil.example:8000"):
            answer = api.post(PATH, json=HI, headers={"origin": origin})
            problem(answer, 403, "forbidden")
            assert "access-control-allow-origin" not in answer.headers
        assert api.post(PATH, json=HI, headers={"origin": "http://127.0.0.1:8000"}).is_success
        assert len(api.get(PATH).json()["items"]) == 1
