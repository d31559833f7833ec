"""Memories and documents over HTTP, and a chat that answers from them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from fpdf import FPDF

from tests.server.harness import problem, serving

GUIDE = "# Opening hours\n\nWe open at nine and close at six.\n\n# Refunds\n\nA refund takes ten days.\n"


@pytest.fixture
def api() -> Iterator[TestClient]:
    with serving() as client:
        yield client


def test_remember_list_recall_forget(api: TestClient) -> None:
    """The life of a memory."""
    memories = "/api/v1/users/ann/memories"
    made = api.post(memories, json={"content": "Prefers aisle seats", "id": "m/1", "kind": "preference"})
    assert made.status_code == 201
    body = made.json()
    assert (body["id"], body["namespace"], body["kind"]) == ("m/1", ["user", "ann"], "preference")
    assert api.get(f"{memories}/m%2F1").json() == body
    assert api.get(memories).json() == {"items": [body], "cursor": None}
    (hit,) = api.get(f"{memories}/search", params={"q": "seats"}).json()["items"]
    assert hit["memory"] == body
    assert sum(hit["explain"].values()) == pytest.approx(hit["score"])
    assert api.get("/api/v1/search", params={"q": "seats", "user_id": "ann"}).json()["items"] == [hit]
    assert api.get("/api/v1/users/bob/memories").json()["items"] == []
    assert api.delete(f"{memories}/m%2F1").status_code == 204
    assert api.delete(f"{memories}/m%2F1").status_code == 204
    problem(api.get(f"{memories}/m%2F1"), 404, "not-found")


def test_near_repetition(api: TestClient) -> None:
    memories = "/api/v1/users/ann/memories"
    first = api.post(memories, json={"content": "Likes tea"}).json()
    assert api.post(memories, json={"content": "likes tea!", "unique": "exact"}).json()["id"] == first["id"]


def test_bad_memories(api: TestClient) -> None:
    memories = "/api/v1/users/ann/memories"
    problem(api.post(memories, json={"content": "  "}), 400, "invalid-input")
    problem(api.post(memories, json={"content": ""}), 422, "validation")
    problem(api.post(memories, json={"content": "x", "more": 1}), 422, "validation")
    problem(api.post(memories, content=b"{"), 400, "invalid-input")
    assert api.get(memories).json()["items"] == []


def test_the_chat_answers_from_documents(api: TestClient) -> None:
    """A document given is what the next answer quotes, with its source; a user's memory likewise."""
    made = api.post("/api/v1/documents", json={"id": "guide.md", "title": "The guide", "text": GUIDE})
    assert (made.status_code, made.json()["passages"]) == (201, 2)
    turn = api.post("/api/v1/chat", json={"message": "How many days does a refund take?", "user_id": "ann"}).json()
    assert "A refund takes ten days." in turn["reply"]
    assert "The guide" in turn["reply"]
    source = turn["sources"][0]
    assert (source["kind"], source["document"], source["heading"]) == ("passage", "guide.md", "Refunds")
    assert "session_id" not in source
    api.post("/api/v1/users/ann/memories", json={"content": "Ann's locker is number 77."})
    turn = api.post("/api/v1/chat", json={"message": "Which number has Ann's locker?", "user_id": "ann"}).json()
    assert "number 77" in turn["reply"]
    assert turn["sources"][0]["kind"] == "memory"


def test_a_repeated_turn_finds_its_sources_again(api: TestClient) -> None:
    api.post("/api/v1/documents", json={"id": "guide.md", "text": GUIDE})
    asked = {"message": "How many days does a refund take?", "session_id": "s", "message_id": "m"}
    first = api.post("/api/v1/chat", json=asked).json()
    again = api.post("/api/v1/chat", json=asked).json()
    assert again["sources"] == first["sources"] != []
    api.delete("/api/v1/documents/guide.md")
    assert api.post("/api/v1/chat", json=asked).json()["sources"] == []


def test_documents_are_listed_replaced_and_forgotten(api: TestClient) -> None:
    api.post("/api/v1/documents", json={"id": "a/b.md", "text": GUIDE})
    assert api.post("/api/v1/documents", json={"id": "a/b.md", "text": "Now short."}).json()["passages"] == 1
    (listed,) = api.get("/api/v1/documents").json()["items"]
    assert api.get("/api/v1/documents/a%2Fb.md").json() == listed
    (passage,) = api.get("/api/v1/documents/a%2Fb.md/passages").json()["items"]
    assert passage["content"] == "Now short."
    (hit,) = api.get("/api/v1/documents/search", params={"q": "short"}).json()["items"]
    assert hit["memory"]["id"] == passage["id"]
    assert api.delete("/api/v1/documents/a%2Fb.md").status_code == 204
    problem(api.get("/api/v1/documents/a%2Fb.md"), 404, "not-found")
    made = api.post("/api/v1/documents", json={"text": "no id"}).json()
    assert api.post("/api/v1/documents", json={"text": "no id"}).json()["id"] == made["id"]


def a_pdf(text: str) -> bytes:
    """A document of one page."""
    page = FPDF()
    page.add_page()
    page.set_font("helvetica", size=12)
    page.set_title("Rules of the house")
    page.multi_cell(0, 10, text)
    return bytes(page.output())


def test_files_are_uploaded(api: TestClient) -> None:
    """PDF, HTML, Markdown and plain text become passages; what has no text says so."""
    html = b"<html><head><title>Cats</title></head><body><h1>Food</h1><p>Cats eat fish.</p><script>x()</script></body>"
    given = {
        "rules.pdf": (a_pdf("Dogs must stay outside of the kitchen."), "application/pdf"),
        "cats.html": (html, "text/html"),
        "notes.txt": ("그 가게는 아홉 시에 연다.".encode("euc-kr"), "text/plain"),
        "guide.md": (GUIDE.encode(), "application/octet-stream"),
    }
    for name, (data, kind) in given.items():
        made = api.post("/api/v1/documents", files={"file": (name, io.BytesIO(data), kind)})
        assert made.status_code == 201, made.text
        assert made.json()["id"] == name
    titles = {item["id"]: item["title"] for item in api.get("/api/v1/documents").json()["items"]}
    assert titles == {
        "rules.pdf": "Rules of the house",
        "cats.html": "Cats",
        "notes.txt": None,
        "guide.md": "Opening hours",
    }

    def best(question: str) -> tuple[str, str]:
        found = api.get("/api/v1/documents/search", params={"q": question}).json()["items"][0]["memory"]
        return found["source"]["document"], found["content"]

    assert best("Where must dogs stay?") == ("rules.pdf", "Dogs must stay outside of the kitchen.")
    assert best("What do cats eat?") == ("cats.html", "# Food\n\nCats eat fish.")
    assert best("가게는 언제 여나요")[0] == "notes.txt"
    for name, data in (("x.pdf", b"%PDF-1.4 broken"), ("x.png", b"\x89PNG"), ("empty.txt", b""), ("bin", bytes(1000))):
        problem(api.post("/api/v1/documents", files={"file": (name, io.BytesIO(data))}), 400, "invalid-input")
    problem(api.post("/api/v1/documents", data={"id": "x"}, files={}), 400, "invalid-input")


def test_an_upload_takes_what_a_document_takes(api: TestClient) -> None:
    """Metadata, the size of passages and a lifetime, as fields of the form; an empty field is none."""
    text = " ".join(f"Sentence number {n} is about trains." for n in range(40)).encode()

    def upload(**fields: Any) -> Any:
        return api.post("/api/v1/documents", files={"file": ("trains.txt", io.BytesIO(text))}, data=fields)

    whole = upload(title="").json()
    assert (whole["title"], whole["metadata"], whole["expires_at"]) == (None, {}, None)
    cut = upload(metadata='{"lang": "en", "year": 2026}', chunk_tokens="40", overlap_tokens="0", ttl="3600").json()
    assert cut["metadata"] == {"lang": "en", "year": 2026}
    assert cut["passages"] > 2 * whole["passages"]
    assert cut["expires_at"] is not None
    as_json = api.post(
        "/api/v1/documents",
        json={"id": "j", "text": text.decode(), "chunk_tokens": 40, "overlap_tokens": 0},
    ).json()
    assert as_json["passages"] == cut["passages"]
    for field, value in (("metadata", "[1]"), ("metadata", "{"), ("text", "x"), ("chunk", "40"), ("title", ["a", "b"])):
        assert problem(upload(**{field: value}), 400, "invalid-input")["field"] == field
    for field, value in (("chunk_tokens", "7"), ("ttl", "nan"), ("ttl", "soon"), ("overlap_tokens", "-1")):
        assert problem(upload(**{field: value}), 422, "validation")["field"] == field
    assert api.get("/api/v1/documents/trains.txt").json() == cut


def test_every_search_narrows_by_metadata(api: TestClient) -> None:
    """`where` is a JSON object: a number is another value than its digits."""
    for n, year in (("1", 2026), ("2", "2026")):
        metadata = {"year": year, "in": ["a"]}
        message = {"role": "user", "content": f"The train to Busan {n}", "metadata": metadata}
        api.post(f"/api/v1/sessions/s{n}/messages?user_id=ann", json=message)
        api.post("/api/v1/users/ann/memories", json={"content": f"Likes the train {n}", "metadata": metadata})
        api.post("/api/v1/documents", json={"id": n, "text": f"The train leaves at {n}.", "metadata": metadata})

    def texts(path: str, **params: str) -> list[str]:
        answer = api.get(f"/api/v1/{path}", params={"q": "train", **params})
        assert answer.status_code == 200, answer.text
        return sorted((item.get("message") or item["memory"])["content"] for item in answer.json()["items"])

    def texts_of(path: str, where: str, **params: str) -> list[str]:
        return texts(path, where=where, **params)

    assert len(texts("search", user_id="ann")) == 4
    assert texts_of("search", '{"year": 2026}') == ["The train to Busan 1"]
    assert texts_of("search", '{"year": "2026", "in": ["a"]}') == ["The train to Busan 2"]
    assert texts_of("search", '{"year": 2026}', user_id="ann") == ["Likes the train 1", "The train to Busan 1"]
    assert texts_of("users/ann/memories/search", '{"year": 2026}') == ["Likes the train 1", "The train to Busan 1"]
    assert texts("users/ann/memories/search", session_id="s2") == ["The train to Busan 2"]
    assert texts("users/ann/memories/search", role="assistant") == []
    assert texts_of("documents/search", '{"year": "2026"}') == ["The train leaves at 2."]
    assert texts("documents/search", since="2100-01-01T00:00:00Z") == []
    for path in ("search", "users/ann/memories/search", "documents/search"):
        for where in ("", "{", "[]", "5", '"x"', "[" * 5000):
            refused = api.get(f"/api/v1/{path}", params={"q": "train", "where": where})
            assert problem(refused, 400, "invalid-input")["field"] == "where"


def test_forgetting_a_user_takes_memories_along(api: TestClient) -> None:
    api.post("/api/v1/users/ann/memories", json={"content": "x"})
    assert api.delete("/api/v1/users/ann").json()["memories"] == 1
    assert api.get("/api/v1/users/ann/memories").json()["items"] == []


def test_highlights(api: TestClient) -> None:
    """Where the words stand, through their stems, in every script."""
    api.post("/api/v1/sessions/s/messages", json={"role": "user", "content": "She was running to 부산 today."})
    (hit,) = api.get("/api/v1/search", params={"q": "run 부산", "highlight": True}).json()["items"]
    text = hit["message"]["content"]
    assert [text[begin:end] for begin, end in hit["highlights"]] == ["running", "부산"]
    assert "highlights" not in api.get("/api/v1/search", params={"q": "run"}).json()["items"][0]
