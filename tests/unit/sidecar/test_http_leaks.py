"""No secret of the HTTP side gets out: not by an answer, a log at any level, an error, a figure, or the text of a notification.

What is marked: the token, the secret of webhooks, URLs and tokens of channels, and all that somebody sends who is not let in. What the sidecar shows
of its sources comes from a state that has no place for values; the tests of the passes see to that.
"""

from __future__ import annotations

import io
import logging
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from secrettool.sidecar import channels, webhooks
from secrettool.sidecar.config import Config, DirSource, Http, Notification, Refresh, Source
from secrettool.sidecar.notify import TRIES, notifying
from secrettool.sidecar.refresh import BURST
from secrettool.sidecar.serving import serving
from secrettool.sidecar.state import Board
from tests.unit.sidecar.serving import HMAC, NOW, TOKEN, TROUBLED, Receiver, both_secrets, receiving, secret, served, source

CANARY = "CANARY"
PATHS = ["/livez", "/readyz", "/startupz", "/metrics", "/status", "/", "/refresh", "/refresh/edge", "/nothing"]


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged by anybody, with stacks."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(pathname)s %(threadName)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(before)
    root.removeHandler(handler)


def credentials() -> list[dict[str, str]]:
    """Right ones, wrong ones, and broken ones."""
    wrong = "wrong-CANARY-0123456789"
    return [
        {},
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"Bearer {wrong}"},
        {"Authorization": "Basic " + b64encode(f"me:{TOKEN}".encode()).decode()},
        {"Authorization": "Basic " + b64encode(f"{CANARY}:{wrong}".encode()).decode()},
        {"Authorization": f"Basic {CANARY}"},
        {"Authorization": f"{CANARY} {CANARY}"},
        {"X_Gitlab_Token": HMAC},
        {"X_Gitlab_Token": wrong},
        {"X_Signature": webhooks.sign(b"body-CANARY", HMAC.encode())},
        {"X_Signature": f"sha256={CANARY}"},
        {"Content_Type": f"text/{CANARY}", "X_Hub_Signature_256": f"{CANARY}=00"},
        {"Cookie": CANARY, "User_Agent": CANARY, "Referer": f"http://{CANARY}/", "X_Forwarded_For": CANARY},
    ]


def test_no_answer_and_no_log_of_an_endpoint_holds_a_secret(tmp_path: Path, logged: io.StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    answers = []
    with served(source(), TROUBLED, http=Http(), refresh=both_secrets(tmp_path)) as client:
        for path in PATHS:
            for headers in credentials():
                for method in ("GET", "POST", "HEAD", "PUT"):
                    answers.append(client.ask(f"{path}?query={CANARY}", method, b"body-CANARY" if method != "HEAD" else b"", **headers))
        answers.append(client.ask(f"/{CANARY}"))
        answers += [client.ask("/refresh/edge", "POST", Authorization=f"Bearer {TOKEN}") for _ in range(BURST)]
        answers.append(client.ask(f"/refresh/{CANARY}", "POST", Authorization=f"Bearer {TOKEN}"))

    assert {answer.status for answer in answers} >= {200, 202, 401, 404, 405, 429}
    assert not [answer for answer in answers if CANARY in answer.body or CANARY in str(answer.headers)]
    assert "refused, for want of a valid token" in logged.getvalue()
    assert CANARY not in logged.getvalue()
    assert CANARY not in "".join(capfd.readouterr())


def test_broken_requests_leave_no_trace_of_what_was_in_them(logged: io.StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    broken = (
        b"CANARY\r\n\r\n",
        b"GET /CANARY HTTP/9.9\r\nHost: CANARY\r\n\r\n",
        b"GET / HTTP/1.1\r\nCANARY\r\n\r\n",
        b"POST /refresh HTTP/1.1\r\nContent-Length: CANARY\r\n\r\n",
        b"POST /refresh HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nCANARY\r\n",
        b"POST /refresh HTTP/1.1\r\nTransfer-Encoding: CANARY\r\n\r\n",
    )
    with served(source()) as client:
        for request in broken:
            with client.raw() as connection:
                connection.sendall(request)
                connection.settimeout(5)
                assert connection.recv(65536).startswith(b"HTTP/1."), request
        for request in (b"GET http://[CANARY/ HTTP/1.1\r\n\r\n", "GET http://CANARY℀/ HTTP/1.1\r\n\r\n".encode()):
            with client.raw() as connection:
                connection.sendall(request)
                connection.settimeout(5)
                connection.recv(65536)
        assert client.ask("/livez").status == 200

    assert CANARY not in logged.getvalue()
    assert CANARY not in "".join(capfd.readouterr())


def all_channels(folder: Path, receiver: Receiver) -> list[Notification]:
    """One of each type, with marks in all that is secret."""
    return [
        Notification(
            type="webhook",
            url_file=secret(folder, "webhook-url", f"{receiver.url}/path-CANARY?key=CANARY"),
            token_file=secret(folder, "webhook-token", "token-CANARY"),
            hmac_file=secret(folder, "webhook-hmac", "hmac-CANARY"),
        ),
        Notification(type="slack", url_file=secret(folder, "slack-url", f"{receiver.url}/services/CANARY")),
        Notification(type="telegram", token_file=secret(folder, "telegram-token", "123:CANARY"), chat="-100"),
    ]


@pytest.mark.parametrize("status", [200, 302, 404, 429, 500], ids=str)
def test_da_47_no_text_and_no_log_of_a_notification_holds_a_secret(
    tmp_path: Path, logged: io.StringIO, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with receiving() as receiver:
        monkeypatch.setattr(channels, "TELEGRAM", receiver.url)
        receiver.statuses += [(status, {"Location": "http://CANARY.invalid/", "X-Echo": CANARY})] * 3 * TRIES
        board = Board("1", NOW, (source("edge"),))
        with notifying(all_channels(tmp_path, receiver), board, pause=0, first_wait=0.01):
            board.publish(TROUBLED)
            got = receiver.wait(3 if status in (200, 302, 404) else 3 * TRIES)

    assert {each.path.split("/")[1][:4] for each in got} == {"path", "serv", "bot1"}
    assert not [each for each in got if CANARY.encode() in each.body]
    assert ("was not sent" in logged.getvalue()) is (status != 200)
    assert CANARY not in logged.getvalue()
    assert CANARY not in "".join(capfd.readouterr())


def test_no_log_of_a_channel_that_is_not_there_holds_a_secret(tmp_path: Path, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        pass
    monkeypatch.setattr(channels, "TELEGRAM", "http://canary-CANARY.invalid")
    board = Board("1", NOW, (source("edge"),))
    with notifying(all_channels(tmp_path, receiver), board, pause=0, first_wait=0.01):
        board.publish(TROUBLED)

    assert logged.getvalue().count("no connection") >= 3
    assert CANARY not in logged.getvalue()


def test_all_of_it_together_logs_no_secret(tmp_path: Path, logged: io.StringIO) -> None:
    with receiving() as receiver:
        config = Config(
            sources=(Source(id="edge", origin=DirSource("/source")),),
            http=Http(address="127.0.0.1", port=0),
            refresh=both_secrets(tmp_path),
            notifications=tuple(all_channels(tmp_path, receiver)[:2]),
        )
        board = Board("1", NOW, (source("edge"),))
        with serving(config, board, lambda _: True) as recorder:
            recorder.reconciled("edge", "failed", 1.0)
            board.publish(TROUBLED)
            receiver.wait(2)

    assert "listening at 127.0.0.1" in logged.getvalue()
    assert CANARY not in logged.getvalue()
    assert CANARY not in repr(config)


def test_settings_name_files_and_hold_no_secret(tmp_path: Path) -> None:
    refresh = both_secrets(tmp_path)

    assert isinstance(refresh, Refresh)
    assert CANARY not in repr(refresh)
