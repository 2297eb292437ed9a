"""The identity of a job of GitHub Actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from secrettool.errors import SourceError
from secrettool.sources import github
from tests.interop.peers import oidc
from tests.interop.peers.faults import Answer, FaultyServer
from tests.unit.sources.support import QUICK, Told, context, failure


def job(server: FaultyServer) -> dict[str, str]:
    return {github.URL: f"{server.url}/idtoken?api-version=2.0", github.TOKEN: "canary-request"}


def identity(environ: Mapping[str, str], told: Told | None = None, audience: str = "https://vault.example.net") -> str:
    return github.id_token(audience, context(told, environ), timeout=5, retries=QUICK)


def refused(environ: Mapping[str, str]) -> SourceError:
    with pytest.raises(SourceError) as raised:
        identity(environ)
    return failure(raised.value, "VL09")


def test_token_of_the_job_is_asked_for_with_the_audience_behind_the_query_that_is_there(server: FaultyServer, told: Told) -> None:
    server.faults.append(Answer(200, {"count": 3, "value": "canary.j.wt"}))
    assert identity(job(server), told, "https://vault.example.net/?a&b=ü") == "canary.j.wt"
    query = parse_qs(urlsplit(server.asked[0].path).query)
    assert query == {"api-version": ["2.0"], "audience": ["https://vault.example.net/?a&b=ü"]}
    assert server.asked[0].headers["authorization"] == "bearer canary-request"


def test_url_without_a_query_gets_one(server: FaultyServer) -> None:
    server.faults.append(Answer(200, {"value": "a.b.c"}))
    identity(job(server) | {github.URL: f"{server.url}/idtoken"})
    assert server.paths() == ["GET /idtoken?audience=https%3A%2F%2Fvault.example.net"]


def test_pt_32_both_tokens_are_masked_the_first_before_it_is_sent(server: FaultyServer, told: Told) -> None:
    server.faults.append(Answer(200, {"value": "canary.j.wt"}))
    identity(job(server), told)
    assert told.masked == ["canary-request", "canary.j.wt"]


def test_issuer_gives_a_token_for_the_audience(told: Told) -> None:
    with oidc.running() as issuer:
        assert identity(issuer.environ(), told).count(".") == 2
    assert issuer.request_token in told.masked


@pytest.mark.parametrize("missing", [github.URL, github.TOKEN])
@pytest.mark.parametrize("emptied", [False, True])
def test_job_without_the_permission_is_told_of_it(missing: str, emptied: bool, server: FaultyServer) -> None:
    environ = {name: text for name, text in job(server).items() if name != missing} | ({missing: ""} if emptied else {})
    assert "id-token: write" in str(refused(environ).hint)
    assert server.asked == []


def test_url_without_tls_is_not_asked() -> None:
    error = refused({github.URL: "http://actions.example.net/x?y=z", github.TOKEN: "canary"})
    assert error.message == f"{github.URL} is no URL of https"


def test_pt_14_busy_issuer_is_asked_five_times(server: FaultyServer) -> None:
    server.faults.extend([*[Answer(503, {"message": "canary"})] * 4, Answer(200, {"value": "a.b.c"})])
    assert identity(job(server)) == "a.b.c"
    server.endless = Answer(503, {"message": "canary"})
    server.asked.clear()
    assert refused(job(server)).message == "GitHub gives no identity: status 503"
    assert len(server.asked) == 5


def test_refusal_is_told_by_its_status(server: FaultyServer) -> None:
    server.faults.append(Answer(401, {"message": "canary"}))
    assert refused(job(server)).message == "GitHub gives no identity: status 401"


@pytest.mark.parametrize(
    "body", [{}, {"value": ""}, {"value": None}, {"value": "canary\n"}, {"value": "canary-ü"}, ["canary"], "canary", "[" * 200_000]
)
def test_answer_without_a_token_is_not_quoted(body: Any, server: FaultyServer) -> None:
    server.faults.append(Answer(200, body))
    assert refused(job(server)).message == "GitHub gives no identity: the answer holds no token"


def test_no_answer_says_why(server: FaultyServer) -> None:
    server.endless = Answer(200, {"value": "canary"}, cut=True)
    assert refused(job(server)).message == "GitHub gives no identity: the connection broke"
