"""The server's limits, what every response carries, and how it begins and ends."""

from __future__ import annotations

import logging
import socket
import threading
from pathlib import Path

import pytest

from secrettool.errors import ConfigError, InputError, Outcome
from secrettool.sidecar import server
from secrettool.sidecar.config import Config, DirSource, Http, Notification, Refresh, Source
from secrettool.sidecar.server import HEADER_LIMIT, listening
from secrettool.sidecar.serving import serving
from secrettool.sidecar.state import Board
from secrettool.sidecar.wsgi import Application, Request, Response, Route
from tests.unit.sidecar.serving import NOW, secret, served, source
from tests.waiting import wait_for

PATHS = ["/livez", "/readyz", "/startupz", "/metrics", "/status", "/", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
def test_no_response_may_be_kept_framed_or_read_as_something_else(path: str) -> None:
    with served(source()) as client:
        headers = client.ask(path).headers

    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Server" not in headers
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", PATHS[:-1])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
def test_what_is_only_read_takes_no_other_method(path: str, method: str) -> None:
    with served(source()) as client:
        answer = client.ask(path, method)

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/nothing", "/livez/", "/livez/x", "/status/prod", "/favicon.ico", "/%2e%2e/etc/passwd", "/refresh"])
def test_other_paths_are_not_found(path: str) -> None:
    with served(source()) as client:
        assert client.ask(path).status == 404


def test_headers_above_the_limit_are_refused() -> None:
    with served(source()) as client:
        assert client.ask("/livez", X_Filler="x" * (HEADER_LIMIT - 1000)).status == 200
        assert client.ask("/livez", X_Filler="x" * HEADER_LIMIT).status == 431


def test_a_request_that_is_drawn_out_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.3)
    with served(source()) as client, client.raw() as connection:
        connection.settimeout(0.05)
        connection.sendall(b"GET /livez HTTP/1.1\r\n")
        for _ in range(200):
            try:
                connection.sendall(b"X")
                if connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            pytest.fail("the connection was still open after 10 s")
        assert client.ask("/livez").status == 200


def test_more_connections_than_the_limit_wait_and_the_next_ones_are_served() -> None:
    with served(source()) as client:
        idle = [client.raw() for _ in range(server.CONNECTIONS)]
        for connection in idle:
            connection.close()
        assert client.ask("/livez").status == 200


def test_several_ask_at_the_same_time() -> None:
    with served(source()) as client:
        answers: list[int] = []
        threads = [threading.Thread(target=lambda: answers.extend(client.ask("/metrics").status for _ in range(10))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == [200] * 80


def test_two_requests_may_come_over_one_connection() -> None:
    with served(source()) as client, client.raw() as connection:
        for _ in range(2):
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok\n"):
                answer += connection.recv(1000)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_what_goes_wrong_inside_is_neither_shown_nor_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def broken(_: Request) -> Response:
        raise RuntimeError("value-CANARY")

    with listening(Application({"/": Route(broken)}), "127.0.0.1", 0) as port, socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(1000), b""))

    assert answer.startswith(b"HTTP/1.0 500 ")
    assert b"CANARY" not in answer
    assert "CANARY" not in caplog.text
    assert "GET / failed: RuntimeError" in caplog.text


def test_after_the_end_nothing_listens_and_no_thread_is_left() -> None:
    before = threading.active_count()
    with served(source()) as client, client.raw():
        assert client.ask("/livez").status == 200
        port = client.port

    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    wait_for(lambda: threading.active_count() <= before)


def test_a_port_that_is_taken_is_an_error_of_the_configuration() -> None:
    with served(source()) as client, pytest.raises(ConfigError) as caught, listening(Application({}), "127.0.0.1", client.port):
        pass

    assert caught.value.code == Outcome.CONFIGURATION
    assert str(client.port) in str(caught.value)


@pytest.mark.parametrize("address", ["no.such.name.invalid", "999.1.1.1", "10.255.255.1", "fe80::1"])
def test_an_address_that_is_not_ours_is_an_error_of_the_configuration(address: str) -> None:
    with pytest.raises(ConfigError, match="cannot listen at"), listening(Application({}), address, 0):
        pass


def test_two_colons_stand_for_both_kinds_of_addresses() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this system has no IPv6")
    with listening(Application({}), "::", 0) as port:
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert connection.recv(100).startswith(b"HTTP/1.0 404 ")


# ---- all of it together --------------------------------------------------------------------------------------------------------------------------


def config(**changes: object) -> Config:
    return Config(sources=(Source(id="prod", origin=DirSource("/source")),), **changes)  # type: ignore[arg-type]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def test_serving_shows_what_the_recorder_gets() -> None:
    board = Board("1", NOW, (source(),))
    port = free_port()
    with serving(config(http=Http(address="127.0.0.1", port=port)), board, lambda _: True) as recorder:
        recorder.refused("HK152", 4)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert b'secrettool_guard_refusals_total{reason="HK152"} 4.0' in answer


def test_switched_off_nothing_listens() -> None:
    port = free_port()
    off = config(http=Http(enabled=False, address="127.0.0.1", port=port))
    with serving(off, Board("1", NOW, (source(),)), lambda _: True), pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_it_does_not_begin_without_the_secrets_that_are_named(tmp_path: Path) -> None:
    board = Board("1", NOW, (source(),))
    short = secret(tmp_path, "short", "CANARY")
    cases = (
        config(refresh=Refresh(token_file=str(tmp_path / "missing"))),
        config(refresh=Refresh(token_file=short)),
        config(refresh=Refresh(hmac_file=short)),
        config(notifications=(Notification(type="slack", url_file=str(tmp_path / "missing")),)),
        config(notifications=(Notification(type="slack", url_file=short),)),
    )
    for each in cases:
        with pytest.raises((InputError, ConfigError)) as caught, serving(each, board, lambda _: True):
            pass
        assert str(tmp_path) in str(caught.value)
        assert "CANARY" not in str(caught.value)
