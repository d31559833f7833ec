"""The web page in a real browser, against a running server: what a person sees of the promises.

`server_url`, `restart_server` and `page` come from conftest.py. Every test is a user of its own, so none sees another's conversations.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright: pip install playwright")

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route


@pytest.fixture
def user(page: Page, server_url: str) -> str:
    """A new user, at the page."""
    name = f"user {uuid4().hex[:12]}"
    page.goto(server_url)
    become(page, name)
    return name


def become(page: Page, name: str) -> None:
    """Types another name, once the page shows whom it takes one for."""
    expect(page.get_by_test_id("user")).not_to_have_value("")
    page.get_by_test_id("user").fill(name)
    page.get_by_test_id("user").press("Enter")
    expect(page.get_by_test_id("user")).to_have_value(name)


def messages(page: Page) -> Locator:
    return page.get_by_test_id("message")


def say(page: Page, text: str) -> None:
    """Sends a message and waits until both it and its answer are stored."""
    before = messages(page).count()
    page.get_by_test_id("composer").fill(text)
    page.get_by_test_id("composer").press("Enter")
    answered(page, before + 2)


def answered(page: Page, count: int) -> None:
    expect(messages(page)).to_have_count(count)
    expect(messages(page).last).to_have_attribute("data-role", "assistant")
    expect(messages(page).last).to_have_attribute("data-seq", re.compile(r"\d+"))
    expect(page.get_by_test_id("stop")).to_be_hidden()


def test_header_names_the_store_and_says_that_no_model_is_set(page: Page, server_url: str) -> None:
    page.goto(server_url)
    expect(page.get_by_test_id("store")).to_contain_text("sqlite")
    expect(page.get_by_test_id("model")).to_contain_text("no model set")
    page.get_by_text("How to set a model").click()
    expect(page.locator("body")).to_contain_text("RECOLLECT_LLM_BASE_URL")


def test_page_asks_nobody_else_and_breaks_no_rule_of_its_own(page: Page, server_url: str) -> None:
    complaints: list[str] = []
    asked: list[str] = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server_url)
    say(page, "Hello from a browser")
    assert complaints == []
    assert [url for url in asked if not url.startswith(server_url.rstrip("/") + "/")] == []


def test_the_api_is_described_without_a_network(page: Page, server_url: str) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.goto(f"{server_url}/docs")
    expect(page.get_by_text("/api/v1/chat", exact=False).first).to_be_visible()
    expect(page.locator(".opblock")).not_to_have_count(0)
    assert hosts == {urlsplit(server_url).netloc}


def test_message_gets_a_streamed_answer(page: Page, user: str) -> None:
    with page.expect_response("**/api/v1/chat") as response:
        say(page, "My dog is called Biscuit")
    assert response.value.headers["content-type"].startswith("text/event-stream")
    question, answer = messages(page).first, messages(page).last
    expect(question).to_have_attribute("data-role", "user")
    expect(question).to_have_attribute("data-seq", "1")
    expect(question).to_contain_text("My dog is called Biscuit")
    expect(answer).to_have_attribute("data-seq", "2")
    expect(page.get_by_test_id("session-item")).to_have_count(1)
    expect(page.get_by_test_id("session-item")).to_contain_text("My dog is called Biscuit")
    assert "#s=" in page.url


def test_reload_shows_the_same_conversation(page: Page, user: str) -> None:
    say(page, "Remember the blue door")
    before, address = messages(page).last.locator(".content").inner_text(), page.url
    page.reload()
    expect(messages(page)).to_have_count(2)
    expect(messages(page).first).to_contain_text("Remember the blue door")
    assert messages(page).last.locator(".content").inner_text() == before
    assert page.url == address
    expect(page.get_by_test_id("user")).to_have_value(user)


def test_killed_server_has_it_all_when_it_is_back(page: Page, user: str, restart_server: Callable[[], object]) -> None:
    say(page, "This must outlive the process")
    restart_server()
    page.reload()
    expect(messages(page)).to_have_count(2)
    expect(messages(page).first).to_contain_text("This must outlive the process")
    expect(page.get_by_test_id("session-item")).to_have_count(1)
    say(page, "And it goes on")
    expect(messages(page).last).to_have_attribute("data-seq", "4")


def test_another_user_sees_none_of_it(page: Page, user: str) -> None:
    say(page, "Nobody else may read this")
    address = page.url
    become(page, f"{user} the second")
    expect(page.get_by_test_id("session-item")).to_have_count(0)
    expect(messages(page)).to_have_count(0)
    page.goto(address)
    expect(page.get_by_test_id("notice")).to_contain_text("another user")
    expect(messages(page)).to_have_count(0)
    expect(page.locator("body")).not_to_contain_text("Nobody else may read this")
    become(page, user)
    expect(messages(page)).to_have_count(2)


def test_enter_that_ends_a_composition_does_not_send(page: Page, user: str) -> None:
    composer = page.get_by_test_id("composer")
    composer.focus()
    keyboard = page.context.new_cdp_session(page)
    keyboard.send("Input.imeSetComposition", {"text": "안녕하세요", "selectionStart": 5, "selectionEnd": 5})
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229}
    keyboard.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    keyboard.send("Input.dispatchKeyEvent", {"type": "keyUp", **enter})
    keyboard.send("Input.insertText", {"text": "안녕하세요"})
    # Safari reports that Enter after the composition's end, with the code of a key that an input method has taken.
    composer.evaluate(
        "box => box.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', keyCode: 229, bubbles: true}))"
    )
    expect(composer).to_have_value("안녕하세요")
    expect(messages(page)).to_have_count(0)
    composer.press("Shift+Enter")
    expect(composer).to_have_value("안녕하세요\n")
    composer.press("Backspace")
    composer.press("Enter")
    answered(page, 2)
    expect(messages(page).first).to_contain_text("안녕하세요")
    expect(composer).to_have_value("")


@pytest.mark.parametrize(
    "text",
    [
        '<img src=x onerror="window.executed = 1"><script>window.executed = 1</script>',
        "[press](javascript:window.executed=1) <a href='javascript:window.executed=1'>here</a>",
        "```html\n</code></pre><svg onload=window.executed=1>\n```\n**<b>bold</b>** `<i>code</i>`",
    ],
)
def test_markup_in_a_message_is_text(page: Page, user: str, text: str) -> None:
    say(page, text)
    page.reload()
    expect(messages(page)).to_have_count(2)
    expect(messages(page).first).to_contain_text("window.executed")
    assert page.evaluate("window.executed") is None
    assert messages(page).locator("img, script, svg, b, i, [onerror], a[href^='javascript']").count() == 0


@pytest.mark.parametrize("name", ["team/alpha/1", "a#b?c=d&m=1", "100% 'sure'", "방 1/😀", "a+b c"])
def test_session_id_is_any_text(page: Page, user: str, server_url: str, name: str) -> None:
    session = f"{name} {uuid4().hex[:8]}"
    address = f"{server_url.rstrip('/')}/#s={quote(session, safe='')}"
    page.goto(address)
    say(page, "Kept under a difficult name")
    page.reload()
    expect(messages(page)).to_have_count(2)
    page.get_by_test_id("new-chat").click()
    expect(messages(page)).to_have_count(0)
    page.get_by_test_id("session-item").get_by_role("link").click()
    expect(messages(page).first).to_contain_text("Kept under a difficult name")


def test_rename_and_delete(page: Page, user: str) -> None:
    say(page, "A conversation that will not stay")
    item = page.get_by_test_id("session-item")
    item.hover()
    item.get_by_role("button", name="Rename").click()
    item.get_by_role("textbox").fill("여행 <계획>")
    item.get_by_role("textbox").press("Enter")
    expect(item).to_contain_text("여행 <계획>")
    page.reload()
    expect(item).to_contain_text("여행 <계획>")
    item.hover()
    item.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(item).to_have_count(0)
    expect(messages(page)).to_have_count(0)
    page.reload()
    expect(item).to_have_count(0)


def test_source_leads_to_where_it_was_said(page: Page, user: str) -> None:
    say(page, "Ann prefers the aisle seat because of her long legs")
    told = page.url
    page.get_by_test_id("new-chat").click()
    expect(messages(page)).to_have_count(0)
    say(page, "Which seat does Ann prefer?")
    page.reload()
    sources = page.get_by_test_id("sources")
    sources.locator("summary").click()
    sources.get_by_role("link").filter(has_text="aisle seat").first.click()
    expect(messages(page).first).to_contain_text("long legs")
    assert page.url.startswith(told)


def test_sources_that_are_no_messages(page: Page, user: str) -> None:
    """A passage of a document and a memory are shown with where they come from, after a reload too, and when gone."""
    api = page.url.partition("#")[0].partition("?")[0] + "api/v1/"
    text = "# Refunds\n\nA refund takes ten days at the desk."
    page.request.post(f"{api}documents", data={"id": f"guide-{user}", "title": "The guide", "text": text})
    page.request.post(
        f"{api}users/{quote(user, safe='')}/memories", data={"content": "Her refund of May took twelve days."}
    )
    say(page, "How many days does a refund take?")
    for _ in range(2):
        sources = page.get_by_test_id("sources").last
        sources.locator("summary").click()
        expect(sources).to_contain_text("A refund takes ten days")
        expect(sources).to_contain_text("The guide")
        expect(sources).to_contain_text("a memory")
        page.reload()
    page.request.delete(f"{api}documents/guide-{user}")
    page.reload()
    sources = page.get_by_test_id("sources").last
    sources.locator("summary").click()
    expect(sources).to_contain_text("no longer stored")


def test_text_that_could_not_be_sent_is_kept(page: Page, user: str) -> None:
    away = True

    def cut(route: Route) -> None:
        if away:
            route.abort()
        else:
            route.continue_()

    page.route("**/api/**", cut)
    page.get_by_test_id("composer").fill("Written on a train")
    page.get_by_test_id("composer").press("Enter")
    expect(page.get_by_test_id("notice")).to_contain_text("not reachable")
    expect(page.get_by_test_id("composer")).to_have_value("Written on a train")
    away = False
    expect(page.get_by_test_id("notice")).to_have_count(0, timeout=20_000)
    page.get_by_test_id("composer").press("Enter")
    answered(page, 2)
    expect(messages(page).first).to_contain_text("Written on a train")
