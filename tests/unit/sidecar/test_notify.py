"""Notifications: which changes are told, in which form, how often, and that nobody waits for a channel. The other side is a real server."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secrettool.errors import ConfigError, InputError
from secrettool.findings import Finding
from secrettool.sidecar import channels, webhooks
from secrettool.sidecar.changes import LONGEST_LINE, News, news
from secrettool.sidecar.channels import TELEGRAM_LIMIT, NotSent, message, send
from secrettool.sidecar.config import Notification
from secrettool.sidecar.notify import TRIES, notifying
from secrettool.sidecar.state import Board, SourceState
from tests.unit.sidecar.serving import NOW, Receiver, receiving, secret, source, webhook

FAILED: dict[str, Any] = {"result": "failed", "cause": "source", "failures": 1}
EVENT = News(NOW, "prod", ("failed",), "main@sha1:5678", "source", 1, "prod (apply): failed: source")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def told(before: SourceState, after: SourceState) -> tuple[str, ...]:
    found = news(before, after, NOW)
    return () if found is None else found.changes


# ---- which changes are told ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({}, {}, ()),
        ({"result": None}, {}, ()),
        ({"result": "done"}, {"result": "unchanged"}, ()),
        ({"phase": "running"}, {"phase": "waiting"}, ()),
        ({}, FAILED, ("failed",)),
        ({"result": None}, FAILED, ("failed",)),
        (FAILED, {**FAILED, "failures": 2}, ()),
        (FAILED, {**FAILED, "cause": "decrypt"}, ()),
        (FAILED, {"result": "done"}, ("recovered",)),
        (FAILED, {"result": "unchanged"}, ("recovered",)),
        ({}, {**FAILED, "cause": "guard"}, ("failed", "guard")),
        (FAILED, {**FAILED, "cause": "guard"}, ("guard",)),
        ({**FAILED, "cause": "guard"}, {**FAILED, "cause": "guard", "failures": 2}, ()),
        ({"keys_taken": 0, "keys_loaded": False}, {"keys_taken": 1}, ()),
        ({"keys_taken": 1}, {"keys_taken": 2}, ("keys",)),
        ({}, {"keys_error": "no identity"}, ("keys",)),
        ({"keys_error": "no identity"}, {"keys_error": "no identity"}, ()),
        ({"keys_error": "no identity"}, {"keys_error": ""}, ()),
        ({"keys_loaded": False}, {"keys_loaded": False, "keys_error": "no identity"}, ()),
        (FAILED, {"result": "done", "keys_taken": 2}, ("recovered", "keys")),
    ],
)
def test_only_changes_of_state_are_told(before: dict[str, Any], after: dict[str, Any], changes: tuple[str, ...]) -> None:
    assert told(source(**before), source(**after)) == changes


def test_a_failure_is_told_with_its_cause_its_revision_and_a_few_findings() -> None:
    findings = tuple(Finding("HK112", "error", "does not open", subject=f"Secret/web/{name}", key="password") for name in "abcde")
    warning = Finding("HK120", "warning", "is not encrypted", file="a.yaml")
    found = news(source(), source(**FAILED, attempted_revision="main@sha1:5678", findings=(warning, *findings)), NOW)

    assert found is not None
    assert found.text.split("\n") == [
        "prod (apply): failed: source, at revision main@sha1:5678",
        "HK112 Secret/web/a: password: does not open",
        "HK112 Secret/web/b: password: does not open",
        "HK112 Secret/web/c: password: does not open",
        "and 2 more",
    ]


def test_a_guard_that_refused_is_told_once_and_not_as_two_things() -> None:
    found = news(source(), source(**{**FAILED, "cause": "guard"}), NOW)

    assert found is not None
    assert found.text == "prod (apply): the guard refused it, at revision main@sha1:1234"


def test_a_recovery_says_how_long_it_took() -> None:
    found = news(source(**{**FAILED, "failures": 4}), source(), NOW)

    assert found is not None
    assert found.text == "prod (apply): well again after 4 failed passes, at revision main@sha1:1234"


def test_reloaded_keys_are_told_by_type_and_number() -> None:
    found = news(source(), source(keys_taken=2, identities={"pgp": 1, "age": 2}), NOW)

    assert found is not None
    assert found.text == "prod (apply): other keys were loaded: 2 age, 1 pgp"


def test_long_lines_and_unusual_characters_are_tamed() -> None:
    finding = Finding("HK1", "error", "x" * 1000 + "\u202e", subject="Secret/a\nb\u202e")
    found = news(source(), source(**FAILED, findings=(finding,), attempted_revision="r" * 1000), NOW)

    assert found is not None
    assert [len(line) <= LONGEST_LINE + 20 for line in found.text.split("\n")] == [True, True]
    assert "\u202e" not in found.text


# ---- in which form -------------------------------------------------------------------------------------------------------------------------------


def test_our_own_form_is_signed_and_carries_a_token(receiver: Receiver, tmp_path: Path) -> None:
    channel = webhook(tmp_path, receiver.url, token_file=secret(tmp_path, "token", "tok-1"), hmac_file=secret(tmp_path, "hmac", "key-1"))

    send(message(channel, [EVENT], NOW))

    got = receiver.wait(1)[0]
    assert got.path == "/hook"
    assert got.headers["Authorization"] == "Bearer tok-1"
    assert webhooks.is_known(lambda name: got.headers.get(name.title(), ""), got.body, b"key-1")
    assert got.json == {
        "schema": "secrettool.sidecar-notification/1",
        "time": "2027-01-15T08:00:00Z",
        "text": "prod (apply): failed: source",
        "events": [
            {
                "time": "2027-01-15T08:00:00Z",
                "source": "prod",
                "changes": ["failed"],
                "revision": "main@sha1:5678",
                "cause": "source",
                "failures": 1,
                "text": "prod (apply): failed: source",
            }
        ],
    }


def test_without_token_and_secret_the_form_has_neither(receiver: Receiver, tmp_path: Path) -> None:
    send(message(webhook(tmp_path, receiver.url), [EVENT], NOW))

    assert receiver.wait(1)[0].headers.keys().isdisjoint({"Authorization", "X-Signature"})


def test_the_form_of_slack_escapes_what_would_be_a_mention(receiver: Receiver, tmp_path: Path) -> None:
    channel = Notification(type="slack", url_file=secret(tmp_path, "url", f"{receiver.url}/services/T0/B0/x"))

    send(message(channel, [EVENT._replace(text="a <!channel> & b"), EVENT._replace(text="c")], NOW))

    got = receiver.wait(1)[0]
    assert got.path == "/services/T0/B0/x"
    assert got.json == {"text": "a &lt;!channel&gt; &amp; b\nc", "mrkdwn": False}


def test_the_form_of_telegram_is_plain_text_of_bounded_length(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "TELEGRAM", receiver.url)
    channel = Notification(type="telegram", token_file=secret(tmp_path, "token", "123:ABC"), chat="-100")

    send(message(channel, [EVENT._replace(text="<b>x</b>")], NOW))
    send(message(channel, [EVENT._replace(text="y" * 5000)], NOW))

    first, second = receiver.wait(2)
    assert first.path == "/bot123:ABC/sendMessage"
    assert first.json == {"chat_id": "-100", "text": "<b>x</b>", "link_preview_options": {"is_disabled": True}}
    assert len(second.json["text"]) == TELEGRAM_LIMIT


def test_a_message_does_not_show_itself() -> None:
    assert "CANARY" not in repr(channels.Message("https://x/CANARY", b"CANARY", {"Authorization": "CANARY"}))


# ---- when it does not get through ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "wait", "may_pass"),
    [
        (400, {}, 0, False),
        (404, {}, 0, False),
        (302, {"Location": "http://127.0.0.1:1/"}, 0, False),
        (429, {"Retry-After": "7"}, 7, True),
        (503, {}, 0, True),
        (500, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0, True),
    ],
)
def test_an_answer_says_whether_to_try_again(
    receiver: Receiver, tmp_path: Path, status: int, headers: dict[str, str], wait: float, may_pass: bool
) -> None:
    receiver.statuses.append((status, headers))

    with pytest.raises(NotSent) as caught:
        send(message(webhook(tmp_path, receiver.url), [EVENT], NOW))

    assert (str(caught.value), caught.value.wait, caught.value.may_pass) == (f"HTTP status {status}", wait, may_pass)
    assert len(receiver.got) == 1


def test_nobody_there_and_no_answer_are_told_apart(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        free = found.getsockname()[1]
    with pytest.raises(NotSent, match=r"^no connection$"):
        send(message(webhook(tmp_path, f"http://127.0.0.1:{free}"), [EVENT], NOW))

    monkeypatch.setattr(channels, "READ_SECONDS", 0.1)
    channels._pool.cache_clear()
    receiver.hold.clear()
    with pytest.raises(NotSent, match=r"^no answer in time$"):
        send(message(webhook(tmp_path, receiver.url), [EVENT], NOW))
    channels._pool.cache_clear()


def test_a_server_without_tls_is_no_connection(receiver: Receiver, tmp_path: Path) -> None:
    with pytest.raises(NotSent, match=r"certificate|connection"):
        send(message(webhook(tmp_path, receiver.url.replace("http:", "https:")), [EVENT], NOW))


def test_a_message_is_tried_again_until_it_is_taken(receiver: Receiver, tmp_path: Path) -> None:
    receiver.statuses += [(503, {})] * (TRIES - 1)
    board = Board("1", NOW, (source(),))
    with notifying([webhook(tmp_path, receiver.url)], board, pause=0, first_wait=0.01):
        board.publish(source(**FAILED))
        got = receiver.wait(TRIES)

    assert len({each.body for each in got}) == 1


def test_a_message_that_is_never_taken_is_given_up_and_the_next_one_comes(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses += [(500, {})] * TRIES
    board = Board("1", NOW, (source(),))
    with notifying([webhook(tmp_path, receiver.url)], board, pause=0, first_wait=0.01):
        board.publish(source(**FAILED))
        receiver.wait(TRIES)
        board.publish(source())
        last = receiver.wait(TRIES + 1)[-1]

    assert last.json["events"][0]["changes"] == ["recovered"]
    assert "notification 1 (webhook): a message was not sent: HTTP status 500" in caplog.text


@pytest.mark.parametrize(
    "content", ["", "ftp://host/x", "not a url", "https://", "https://host/a b", "https://host/\u00e4", "https://[::1", "one\ntwo"], ids=repr
)
def test_what_is_no_url_is_found_at_the_start_and_not_quoted(tmp_path: Path, content: str) -> None:
    channel = Notification(type="slack", url_file=secret(tmp_path, "url", content))

    with pytest.raises((ConfigError, InputError)) as caught, notifying([channel], Board("1", NOW, ())):
        pass

    assert str(tmp_path / "url") in str(caught.value)
    assert not content or content not in str(caught.value).replace("https:// or http://", "")


# ---- how often, and to whom ----------------------------------------------------------------------------------------------------------------------


def test_a_channel_hears_of_its_sources_and_changes_only(receiver: Receiver, tmp_path: Path) -> None:
    board = Board("1", NOW, (source("a"), source("b")))
    with notifying([webhook(tmp_path, receiver.url, sources=("b",), events=("recovered", "guard"))], board, pause=0):
        board.publish(source("a", **FAILED))
        board.publish(source("a"))
        board.publish(source("b", **FAILED))
        board.publish(source("b"))
        receiver.wait(1)

    assert [(each["source"], each["changes"]) for got in receiver.got for each in got.json["events"]] == [("b", ["recovered"])]


def test_the_first_news_come_at_once_and_the_next_together(receiver: Receiver, tmp_path: Path) -> None:
    board = Board("1", NOW, (source("a"), source("b")))
    with notifying([webhook(tmp_path, receiver.url)], board, pause=60):
        board.publish(source("a", **FAILED))
        receiver.wait(1)
        for _ in range(50):  # it flutters
            board.publish(source("a"))
            board.publish(source("a", **FAILED))
        board.publish(source("b", **FAILED))
        assert len(receiver.got) == 1

    # What waits at the end is sent before it.
    second = receiver.wait(2)[1].json["events"]
    assert [(each["source"], each["changes"]) for each in second] == [("a", ["recovered"]), ("a", ["failed"]), ("b", ["failed"])]
    assert len(receiver.got) == 2


def test_a_channel_that_hangs_holds_up_neither_the_loops_nor_another_channel_nor_the_end(receiver: Receiver, tmp_path: Path) -> None:
    receiver.hold.clear()
    board = Board("1", NOW, (source(),))
    (tmp_path / "other").mkdir()
    with receiving() as other:
        began = time.monotonic()
        with notifying([webhook(tmp_path, receiver.url), webhook(tmp_path / "other", other.url)], board, pause=0):
            for _ in range(200):
                board.publish(source(**FAILED))
                board.publish(source())
            other.wait(1)
            receiver.wait(1)
        assert time.monotonic() - began < 15
    receiver.hold.set()


def test_several_loops_may_tell_at_the_same_time(receiver: Receiver, tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(8)]
    board = Board("1", NOW, tuple(map(source, names)))
    with notifying([webhook(tmp_path, receiver.url)], board, pause=0):
        threads = [threading.Thread(target=board.publish, args=(source(name, **FAILED),)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(each["source"] for got in receiver.got for each in got.json["events"]) == names


def test_new_secrets_count_from_the_next_message_on(receiver: Receiver, tmp_path: Path) -> None:
    board = Board("1", NOW, (source(),))
    with notifying([webhook(tmp_path, receiver.url)], board, pause=0):
        board.publish(source(**FAILED))
        receiver.wait(1)
        secret(tmp_path, "url", f"{receiver.url}/other")
        board.publish(source())
        receiver.wait(2)

    assert [got.path for got in receiver.got] == ["/hook", "/other"]


def test_a_secret_that_vanishes_is_logged_by_the_name_of_its_file(receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    board = Board("1", NOW, (source(),))
    with notifying([webhook(tmp_path, receiver.url)], board, pause=0):
        (tmp_path / "url").unlink()
        board.publish(source(**FAILED))

    assert f"notification 1 (webhook): a message was not sent: {tmp_path / 'url'}: cannot be read" in caplog.text
    assert receiver.got == []


def test_without_channels_nothing_listens() -> None:
    board = Board("1", NOW, (source(),))
    before = threading.active_count()
    with notifying([], board):
        board.publish(source(**FAILED))
        assert threading.active_count() == before
