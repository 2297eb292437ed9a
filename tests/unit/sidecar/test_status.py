"""`GET /status`: its shape, who sees it, and that the reference says the same."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from secrettool.sidecar.config import CHANGES, Http, Refresh
from secrettool.sidecar.loading import load
from secrettool.sidecar.refresh import MOST_REFUSALS
from secrettool.sidecar.state import ObjectState
from secrettool.sidecar.status import SCHEMA
from tests.unit.sidecar.serving import TOKEN, TROUBLED, secret, served, source

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "sidecar-http.md"


def basic(password: str, user: str = "me") -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def fields(data: Any, path: str = "") -> set[str]:
    """The paths of all fields, lists without their numbers; names under `identities` and `actions` are not fields."""
    if isinstance(data, list) and data:
        return set().union(*(fields(each, path + "[]") for each in data))
    if not isinstance(data, Mapping) or path.endswith(("identities", "actions")):
        return {path}
    return {path} | set().union(*(fields(value, f"{path}.{name}" if path else name) for name, value in data.items()))


def test_it_says_what_a_source_is_doing() -> None:
    objects = (ObjectState("Secret/web/app", "configured", "changed", is_drifted=True), ObjectState("Secret/web/db", "unchanged"))
    with served(source(objects=objects, lease="secrettool-prod"), TROUBLED) as client:
        answer = client.ask("/status")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json["schema"] == SCHEMA
    assert (answer.json["version"], answer.json["time"], answer.json["started"]) == ("1.2.3", "2027-01-15T08:00:00Z", "2027-01-15T06:58:20Z")
    assert answer.json["health"] == {"livez": [], "readyz": [], "startupz": []}
    well, troubled = answer.json["sources"]
    assert (well["id"], well["ready"], well["result"], well["revision"], well["lastSuccess"]) == (
        "prod",
        True,
        "done",
        "main@sha1:1234",
        "2027-01-15T07:59:00Z",
    )
    assert well["keys"] == {"loaded": True, "error": "", "identities": {"age": 2}}
    assert well["lease"] == {"name": "secrettool-prod", "leader": True}
    assert well["totals"] == {"actions": {"configured": 1, "unchanged": 1}, "drifted": 1}
    assert well["objects"][0] == {"name": "Secret/web/app", "action": "configured", "reason": "changed", "drifted": True}
    assert (troubled["result"], troubled["cause"], troubled["failures"], troubled["attemptedRevision"]) == ("failed", "guard", 2, "main@sha1:5678")
    assert troubled["findings"][0]["code"] == "HK152"


def test_what_is_not_known_yet_is_null() -> None:
    with served(source(last_attempt=None, last_success=None, next_attempt=None, result=None)) as client:
        found = client.ask("/status").json["sources"][0]

    assert [found[name] for name in ("lastAttempt", "lastSuccess", "nextAttempt", "result", "lease")] == [None] * 5


def test_every_field_is_in_the_reference_and_no_other_is() -> None:
    with served(source(lease="secrettool-prod"), TROUBLED) as client:
        found = fields(client.ask("/status").json)
    table = REFERENCE.read_text().partition("## `GET /status`")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))

    inner = {path for path in found if any(other.startswith((path + ".", path + "[]")) for other in found)}
    assert documented == found - inner - {""}


def test_the_configurations_of_the_reference_are_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", REFERENCE.read_text(), re.DOTALL)
    whole = next(block for block in blocks if block.startswith("apiVersion:"))
    notifications = next(block for block in blocks if block.startswith("notifications:"))
    loaded = load(whole, namespace="shop")
    told = load(whole.partition("notifications:")[0] + notifications + whole[whole.index("sources:") :], namespace="shop").notifications

    assert (loaded.http.status, loaded.refresh.hmac_file) == ("token", "/etc/secrettool/http/hmac")
    assert [(each.type, each.events) for each in told] == [("webhook", CHANGES), ("slack", ("failed", "recovered")), ("telegram", CHANGES)]
    assert told[0].hmac_file == "/etc/secrettool/notify/hmac"


# ---- who sees it ---------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/status", "/"])
def test_by_default_the_token_is_needed(path: str, tmp_path: Path) -> None:
    refresh = Refresh(token_file=secret(tmp_path, "token", TOKEN))
    with served(source(), http=Http(), refresh=refresh) as client:
        assert client.ask(path).status == 401
        assert client.ask(path, Authorization=f"Bearer {TOKEN}").status == 200
        assert client.ask(path, Authorization=f"bearer  {TOKEN} ").status == 200
        assert client.ask(path, **basic(TOKEN)).status == 200
        assert client.ask(path, **basic(TOKEN, "")).status == 200


@pytest.mark.parametrize(
    "given",
    [
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Digest {TOKEN}",
        "Basic",
        "Basic !!!",
        "Basic " + b64encode(b":").decode(),
        "Basic " + b64encode(TOKEN.encode()).decode(),
        "Basic " + b64encode(f"{TOKEN}:".encode()).decode(),
    ],
)
def test_another_token_shows_nothing(given: str, tmp_path: Path) -> None:
    with served(TROUBLED, http=Http(), refresh=Refresh(token_file=secret(tmp_path, "token", TOKEN))) as client:
        answer = client.ask("/status", Authorization=given)

    assert (answer.status, answer.body) == (401, "the token is needed\n")
    assert "Basic realm" in answer.headers["Www-Authenticate"] or "Bearer realm" in answer.headers["Www-Authenticate"]


def test_many_wrong_passwords_are_slowed(tmp_path: Path) -> None:
    with served(source(), http=Http(), refresh=Refresh(token_file=secret(tmp_path, "token", TOKEN))) as client:
        statuses = [client.ask("/", **basic("guess")).status for _ in range(MOST_REFUSALS + 10)]
        assert 429 in statuses
        assert client.ask("/", **basic(TOKEN)).status == 200


@pytest.mark.parametrize("path", ["/status", "/"])
def test_without_a_token_nobody_sees_it_and_the_answer_says_what_to_do(path: str) -> None:
    with served(TROUBLED, http=Http()) as client:
        answer = client.ask(path, Authorization="Bearer ")

    assert (answer.status, "refresh.tokenFile" in answer.body, "HK152" in answer.body) == (403, True, False)


@pytest.mark.parametrize("path", ["/status", "/"])
def test_switched_off_it_is_not_there_even_with_the_token(path: str, tmp_path: Path) -> None:
    with served(source(), http=Http(status="off"), refresh=Refresh(token_file=secret(tmp_path, "token", TOKEN))) as client:
        assert client.ask(path, Authorization=f"Bearer {TOKEN}").status == 404


@pytest.mark.parametrize("status", ["off", "token"])
def test_health_and_metrics_need_no_token(status: Any, tmp_path: Path) -> None:
    with served(source(), http=Http(status=status), refresh=Refresh(token_file=secret(tmp_path, "token", TOKEN))) as client:
        assert [client.ask(path).status for path in ("/livez", "/readyz", "/startupz", "/metrics")] == [200] * 4
