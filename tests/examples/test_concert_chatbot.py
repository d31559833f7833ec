"""``examples/concert_chatbot``: what it hears, remembers and suggests."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from examples.concert_chatbot.catalogue import Catalogue, Wishes
from examples.concert_chatbot.listening import listen, wishes_of
from examples.concert_chatbot.service import MOST_SESSIONS, ConcertChatbotService
from hypothesis import given
from hypothesis import strategies as st

from recollect import Conflict, InvalidInput, NotFound, Unavailable
from recollect.adapters.conversation import ConversationMemoryService
from tests.servers import ModelServer
from tests.services.dynamodb import Dynoxide, server_options, temporary_file

CATALOGUE = Catalogue()
LEAVES = "I love jazz and live in Busan. My budget is 30 euros."

pytestmark = pytest.mark.usefixtures("no_model")


@pytest.fixture
def chatbot(memory: ConversationMemoryService) -> ConcertChatbotService:
    return ConcertChatbotService(memory)


@pytest.mark.parametrize(
    ("message", "likes", "dislikes", "cities", "price"),
    [
        (LEAVES, "jazz", "", "Busan", 30),
        ("I really like folk and K-Pop, but I can't stand metal!", "folk pop", "metal", "", None),
        ("I like folk, not metal.", "folk", "metal", "", None),
        ("I don't like rock but I love pop", "pop", "rock", "", None),
        ("We moved to Lisbon. My favourite is chamber music.", "classical", "", "", None),
        ("I've moved to Lisbon", "", "", "Lisbon", None),
        ("I never pay more than 25,50 for jazz", "", "", "", 25.5),
        ("재즈를 좋아하고 부산에 살아요. 예산은 30유로예요.", "jazz", "", "Busan", 30),
        ("재즈는 좋아하지만 메탈은 싫어해요", "jazz", "metal", "", None),
        ("서울로 이사했어요. 팝은 별로 안 좋아해요.", "", "pop", "Seoul", None),
        ("Do you like jazz?", "", "", "", None),
        ("I'd like some jazz", "", "", "", None),
        ("I love jazz tonight", "", "", "", None),
        ("I can't wait for jazz in Berlin", "", "", "", None),
        ("I don't want metal", "", "", "", None),
        ("something like jazz in Berlin under 20", "", "", "", None),
        ("My poppy likes rockets; we visit Berliners", "", "", "", None),
        ("락스와 연락, 기록", "", "", "", None),
        ("", "", "", "", None),
        ("love " * 20_000, "", "", "", None),
    ],
)
def test_what_is_stated(message: str, likes: str, dislikes: str, cities: str, price: float | None) -> None:
    heard = listen(message, CATALOGUE)
    assert set(heard.likes) == set(likes.split())
    assert set(heard.dislikes) == set(dislikes.split())
    assert set(heard.cities) == set(cities.split())
    assert heard.max_price == price


@given(st.text(max_size=200))
def test_any_text_can_be_listened_to(message: str) -> None:
    heard = listen(message, CATALOGUE)
    assert heard.applied(heard.applied({})) == heard.applied({})


@pytest.mark.parametrize(
    "piece",
    ["1.", "I really ", ", no ", "don't ", "and and ", "my name is ", " ", "\n", "!", "a.1", "재즈 ", "not not "],
)
def test_long_texts_do_not_take_for_ever(piece: str) -> None:
    """A pattern that goes back over what it has seen would not end here."""
    listen(piece * (1_000_000 // len(piece)), CATALOGUE)


@pytest.mark.parametrize(
    ("message", "wishes"),
    [
        ("Any jazz in Berlin under 20?", Wishes(("jazz",), (), ("Berlin",), 20)),
        ("I don't want metal tonight", Wishes((), ("metal",), (), None)),
        ("재즈 말고 서울 공연 추천해 줘, 25 유로 이하", Wishes((), ("jazz",), ("Seoul",), 25)),
        ("a concert for more than 50 euros", Wishes()),
    ],
)
def test_what_is_asked(message: str, wishes: Wishes) -> None:
    heard = listen(message, CATALOGUE)
    assert heard.wishes == wishes
    assert heard.asks
    assert not heard.states


def test_names() -> None:
    names = ("My name is Ann.", "call me Zoë!", "call me back", "제 이름은 지민이에요", "내 이름은 민이야", "nobody")
    assert [listen(name, CATALOGUE).name for name in names] == ["Ann", "Zoë", None, "지민", "민", None]


def test_preferences_of_any_form_do_no_harm() -> None:
    odd = {"genres": "jazz", "cities": {"Busan": 1}, "avoid_genres": [3, "pop"], "max_price": True, "name": 7}
    assert wishes_of(odd, Wishes()) == Wishes(("jazz",), ("pop",), (), None)


def test_suggestions_fulfil_every_wish() -> None:
    catalogue = CATALOGUE
    assert len(catalogue.suggest(Wishes(), limit=100)) == len(catalogue.concerts)
    found = catalogue.suggest(Wishes(("folk", "jazz"), ("metal",), ("Berlin", "Lisbon"), 20))
    assert [concert.artist for concert in found] == ["The Borrowed Fiddles", "Three Spoons", "Quartet Without Hats"]
    assert catalogue.suggest(Wishes(("opera",))) == []


def test_a_conversation(chatbot: ConcertChatbotService) -> None:
    session = chatbot.create_session("ann")
    assert "Hello!" in chatbot.get_conversation_history(session)[0]["content"]
    turn = chatbot.process_message(session, LEAVES)
    assert turn["learned"]
    assert [concert["artist"] for concert in turn["suggestions"]] == ["The Lantern Trio"]
    assert "The Lantern Trio" in turn["response"]
    assert chatbot.get_user_preferences("ann") == turn["preferences"]
    assert turn["preferences"] == {"genres": ["jazz"], "avoid_genres": [], "cities": ["Busan"], "max_price": 30.0}
    turn = chatbot.process_message(session, "What is on in Seoul?")
    assert [concert["artist"] for concert in turn["suggestions"]] == ["Minseo & the Late Ferry"]
    assert not turn["learned"]
    turn = chatbot.process_message(session, "Is there metal in Busan?")
    assert turn["suggestions"] == []
    assert "nothing that fits" in turn["response"]
    assert "부산" in "".join(chatbot.process_message(session, "안녕")["response"])
    history = chatbot.get_conversation_history(session)
    assert [message["role"] for message in history] == ["assistant", *["user", "assistant"] * 4]
    assert chatbot.get_conversation_history(session, limit=2) == history[-2:]
    at_hand = chatbot.get_conversation_history(session, from_memory=False)
    assert at_hand == history
    assert chatbot.get_conversation_history(session, limit=3, from_memory=False) == history[-3:]


def test_who_comes_back_is_greeted_so(chatbot: ConcertChatbotService, memory: ConversationMemoryService) -> None:
    first = chatbot.create_session("ann")
    chatbot.process_message(first, "My name is Ann. I love folk.")
    again = ConcertChatbotService(memory).create_session("ann")
    assert chatbot.get_conversation_history(again)[0]["content"] == "Welcome back, Ann! I remember: you like folk."
    chatbot.store_user_preferences("jimin", {"name": "지민", "genres": ["jazz"]})
    session = chatbot.create_session("jimin")
    assert chatbot.get_conversation_history(session)[0]["content"].startswith("지민님, 다시 오셨네요!")
    chatbot.create_session("bob")
    assert "Welcome back!" in chatbot.get_conversation_history(chatbot.create_session("bob"))[0]["content"]


def test_an_anonymous_user_is_not_remembered(chatbot: ConcertChatbotService) -> None:
    session = chatbot.create_session()
    turn = chatbot.process_message(session, LEAVES)
    assert not turn["learned"]
    assert [concert["city"] for concert in turn["suggestions"]] == ["Busan"]
    assert "Hello!" in chatbot.get_conversation_history(chatbot.create_session())[0]["content"]


def test_a_preference_set_by_the_application(chatbot: ConcertChatbotService) -> None:
    chatbot.store_user_preferences("ann", {"genres": ["classical"], "theme": "dark"})
    chatbot.update_user_preference("ann", "max_price", 41)
    session = chatbot.create_session("ann")
    turn = chatbot.process_message(session, "Recommend something. I love jazz.")
    assert turn["preferences"]["genres"] == ["jazz", "classical"]
    assert turn["preferences"]["theme"] == "dark"
    assert [concert["genre"] for concert in chatbot.process_message(session, "anything?")["suggestions"]] == [
        "jazz"
    ] * 3


def test_a_session_goes_on_in_another_service(
    chatbot: ConcertChatbotService, memory: ConversationMemoryService
) -> None:
    session = chatbot.create_session("ann", "trip")
    chatbot.process_message(session, LEAVES)
    other = ConcertChatbotService(memory)
    assert other.get_conversation_history("trip", from_memory=False) == []
    assert other.load_session_from_memory("trip")
    assert other.get_conversation_history("trip", from_memory=False) == chatbot.get_conversation_history("trip")
    assert "jazz" in other.process_message("trip", "What do you know about me?")["response"]
    third = ConcertChatbotService(memory)
    assert third.process_message("trip", "What is on?")["preferences"]["genres"] == ["jazz"]
    assert not third.load_session_from_memory("nowhere")


def test_a_turn_repeated_is_stored_once(chatbot: ConcertChatbotService, memory: ConversationMemoryService) -> None:
    session = chatbot.create_session("ann")
    first = chatbot.process_message(session, LEAVES, message_id="t-1")
    for number in range(20):
        chatbot.process_message(session, f"I love {('rock', 'pop')[number % 2]}")
    for service in (chatbot, ConcertChatbotService(memory)):
        again = service.process_message(session, LEAVES, message_id="t-1")
        assert {**again, "preferences": None} == {**first, "preferences": None}
    assert len(chatbot.get_conversation_history(session)) == 1 + 21 * 2
    with pytest.raises(Conflict):
        chatbot.process_message(session, "something else", message_id="t-1")


def test_bad_input(chatbot: ConcertChatbotService) -> None:
    session = chatbot.create_session("ann", "s")
    for bad in ("", "  \n", None, 7):
        with pytest.raises(InvalidInput):
            chatbot.process_message(session, bad)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        chatbot.process_message("nowhere", "Hi")
    with pytest.raises(Conflict, match="already"):
        chatbot.create_session("ann", "s")
    assert len(chatbot.get_conversation_history(session)) == 1
    chatbot.process_message(session, "jazz \0 '; DROP TABLE messages; -- " * 30_000)
    assert len(chatbot.get_conversation_history(session)) == 3


def test_two_that_learn_at_once_lose_nothing(memory: ConversationMemoryService) -> None:
    services = [ConcertChatbotService(memory) for _ in range(5)]
    sessions = [service.create_session("ann") for service in services]
    genres = ["jazz", "rock", "folk", "pop", "metal"]
    barrier = threading.Barrier(5)

    def say(number: int) -> dict[str, Any]:
        barrier.wait(10)
        return services[number].process_message(sessions[number], f"I love {genres[number]}")

    with ThreadPoolExecutor(5) as threads:
        assert all(turn["learned"] for turn in threads.map(say, range(5)))
    assert set((memory.retrieve_user_preferences("ann") or {})["genres"]) == set(genres)


def test_what_is_at_hand_is_bounded(chatbot: ConcertChatbotService) -> None:
    first = chatbot.create_session("ann")
    for _ in range(MOST_SESSIONS):
        chatbot.create_session()
    assert chatbot.get_conversation_history(first, from_memory=False) == []
    assert chatbot.process_message(first, "Hello")["response"]


def test_a_model_words_the_reply(
    memory: ConversationMemoryService, model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOLLECT_LLM_MODEL", "m")
    monkeypatch.setenv("RECOLLECT_LLM_BASE_URL", model_server.url)
    chatbot = ConcertChatbotService(memory)
    session = chatbot.create_session("ann")
    turn = chatbot.process_message(session, LEAVES, message_id="t")
    assert turn["response"] == model_server.reply
    sent = model_server.requests[0]["messages"]
    assert sent[0]["role"] == "system"
    assert "The Lantern Trio" in sent[0]["content"]
    assert '"genres": ["jazz"]' in sent[0]["content"]
    assert sent[-1]["content"] == LEAVES
    assert chatbot.process_message(session, LEAVES, message_id="t") == turn
    assert len(model_server.requests) == 1
    for mode in ("missing", "dies", "empty"):
        model_server.mode = mode
        turn = chatbot.process_message(session, "What is on?")
        assert "The Lantern Trio" in turn["response"], mode
        assert chatbot.get_conversation_history(session)[-1]["metadata"]["model_error"]


def test_a_store_that_is_away_greets_nobody(tmp_path: Path) -> None:
    server = Dynoxide(temporary_file())
    server.start()
    server_options()  # credentials
    url = f"dynamodb://us-east-1/c?endpoint_url={server.endpoint}&attempts=1&timeout=2&connect_timeout=1"
    try:
        with ConcertChatbotService(url) as chatbot:
            session = chatbot.create_session("ann")
            server.kill()
            for call in (lambda: chatbot.create_session("ann"), lambda: chatbot.process_message(session, LEAVES)):
                with pytest.raises(Unavailable):
                    call()
            server.start()
            assert chatbot.process_message(session, LEAVES)["learned"]
    finally:
        server.kill()
