"""`POST /refresh`: who is let in, what is started, and what is too much. The rules of signatures are those of Flux's Receiver."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.sidecar import webhooks
from secrettool.sidecar.config import Refresh
from secrettool.sidecar.ratelimit import RateLimit
from secrettool.sidecar.refresh import BURST, MOST_REFUSALS
from secrettool.sidecar.server import BODY_LIMIT
from tests.unit.sidecar.serving import HMAC, TOKEN, Client, both_secrets, secret, served, source

BODY = json.dumps({"ref": "refs/heads/main", "after": "1234"}).encode()
JSON_TYPE = {"Content_Type": "application/json"}


def digits(body: bytes, name: str = "sha256", key: str = HMAC) -> str:
    return hmac.new(key.encode(), body, name).hexdigest()


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with served(source("prod"), source("edge"), refresh=both_secrets(tmp_path)) as client:
        yield client


# ---- who is let in -------------------------------------------------------------------------------------------------------------------------------


def test_a_bearer_token_starts_a_pass_of_every_source(client: Client) -> None:
    answer = client.ask("/refresh", "POST", **bearer())

    assert (answer.status, answer.json, client.started) == (202, {"sources": ["prod", "edge"]}, [""])


def test_a_path_names_one_source(client: Client) -> None:
    answer = client.ask("/refresh/edge", "POST", **bearer())

    assert (answer.status, answer.json, client.started) == (202, {"sources": ["edge"]}, ["edge"])


GOOD: Mapping[str, tuple[bytes, Mapping[str, str]]] = {
    "github": (BODY, {**JSON_TYPE, "X_Hub_Signature_256": f"sha256={digits(BODY)}", "X_Hub_Signature": "sha1=00", "X_GitHub_Event": "push"}),
    "github, old": (BODY, {**JSON_TYPE, "X_Hub_Signature": f"sha1={digits(BODY, 'sha1')}"}),
    "github, form": (
        urlencode({"payload": BODY}).encode(),
        {"Content_Type": "application/x-www-form-urlencoded", "X_Hub_Signature_256": f"sha256={digits(urlencode({'payload': BODY}).encode())}"},
    ),
    "github, with a charset": (BODY, {"Content_Type": "Application/JSON; charset=utf-8", "X_Hub_Signature_256": f"sha256={digits(BODY)}"}),
    "github, sha512": (BODY, {**JSON_TYPE, "X_Hub_Signature_256": f"sha512={digits(BODY, 'sha512')}"}),
    "gitea": (
        BODY,
        {
            **JSON_TYPE,
            "X_Gitea_Event": "push",
            "X_Gitea_Signature": digits(BODY),
            "X_Hub_Signature": f"sha1={digits(BODY, 'sha1')}",
            "X_Hub_Signature_256": f"sha256={digits(BODY)}",
        },
    ),
    "gitlab": (BODY, {**JSON_TYPE, "X_Gitlab_Token": HMAC, "X_Gitlab_Event": "Push Hook"}),
    "generic": (BODY, {"X_Signature": f"sha256={digits(BODY)}"}),
    "generic, large digits": (BODY, {"X_Signature": f"sha256={digits(BODY).upper()}"}),
    "generic, no body": (b"", {"X_Signature": f"sha1={digits(b'', 'sha1')}"}),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_webhook_with_the_secret_is_let_in(client: Client, name: str) -> None:
    body, headers = GOOD[name]

    answer = client.ask("/refresh/prod", "POST", body, **headers)

    assert (answer.status, client.started) == (202, ["prod"])


BAD: Mapping[str, tuple[bytes, Mapping[str, str]]] = {
    "nothing": (BODY, {}),
    "another token": (BODY, bearer(TOKEN[:-1] + "X")),
    "a longer token": (BODY, bearer(TOKEN + "x")),
    "an empty token": (BODY, {"Authorization": "Bearer "}),
    "the token without its scheme": (BODY, {"Authorization": TOKEN}),
    "the token as a password, which browsers send by themselves": (BODY, {"Authorization": "Basic " + b64encode(f"me:{TOKEN}".encode()).decode()}),
    "the secret of webhooks as token": (BODY, bearer(HMAC)),
    "the token for GitLab": (BODY, {"X_Gitlab_Token": TOKEN}),
    "an empty token of GitLab": (BODY, {"X_Gitlab_Token": ""}),
    "letters outside ASCII": (BODY, {"X_Gitlab_Token": "\u00e4" * 16}),
    "a changed body": (BODY + b" ", {**JSON_TYPE, "X_Hub_Signature_256": f"sha256={digits(BODY)}"}),
    "another key": (BODY, {**JSON_TYPE, "X_Hub_Signature_256": f"sha256={digits(BODY, key='other')}"}),
    "a wrong new signature beside a right old one": (
        BODY,
        {**JSON_TYPE, "X_Hub_Signature_256": f"sha256={'0' * 64}", "X_Hub_Signature": f"sha1={digits(BODY, 'sha1')}"},
    ),
    "another media type": (BODY, {"Content_Type": "text/plain", "X_Hub_Signature_256": f"sha256={digits(BODY)}"}),
    "no hash": (BODY, {"X_Signature": digits(BODY)}),
    "an unknown hash": (BODY, {"X_Signature": f"md5={digits(BODY, 'md5')}"}),
    "a hash in large letters": (BODY, {"X_Signature": f"SHA256={digits(BODY)}"}),
    "no digits": (BODY, {"X_Signature": "sha256="}),
    "half a digit": (BODY, {"X_Signature": f"sha256={digits(BODY)}0"}),
    "spaces between digits": (BODY, {"X_Signature": f"sha256={digits(BODY)[:32]} {digits(BODY)[32:]}"}),
    "a shortened digest": (BODY, {"X_Signature": f"sha256={digits(BODY)[:16]}"}),
    "the digest of another hash": (BODY, {"X_Signature": f"sha1={digits(BODY)}"}),
    "only the header of Gitea alone, which Flux does not know": (BODY, {**JSON_TYPE, "X_Gitea_Signature": digits(BODY)}),
}


@pytest.mark.parametrize("name", BAD)
def test_somebody_without_the_secret_is_refused(client: Client, name: str) -> None:
    body, headers = BAD[name]

    answer = client.ask("/refresh", "POST", body, **headers)

    assert (answer.status, client.started, answer.headers.get("Www-Authenticate")) == (401, [], 'Bearer realm="secrettool"')


def test_the_example_of_github_holds() -> None:
    secret = b"It's a Secret to Everybody"
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    assert webhooks.is_signature(signature, b"Hello, World!", secret)
    assert webhooks.sign(b"Hello, World!", secret) == signature


@given(body=st.binary(), other=st.binary(), key=st.binary(min_size=1, max_size=80), name=st.sampled_from(["sha1", "sha256", "sha512"]))
def test_a_signature_holds_for_its_body_and_for_no_other(body: bytes, other: bytes, key: bytes, name: str) -> None:
    signature = f"{name}={hmac.new(key, body, getattr(hashlib, name)).hexdigest()}"

    assert webhooks.is_signature(signature, body, key)
    assert webhooks.is_signature(signature, other, key) is (other == body)


@given(signature=st.text(), body=st.binary(max_size=20))
def test_no_text_breaks_the_check_of_a_signature(signature: str, body: bytes) -> None:
    assert webhooks.is_signature(signature, body, b"key") is False


def test_only_a_token_lets_no_webhook_in(tmp_path: Path) -> None:
    refresh = Refresh(token_file=secret(tmp_path, "token", TOKEN))
    with served(source(), refresh=refresh) as client:
        assert client.ask("/refresh", "POST", BODY, X_Signature=f"sha256={digits(BODY, key=TOKEN)}").status == 401
        assert client.ask("/refresh", "POST", X_Gitlab_Token=TOKEN).status == 401


def test_only_a_secret_of_webhooks_lets_no_bearer_in(tmp_path: Path) -> None:
    with served(source(), refresh=Refresh(hmac_file=secret(tmp_path, "hmac", HMAC))) as client:
        assert client.ask("/refresh", "POST", **bearer(HMAC)).status == 401


def test_without_a_secret_there_is_no_such_endpoint() -> None:
    with served(source()) as client:
        assert client.ask("/refresh", "POST", **bearer("")).status == 404


def test_a_new_token_counts_at_once(client: Client, tmp_path: Path) -> None:
    other = "another-token-0123456789"
    secret(tmp_path, "token", other)

    assert [client.ask("/refresh", "POST", **bearer(token)).status for token in (TOKEN, other)] == [401, 202]


@pytest.mark.parametrize("content", ["", "short", "\n\n", "first-line-0123456789\nsecond-line"], ids=["empty", "short", "blank", "two lines"])
def test_a_token_that_is_none_lets_nobody_in(client: Client, tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "token").write_text(content)

    answer = client.ask("/refresh", "POST", **bearer(content.strip().replace("\n", "")))

    assert (answer.status, client.started) == (503, [])
    assert "token" in caplog.text
    assert not content.strip() or content.strip() not in caplog.text


def test_a_missing_token_lets_nobody_in(client: Client, tmp_path: Path) -> None:
    (tmp_path / "token").unlink()

    assert client.ask("/refresh", "POST", **bearer("")).status == 503


# ---- what is answered ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/refresh/nobody", "/refresh/", "/refresh/..", "/refresh/prod%2f..", "/refresh/%C3%A4"])
def test_an_unknown_source_is_not_found(client: Client, path: str) -> None:
    answer = client.ask(path, "POST", **bearer())

    if path == "/refresh/":
        assert (answer.status, client.started) == (202, [""])
    else:
        assert (answer.status, client.started) == (404, [])


def test_without_the_token_nobody_learns_which_sources_there_are(client: Client) -> None:
    answers = [client.ask(path, "POST") for path in ("/refresh/prod", "/refresh/nobody")]

    assert [(answer.status, answer.body) for answer in answers] == [(401, "a valid token or signature is needed\n")] * 2


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_post_starts_a_pass(client: Client, method: str) -> None:
    answer = client.ask("/refresh", method, **bearer())

    assert (answer.status, answer.headers["Allow"], client.started) == (405, "POST", [])


def test_a_program_that_ends_starts_no_pass(client: Client) -> None:
    client.board.stop()

    assert (client.ask("/refresh", "POST", **bearer()).status, client.started) == (503, [])


# ---- what is too much ----------------------------------------------------------------------------------------------------------------------------


def test_a_source_is_not_started_again_and_again(client: Client) -> None:
    answers = [client.ask("/refresh/prod", "POST", **bearer()) for _ in range(BURST + 1)]

    assert [answer.status for answer in answers] == [202] * BURST + [429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 10
    assert client.started == ["prod"] * BURST


def test_one_busy_source_holds_up_no_other(client: Client) -> None:
    for _ in range(BURST + 1):
        client.ask("/refresh/prod", "POST", **bearer())

    assert client.ask("/refresh/edge", "POST", **bearer()).status == 202


def test_many_wrong_tokens_are_slowed_and_hold_up_nobody_else(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "secrettool")
    statuses = [client.ask("/refresh", "POST", **bearer("wrong-token-0123456789")).status for _ in range(MOST_REFUSALS + 10)]

    assert statuses[:MOST_REFUSALS] == [401] * MOST_REFUSALS
    assert 429 in statuses[MOST_REFUSALS:]
    assert len([record for record in caplog.records if record.name.startswith("secrettool")]) == statuses.count(401)
    assert client.ask("/refresh", "POST", **bearer()).status == 202


def test_a_body_up_to_the_limit_is_taken_and_one_above_is_refused(client: Client) -> None:
    body = b"x" * BODY_LIMIT
    assert client.ask("/refresh", "POST", body, X_Signature=f"sha256={digits(body)}").status == 202

    with client.raw() as connection:
        connection.sendall(b"POST /refresh HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT + 1))
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    assert client.started == [""]


def test_permits_come_back_one_by_one() -> None:
    now = [100.0]
    limit = RateLimit(2, 10.0, lambda: now[0])

    assert [limit.take() for _ in range(3)] == [0.0, 0.0, 10.0]
    now[0] += 9.0
    assert limit.take() == pytest.approx(1.0)
    now[0] += 1.0
    assert [limit.take(), limit.take()] == [0.0, 10.0]
    now[0] += 1e6
    assert [limit.take() for _ in range(3)] == [0.0, 0.0, 10.0]
