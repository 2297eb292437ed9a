"""HTTP for providers: tries, redirects, proxies, and errors without a server's words."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from secrettool.sources.session import RETRIED, Refused, Retries, Session, Trust, Unreachable, _wish, is_allowed, proxies_for
from tests.interop.peers.faults import Answer, FaultyServer
from tests.unit.sources.support import CANARY, QUICK, authority, shows_nothing, tls_running

OK = Answer(200, {"ok": True})
SAD = {"errors": ["canary"]}


class Waiting:
    """A clock that only moves while somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def retries(self, **fields: Any) -> Retries:
        return Retries(sleep=self.sleep, clock=lambda: self.now, **fields)


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


def asked(server: FaultyServer, retries: Retries = QUICK, **fields: Any) -> Any:
    with Session(server.url, {}, retries=retries, **fields) as session:
        return session.get(f"{server.url}/x", headers={"X-Vault-Token": CANARY}, timeout=10).json()


def refused(server: FaultyServer, retries: Retries = QUICK, **fields: Any) -> Refused | Unreachable:
    with pytest.raises((Refused, Unreachable)) as raised:
        asked(server, retries, **fields)
    error = raised.value
    assert isinstance(error, Refused | Unreachable)
    shows_nothing(error)
    return error


# --- tries ---


def test_pt_14_statuses_that_say_not_now() -> None:
    assert {412, 429, 472, 473, 500, 502, 503} == RETRIED


def test_pt_14_five_tries_half_a_second_doubling_with_jitter_sixty_seconds() -> None:
    usual = Retries()
    assert (usual.tries, usual.first, usual.total) == (5, 0.5, 60)
    for number, least in enumerate((0.5, 1, 2, 4), 1):
        pauses = {usual.pause(number, None) for _ in range(50)}
        assert len(pauses) > 1
        assert all(least <= pause <= least * 1.5 for pause in pauses)


@pytest.mark.parametrize("status", sorted(RETRIED))
def test_pt_14_busy_server_is_asked_again(status: int, server: FaultyServer, waiting: Waiting) -> None:
    server.faults.extend([*[Answer(status, SAD)] * 4, OK])
    assert asked(server, waiting.retries()) == {"ok": True}
    assert len(server.asked) == 5
    assert [round(wait) for wait in waiting.waits if wait < 1] != []


@pytest.mark.parametrize("status", sorted(RETRIED))
def test_pt_14_server_that_stays_busy_is_given_up_after_five_tries(status: int, server: FaultyServer, waiting: Waiting) -> None:
    server.endless = Answer(status, SAD)
    error = refused(server, waiting.retries())
    assert isinstance(error, Refused)
    assert (error.status, len(server.asked), len(waiting.waits)) == (status, 5, 4)


@pytest.mark.parametrize("status", [300, 400, 401, 403, 404, 405, 418, 501, 504])
def test_pt_14_refusal_is_final(status: int, server: FaultyServer, waiting: Waiting) -> None:
    server.endless = Answer(status, SAD)
    error = refused(server, waiting.retries())
    assert (str(error), len(server.asked), waiting.waits) == (f"status {status}", 1, [])


def test_pt_14_retry_after_is_honoured_to_the_second(server: FaultyServer, waiting: Waiting) -> None:
    server.faults.extend([Answer(429, SAD, {"Retry-After": "7"}), Answer(503, SAD, {"Retry-After": "0"}), OK])
    assert asked(server, waiting.retries()) == {"ok": True}
    assert waiting.waits == [7, 0]


def test_pt_14_retry_after_may_be_a_date(server: FaultyServer, waiting: Waiting) -> None:
    past, soon = formatdate(1, usegmt=True), formatdate(time.time() + 30, usegmt=True)
    server.faults.extend([Answer(503, SAD, {"Retry-After": past}), Answer(503, SAD, {"Retry-After": soon}), OK])
    assert asked(server, waiting.retries()) == {"ok": True}
    assert waiting.waits[0] == 0
    assert 20 < waiting.waits[1] <= 31


@pytest.mark.parametrize("wish", ["soon", "-1", "1.5", "²", "Mon, 99 Foo 2026", ""])
def test_retry_after_that_says_nothing_is_passed_over(wish: str, server: FaultyServer, waiting: Waiting) -> None:
    server.faults.extend([Answer(503, SAD, {"Retry-After": wish.encode().decode("latin-1")}), OK])
    assert asked(server, waiting.retries()) == {"ok": True}
    assert 0.5 <= waiting.waits[0] <= 0.75


@given(st.text(max_size=30) | st.text("0123456789:, +-MonJanGMT", max_size=40))
def test_no_retry_after_breaks_the_session(wish: str) -> None:
    answer = requests.Response()
    answer.headers["Retry-After"] = wish
    found = _wish(answer)
    assert found is None or found >= 0


@pytest.mark.parametrize("wish", ["61", "3600", "9" * 400])
def test_pt_14_server_that_wants_more_than_a_minute_is_given_up_at_once(wish: str, server: FaultyServer, waiting: Waiting) -> None:
    server.endless = Answer(429, SAD, {"Retry-After": wish})
    refused(server, waiting.retries())
    assert (len(server.asked), waiting.waits) == (1, [])


def test_pt_14_sixty_seconds_in_total(server: FaultyServer, waiting: Waiting) -> None:
    server.endless = Answer(429, SAD, {"Retry-After": "25"})
    refused(server, waiting.retries())
    assert (len(server.asked), waiting.waits) == (3, [25, 25])


def test_time_that_ran_out_while_waiting_is_no_error_of_its_own(server: FaultyServer) -> None:
    moments = iter([0.0, 0.0, 0.0, 61.0])
    server.faults.extend([Answer(503, SAD, {"Retry-After": "0"}), OK])
    assert asked(server, Retries(sleep=lambda _: None, clock=lambda: next(moments))) == {"ok": True}


def test_server_that_was_given_up_is_tried_once_until_it_answers(server: FaultyServer) -> None:
    with Session(server.url, {}, retries=QUICK) as session:
        for tries in (5, 1, 1):
            server.asked.clear()
            server.endless = Answer(503, SAD)
            with pytest.raises(Refused):
                session.get(f"{server.url}/x")
            assert len(server.asked) == tries
        server.endless = Answer(404, SAD)  # an answer
        with pytest.raises(Refused):
            session.get(f"{server.url}/x")
        server.asked.clear()
        server.endless = Answer(503, SAD)
        with pytest.raises(Refused):
            session.get(f"{server.url}/x")
        assert len(server.asked) == 5


# --- no answer ---


@pytest.fixture
def silent() -> Iterator[FaultyServer]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield FaultyServer(f"http://127.0.0.1:{listener.getsockname()[1]}", None)


def test_pt_14_lost_connection_is_tried_again(server: FaultyServer) -> None:
    server.faults.extend([Answer(200, {"canary": "half of it"}, cut=True), OK])
    assert asked(server) == {"ok": True}


def test_connection_that_breaks_each_time_is_given_up(server: FaultyServer) -> None:
    server.endless = Answer(200, {"canary": "half of it"}, cut=True)
    assert str(refused(server)) == "the connection broke"
    assert len(server.asked) == 5


def test_nobody_listens(waiting: Waiting) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = refused(FaultyServer(f"http://127.0.0.1:{port}", None), waiting.retries())
    assert str(error) == "it cannot be reached"
    assert len(waiting.waits) == 4


def test_server_that_is_silent_is_left(silent: FaultyServer) -> None:
    with Session(silent.url, {}, retries=Retries(tries=2, first=0.001)) as session, pytest.raises(Unreachable, match="not answer in time"):
        session.get(f"{silent.url}/x", timeout=0.05)


def test_total_bounds_a_request_without_a_timeout(silent: FaultyServer) -> None:
    with Session(silent.url, {}, retries=Retries(tries=1, total=0.1)) as session, pytest.raises(Unreachable, match="not answer in time"):
        session.get(f"{silent.url}/x")


@pytest.mark.parametrize("header", ["canary\nX: y", "canary\u20ac"])
def test_header_that_cannot_be_sent_is_not_quoted(header: str, server: FaultyServer) -> None:
    with Session(server.url, {}, retries=QUICK) as session, pytest.raises(Unreachable) as raised:
        session.get(f"{server.url}/x", headers={"X-Vault-Token": header})
    assert "cannot be sent" in str(raised.value)
    assert "canary" not in f"{raised.value!r}{raised.value.hint}"
    assert server.asked == []


def test_address_that_is_none_is_not_asked() -> None:
    with Session("https://a", {}, retries=QUICK) as session, pytest.raises(Unreachable, match="cannot be sent"):
        session.get("https://a:99999999/x")


def test_pt_21_libraries_log_nothing_below_a_warning() -> None:
    for name in ("hvac", "requests", "urllib3"):
        assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING


def test_pt_21_nothing_is_logged_even_when_everything_is_wanted(server: FaultyServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.faults.extend([Answer(503, SAD), OK])
    asked(server)
    assert caplog.text == ""


# --- what an answer says about a refusal ---


@pytest.mark.parametrize(
    "body", ["", "canary", "[]", '{"data": null}', '{"data": {"metadata": []}}', '{"data": {"metadata": {"version": "1"}}}', "[" * 100_000]
)
def test_refusal_without_metadata_has_none(body: str) -> None:
    error = Refused(404, body.encode())
    assert (error.version, error.is_destroyed, error.is_invalid_token) == (None, False, False)


def test_refusal_keeps_number_and_state_of_the_version_only() -> None:
    error = Refused(404, b'{"data": {"data": null, "metadata": {"version": 3, "destroyed": true, "canary": "canary"}}}')
    assert (error.version, error.is_destroyed) == (3, True)
    shows_nothing(error)


def test_refused_token_is_told_from_a_missing_right() -> None:
    assert Refused(403, b'{"errors":["2 errors occurred:\\n\\t* permission denied\\n\\t* invalid token\\n\\n"]}').is_invalid_token
    assert not Refused(403, b'{"errors":["1 error occurred:\\n\\t* permission denied\\n\\n"]}').is_invalid_token


# --- redirects ---


def test_redirect_on_loopback_is_followed_with_the_token(server: FaultyServer) -> None:
    server.faults.extend([Answer(307, "", {"Location": f"{server.url}/y"}), OK])
    assert asked(server) == {"ok": True}
    assert server.paths() == ["GET /x", "GET /y"]
    assert server.asked[1].headers["x-vault-token"] == CANARY


def test_pt_11_redirect_to_plain_http_elsewhere_is_not_followed(server: FaultyServer) -> None:
    server.faults.append(Answer(307, "", {"Location": "http://vault.example.net/x"}))
    assert str(refused(server)) == "it redirects to a place without TLS"
    assert len(server.asked) == 1


def test_redirect_in_circles_is_left(server: FaultyServer) -> None:
    server.endless = Answer(307, "", {"Location": f"{server.url}/x"})
    assert str(refused(server)) == "it redirects in circles"
    assert len(server.asked) == 6


def test_pt_11_redirect_from_tls_to_plain_http_is_not_followed_even_on_loopback(server: FaultyServer, tmp_path: Path) -> None:
    certified = authority(tmp_path)
    trust = Trust(ssl.create_default_context(cafile=str(certified.file)))
    with tls_running(certified.server) as secure:
        secure.faults.extend([Answer(307, "", {"Location": f"{secure.url}/y"}), OK])
        assert asked(secure, trust=trust) == {"ok": True}
        for allowed in (False, True):
            secure.faults.append(Answer(307, "", {"Location": f"{server.url}/x"}))
            assert str(refused(secure, trust=trust, allow_http=allowed)) == "it redirects to a place without TLS"
    assert server.asked == []


# --- addresses and proxies ---


@pytest.mark.parametrize(
    ("url", "allowed", "with_http"),
    [
        ("https://vault.example.net:8200", True, True),
        ("http://127.0.0.1:8200", True, True),
        ("http://127.9.9.9", True, True),
        ("http://[::1]:8200", True, True),
        ("http://localhost:8200", True, True),
        ("http://LOCALHOST", True, True),
        ("http://vault.example.net", False, True),
        ("http://localhost.example.net", False, True),
        ("http://10.0.0.1", False, True),
        ("http://127.0.0.1.example.net", False, True),
        ("http://127.0.0.1@example.net", False, True),
        ("ftp://localhost", False, False),
        ("unix:///run/vault.sock", False, False),
        ("https://", False, False),
        ("https://[", False, False),
        ("vault.example.net:8200", False, False),
        ("", False, False),
    ],
)
def test_pt_11_plain_http_is_for_loopback_only(url: str, allowed: bool, with_http: bool) -> None:
    assert is_allowed(url, allow_http=False) is allowed
    assert is_allowed(url, allow_http=True) is with_http


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("https://v.example", {"HTTPS_PROXY": "http://p"}, {"https": "http://p"}),
        ("https://v.example", {"https_proxy": "http://q", "HTTPS_PROXY": "http://p"}, {"https": "http://q"}),
        ("http://v.example", {"HTTPS_PROXY": "http://p"}, {}),
        ("https://v.example", {"HTTPS_PROXY": "http://p", "NO_PROXY": "example"}, {}),
        ("https://v.example:8200", {"HTTPS_PROXY": "http://p", "no_proxy": "v.example:8200"}, {}),
        ("https://v.example", {"HTTPS_PROXY": "http://p", "NO_PROXY": "other"}, {"https": "http://p"}),
        ("http://127.0.0.1:1", {"HTTP_PROXY": "http://p"}, {}),
        ("https://localhost", {"HTTPS_PROXY": "http://p"}, {}),
        ("https://v.example", {}, {}),
    ],
)
def test_proxies_come_from_the_environment_but_not_for_loopback(url: str, environ: dict[str, str], expected: dict[str, str]) -> None:
    assert proxies_for(url, environ) == expected


def test_proxies_and_netrc_of_the_process_are_not_used(server: FaultyServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login canary password canary\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.faults.append(OK)
    assert asked(server) == {"ok": True}
    assert "authorization" not in server.asked[0].headers


def test_proxy_is_asked_for_a_server_elsewhere(server: FaultyServer) -> None:
    server.faults.append(OK)
    with Session("http://vault.example.net", {"HTTP_PROXY": server.url}, allow_http=True, retries=QUICK) as session:
        assert session.get("http://vault.example.net/x").json() == {"ok": True}
    assert server.paths() == ["GET http://vault.example.net/x"]


def test_proxy_gets_no_trust_for_a_server_with_tls(server: FaultyServer, tmp_path: Path) -> None:
    trust = Trust(ssl.create_default_context(cafile=str(authority(tmp_path).file)))
    server.endless = Answer(404)
    with Session("https://vault.example.net", {"HTTPS_PROXY": server.url}, trust=trust, retries=QUICK) as session, pytest.raises(Unreachable):
        session.get("https://vault.example.net/x")


# --- TLS ---


def test_certificate_of_another_authority_is_not_trusted(tmp_path: Path) -> None:
    certified = authority(tmp_path)
    (tmp_path / "other").mkdir()
    other = authority(tmp_path / "other")
    with tls_running(certified.server) as secure:
        for trust in (None, Trust(ssl.create_default_context(cafile=str(other.file)))):
            assert str(refused(secure, trust=trust)) == "its certificate is not trusted"
    assert secure.asked == []


def test_name_in_the_certificate_must_be_the_one_that_is_wanted(tmp_path: Path) -> None:
    certified = authority(tmp_path, "vault.example.net")
    context = ssl.create_default_context(cafile=str(certified.file))
    with tls_running(certified.server) as secure:
        secure.endless = OK
        assert asked(secure, trust=Trust(context)) == {"ok": True}
        assert asked(secure, trust=Trust(context, "vault.example.net")) == {"ok": True}
        assert str(refused(secure, trust=Trust(context, "other.example.net"))) == "its certificate is not trusted"


def test_server_without_tls_is_not_called_untrusted(server: FaultyServer) -> None:
    plain = FaultyServer(server.url.replace("http:", "https:"), None)
    assert str(refused(plain)) == "it does not speak TLS as it should"
