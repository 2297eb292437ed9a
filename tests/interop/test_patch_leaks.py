"""No value leaves the process but towards the API server and the provider: every command of `patch`, every form of output, every way to fail.

Values have marks that are nowhere else. They are looked for in all that is printed, in reports, in the files of the runner, in temporary files, and
in the arguments and environments of children. Only what asks the runner of GitHub to mask a value may hold it.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
import yaml

import secrettool
from tests.interop.gitops import KEY_FILE, ROOT, SECRET_FIELDS, write_tree
from tests.interop.peers.apiclient import ApiError, Json
from tests.interop.peers.apiserver import ApiServer, Rule
from tests.interop.peers.vault import Vault
from tests.interop.peers.watching import Watched, files, needles, watched

pytestmark = pytest.mark.real

RECIPIENT = "age1jwuhmyextvr0rkcvvl8m367lm54t6k0m5yknsdf6nsstpwpccc3srskwc2"
FORMS = ("text", "json", "github", "sarif")
WRITER = "leaks-orchard"


def mark(name: str) -> str:
    """A value that is nowhere else."""
    return f"mark-{name}-{secrets.token_hex(12)}"


class Marks(NamedTuple):
    """All values: of sources, of the cluster, of git, and what lets into Vault."""

    env: str
    odd: str
    file: str
    sops: str
    exec: str
    vault: str
    live: str
    applied: str
    git: str
    stdin: str
    token: str

    @property
    def needles(self) -> frozenset[bytes]:
        return needles(*self)


TARGETS: Mapping[str, Json] = {
    "whole": {
        "keys": {
            "env": "env",
            "odd": "odd",
            "file": "file",
            "sops": "sops",
            "exec": "exec",
            "vault": "vault",
            "template": {"template": "postgres://u:{{ env | urlencode }}@db/{{ odd | b64encode }}"},
            "json": {"json": {"password": "{{ vault }}", "list": ["{{ odd }}"]}},
            "config.json": {"fill": {"/auth/token": "{{ exec }}"}},
            "old": {"absent": True},
        }
    },
    "after": {"keys": {"env": {"template": "{{ odd | after('nowhere') }}"}}},
    "decode": {"keys": {"env": {"template": "{{ odd | b64decode }}"}}},
    "pointer": {"keys": {"env": {"template": "{{ odd | pointer('/x') }}"}}},
    "unparsed": {"keys": {"broken": {"fill": {"/a": "{{ env }}"}}}},
    "unset": {"keys": {"env": "unset"}},
    "exec-fails": {"keys": {"env": "fails"}},
    "exec-waits": {"keys": {"env": "waits"}},
    "no-json": {"keys": {"env": "nojson"}},
    "vault-key": {"keys": {"env": "nokey"}},
    "vault-forbidden": {"keys": {"env": "closed"}},
}
"""Targets on the Secret `filled`, by their ids."""
FAILING = [name for name in TARGETS if name != "whole"]


class Ground:
    """A repository, a cluster and a Vault full of marks.

    Attributes:
        marks: The values.
        folder: The repository, where programs run.
        namespace: The namespace that may be patched.
        forbidden: One that may not.
        issuer: Name of the ClusterIssuer.
        environ: Of the program.
    """

    def __init__(self, api: ApiServer, vault: Vault, folder: Path) -> None:
        self.api = api
        self.vault = vault
        self.folder = folder / "repository"
        self.home = folder / "home"
        self.temporary = folder / "tmp"
        self.runner = folder / "runner"
        for place in (self.home, self.temporary, self.runner):
            place.mkdir(parents=True)
        vault.api("PUT", f"sys/policies/acl/{WRITER}", {"policy": 'path "secret/data/orchard/*" { capabilities = ["create", "read", "update"] }'})
        names = [name for name in Marks._fields if name not in ("odd", "token")]
        odd = f'{mark("odd")}"q\\u{{}}\n{mark("second")}\t::error::x\n'
        self.marks = Marks(**{name: mark(name) for name in names}, odd=odd, token=vault.token(WRITER, "read-orchard"))
        self.namespace, self.forbidden = api.namespace(), api.namespace()
        self.issuer = f"issuer-{secrets.token_hex(4)}"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "SOPS_AGE_KEY_FILE": str(KEY_FILE),
            "LEAK_ENV": self.marks.env,
            "LEAK_ODD": self.marks.odd,
            "VAULT_TOKEN": self.marks.token,
        }
        self._write_vault()
        self._write_repository()
        self._make_objects()

    def _write_vault(self) -> None:
        self.path = f"orchard/{secrets.token_hex(4)}"
        self.vault.write_v2(self.path, {"value": self.marks.vault, "cookie": self.marks.live})

    def _write_repository(self) -> None:
        marks = self.marks
        manifest: Json = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "filled", "namespace": self.namespace},
            "stringData": {"env": "REPLACE_ME", "beside": marks.git, "config.json": f'{{"auth": {{"token": "REPLACE_ME", "key": "{marks.git}"}}}}'},
        }
        sealed = secrettool.encrypt(
            yaml.safe_dump({"kind": "Secret", "stringData": {"password": marks.sops}}), "yaml", recipients=[RECIPIENT], selector=SECRET_FIELDS
        )
        assert isinstance(sealed, str)
        write_tree(
            self.folder,
            {
                "git/secret.yaml": yaml.safe_dump(manifest),
                "backup.enc.yaml": sealed,
                "value.txt": marks.file + "\n",
                "printed.txt": marks.exec,
                "prints.sh": "#!/bin/sh\nexec cat printed.txt\n",
                "fails.sh": "#!/bin/sh\ncat printed.txt\ncat printed.txt >&2\nexit 3\n",
                "waits.sh": "#!/bin/sh\ncat printed.txt\nexec sleep 30\n",
                "verify.sh": "#!/bin/sh\nenv >&2\nexit 1\n",
                "patch.yaml": yaml.safe_dump(self._map()),
                "rotate-good.yaml": yaml.safe_dump(self._rotation()),
                "rotate-bad.yaml": yaml.safe_dump(self._rotation(verify={"command": ["./verify.sh"]})),
            },
        )
        for name in ("prints.sh", "fails.sh", "waits.sh", "verify.sh"):
            (self.folder / name).chmod(0o755)
        (self.folder / "value.txt").chmod(0o600)

    def _map(self) -> Json:
        programs = {name: {"type": "exec", "command": [f"./{name}.sh"], "timeoutSeconds": 1} for name in ("prints", "fails", "waits")}
        ref = {"kind": "Secret", "namespace": self.namespace, "name": "filled"}
        others = [
            {"id": "forbidden", "ref": {**ref, "namespace": self.forbidden}, "keys": {"env": "env"}},
            {"id": "immutable", "ref": {**ref, "name": "immutable"}, "keys": {"env": "env"}},
            {
                "id": "issuer",
                "ref": {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "name": self.issuer},
                "fields": {"/spec/acme/privateKeySecretRef": "odd"},
            },
        ]
        return {
            "apiVersion": "secrettool.dev/v1alpha1",
            "kind": "PatchMap",
            "providers": {"kv": {"type": "vault", "address": self.vault.url, "mount": "secret", "auth": {"method": "token"}}}
            | {**programs, "json": {"type": "exec", "command": ["./prints.sh"], "parse": "json", "pointer": "/a"}},
            "values": {
                "env": {"env": "LEAK_ENV"},
                "odd": {"env": "LEAK_ODD"},
                "unset": {"env": "LEAK_UNSET"},
                "file": {"file": "value.txt"},
                "sops": {"sops": "backup.enc.yaml", "pointer": "/stringData/password"},
                "exec": {"provider": "prints"},
                "fails": {"provider": "fails"},
                "waits": {"provider": "waits"},
                "nojson": {"provider": "json"},
                "vault": {"provider": "kv", "path": self.path, "key": "value"},
                "nokey": {"provider": "kv", "path": self.path, "key": "nothing"},
                "closed": {"provider": "kv", "path": "elsewhere/closed", "key": "value"},
            },
            "targets": [{"id": name, "ref": ref, **target} for name, target in TARGETS.items()] + others,
        }

    def _rotation(self, **more: Any) -> Json:
        store = {"provider": "kv", "path": self.path, "key": "cookie"}
        return {
            "apiVersion": "secrettool.dev/v1alpha1",
            "kind": "PatchMap",
            "providers": {"kv": {"type": "vault", "address": self.vault.url, "mount": "secret", "auth": {"method": "token"}}},
            "values": {"cookie": {"generate": {"type": "hex", "bytes": 32}, "store": store}},
            "targets": [{"id": "t", "ref": {"kind": "Secret", "namespace": self.namespace, "name": "rotated"}, "keys": {"cookie": "cookie"}, **more}],
        }

    def _make_objects(self) -> None:
        api = self.api
        account = api.account(
            self.namespace,
            [Rule(["get", "patch", "create"], ["secrets"])],
            cluster_rules=[Rule(["get", "patch"], ["clusterissuers"], ["cert-manager.io"], [self.issuer]), Rule(["get"], ["namespaces"])],
        )
        self.environ["KUBECONFIG"] = str(api.kubeconfig(self.home / "kubeconfig", account.token))
        self.restore()
        head = {"name": "filled", "namespace": self.forbidden}
        api.admin.apply({"apiVersion": "v1", "kind": "Secret", "metadata": head, "stringData": {"env": self.marks.live}})
        solver = {"acme": {"server": "https://acme.example", "privateKeySecretRef": {"name": self.marks.live}}}
        api.admin.apply({"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": self.issuer}, "spec": solver})
        head = {"name": "immutable", "namespace": self.namespace}
        api.admin.apply({"apiVersion": "v1", "kind": "Secret", "metadata": head, "immutable": True, "stringData": {"env": self.marks.live}})

    def restore(self) -> None:
        """The Secrets as they are before a run."""
        last = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"kind": "Secret", "stringData": {"env": self.marks.applied}})}
        for name, keys in (("filled", ("env", "live", "old", "broken")), ("rotated", ("cookie",))):
            metadata = {"name": name, "namespace": self.namespace, "annotations": last}
            data = dict.fromkeys(keys, self.marks.live) | {"config.json": f'{{"auth": {{"token": "REPLACE_ME", "key": "{self.marks.live}"}}}}'}
            data |= {"broken": f"{{{self.marks.live}: [", "env": "REPLACE_ME"} if name == "filled" else {}
            self.api.admin.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}, force=True)

    def run(self, *words: str, stdin: str = "", environ: Mapping[str, str] | None = None, **more: Any) -> Watched:
        """Run secrettool and watch it; the map is `patch.yaml`."""
        return watched(
            [sys.executable, "-m", "secrettool", *words],
            self.folder,
            {**self.environ, **(environ or {})},
            stdin=stdin,
            temporary=self.temporary,
            after=[self.runner, self.home],
            **more,
        )

    def patch(self, *words: str, command: str = "run", **more: Any) -> Watched:
        """Run a command of `patch` that has a map and manifests."""
        return self.run("--verbose", "patch", command, "--map", "patch.yaml", "--manifests", "git", *words, **more)

    def kubeconfig_for(self, server: str) -> dict[str, str]:
        """The environment for another server in the place of the real one."""
        cluster = {"name": "c", "cluster": {"server": server}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        content = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [cluster], "contexts": [context]}
        file = self.home / "other.kubeconfig"
        file.write_text(yaml.safe_dump(content | {"users": [{"name": "u", "user": {"token": "t"}}]}))
        file.chmod(0o600)
        return {"KUBECONFIG": str(file)}


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

    class Handler(BaseHTTPRequestHandler):
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

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_port}"
        finally:
            server.released.set()
            listener.shutdown()
            thread.join()


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
