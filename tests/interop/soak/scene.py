"""What goes on around a sidecar in a soak: sources change, people interfere, keys are replaced, somebody looks.

Two processes. `apply`: a folder behind a link as git-sync replaces it, built with kustomize where that is there, with a Lease, an inventory and
pruning; and an artifact of Flux. `render`: the same folder as files in memory. Both serve HTTP, write Events and tell a webhook.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any, Final

import yaml

from tests.interop.gitops import KEY_FILE, sealed, values, write_tree
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import ApiServer, Rule
from tests.interop.peers.process import LOOPBACK, free_ports
from tests.interop.sidecars import Place, Program
from tests.loopback import QuietHandler, listening
from tests.waiting import PATIENCE, wait_for

MEMORY: Final = Path("/dev/shm")
SECRETS: Final = 20
STATES: Final = 4
"""States of the source that take turns."""
FLUX: Final = "source.toolkit.fluxcd.io"
TOKEN: Final = "soak-token-of-at-least-16"
INTERVAL: Final = "3s"
RIGHTS: Final = (
    Rule(["get", "patch", "create", "delete"], ["secrets", "configmaps"]),
    Rule(["get", "update", "create"], ["leases"], ("coordination.k8s.io",)),
    Rule(["create", "patch"], ["events"], ("events.k8s.io",)),
    Rule(["get", "list", "watch"], ["gitrepositories"], (FLUX,)),
)


class Scene:
    """The sources, the keys, and the two processes.

    Attributes:
        done: How often each thing has happened.
        programs: The processes, by name.
    """

    def __init__(self, api: ApiServer, folder: Path, memory: Path, web: str, received: Counter[str]) -> None:
        self.done = received
        self.programs: dict[str, Program] = {}
        self._place = Place(api, folder, api.namespace(), RIGHTS)
        self._target = memory / "files"
        self._web = web
        self._link = folder / "current"
        self._keys = folder / "keys"
        self._token = folder / "token"
        self._token.write_text(TOKEN, encoding="utf-8")
        self._ports = dict(zip(("apply", "render"), free_ports(2), strict=True))
        self._numbers = count(1)
        self._states = [_state(number) for number in range(STATES)]
        self._value = ""
        self._worktree: Path | None = None
        (folder / "artifacts").mkdir()
        head = {"name": "fleet", "namespace": self._place.namespace}
        spec = {"interval": "1h", "url": "https://git.example/fleet"}
        api.admin.create({"apiVersion": f"{FLUX}/v1", "kind": "GitRepository", "metadata": head, "spec": spec})
        self._log_in_as_pods_do()
        self.change_source()
        self.change_artifact()
        self.replace_keys()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Both processes, each after its first good pass."""
        with ExitStack() as stack:
            for name, port in self._ports.items():
                common = {"interval": INTERVAL, "events": True, "http": {"address": LOOPBACK, "port": port}}
                more: Json = {"refresh": {"tokenFile": str(self._token)}, "notifications": [{"type": "webhook", "urlFile": str(self._url_file())}]}
                leases: Json = {"leaderElection": {}} if name == "apply" else {}
                config = self._place.config(*self._sources(name), **common, **more, **leases)
                self.programs[name] = stack.enter_context(self._place.running(config, pod=name))
            wait_for(self.is_well, seconds=PATIENCE)
            yield

    def _sources(self, name: str) -> list[Json]:
        keys: Json = {"folder": str(self._keys)}
        folder: Json = {"dir": {"path": str(self._link)}, "keys": keys}
        if name == "render":
            return [{"id": "files", **folder, "render": {"target": str(self._target), "namespace": "soak"}}]
        settings = {"namespace": self._place.namespace, "prune": True, "forceConflicts": True}
        artifact: Json = {"flux": {"kind": "GitRepository", "name": "fleet"}, "path": "deploy", "keys": keys}
        return [{"id": "folder", **folder, "apply": settings}, {"id": "artifact", **artifact, "apply": settings}]

    # ---- what happens --------------------------------------------------------------------------------------------------------------------------

    def change_source(self) -> None:
        """Another state takes the place of the last, as git-sync does it."""
        self._swap(self._states[next(self._numbers) % STATES])

    def break_source(self) -> None:
        """The next state has a placeholder, which the guard refuses."""
        bad = yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late"}, "stringData": {"password": "REPLACE_ME"}})
        self._swap({**self._states[0], "s00.yaml": bad})

    def take_source_away(self) -> None:
        """Nothing is there for a moment."""
        self._link.unlink()

    def change_artifact(self) -> None:
        """Another artifact, as source-controller serves it."""
        number = next(self._numbers)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            data = sealed(_manifest("of-flux", f"artifact {number}")).encode()
            member = tarfile.TarInfo("deploy/s.yaml")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        place = self._place.folder / "artifacts" / "fleet.tar.gz"
        place.write_bytes(buffer.getvalue())
        artifact = {"path": "fleet.tar.gz", "url": f"{self._web}/fleet.tar.gz", "revision": f"main@sha1:{number}"}
        artifact |= {"digest": "sha256:" + hashlib.sha256(buffer.getvalue()).hexdigest(), "lastUpdateTime": "2026-05-01T10:00:00Z"}
        status = {"status": {"artifact": {**artifact, "size": len(buffer.getvalue())}}}
        self._place.api.admin.patch("GitRepository", "fleet", self._place.namespace, status, version=f"{FLUX}/v1", part="status")

    def interfere(self) -> None:
        """Somebody deletes and changes what the sidecar looks after."""
        if self._place.live("s01") is not None:
            self._place.api.admin.delete("Secret", "s01", self._place.namespace)
        self._place.put("s02", manager="somebody", owner="folder", password="theirs")
        file = self._target / "soak" / "s03" / "password"
        file.unlink(missing_ok=True)

    def replace_keys(self) -> None:
        """Another set of keys is mounted, now and then one that cannot be used; the kubelet swaps it as a whole."""
        number = next(self._numbers)
        new = self._keys / f"..{number}"
        is_bad = number % 5 == 0
        write_tree(new, {"main.agekey": b"nothing\n" if is_bad else KEY_FILE.read_bytes() + b"# %d\n" % number})
        _put_link(new.name, self._keys / "..data")
        if not (self._keys / "main.agekey").is_symlink():
            (self._keys / "main.agekey").symlink_to("..data/main.agekey")
        for old in self._keys.glob("..[0-9]*"):
            if old != new:
                shutil.rmtree(old)

    def refresh(self) -> None:
        """Somebody asks for a pass, and somebody who may not."""
        for name in self._ports:
            self.ask(name, "POST", "/refresh", TOKEN)
            self.ask(name, "POST", "/refresh", "a wrong token, 16 and more")

    def hang_up(self) -> None:
        """SIGHUP."""
        for program in self.programs.values():
            program.process.send_signal(signal.SIGHUP)

    def look(self) -> None:
        """Probes, Prometheus and a person."""
        for name in self._ports:
            for path in ("/livez", "/readyz", "/startupz", "/metrics"):
                self.ask(name, "GET", path)
            for path in ("/status", "/"):
                self.ask(name, "GET", path, TOKEN)

    def ask(self, name: str, method: str, path: str, token: str = "") -> bytes:
        """Ask a sidecar, and count its answer."""
        connection = HTTPConnection(LOOPBACK, self._ports[name], timeout=10)
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            self.done[f"{name} {path} {answer.status}"] += 1
            return answer.read()
        finally:
            connection.close()

    # ---- what is there -------------------------------------------------------------------------------------------------------------------------

    def is_well(self) -> bool:
        """Whether every object and every file is as the source says."""
        live = self._place.live("s03")
        file = self._target / "soak" / "s03" / "password"
        there = file.read_text(encoding="utf-8") if file.is_file() else ""
        return live is not None and values(live).get("password", b"").decode() == self._value == there and self._place.live("of-flux") is not None

    def count_passes(self) -> None:
        """Take the number of passes, by their end, and of requests from the outside."""
        for name in self._ports:
            for line in self.ask(name, "GET", "/metrics").decode().splitlines():
                series, _, value = line.rpartition(" ")
                if series.startswith(("secrettool_reconcile_total", "secrettool_render_swaps_total")):
                    self.done[f"{name} {series.removeprefix('secrettool_')}"] = int(float(value))

    def _log_in_as_pods_do(self) -> None:
        """By a file with a token, which makes the client the one of the package `kubernetes`, as in a pod."""
        file = self._place.kubeconfig.with_name("pod-token")
        file.write_text(self._place.account.token, encoding="utf-8")
        content = yaml.safe_load(self._place.kubeconfig.read_text(encoding="utf-8"))
        content["users"][0]["user"] = {"tokenFile": str(file)}
        self._place.kubeconfig.write_text(yaml.safe_dump(content), encoding="utf-8")

    def _swap(self, files: Mapping[str, str]) -> None:
        old, self._worktree = self._worktree, self._place.folder / f"worktree-{next(self._numbers)}"
        write_tree(self._worktree, files)
        _put_link(str(self._worktree), self._link)
        self._value = files["value"]
        if old is not None:
            shutil.rmtree(old)

    def _url_file(self) -> Path:
        file = self._place.folder / "url"
        file.write_text(f"{self._web}/told", encoding="utf-8")
        return file


@contextmanager
def web(folder: Path, received: Counter[str]) -> Iterator[str]:
    """A server of artifacts, and of the webhook; its URL.

    Args:
        folder: With the artifacts; it may come later.
        received: Counts the notifications.
    """

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self._say((folder / os.path.basename(self.path)).read_bytes())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            received["notifications"] += 1
            self._say(b"")

        def _say(self, data: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with listening(Handler) as url:
        yield url


def happenings(scene: Scene) -> list[tuple[int, int, Callable[[], Any]]]:
    """What happens: every so many seconds, for the first time after so many more."""
    return [
        (2, 0, scene.look),
        (10, 1, scene.change_source),
        (12, 7, scene.refresh),
        (20, 4, scene.interfere),
        (20, 13, scene.change_artifact),
        (20, 18, scene.replace_keys),
        (30, 24, scene.hang_up),
        (60, 34, scene.break_source),
        (60, 55, scene.take_source_away),
    ]


def _state(number: int) -> dict[str, str]:
    """Files of the source; one has more Secrets than the next, so that something is pruned. What is in one of them is known."""
    names = [f"s{index:02}" for index in range(SECRETS - number % 2)]
    files = {f"{name}.yaml": sealed(_manifest(name, f"value {number} of {name}")) for name in names}
    build = {"kustomization.yaml": yaml.safe_dump({"resources": sorted(files)})} if shutil.which("kustomize") else {}
    return {**files, **build, "value": f"value {number} of s03"}


def _manifest(name: str, value: str) -> str:
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"password": value}})


def _put_link(target: str, link: Path) -> None:
    new = link.with_name(f"{link.name}-new")
    new.symlink_to(target)
    os.replace(new, link)
