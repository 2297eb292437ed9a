"""No value, key or secret of its own leaves a sidecar but towards the API server and the memory volume, while everything fails that can.

Values have marks that are nowhere else. They are looked for in all that is logged, in what it serves and sends, in Events and the inventory, in
temporary files on disk, and in the arguments and environments of its processes. Source: section 15 item 8 of the sidecar's requirements.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
import yaml

from secrettool.errors import Outcome
from tests.interop.gitops import KEY_FILE, RECIPIENT, ROOT, command, sealed, write_tree
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import ApiServer, Rule
from tests.interop.peers.faults import Answer, Asked, FaultyServer
from tests.interop.peers.faults import running as faulty
from tests.interop.peers.marked import mark
from tests.interop.peers.process import LOOPBACK, free_ports
from tests.interop.peers.watching import Watched, needles, watched
from tests.interop.sidecars import LEAST, Place
from tests.loopback import QuietHandler, listening
from tests.waiting import NotInTime, wait_for

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("sidecar")]

LEVELS = ("debug", "info", "warning", "error")
RIGHTS = (
    LEAST,
    Rule(["get", "patch", "create"], ["configmaps"]),
    Rule(["create", "patch"], ["events"], ("events.k8s.io",)),
    Rule(["delete"], ["secrets"]),
)
PATIENCE = 20.0
NEVER_ANSWERED = 3.0
"""Seconds that the last write waits, so that the end comes in the middle of it."""


class Marks:
    """Everything that is secret here."""

    def __init__(self) -> None:
        self.good, self.guarded, self.late = mark("good"), mark("guarded"), mark("late")
        self.theirs, self.build, self.binary = mark("theirs"), mark("build"), mark("binary")
        self.key, self.token, self.url = mark("key"), mark("token"), mark("url")

    @property
    def needles(self) -> frozenset[bytes]:
        """What must not be seen: the marks in any coat, and the private key."""
        identity = next(line for line in KEY_FILE.read_text(encoding="utf-8").splitlines() if line.startswith("AGE-SECRET-KEY-"))
        return needles(*vars(self).values(), identity)


class Ground:
    """A sidecar with three sources and everything around it.

    Attributes:
        marks: What must not be seen.
        config: File that says what the sidecar does.
        kubeconfig: File with the way to the API server, through the one that fails.
        pod: Variables that name the pod.
        seen: What it said to others, in pieces, each with the place where it was.
    """

    def __init__(self, api: ApiServer, folder: Path, memory: Path, server: FaultyServer, webhook: str) -> None:
        self.marks = Marks()
        self.seen: set[tuple[str, bytes]] = set()
        self._place = Place(api, folder, api.namespace(), RIGHTS)
        self._server = server
        self._folder = folder
        self._keys = write_tree(folder / "keys", {"main.agekey": KEY_FILE.read_bytes()})
        self._link = folder / "current"
        self._built = folder / "built"
        (self._port,) = free_ports(1)
        write_tree(folder, {"token": self.marks.token, "url": f"{webhook}/{self.marks.url}"})
        self._swap(db=self._secret("db", self.marks.good))
        self._build("apiVersion: v1\nkind: Secret\nmetadata: {name: settings}\nstringData: {more: x}\n")
        keys: Json = {"keys": {"folder": str(self._keys)}}
        settings = {"namespace": self._place.namespace, "prune": True}
        self.config = self._place.config(
            {"id": "applied", "dir": {"path": str(self._link)}, **keys, "apply": settings},
            {"id": "files", "dir": {"path": str(self._link)}, **keys, "render": {"target": str(memory / "files"), "namespace": "x"}},
            {"id": "built", "dir": {"path": str(self._built)}, **keys, "apply": settings},
            events=True,
            http={"address": LOOPBACK, "port": self._port},
            refresh={"tokenFile": str(folder / "token")},
            notifications=[{"type": "webhook", "urlFile": str(folder / "url"), "tokenFile": str(folder / "token")}],
        )
        self.kubeconfig = self._kubeconfig()
        self.pod = {"POD_NAMESPACE": self._place.namespace, "POD_NAME": "sidecar-0"}

    # ---- what happens --------------------------------------------------------------------------------------------------------------------------

    def everything(self) -> None:
        """Every way to fail, one after the other; the sidecar is in the middle of a write at the end."""
        wait_for(lambda: bool(self._status()), seconds=PATIENCE)
        for source in ("applied", "files", "built"):
            self._await(source, "")
        self._guard_refuses()
        self._keys_are_bad()
        self._object_is_theirs()
        self._build_fails()
        self._api_refuses()
        self._source_vanishes()
        self._last_write_waits()

    def _guard_refuses(self) -> None:
        self._swap(db=self._secret("db", self.marks.guarded, other="REPLACE_ME"))
        self._await("applied", "guard", "files")
        self._await("files", "guard")

    def _keys_are_bad(self) -> None:
        (self._keys / "main.agekey").write_text(f"AGE-SECRET-KEY-1{self.marks.key.upper()}\n# {self.marks.key}\n", encoding="utf-8")
        wait_for(lambda: bool(self._status()["applied"]["keys"]["error"]), seconds=PATIENCE)
        self._look()
        self._swap(db=sealed(self._secret("db", self.marks.good)).replace("ENC[AES256_GCM,data:", "ENC[AES256_GCM,data:AAAA", 1))
        self._await("applied", "decrypt")
        (self._keys / "main.agekey").write_bytes(KEY_FILE.read_bytes())

    def _object_is_theirs(self) -> None:
        self._place.put("taken", password=self.marks.theirs)
        self._swap(taken=self._secret("taken", self.marks.late))
        self._await("applied", "conflict")

    def _build_fails(self) -> None:
        self._build(f"token: {self.marks.build}\n")
        self._await("built", "build")

    def _api_refuses(self) -> None:
        live = json.dumps(self._place.live())
        self._server.endless = Answer(422, lambda asked: _quoting(asked, live))
        self._server.meant_for = lambda asked: asked.method == "PATCH" and "/secrets/" in asked.path
        self._swap(db=self._secret("db", self.marks.late))
        self._await("applied", "apply")
        self._server.endless = None
        self._await("applied", "")

    def _source_vanishes(self) -> None:
        self._link.unlink()
        self._await("applied", "source")

    def _last_write_waits(self) -> None:
        before = len(self._server.asked)
        self._server.endless = Answer(422, lambda asked: _quoting(asked, ""), late=NEVER_ANSWERED)
        self._swap(db=self._secret("db", self.marks.good, more=self.marks.late))
        self._refresh("applied")
        wait_for(lambda: any(self._server.meant_for(asked) for asked in self._server.asked[before:]), seconds=PATIENCE)

    # ---- how it is made to happen --------------------------------------------------------------------------------------------------------------

    def _secret(self, name: str, value: str, **more: str) -> str:
        entries = {"password": value, "config.json": json.dumps({"token": value}), **more}
        return yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": entries})

    def _swap(self, **manifests: str) -> None:
        new = self._folder / f"worktree-{len(list(self._folder.iterdir()))}"
        write_tree(new, {f"{name}.yaml": text if "sops:" in text else sealed(text) for name, text in manifests.items()})
        (self._folder / "next").symlink_to(new)
        os.replace(self._folder / "next", self._link)

    def _build(self, patch: str) -> None:
        """A folder that kustomize builds: a patch and an entry are decrypted files."""
        new = write_tree(self._folder / "new", {"patch.yaml": patch, "data.bin": self.marks.binary})
        command(new, "encrypt", "-i", "--age", RECIPIENT, "patch.yaml", "data.bin")
        resource = yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "settings"}})
        build = {"resources": ["s.yaml"], "patches": [{"path": "patch.yaml"}], "secretGenerator": [{"name": "made", "files": ["data.bin"]}]}
        write_tree(new, {"s.yaml": resource, "kustomization.yaml": yaml.safe_dump(build)})
        if self._built.exists():
            self._built.rename(self._folder / "old")
        new.rename(self._built)

    def _await(self, source: str, cause: str, *others: str) -> None:
        """Have a pass end that way, and look at all that is shown then."""
        passes = self._status()[source]["passes"] if cause else 0
        for each in (source, *others):
            self._refresh(each)
        try:
            wait_for(lambda: self._ended(source, cause, passes), seconds=PATIENCE)
        except NotInTime:
            raise AssertionError(f"no pass of {source} ended with {cause or 'success'}: {self._status().get(source)}") from None
        self._look()

    def _ended(self, source: str, cause: str, passes: int) -> bool:
        found = self._status()[source]
        return bool(found["passes"] and found["cause"] == cause and (found["result"] or not cause))

    # ---- what it says --------------------------------------------------------------------------------------------------------------------------

    def _refresh(self, source: str) -> None:
        self._ask("POST", f"/refresh/{source}")

    def _status(self) -> dict[str, Json]:
        with suppress(OSError):
            return {each["id"]: each for each in json.loads(self._ask("GET", "/status"))["sources"]}
        return {}

    def _look(self) -> None:
        for path in ("/", "/metrics", "/livez", "/readyz", "/startupz", "/status?x", "/nowhere"):
            self._ask("GET", path)

    def _ask(self, method: str, path: str) -> bytes:
        connection = HTTPConnection(LOOPBACK, self._port, timeout=10)
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {self.marks.token}"})
            answer = connection.getresponse()
            body = answer.read()
            self.seen.add((f"{method} {path}", str(answer.getheaders()).encode() + body))
            return body
        finally:
            connection.close()

    def outside(self) -> Iterator[tuple[str, bytes]]:
        """What it left in the cluster beside the Secrets."""
        admin, namespace = self._place.api.admin, self._place.namespace
        for event in admin.items("Event", namespace, version="events.k8s.io/v1"):
            yield f"Event {event['reason']}", json.dumps(event).encode()
        for item in admin.items("ConfigMap", namespace):
            yield f"ConfigMap {item['metadata']['name']}", json.dumps(item).encode()

    def _kubeconfig(self) -> Path:
        content = yaml.safe_load(self._place.kubeconfig.read_text(encoding="utf-8"))
        content["clusters"][0]["cluster"] = {"server": self._server.url}
        self._place.kubeconfig.write_text(yaml.safe_dump(content), encoding="utf-8")
        return self._place.kubeconfig


def _quoting(asked: Asked, live: str) -> Json:
    """A Status that quotes what was sent and what is there, in every field."""
    text = f'Secret "db" is invalid: {asked.body.decode()} {live}'
    causes = [{"reason": text, "message": text, "field": "data"}]
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 422, "message": text, "reason": "Invalid"}
    return status | {"details": {"name": text, "causes": causes}}


@contextmanager
def webhook(told: set[tuple[str, bytes]]) -> Iterator[str]:
    """A receiver of notifications, which keeps their bodies."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            told.add(("notification", self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    with listening(Handler) as url:
        yield url


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory."""
    folder = Path("/dev/shm") / f"leaks-{os.urandom(6).hex()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("level", LEVELS)
def test_no_value_is_seen_whatever_fails(level: str, api_server: ApiServer, real_kustomize: Path, tmp_path: Path, memory: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    told: set[tuple[str, bytes]] = set()
    with faulty(api_server.url, ca=str(api_server.ca)) as server, webhook(told) as url, ThreadPoolExecutor(1) as pool:
        ground = Ground(api_server, tmp_path, memory, server, url)
        program = [sys.executable, "-m", "secrettool", "sidecar", "run", "--config", str(ground.config), "--kubeconfig", str(ground.kubeconfig)]
        environ = {"PATH": f"{real_kustomize.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), **ground.pod}
        happening = pool.submit(ground.everything)
        found = watched([*program, "--log-level", level], tmp_path, environ, temporary=temporary, after=[memory], terminate_when=happening.done)
        happening.result()
        seen = Watched(found.code, found.out, found.err, frozenset(found.seen | ground.seen | told | set(ground.outside())))

    assert found.code == Outcome.DONE, found.err
    assert "Traceback" not in found.err
    places = {place.partition(" ")[0] for place, _ in seen.seen}
    assert {"GET", "POST", "Event", "ConfigMap", "notification", "standard", "cmdline", "environ"} <= places
    # Plain text lies in memory only: the files for the application, and what kustomize reads.
    marked = seen.places_of(ground.marks.needles)
    assert str(memory) in {place.partition("/files/")[0] for place in marked}
    assert {place for place in marked if not place.startswith("/dev/shm/")} == set()
    causes = {cause for cause in ("guard", "decrypt", "conflict", "build", "apply", "source") if f'"cause": "{cause}"' in found.err}
    assert causes == {"guard", "decrypt", "conflict", "build", "apply", "source"}
    assert not list(temporary.iterdir())
