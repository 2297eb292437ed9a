"""What the patcher makes of an API server that fails: a proxy before the real one answers instead of it, cuts its answers, or keeps them back."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secrettool.cluster import transport
from secrettool.cluster.apiserver import ApiServer
from secrettool.cluster.connection import Access, connect
from secrettool.errors import Outcome
from secrettool.flux import PATCH_MANAGER
from secrettool.objects import Ref
from secrettool.patcher.case import Surroundings
from secrettool.patcher.mapping import PatchMap
from secrettool.patcher.result import Result, outcome
from secrettool.patcher.retry import TRIES, Clock
from secrettool.patcher.run import Settings, run
from tests.interop.gitops import values
from tests.interop.peers import apiserver, faults
from tests.interop.peers.apiclient import ApiError, Json
from tests.interop.peers.apiserver import Rule
from tests.interop.peers.faults import Answer, Asked, FaultyServer
from tests.unit.patcher.support import GivenSources, Meddled, codes, patch_map

pytestmark = pytest.mark.real

CANARY = "canary-6d02/+"
NEW = CANARY + "-new"


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def status(code: int, reason: str = "", message: str = "") -> Json:
    """A refusal as an API server words it; it quotes what no one may see."""
    text = message or f'"{CANARY}" {b64(CANARY)} Invalid value: "{{\\"data\\":{{\\"a\\":\\"{b64(CANARY)}\\"}}}}"'
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": text}


class Patching:
    """A namespace of the real API server behind the proxy, and runs of the patcher against it.

    Attributes:
        proxy: The proxy.
        cluster: What the patcher talks to; `cluster.before` and `cluster.after` let others act in between.
        pauses: Seconds that requests waited before they were sent again.
        replans: Seconds that objects waited before they were planned again.
    """

    def __init__(self, api: apiserver.ApiServer, proxy: FaultyServer, server: ApiServer, namespace: str) -> None:
        self.api = api
        self.proxy = proxy
        self.namespace = namespace
        self.pauses: list[float] = []
        self.replans: list[float] = []
        server._transport._sleep = self.pauses.append
        self.cluster = Meddled(server)
        self.secret("db", a="REPLACE_ME", kept=CANARY)

    def secret(self, name: str, *, more: Json | None = None, **data: str) -> None:
        encoded = {key: b64(value) for key, value in data.items()}
        head = {"name": name, "namespace": self.namespace}
        self.api.admin.create({"apiVersion": "v1", "kind": "Secret", "metadata": head, "data": encoded, **(more or {})})

    def live(self, name: str = "db") -> Json:
        return self.api.admin.get("Secret", name, self.namespace)

    def map(self, *names: str, more: str = "") -> PatchMap:
        lines = "".join(f"    {line}\n" for line in more.splitlines())
        ref = "kind: Secret, namespace: " + self.namespace
        return patch_map("".join(f"  - id: {name}\n    ref: {{{ref}, name: {name}}}\n    keys: {{a: x}}\n{lines}" for name in names), "x")

    def run(self, *names: str, more: str = "", **settings: Any) -> list[Result]:
        clock = Clock(self.replans.append, lambda: 0.0, lambda: 0.5)
        made = self.map(*(names or ("db",)), more=more)
        return run(made.targets, Surroundings(self.cluster), GivenSources({"x": NEW}), Settings(clock=clock)._replace(**settings))

    def one(self, **settings: Any) -> Result:
        (result,) = self.run(**settings)
        return result

    def faulty(self, method: str, *answers: Answer, endless: Answer | None = None) -> None:
        """Let requests of a method for Secrets fail."""
        self.proxy.meant_for = lambda asked: asked.method == method and "/secrets/" in asked.path
        self.proxy.faults.extend(answers)
        self.proxy.endless = endless

    def asked(self, method: str) -> list[Asked]:
        return [asked for asked in self.proxy.asked if asked.method == method and "/secrets/" in asked.path]

    def is_written(self) -> bool:
        return values(self.live()) == {"a": NEW.encode(), "kept": CANARY.encode()}


@pytest.fixture
def patching(api_server: apiserver.ApiServer, namespace: str, tmp_path: Path) -> Iterator[Patching]:
    kubeconfig = api_server.kubeconfig(tmp_path / "kubeconfig", api_server.admin_token)
    with faults.running(api_server.url, ca=str(api_server.ca)) as proxy, connect(Access(str(kubeconfig), server=proxy.url), {}) as server:
        yield Patching(api_server, proxy, server, namespace)


@pytest.fixture(autouse=True)
def nothing_gets_out(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """No fault may bring a value into a log or onto the terminal."""
    caplog.set_level(logging.DEBUG)
    yield
    said = capfd.readouterr()
    for text in (CANARY, b64(CANARY)[:12]):
        assert text not in caplog.text + said.out + said.err


def assert_silent(result: Result) -> None:
    told = f"{result}{[vars(found) if hasattr(found, '__dict__') else found for found in result.findings]}"
    for text in (CANARY, b64(CANARY)[:12], json.dumps(CANARY)):
        assert text not in told


# ---- 409 -----------------------------------------------------------------------------------------------------------------------------------------


def test_pt_26_conflict_is_read_and_planned_again(patching: Patching) -> None:
    def meddle(request: str) -> None:
        if request.startswith("merge") and len(patching.cluster.writes) < 4:
            patching.api.admin.patch("Secret", "db", patching.namespace, {"data": {"other": b64(str(len(patching.cluster.writes)))}})

    patching.cluster.before = meddle

    result = patching.one()

    assert (result.word, result.attempts, result.keys) == ("changed", 4, {"a": "fill"})
    assert values(patching.live()) == {"a": NEW.encode(), "kept": CANARY.encode(), "other": b"3"}
    assert [pause / patching.replans[0] for pause in patching.replans] == pytest.approx([1, 2, 4])


def test_pt_26_conflict_with_somebody_who_wrote_the_same_is_nothing_to_do(patching: Patching) -> None:
    def meddle(request: str) -> None:
        if request.startswith("merge"):
            patching.api.admin.patch("Secret", "db", patching.namespace, {"data": {"a": b64(NEW)}, "metadata": {"annotations": {"x": "y"}}})

    patching.cluster.before = meddle

    result = patching.one()

    assert (result.word, len(patching.asked("PATCH")), patching.is_written()) == ("unchanged", 1, True)


def test_pt_26_conflicts_without_end_fail_after_five_tries(patching: Patching) -> None:
    patching.faulty("PATCH", endless=Answer(409, status(409, "Conflict")))
    before = patching.live()

    result = patching.one()

    assert (result.word, codes(result), result.attempts, len(patching.asked("PATCH"))) == ("failed", ["CL01 error"], TRIES, TRIES)
    assert len(patching.replans) == TRIES - 1
    assert patching.live() == before
    assert_silent(result)


def test_pt_26_conflict_over_an_object_that_went_follows_the_policy(patching: Patching) -> None:
    def meddle(request: str) -> None:
        if request.startswith("merge"):
            patching.api.admin.delete("Secret", "db", patching.namespace)

    patching.cluster.before = meddle

    result = patching.one()

    assert (result.word, codes(result), result.is_good) == ("skipped", ["OB01 warning"], True)


# ---- 429, 500, 503 -------------------------------------------------------------------------------------------------------------------------------

BUSY = Answer(429, status(429, "TooManyRequests"), {"Retry-After": "7"})
STATUSES = {
    "429": (BUSY, [7.0]),
    "500": (Answer(500, status(500, "InternalError")), None),
    "502": (Answer(502, "<html>bad gateway</html>", {"Content-Type": "text/html"}), None),
    "503": (Answer(503, status(503, "ServiceUnavailable"), {"Retry-After": "3"}), [3.0]),
    "504": (Answer(504, status(504, "Timeout")), None),
}


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize("name", STATUSES)
def test_pt_26_what_may_pass_is_asked_again(patching: Patching, method: str, name: str) -> None:
    answer, pauses = STATUSES[name]
    patching.faulty(method, answer)

    result = patching.one()

    assert (result.word, result.attempts, result.findings) == ("changed", 1, ())
    assert patching.is_written()
    assert len(patching.asked("PATCH")) == (2 if method == "PATCH" else 1)
    assert patching.pauses == pauses or (pauses is None and [0.5 <= pause <= 0.625 for pause in patching.pauses] == [True])


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize("name", STATUSES)
def test_pt_14_what_does_not_pass_fails_after_five_tries(patching: Patching, method: str, name: str) -> None:
    patching.faulty(method, endless=STATUSES[name][0])
    before = patching.live()

    result = patching.one()

    assert (result.word, codes(result), result.code) == ("failed", ["CL01 error"], Outcome.CLUSTER)
    assert result.findings[0].text.startswith(f"{name} ")
    assert len(patching.asked(method)) == TRIES
    assert len(patching.pauses) == TRIES - 1
    assert patching.live() == before
    assert_silent(result)


def test_pt_14_pauses_double(patching: Patching) -> None:
    patching.faulty("PATCH", endless=STATUSES["500"][0])
    patching.one()
    for pause, least in zip(patching.pauses, [0.5, 1.0, 2.0, 4.0], strict=True):
        assert least <= pause <= least * 1.25


def test_pt_14_nobody_waits_longer_than_a_minute(patching: Patching) -> None:
    patching.faulty("PATCH", endless=Answer(429, status(429, "TooManyRequests"), {"Retry-After": "25"}))
    assert patching.one().word == "failed"
    assert (patching.pauses, len(patching.asked("PATCH"))) == ([25.0, 25.0], 3)


def test_pt_14_pause_that_is_no_number_of_seconds_is_not_believed(patching: Patching) -> None:
    patching.faulty("PATCH", Answer(429, status(429), {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}))
    assert patching.one().word == "changed"
    assert 0.5 <= patching.pauses[0] <= 0.625


def test_pt_26_refusal_that_stays_is_told_once(patching: Patching) -> None:
    text = f'admission webhook "check.example.org" denied the request: {CANARY} is weak'
    patching.faulty("PATCH", Answer(400, status(400, "BadRequest", text)))
    result = patching.one()
    assert (result.word, result.findings[0].text) == ("failed", "400 BadRequest: admission webhook check.example.org denied it")
    assert (len(patching.asked("PATCH")), patching.pauses) == (1, [])
    assert_silent(result)


# ---- connections that break ----------------------------------------------------------------------------------------------------------------------


def test_pt_26_answer_cut_in_the_middle_is_asked_for_again(patching: Patching) -> None:
    patching.faulty("GET", Answer(200, cut=True, heard=True))
    result = patching.one()
    assert (result.word, patching.is_written(), len(patching.asked("GET"))) == ("changed", True, 3)


def test_pt_26_patch_that_was_not_heard_is_sent_again(patching: Patching) -> None:
    patching.faulty("PATCH", Answer(200, {"kind": "Secret", "metadata": {}}, cut=True))
    result = patching.one()
    assert (result.word, result.attempts, patching.is_written(), len(patching.asked("PATCH"))) == ("changed", 1, True, 2)


@pytest.mark.parametrize("fault", [Answer(200, cut=True, heard=True), Answer(504, status(504, "Timeout"), heard=True)])
def test_pt_26_patch_that_was_heard_although_its_answer_got_lost_is_a_change(patching: Patching, fault: Answer) -> None:
    patching.faulty("PATCH", fault)
    result = patching.one()
    assert (result.word, result.keys, result.is_good, patching.is_written()) == ("changed", {"a": "fill"}, True, True)
    assert len(patching.asked("PATCH")) == 2
    writers = [entry["manager"] for entry in patching.live()["metadata"]["managedFields"] if entry["manager"] == PATCH_MANAGER]
    assert writers == [PATCH_MANAGER]


def test_pt_36_patch_that_was_heard_restarts_what_uses_it(patching: Patching) -> None:
    workload(patching)
    patching.faulty("PATCH", Answer(200, cut=True, heard=True))
    (result,) = patching.run(more="restart: [{kind: Deployment, name: app}]")
    assert (result.word, [ref.name for ref in result.restarted]) == ("changed", ["app"])


def test_pt_20_deletion_that_was_heard_is_followed_by_the_creation(patching: Patching) -> None:
    patching.secret("fixed", a="old", kept=CANARY, more={"immutable": True})
    patching.faulty("DELETE", Answer(200, cut=True, heard=True))
    (result,) = patching.run("fixed", recreate=True)
    assert (result.word, values(patching.live("fixed"))) == ("changed", {"a": NEW.encode(), "kept": CANARY.encode()})
    assert len(patching.asked("DELETE")) == 2


def test_pt_09_creation_that_was_heard_is_one(patching: Patching) -> None:
    patching.faulty("PATCH", Answer(201, cut=True, heard=True))
    (result,) = patching.run("fresh", more="create: {type: Opaque}")
    assert (result.word, result.is_good, values(patching.live("fresh"))) == ("created", True, {"a": NEW.encode()})


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_pt_26_connection_that_always_breaks_fails_after_five_tries(patching: Patching, method: str) -> None:
    patching.faulty(method, endless=Answer(200, {"kind": "Secret", "metadata": {}}, cut=True))
    result = patching.one()
    assert (result.word, result.code, len(patching.asked(method))) == ("failed", Outcome.CLUSTER, TRIES)
    assert "the connection broke" in result.findings[0].text
    assert not patching.is_written()


def workload(patching: Patching) -> None:
    spec = {
        "selector": {"matchLabels": {"app": "app"}},
        "template": {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [{"name": "app", "image": "registry.example/app:1"}]}},
    }
    head = {"name": "app", "namespace": patching.namespace}
    patching.api.admin.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": head, "spec": spec})


# ---- timeouts ------------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TIMEOUT", (5.0, 0.4))


@pytest.mark.usefixtures("impatient")
def test_pt_26_object_that_cannot_be_read_in_time_is_not_missing(patching: Patching) -> None:
    patching.faulty("GET", endless=Answer(200, heard=True, late=1.5))
    (result,) = patching.run(more="create: {type: Opaque}")
    assert (result.word, codes(result), result.code) == ("failed", ["CL01 error"], Outcome.CLUSTER)
    assert "no answer within" in result.findings[0].text
    assert patching.cluster.writes == []


@pytest.mark.usefixtures("impatient")
def test_pt_26_patch_whose_answer_is_late_is_a_change_when_it_was_heard(patching: Patching) -> None:
    patching.faulty("PATCH", Answer(200, heard=True, late=1.5))
    result = patching.one()
    assert (result.word, result.is_good, patching.is_written(), len(patching.asked("PATCH"))) == ("changed", True, True, 1)


@pytest.mark.usefixtures("impatient")
def test_pt_26_patch_whose_answer_never_comes_fails(patching: Patching) -> None:
    patching.faulty("PATCH", Answer(200, {}, late=1.5))
    result = patching.one()
    assert (result.word, codes(result), result.code, patching.is_written()) == ("failed", ["CL01 error"], Outcome.CLUSTER, False)


# ---- refusals ------------------------------------------------------------------------------------------------------------------------------------


def test_pt_21_refusal_that_quotes_the_whole_secret_is_told_without_it(patching: Patching) -> None:
    with pytest.raises(ApiError) as raised:
        patching.api.admin.patch("Secret", "db", patching.namespace, {"data": {"a": 5}})
    quoted = str(raised.value).partition(": ")[2]
    assert b64(CANARY) in quoted
    patching.faulty("PATCH", Answer(422, status(422, "Invalid", quoted)))

    result = patching.one()

    assert (result.word, [found.text for found in result.findings]) == ("failed", ["422 Invalid: a field has the wrong type"])
    assert (len(patching.asked("PATCH")), patching.pauses) == (1, [])
    assert_silent(result)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 406, 409, 410, 413, 415, 422, 429, 500, 503, 507])
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_pt_21_no_status_brings_a_value_out(patching: Patching, method: str, code: int) -> None:
    causes = [{"reason": "FieldValueInvalid", "message": f'Invalid value: "{CANARY}"', "field": f"data[{CANARY!r}]"}] if code == 422 else []
    told = status(code, CANARY) | {"details": {"name": CANARY, "causes": [{**cause, "field": "data"} for cause in causes]}}
    patching.faulty(method, endless=Answer(code, told))
    result = patching.one()
    assert result.word in ("failed", "skipped")
    assert_silent(result)


@pytest.mark.parametrize("body", ["", "<html>", "[1]", '{"kind": "Secret"', "null"])
def test_pt_21_answer_that_is_no_object_is_not_quoted(patching: Patching, body: str) -> None:
    patching.faulty("GET", endless=Answer(200, body + CANARY if body.startswith("<") else body))
    result = patching.one()
    assert (result.word, codes(result)) == ("failed", ["CL01 error"])
    assert_silent(result)


def test_pt_33_forbidden_and_unauthorized_are_never_missing(patching: Patching, tmp_path: Path) -> None:
    account = patching.api.account(patching.namespace, [Rule(["get", "patch"], ["secrets"], names=["db"])])
    patching.secret("hidden", a="REPLACE_ME")
    for token, words, code in (
        (account.token, ["changed", "failed"], Outcome.SOME_FAILED),
        ("nobody", ["failed", "failed"], Outcome.CLUSTER),
    ):
        kubeconfig = patching.api.kubeconfig(tmp_path / words[0], token)
        with connect(Access(str(kubeconfig)), {}) as cluster:
            made = patching.map("db", "hidden", more="create: {type: Opaque}\npolicy: {onMissing: skip, onMissingNamespace: skip}")
            results = run(made.targets, Surroundings(cluster), GivenSources({"x": NEW}), Settings())
        assert ([result.word for result in results], outcome(results)) == (words, code)
        assert results[1].findings[0].text.startswith("403 Forbidden" if token == account.token else "401 Unauthorized")
    assert values(patching.live("hidden")) == {"a": b"REPLACE_ME"}


@pytest.mark.parametrize("code", [401, 403])
def test_pt_33_refusal_to_write_is_an_error(patching: Patching, code: int) -> None:
    patching.faulty("PATCH", Answer(code, status(code, "Forbidden" if code == 403 else "Unauthorized")))
    result = patching.one()
    assert (result.word, codes(result), result.code, len(patching.asked("PATCH"))) == ("failed", ["CL01 error"], Outcome.CLUSTER, 1)
    assert_silent(result)


def test_pt_33_one_object_that_fails_stops_no_other(patching: Patching) -> None:
    for name in ("first", "second", "third"):
        patching.secret(name, a="REPLACE_ME")
    patching.proxy.meant_for = lambda asked: asked.method == "PATCH" and "/secrets/second?" in asked.path
    patching.proxy.endless = Answer(500, status(500))
    results = patching.run("first", "second", "third")
    assert [result.word for result in results] == ["changed", "failed", "changed"]
    assert outcome(results) == Outcome.SOME_FAILED


def test_pt_25_second_run_writes_nothing(patching: Patching) -> None:
    assert patching.one().word == "changed"
    written = len(patching.asked("PATCH"))
    assert patching.one().word == "unchanged"
    assert len(patching.asked("PATCH")) == written == 1


def test_pt_16_request_is_the_one_that_is_promised(patching: Patching) -> None:
    version = patching.live()["metadata"]["resourceVersion"]
    patching.one()
    (asked,) = patching.asked("PATCH")
    path, _, query = asked.path.partition("?")
    assert path == f"/api/v1/namespaces/{patching.namespace}/secrets/db"
    assert set(query.split("&")) == {"fieldManager=secrettool-patch", "fieldValidation=Strict"}
    assert asked.headers["content-type"] == "application/merge-patch+json"
    assert asked.headers["accept"] == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json"
    assert json.loads(asked.body) == {"metadata": {"resourceVersion": version}, "data": {"a": b64(NEW)}}


def test_pt_25_twenty_writers_lose_no_key(patching: Patching) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def write(number: int) -> Result:
        text = f"  - id: t\n    ref: {{kind: Secret, namespace: {patching.namespace}, name: db}}\n    keys: {{key-{number}: x}}\n"
        (result,) = run(patch_map(text, "x").targets, Surroundings(patching.cluster), GivenSources({"x": NEW}), Settings())
        return result

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(write, range(20)))
    # At most five tries each: who loses all of them says so, and a second run writes what is left.
    again = [write(number) for number, result in enumerate(results) if result.word == "failed"]
    assert max(result.attempts for result in results) <= TRIES
    assert {result.word for result in (*results, *again)} <= {"changed", "failed"}
    assert all(result.word == "changed" for result in again)
    wanted = {"a": b"REPLACE_ME", "kept": CANARY.encode()} | {f"key-{number}": NEW.encode() for number in range(20)}
    assert values(patching.live()) == wanted


def test_unknown_object_is_looked_for_by_one_request(patching: Patching) -> None:
    (result,) = patching.run("missing")
    assert (result.ref, result.word) == (Ref("v1", "Secret", patching.namespace, "missing"), "skipped")
    assert len(patching.asked("GET")) == 1
