"""Sidecars for the tests with a real API server: workers in this process, and whole programs beside it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from secrettool.cluster.apiserver import ApiServer as Connected
from secrettool.cluster.connection import Access, connect
from secrettool.sidecar.applying import Applied, Applier
from secrettool.sidecar.config import ApplySettings, DirSource, Keys, Source
from secrettool.sidecar.inventory import OWNER
from secrettool.sidecar.keys import Keyring
from secrettool.sidecar.passes import Report, Worker
from secrettool.sidecar.source_dir import DirOrigin
from secrettool.sidecar.state import NoRecorder
from tests.interop.gitops import KEY_FILE, ROOT, sealed, values, write_tree
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import Account, ApiServer, Request, Rule
from tests.waiting import PATIENCE, wait_for

CANARY = "canary-5e1d"
WRITES = ("create", "patch", "update", "delete")
ENVIRON = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
LEAST = Rule(["get", "patch", "create"], ["secrets"])


def secret(name: str, namespace: str | None = None, *, annotations: dict[str, str] | None = None, **entries: str) -> str:
    """The encrypted manifest of a Secret."""
    head: Json = {"name": name} | ({"namespace": namespace} if namespace else {}) | ({"annotations": annotations} if annotations else {})
    return sealed(yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": head, "stringData": entries}, sort_keys=False))


class Place:
    """A namespace, a source, and an account with the least rights.

    Attributes:
        tree: Folder of the source.
        folder: Folder for everything else.
    """

    def __init__(self, api: ApiServer, folder: Path, namespace: str, rules: Sequence[Rule] = (LEAST,)) -> None:
        self.api = api
        self.folder = folder
        self.tree = folder / "tree"
        self.tree.mkdir()
        self.namespace = namespace
        self.account = api.account(namespace, rules)
        self.kubeconfig = api.kubeconfig(folder / "kubeconfig", self.account.token)

    def write(self, **files: str) -> None:
        """Write manifests into the source."""
        write_tree(self.tree, {f"{name}.yaml": text for name, text in files.items()})

    def grant(self, *rules: Rule) -> None:
        """Go on as another account."""
        self.use(self.api.account(self.namespace, rules))

    def use(self, account: Account) -> None:
        """Go on as another account."""
        self.account = account
        self.api.kubeconfig(self.kubeconfig, account.token)

    def live(self, name: str = "db", kind: str = "Secret") -> Json | None:
        """An object."""
        return self.api.admin.find(kind, name, self.namespace)

    def there(self, name: str = "db", kind: str = "Secret") -> Json:
        """An object that is there."""
        found = self.live(name, kind)
        assert found is not None
        return found

    def value(self, name: str = "db", key: str = "password") -> str | None:
        """A value of a Secret; None when there is none."""
        found = self.live(name)
        return None if found is None or key not in values(found) else values(found)[key].decode()

    def version(self, name: str = "db") -> str:
        """The version of a Secret."""
        return str(self.there(name)["metadata"]["resourceVersion"])

    def put(self, name: str = "db", *, manager: str = "helm", owner: str | None = None, **entries: str) -> None:
        """Let somebody else apply a Secret."""
        labels = {"labels": {OWNER: owner}} if owner else {}
        head = {"name": name, "namespace": self.namespace, **labels}
        self.api.admin.apply({"apiVersion": "v1", "kind": "Secret", "metadata": head, "stringData": entries}, manager=manager, force=True)

    def requests(self) -> list[Request]:
        """What this account has asked for so far."""
        return self.api.requests(self.account.user)

    def writes(self, before: int = 0) -> list[Request]:
        """What it has tried to write."""
        return [each for each in self.requests()[before:] if each.verb in WRITES and "dryRun" not in each.path]

    def events(self, reason: str) -> list[Json]:
        """The Events of a reason."""
        return [each for each in self.api.admin.items("Event", self.namespace, version="events.k8s.io/v1") if each["reason"] == reason]

    # ---- in this process -----------------------------------------------------------------------------------------------------------------------

    @contextmanager
    def worker(self, *, may_write: Any = lambda: True, keys: Keys | None = None, id_: str = "main", **settings: Any) -> Iterator[Worker]:
        """A worker that applies the tree."""
        source = Source(
            id=id_,
            origin=DirSource(str(self.tree)),
            keys=keys or Keys(files=(str(KEY_FILE),)),
            apply=ApplySettings(**{"namespace": self.namespace, **settings}),
        )
        with self.connected() as cluster:
            applier = Applier(source, cluster, namespace=self.namespace, may_write=may_write)
            made = Worker(source, DirOrigin(str(self.tree)), Keyring(source.keys, ENVIRON), applier, NoRecorder(), environ=ENVIRON)
            yield made
            made.close()

    @contextmanager
    def connected(self) -> Iterator[Connected]:
        """The API server, as this account."""
        with connect(Access(str(self.kubeconfig)), {}) as cluster:
            yield cluster

    # ---- as a program --------------------------------------------------------------------------------------------------------------------------

    def config(self, *sources: Json, **more: Any) -> Path:
        """A configuration; without sources one that applies the tree."""
        default = {"id": "main", "dir": {"path": str(self.tree)}, "keys": {"files": [str(KEY_FILE)]}, "apply": {"namespace": self.namespace}}
        file = self.folder / f"sidecar-{len(list(self.folder.iterdir()))}.yaml"
        content = {"apiVersion": "secrettool.dev/v1alpha1", "kind": "Sidecar", "http": {"enabled": False}, "interval": "1s", "events": False}
        file.write_text(yaml.safe_dump({**content, **more, "sources": list(sources) or [default]}), encoding="utf-8")
        return file

    @contextmanager
    def running(self, config: Path, *words: str, pod: str = "sidecar-0") -> Iterator[Program]:
        """The program, until the block ends."""
        program = Program(self, config, words, pod)
        try:
            yield program
        finally:
            program.kill()


class Program:
    """A running `secrettool sidecar run`."""

    def __init__(self, place: Place, config: Path, words: Sequence[str], pod: str) -> None:
        environ = {**ENVIRON, "HOME": str(place.folder), "PYTHONPATH": str(ROOT), "POD_NAMESPACE": place.namespace, "POD_NAME": pod}
        command = [sys.executable, "-m", "secrettool", "sidecar", "run", "--config", str(config), "--log-level", "debug"]
        self.log = place.folder / f"{pod}-{len(list(place.folder.iterdir()))}.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--kubeconfig", str(place.kubeconfig), *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environ
            )

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Tell it to end, and wait; its status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def folders(self) -> list[Path]:
        """The private folders in memory that it holds a lock on."""
        held = {os.readlink(each) for each in Path(f"/proc/{self.process.pid}/fd").iterdir()}
        return [Path(folder) for folder in sorted(held) if re.fullmatch("/dev/shm/secrettool-[0-9a-f]+", folder)]

    def lines(self) -> list[Mapping[str, Any]]:
        """What it has logged; every line is JSON."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def passes(self) -> list[Mapping[str, Any]]:
        """The lines about passes."""
        return [line for line in self.lines() if line["message"].startswith("pass: ")]

    def wait_for_passes(self, count: int) -> None:
        """Wait until so many passes have ended."""
        wait_for(lambda: len(self.passes()) >= count)

    def wait_for_pass(self, **facts: Any) -> None:
        """Wait for a pass with these facts."""
        wait_for(lambda: any(facts.items() <= line.items() for line in self.passes()))


def actions(report: Report | Applied) -> dict[str, str]:
    """What became of each object, by the last part of its name."""
    return {each.name.rpartition("/")[2]: each.action for each in report.objects}
