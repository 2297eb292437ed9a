"""An API server on loopback over a folder of manifests, in threads of this process: for what is written against `ApiServer` alone.

The rules are those of `FolderCluster`; this adds what only the client of a server can do: create, replace, watch, and be refused or kept waiting.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from secrettool.cluster.apiserver import ApiServer
from secrettool.cluster.folder import FolderCluster
from secrettool.cluster.folder.kinds import BUILT_IN
from secrettool.cluster.model import ApplyConflict
from secrettool.cluster.plain import Login, PlainClient
from secrettool.errors import ClusterError
from secrettool.objects import Ref, ref_of, section
from tests.loopback import QuietHandler, listening

Json = dict[str, Any]
TOKEN = "token-of-nobody"


class Asked(NamedTuple):
    """A request that came in."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class FolderServer:
    """The server.

    Attributes:
        url: Its address.
        folder: What it serves, to look at and to change without a request.
        asked: Every request so far.
        refuse: The status that a request gets instead of an answer; None for its answer.
        hold: Requests wait while it is not set.
    """

    def __init__(self, path: Path) -> None:
        self.url = ""
        self.path = path
        self.folder = FolderCluster(str(path))
        self.asked: list[Asked] = []
        self.refuse: Callable[[Asked], int | None] = lambda _: None
        self.hold = threading.Event()
        self.hold.set()
        self.is_over = False
        self._kinds = dict(BUILT_IN)

    # ---- for tests -----------------------------------------------------------------------------------------------------------------------------

    def put(self, *objs: Json) -> None:
        """Let objects be there, each in a file of its own, with their status."""
        for obj in objs:
            with self.folder._lock:
                self._put(obj)

    def _put(self, obj: Json) -> None:
        ref = ref_of(obj)
        files = {ref_of(yaml.safe_load(file.read_text(encoding="utf-8")))[1:]: file for file in self.path.rglob("*.yaml")}
        new = self.path / "new"
        new.write_text(yaml.safe_dump(obj), encoding="utf-8")
        new.replace(files.get(ref[1:], self.path / f"{ref.kind}-{ref.namespace}-{ref.name}.yaml".lower()))

    def define(self, api_version: str, kind: str) -> None:
        """Serve a kind in namespaces."""
        group, _, version = api_version.rpartition("/")
        self._kinds[api_version, kind] = True
        spec = {"group": group, "names": {"kind": kind}, "scope": "Namespaced", "versions": [{"name": version}]}
        head = {"name": f"{plural(kind)}.{group}"}
        self.put({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": head, "spec": spec})

    def there(self, ref: Ref) -> Json:
        """An object that is there."""
        found = self.folder.get(ref)
        assert found is not None, ref
        return found

    def writes(self) -> list[str]:
        """Method and path of all requests that store something."""
        return [str(each) for each in self.asked if each.method != "GET" and "dryRun" not in each.query]

    @contextmanager
    def client(self) -> Iterator[ApiServer]:
        """The client that secrettool has."""
        try:
            yield ApiServer(_client(), url=self.url)
        finally:
            _client().close()

    def kubeconfig(self, file: Path) -> Path:
        """A file with the way here."""
        named = {"clusters": [{"name": "x", "cluster": {"server": self.url}}], "users": [{"name": "x", "user": {"token": TOKEN}}]}
        contexts = [{"name": "x", "context": {"cluster": "x", "user": "x"}}]
        content = {"apiVersion": "v1", "kind": "Config", "current-context": "x", "contexts": contexts, **named}
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        return file

    # ---- for requests --------------------------------------------------------------------------------------------------------------------------

    def answer(self, asked: Asked) -> tuple[int, Json]:
        """Status and object."""
        try:
            with self.folder._lock:  # what is answered is what this request has made
                return self._answer(asked)
        except ApplyConflict as error:
            causes = [
                {"reason": "FieldManagerConflict", "field": conflict.field, "message": f'conflict with "{conflict.manager}" using v1'}
                for conflict in error.conflicts
            ]
            return 409, {"kind": "Status", "reason": "Conflict", "details": {"causes": causes}}
        except ClusterError as error:
            return error.status or 500, {"kind": "Status", "reason": error.reason, "message": error.message}

    def reference(self, asked: Asked) -> Ref | None:
        """The object that a path names; without a name all of its kind, None for none at all."""
        parts = [unquote(part) for part in asked.path.strip("/").split("/")]
        api_version, rest = ("/".join(parts[1:3]), parts[3:]) if parts[0] == "apis" else (parts[1], parts[2:])
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces":
            namespace, rest = rest[1], rest[2:]
        kind = next((kind for version, kind in self._kinds if version == api_version and rest and plural(kind) == rest[0]), None)
        return None if kind is None else Ref(api_version, kind, namespace, rest[1] if len(rest) > 1 else "")

    def _answer(self, asked: Asked) -> tuple[int, Json]:
        ref = self.reference(asked)
        if ref is None:
            return self._kinds_at(asked.path)
        match asked.method:
            case "GET":
                return self._read(ref)
            case "POST":
                return self._create(asked)
            case "PUT":
                return self._replace(ref, asked)
            case "PATCH":
                return self._patch(ref, asked)
        wanted = section(asked.body, "preconditions")
        self.folder.delete(ref, uid=wanted["uid"], resource_version=wanted["resourceVersion"], dry_run="dryRun" in asked.body)
        return 200, {"kind": "Status", "status": "Success"}

    def _kinds_at(self, path: str) -> tuple[int, Json]:
        api_version = path.removeprefix("/apis/").removeprefix("/api/")
        found = [
            {"kind": kind, "name": plural(kind), "namespaced": namespaced}
            for (version, kind), namespaced in self._kinds.items()
            if version == api_version
        ]
        return (200, {"kind": "APIResourceList", "resources": found}) if found else (404, {"kind": "Status", "reason": "NotFound"})

    def _read(self, ref: Ref) -> tuple[int, Json]:
        if not ref.name:
            return 200, {"kind": f"{ref.kind}List", "items": self.folder.list_objects(*ref[:3])}
        if ref.kind == "Namespace" and self.folder.namespace_exists(ref.name):
            return 200, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ref.name}}
        found = self.folder.get(ref)
        return (200, found) if found is not None else (404, {"kind": "Status", "reason": "NotFound"})

    def _create(self, asked: Asked) -> tuple[int, Json]:
        if self.folder.get(ref_of(asked.body)) is not None:
            raise ClusterError("it is there", status=409, reason="AlreadyExists")
        return 201, self.folder.apply(asked.body, manager=asked.query["fieldManager"])

    def _replace(self, ref: Ref, asked: Asked) -> tuple[int, Json]:
        before = self.folder.get(ref)
        if before is None:
            raise ClusterError("it is not there", status=404, reason="NotFound")
        parts: list[Json] = [{"op": "test", "path": "/metadata/resourceVersion", "value": asked.body["metadata"]["resourceVersion"]}]
        parts += ({"op": "replace", "path": f"/{name}", "value": asked.body[name]} for name in asked.body.keys() - {"apiVersion", "kind", "metadata"})
        self.folder.patch(ref, parts, kind="json", manager=asked.query["fieldManager"])
        return 200, self.there(ref)

    def _patch(self, ref: Ref, asked: Asked) -> tuple[int, Json]:
        manager, dry_run = asked.query["fieldManager"], "dryRun" in asked.query
        if "fieldValidation" not in asked.query:
            return 200, self.folder.apply(asked.body, manager=manager, force="force" in asked.query, dry_run=dry_run)
        kind: Any = "merge" if isinstance(asked.body, dict) else "json"
        return 200, self.folder.patch(ref, asked.body, kind=kind, manager=manager, dry_run=dry_run)

    def changes(self, asked: Asked) -> Iterator[Json]:
        """The events of a watch."""
        kind = self.reference(asked)
        assert kind is not None
        ref = kind._replace(name=asked.query["fieldSelector"].removeprefix("metadata.name="))
        end, version = time.monotonic() + float(asked.query["timeoutSeconds"]), ""
        while time.monotonic() < end and not self.is_over:
            found = self.folder.get(ref)
            if found is None and version:
                yield {"type": "DELETED", "object": {}}
                return
            if found is not None and found["metadata"]["resourceVersion"] != version:
                yield {"type": "MODIFIED" if version else "ADDED", "object": found}
                version = found["metadata"]["resourceVersion"]
            time.sleep(0.01)


@cache
def _client() -> PlainClient:
    """One for all: reading the certificates of the system takes longer than most tests."""
    return PlainClient(Login("http://127.0.0.1", (None, None), TOKEN, None))


def plural(kind: str) -> str:
    """What a kind is called in paths."""
    return f"{kind.lower()}s"


@contextmanager
def serving(path: Path) -> Iterator[FolderServer]:
    """A server over a folder until the block ends."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {name: texts[0] for name, texts in parse_qs(parts.query).items()}
            asked = Asked(self.command, parts.path, query, yaml.safe_load(body) if body else None)
            server.asked.append(asked)
            server.hold.wait(20)
            status = server.refuse(asked)
            with suppress(ConnectionError):
                if status is not None:
                    self._say(status, {"kind": "Status", "message": "canary: refused"})
                elif "watch" in query:
                    self._stream(asked)
                else:
                    self._say(*server.answer(asked))

        def _say(self, status: int, told: Json) -> None:
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, asked: Asked) -> None:
            self.close_connection = True
            self.send_response(200)
            self.end_headers()
            for event in server.changes(asked):
                self.wfile.write(json.dumps(event).encode() + b"\n")

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    path.mkdir(exist_ok=True)
    server = FolderServer(path)
    with listening(Handler) as server.url:
        try:
            yield server
        finally:
            server.is_over = True
            server.hold.set()
