"""No value leaves the process but towards the API server and the provider: every command of `patch`, every form of output, every way to fail.

Values have marks that are nowhere else. They are looked for in all that is printed, in reports, in the files of the runner, in temporary files, and
in the arguments and environments of children. Only what asks the runner of GitHub to mask a value may hold it.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from tests.interop.peers.apiclient import ApiError, Json
from tests.interop.peers.apiserver import ApiServer
from tests.interop.peers.marked import FAILING, Ground, mark
from tests.interop.peers.vault import Vault
from tests.interop.peers.watching import Watched, files, needles, watched
from tests.loopback import QuietHandler, listening

pytestmark = pytest.mark.real

FORMS = ("text", "json", "github", "sarif")


@pytest.fixture(scope="module")
def ground(api_server: ApiServer, vault: Vault, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """The repository, the cluster and the Vault."""
    return Ground(api_server, vault, tmp_path_factory.mktemp("leaks"))


@pytest.fixture(autouse=True)
def as_before(ground: Ground) -> Iterator[None]:
    """The Secrets as they were; nothing is left in the temporary folder."""
    ground.restore()
    yield
    assert not list(ground.temporary.iterdir())
    for file in ground.runner.iterdir():
        file.unlink()


def check(ground: Ground, found: Watched, *codes: int, more: frozenset[bytes] = frozenset()) -> None:
    """It ended as it should, and nothing of a value was seen."""
    assert found.code in codes, found.err
    assert "Traceback" not in found.err
    assert found.places_of(ground.marks.needles | more) == set()


# ---- the watcher ---------------------------------------------------------------------------------------------------------------------------------


def test_watcher_sees_output_arguments_environments_and_files_that_are_gone(tmp_path: Path) -> None:
    value = mark("seen")
    script = (
        f"env -u NOTHING sleep 0.2 & T={value} sleep 0.2 & sh -c 'sleep 0.2; true' {value} & echo {value} > $TMPDIR/gone; sleep 0.2; rm $TMPDIR/gone"
    )

    found = watched(["sh", "-c", script.replace(value, "$V")], tmp_path, {"PATH": os.environ["PATH"], "V": value}, temporary=tmp_path)

    assert found.places_of(needles(value)) == {"cmdline of a child", "environ of a child", str(tmp_path / "gone")}


def test_watcher_knows_values_in_any_coat() -> None:
    value = mark("coat")

    for text in (value, base64.b64encode(b"xy" + value.encode() + b"z").decode(), value.encode().hex(), json.dumps({"a": value})):
        assert any(needle in text.encode() for needle in needles(value))


# ---- runs ----------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_pt_32_run(form: str, ground: Ground) -> None:
    report = ground.runner / "report.json"

    found = ground.patch("--target", "whole", "--output", form, "--report-file", str(report), "--record-sources")

    check(ground, found, 0)
    assert report.exists()
    live = ground.api.admin.get("Secret", "filled", ground.namespace)
    assert base64.b64decode(live["data"]["odd"]).decode() == ground.marks.odd


@pytest.mark.parametrize("words", [("--plan",), ("--dry-run", "server")], ids=["plan", "dry-run"])
def test_pt_32_run_that_stores_nothing(words: tuple[str, ...], ground: Ground) -> None:
    check(ground, ground.patch("--target", "whole", *words), 0)


@pytest.mark.parametrize("form", FORMS)
def test_pt_21_every_target_fails_in_its_own_way(form: str, ground: Ground) -> None:
    words = [word for name in (*FAILING, "forbidden", "immutable", "issuer") for word in ("--target", name)]

    found = ground.patch(*words, "--output", form, environ={"GITHUB_STEP_SUMMARY": str(ground.runner / "summary")})

    check(ground, found, 3)
    if form == "json":
        assert {row["id"]: row["result"] for row in json.loads(found.out)["targets"]} == {
            **dict.fromkeys([*FAILING, "forbidden", "issuer"], "failed"),
            "immutable": "refused",
        }


def test_pt_32_runner_is_asked_to_mask_before_anything_is_printed_and_nothing_else_holds_a_value(ground: Ground) -> None:
    runner = {name: str(ground.runner / name) for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STATE")}
    words = [word for name in ("whole", "after", "exec-fails") for word in ("--target", name)]

    found = ground.patch(*words, "--output", "github", environ={"GITHUB_ACTIONS": "true", **runner})

    lines = found.out.splitlines(keepends=True)
    masks = [line for line in lines if line.startswith("::add-mask::")]
    others = "".join(line for line in lines if not line.startswith("::add-mask::"))
    assert lines[: len(masks)] == masks
    assert any(ground.marks.vault in line for line in masks)
    seen = frozenset({("other lines", others.encode()), *((place, piece) for place, piece in found.seen if place != "standard output")})
    check(ground, found._replace(seen=seen), 3)
    assert (ground.runner / "GITHUB_STEP_SUMMARY").stat().st_size
    assert not (ground.runner / "GITHUB_ENV").exists()


def test_pt_32_mask_off_prints_no_value_at_all(ground: Ground) -> None:
    check(ground, ground.patch("--target", "whole", "--mask", "off", environ={"GITHUB_ACTIONS": "true"}), 0)


@pytest.mark.parametrize("form", FORMS)
def test_pt_28_drift(form: str, ground: Ground) -> None:
    words = [word for name in ("whole", "after", "unset", "immutable") for word in ("--target", name)]

    check(ground, ground.patch(*words, "--output", form, command="drift"), 3, 6)


# ---- other commands ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_pt_21_set(form: str, ground: Ground) -> None:
    for namespace, code in ((ground.namespace, 0), (ground.forbidden, 8)):
        found = ground.run("--verbose", "patch", "set", f"{namespace}/filled", "new", "--from-stdin", "--output", form, stdin=ground.marks.stdin)
        check(ground, found, code)


def test_pt_21_set_from_the_environment(ground: Ground) -> None:
    check(ground, ground.run("patch", "set", f"{ground.namespace}/filled", "new", "--from-env", "LEAK_ODD"), 0)


def test_pt_22_release(ground: Ground) -> None:
    for manifests in ((), ("--manifests", "git")):
        check(ground, ground.run("patch", "release", f"{ground.namespace}/filled", *manifests), 0, 5)


@pytest.mark.parametrize(("name", "code"), [("good", 0), ("bad", 3)])
def test_pt_37_rotate(name: str, code: int, ground: Ground) -> None:
    found = ground.run("--verbose", "patch", "rotate", "--map", f"rotate-{name}.yaml", "--target", "t", "--wait", "5s", "--keep-old", "previous")

    newest = int(ground.vault.api("GET", f"secret/metadata/{ground.path}")["data"]["current_version"])
    kept = [ground.vault.api("GET", f"secret/data/{ground.path}?version={number}")["data"]["data"] for number in range(1, newest + 1)]
    assert newest > 1
    check(ground, found, code, more=needles(*(version["cookie"] for version in kept)))


@pytest.mark.parametrize(
    "words",
    [
        ("init", "--manifests", "git", "--print"),
        ("role", "--map", "patch.yaml"),
        ("schema",),
        ("vault-setup", "--map", "patch.yaml"),
    ],
    ids=lambda words: words[0],
)
def test_pt_04_commands_that_print_files(words: tuple[str, ...], ground: Ground) -> None:
    check(ground, ground.run("--verbose", "patch", *words), 0)


# ---- a server that says too much, or nothing -----------------------------------------------------------------------------------------------------


class Server:
    """Passes reads on to the real API server and answers writes with what it got and what it has, in every field of a Status."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api
        self.answer: int | Literal["nothing"] = 422
        self.writes = threading.Event()
        self.released = threading.Event()

    def write(self, path: str, sent: bytes) -> tuple[int, Json] | None:
        self.writes.set()
        if self.answer == "nothing":
            self.released.wait(30)
            return None
        has = json.dumps(self.read(path.partition("?")[0])[1])
        text = f'Secret "filled" is invalid: {sent.decode()} {has}'
        causes = [{"reason": text, "message": text, "field": "data"}, {"message": sent.decode()[:150].replace("{", "").replace('"', "")}]
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": self.answer, "message": text, "reason": "Invalid"}
        return self.answer, status | {"details": {"name": "filled", "causes": causes}}

    def read(self, path: str) -> tuple[int, Json]:
        client = self.api.client(self.api.admin_token)
        try:
            return 200, client.ask("GET", path)
        except ApiError as error:
            return error.status, {"kind": "Status", "code": error.status, "reason": error.reason}
        finally:
            client.close()


@contextmanager
def serving(server: Server) -> Iterator[str]:
    """The server's URL while it runs."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._tell(server.read(self.path))

        def do_PATCH(self) -> None:
            self._tell(server.write(self.path, self.rfile.read(int(self.headers["Content-Length"]))))

        def _tell(self, answer: tuple[int, Json] | None) -> None:
            if answer is None:
                self.close_connection = True
                return
            data = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with listening(Handler) as url:
        try:
            yield url
        finally:
            server.released.set()


@pytest.mark.parametrize(("status", "form"), [(400, "text"), (403, "json"), (409, "github"), *((422, form) for form in FORMS)])
def test_pt_21_answer_that_quotes_the_object(status: int, form: str, ground: Ground) -> None:
    server = Server(ground.api)
    server.answer = status
    with serving(server) as url:
        found = ground.patch("--target", "whole", "--output", form, environ=ground.kubeconfig_for(url))

    assert server.writes.is_set()
    check(ground, found, 3, 8)


def test_pt_21_terminated_in_the_middle_of_a_write(ground: Ground) -> None:
    server = Server(ground.api)
    server.answer = "nothing"
    with serving(server) as url:
        found = ground.patch("--target", "whole", environ=ground.kubeconfig_for(url), terminate_when=server.writes.is_set)

    check(ground, found, -15, 143, 3, 1)


def test_pt_21_server_that_is_not_there(ground: Ground) -> None:
    found = ground.patch("--target", "whole", environ=ground.kubeconfig_for("http://127.0.0.1:9"))

    check(ground, found, 8)


def test_pt_11_vault_that_is_not_there_and_token_that_is_refused(ground: Ground) -> None:
    for more in ({"VAULT_TOKEN": f"hvs.{mark('token')}"}, {"VAULT_TOKEN": ""}):
        found = ground.patch("--target", "whole", environ=more)
        check(ground, found, 3, 4, more=needles(more["VAULT_TOKEN"]))


def test_sources_are_all_in_the_watched_files(ground: Ground) -> None:
    """The marks are where they should be: this test could not fail if they were nowhere."""
    here = {place.rpartition("/")[2] for place, piece in files(ground.folder) if any(needle in piece for needle in ground.marks.needles)}

    assert here == {"secret.yaml", "value.txt", "printed.txt"}
