"""Flux's real kustomize-controller, outside the cluster, with the test in the place of Git and of source-controller.

A test gives a folder; it becomes a tarball on loopback and the status of a GitRepository that names it, which is all that kustomize-controller
knows of a source. See `internal/controller/kustomization_controller.go` of kustomize-controller for what is waited for.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import ApiServer
from tests.interop.peers.passes import Pass, PassLog, conditions, object_name
from tests.interop.peers.process import LOOPBACK, PAUSE, answers, fetched, free_ports, serving

SOURCE_VERSION: Final = "source.toolkit.fluxcd.io/v1"
VERSION: Final = "kustomize.toolkit.fluxcd.io/v1"
OWN_PREFIX: Final = "kustomize.toolkit.fluxcd.io/"
"""Begins the names of the labels and annotations that are Flux's."""
REQUESTED_AT: Final = "reconcile.fluxcd.io/requestedAt"
SYSTEM_NAMESPACE: Final = "flux-system"
FINALIZER: Final = "finalizers.fluxcd.io"
"""Given from the start: the controller would add it in a pass of its own, and make one more a while later."""
INTERVAL: Final = "1h"
"""Far beyond a test's end: a pass has a cause that the test gave."""
IDLE: Final = (r'^controller_runtime_active_workers{controller="kustomization"} 0$', r'^workqueue_depth{[^}]*name="kustomization"[^}]*} 0$')
"""Metrics of controller-runtime when there is nothing to do."""
PATIENCE: Final = 40
"""Seconds that a pass may take."""


class NotReconciled(Exception):
    """A pass did not end in time; the text holds the conditions and the end of the controller's log."""


class Flux:
    """A running kustomize-controller.

    Attributes:
        api: The API server that it works on.
        artifacts: The folder that is served at `artifacts_url`.
        log: The controller's log, in lines of JSON.
    """

    def __init__(self, api: ApiServer, artifacts: Path, artifacts_port: int, metrics_port: int, log: Path) -> None:
        self.api = api
        self.artifacts = artifacts
        self.artifacts_url = f"http://{LOOPBACK}:{artifacts_port}"
        self.log = log
        self._metrics_port = metrics_port

    def reconcile(
        self, tree: Path, namespace: str, *, name: str = "app", decryption: str | None = None, path: str = "./", prune: bool = True, **spec: Any
    ) -> Pass:
        """Publish a tree for a Kustomization that is made when there is none, wait for the pass over it, and say how it ended.

        Args and errors: as `kustomization` and `Kustomization.reconcile`.
        """
        return self.kustomization(namespace, name=name, decryption=decryption, path=path, prune=prune, **spec).reconcile(tree)

    def kustomization(self, namespace: str, *, name: str = "app", decryption: str | None = None, **spec: Any) -> Kustomization:
        """A Kustomization and a GitRepository of the same name. Both exist after the first `reconcile` or `publish`.

        Args:
            namespace: Of both, and, unless `targetNamespace` says otherwise, of everything that is applied.
            name: Of both.
            decryption: Name of the Secret with keys; None leaves `spec.decryption` out.
            spec: More fields of the Kustomization's spec, as the API names them (`force`, `suspend`, `targetNamespace`, `postBuild`, ...);
                None removes a field that is otherwise set here.
        """
        given = {"decryption": {"provider": "sops", "secretRef": {"name": decryption}}} if decryption else {}
        return Kustomization(self, namespace, name, {"targetNamespace": namespace, **given, **spec})

    def is_idle(self) -> bool:
        """Whether no pass is running or waiting for a worker."""
        metrics = fetched(self._metrics_port, "/metrics").decode()
        return all(re.search(pattern, metrics, re.MULTILINE) for pattern in IDLE)


class Kustomization:
    """One Kustomization with its source.

    Attributes:
        namespace: Of the Kustomization and the GitRepository.
        name: Of both.
        revision: What was published last; empty before that.
    """

    def __init__(self, flux: Flux, namespace: str, name: str, spec: Mapping[str, Any]) -> None:
        self.namespace = namespace
        self.name = name
        self.revision = ""
        self._flux = flux
        self._client = flux.api.admin
        self._spec = dict(spec)

    def reconcile(self, tree: Path | None = None, *, seconds: float = PATIENCE) -> Pass:
        """Publish a tree as a new revision, or ask for one more pass over the last one, and wait for the pass to end.

        Raises:
            NotReconciled: It did not, in that many seconds.
        """
        log = PassLog(self._flux.log, self.namespace, self.name)
        asked = self._ask() if tree is None else None
        if tree is not None:
            self.publish(tree)
        return self._wait(log, asked, seconds)

    def change(self, **spec: Any) -> Pass:
        """Set fields of the spec to something else, None to remove one, and wait for the pass that this causes.

        Raises:
            NotReconciled: It did not end in time.
        """
        log = PassLog(self._flux.log, self.namespace, self.name)
        self.set(**spec)
        return self._wait(log, None, PATIENCE)

    def set(self, **spec: Any) -> None:
        """Set fields of the spec without waiting, None to remove one."""
        self._spec |= spec
        self._apply()

    def publish(self, tree: Path) -> str:
        """Publish a tree as a new revision without waiting, and return the revision."""
        self.revision = f"main@sha1:{secrets.token_hex(20)}"
        file = self._flux.artifacts / f"{secrets.token_hex(8)}.tar.gz"
        with tarfile.open(file, "w:gz", compresslevel=1) as archive:
            archive.add(tree, arcname=".")
        url = f"{self._flux.artifacts_url}/{file.name}"
        head = {"name": self.name, "namespace": self.namespace}
        spec = {"interval": INTERVAL, "url": "http://example.invalid/shop.git"}
        self._client.apply({"apiVersion": SOURCE_VERSION, "kind": "GitRepository", "metadata": head, "spec": spec}, force=True)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        artifact = {
            "url": url,
            "path": file.name,
            "revision": self.revision,
            "digest": f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}",
            "lastUpdateTime": now,
        }
        ready = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": now}
        status = {"status": {"artifact": artifact, "conditions": [ready]}}
        self._client.patch("GitRepository", self.name, self.namespace, status, version=SOURCE_VERSION, part="status")
        self._apply()
        return self.revision

    def get(self) -> Json | None:
        """The Kustomization as it is in the cluster."""
        return self._client.find("Kustomization", self.name, self.namespace, version=VERSION)

    def delete(self) -> None:
        """Delete the Kustomization, and wait until Flux has removed what it prunes.

        Raises:
            NotReconciled: It did not end in time.
        """
        log = PassLog(self._flux.log, self.namespace, self.name)
        self._client.delete("Kustomization", self.name, self.namespace, version=VERSION)
        end = time.monotonic() + PATIENCE
        while (found := self.get()) is not None:
            if time.monotonic() > end:
                raise NotReconciled(self._story(found, log))
            time.sleep(PAUSE)

    def _apply(self) -> None:
        own = {"interval": INTERVAL, "path": "./", "prune": True, "sourceRef": {"kind": "GitRepository", "name": self.name}}
        spec = {key: value for key, value in (own | self._spec).items() if value is not None}
        head = {"name": self.name, "namespace": self.namespace, "finalizers": [FINALIZER]}
        self._client.apply({"apiVersion": VERSION, "kind": "Kustomization", "metadata": head, "spec": spec}, force=True)

    def _ask(self) -> str:
        token = secrets.token_hex(8)
        change = {"metadata": {"annotations": {REQUESTED_AT: token}}}
        self._client.patch("Kustomization", self.name, self.namespace, change, version=VERSION)
        return token

    def _wait(self, log: PassLog, asked: str | None, seconds: float) -> Pass:
        end = time.monotonic() + seconds
        while True:
            failed = log.failed(self.revision)  # asked first: the status that is read now is at least as new
            found = self.get()
            # A pass writes its conditions first and the rest of the status a moment later; only the worker knows when it is through.
            if found is not None and self._is_over(found, asked, failed) and self._flux.is_idle():
                return self._result(log)
            if time.monotonic() > end:
                raise NotReconciled(self._story(found, log))
            time.sleep(PAUSE)

    def _is_over(self, found: Json, asked: str | None, failed: bool) -> bool:
        """Whether the pass over the published revision, with the spec as it is now, has ended.

        A pass begins with `Ready=Unknown`, notes the revision once it is unpacked, and ends with another status of `Ready`. A pass that cannot
        even unpack the revision notes it in its log only.
        """
        status = found.get("status", {})
        ready = next((entry for entry in status.get("conditions", ()) if entry["type"] == "Ready"), None)
        if ready is None or ready["status"] == "Unknown" or ready.get("observedGeneration") != found["metadata"]["generation"]:
            return False
        if asked is not None:
            return bool(status.get("lastHandledReconcileAt") == asked)
        return failed or status.get("lastAttemptedRevision") == self.revision

    def _result(self, log: PassLog) -> Pass:
        found = self._client.get("Kustomization", self.name, self.namespace, version=VERSION)
        status = found["status"]
        entries = status.get("inventory", {}).get("entries", ())
        return Pass(self.revision, conditions(found), frozenset(object_name(entry["id"]) for entry in entries), log.actions())

    def _story(self, found: Json | None, log: PassLog) -> str:
        told = "\n".join(f"{kind}: {condition}" for kind, condition in conditions(found or {}).items()) or "no conditions"
        return f"Kustomization {self.namespace}/{self.name} at {self.revision}: not through in time\n{told}\n{log.file} has of it\n{log.tail()}"


@contextmanager
def running_flux(program: Path, api: ApiServer, folder: Path, environ: Mapping[str, str]) -> Iterator[Flux]:
    """Run kustomize-controller, and a web server for artifacts, in a folder.

    Args:
        program: The controller.
        api: The API server; it must know Flux's kinds.
        folder: For data and logs.
        environ: The controller's environment; PATH for gpg and no keys, since the controller would use them.
    """
    artifacts, scratch, log = folder / "artifacts", folder / "tmp", folder / "kustomize-controller.log"
    artifacts.mkdir()
    scratch.mkdir()
    web_port, health_port, metrics_port = free_ports(3)
    web: list[str | Path] = [sys.executable, "-m", "http.server", str(web_port), "--bind", LOOPBACK, "--directory", artifacts]
    kubeconfig = api.kubeconfig(folder / "kubeconfig", api.admin_token)
    surroundings = {**environ, "KUBECONFIG": str(kubeconfig), "RUNTIME_NAMESPACE": SYSTEM_NAMESPACE, "TMPDIR": str(scratch), "HOME": str(scratch)}
    command: list[str | Path] = [
        program,
        f"--metrics-addr={LOOPBACK}:{metrics_port}",
        f"--health-addr={LOOPBACK}:{health_port}",
        "--log-encoding=json",
        "--requeue-dependency=1s",
        "--kube-api-qps=1000",
        "--kube-api-burst=1000",
    ]
    with (
        serving("artifacts", web, log=folder / "artifacts.log", environ=environ, ready=lambda: answers(web_port, "/")),
        serving("kustomize-controller", command, log=log, environ=surroundings, ready=lambda: answers(health_port, "/readyz")),
    ):
        yield Flux(api, artifacts, web_port, metrics_port, log)
