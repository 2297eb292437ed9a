"""A folder of manifests with the rules of an API server: versions as preconditions, field managers, strict patches, server-side apply.

`uid` and `resourceVersion` are made up for as long as the program runs: the version of an object is another one whenever its file gives another
object than at the last look. The manifests stay plain: neither stands in them.

A Secret that is written here lies on the disk as plain text. A new file can be read by its owner only; one that was there keeps its mode. More than
that is for whoever lets people name the folder, since only they know what else it is:

- refuse one that is, or lies in, or holds a folder of manifests from git: values would replace placeholders in what is committed next;
- refuse one in a work tree of git that does not ignore it, for the same reason;
- warn of one that lies on a disk others share, and of files in it that others can read;
- never take a folder when a cluster was asked for, and say in each report which of the two it was.

What is refused here: an object that is encrypted (it would be mixed with plain values), a link that leads out of the folder, a file that cannot be
read whole (it may hold the object).

Source: Kubernetes API concepts; answers of kube-apiserver 1.34, compared by tests/cluster/test_contract.py.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from itertools import count
from threading import RLock
from typing import Any, Final, NamedTuple
from uuid import uuid4

from secrettool.cluster.folder import owners
from secrettool.cluster.folder.files import Entry, Files
from secrettool.cluster.folder.index import Identity, Index
from secrettool.cluster.folder.owners import Managers, Owners
from secrettool.cluster.folder.patching import PatchError, json_patch, merge_patch
from secrettool.cluster.folder.stored import stored, written
from secrettool.cluster.folder.validation import Problem, forbidden_change, invalid, problem_of, refusal
from secrettool.cluster.model import ApplyConflict, FieldConflict, PatchKind, tested_version
from secrettool.errors import ClusterError, ConfigError, Outcome
from secrettool.flux.fields import flatten, owned
from secrettool.flux.live import LiveObject, applied, updated
from secrettool.objects import Object, Ref, folded, ref_of, section

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class _Live(NamedTuple):
    """An object of the folder.

    Attributes:
        entry: Where it is written.
        kept: As an API server would keep it, without what only the server writes.
        managers: Who owns what.
        uid: Its `metadata.uid`.
        version: Its `metadata.resourceVersion`.
    """

    entry: Entry
    kept: dict[str, Any]
    managers: Managers
    uid: str
    version: str

    def served(self) -> dict[str, Any]:
        """As an API server answers."""
        return _served(self.kept, self.managers, self.uid, self.version)


class FolderCluster:
    """Implements `Cluster` over a folder. Objects of kinds with namespaces that name none lie in `default`.

    A namespace exists when the folder holds it or anything in it; so do those that every cluster has.

    Args:
        path: The folder.

    Raises:
        ConfigError: There is no such folder.
    """

    def __init__(self, path: str) -> None:
        if not os.path.isdir(path):
            error = ConfigError("no such folder", hint="make it, or name another one", code=Outcome.CONFIGURATION)
            error.file = path
            raise error
        self._path = path
        self._files = Files(path)
        self._owners = Owners(path)
        self._lock = RLock()
        self._entries: tuple[Entry, ...] = ()
        self._index = Index(())
        self._seen: dict[Identity, tuple[str, str, str]] = {}  # what it was, its uid, its version
        self._numbers = count(1)

    def __repr__(self) -> str:
        return f"<FolderCluster {self._path}>"

    def is_namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of a kind lie in namespaces; see `Cluster`."""
        with self._lock:
            return self._look().is_namespaced(api_version, kind)

    def namespace_exists(self, name: str) -> bool:
        """Whether there is a namespace; see `Cluster`."""
        with self._lock:
            return self._look().has_namespace(name)

    def get(self, ref: Ref) -> dict[str, Any] | None:
        """The object; see `Cluster`."""
        with self._lock:
            live = self._find(self._look().identity(ref))
            return None if live is None else live.served()

    def list_objects(self, api_version: str, kind: str, namespace: str) -> list[dict[str, Any]]:
        """The objects of a kind; see `Cluster`."""
        with self._lock:
            index = self._look()
            wanted = index.identity(Ref(api_version, kind, namespace, ""))
            found = [self._find(wanted._replace(name=name)) for name in index.names(*wanted[:3])]
            return [live.served() for live in found if live is not None]

    def apply(self, obj: Object, *, manager: str, force: bool = False, dry_run: bool = False) -> dict[str, Any]:
        """Create or change an object by server-side apply; see `Cluster`."""
        with self._lock:
            ref = ref_of(obj)
            identity = self._look().identity(ref)
            live = self._find(identity)
            payload = {name: value for name, value in folded(obj).items() if name != "status"}
            if live is None:
                self._check_place(ref, identity.namespace)
            else:
                _check_versions(ref, section(obj, "metadata"), live)
                if not force:
                    _check_owners(ref, payload, manager, live)
            after = applied(LiveObject(live.kept, live.managers) if live else None, manager, payload)
            kept = stored(after.obj, identity.namespace)
            _check(ref, live, kept, applied=True)
            return self._store(ref, live, kept, after.managers, dry_run=dry_run)

    def patch(self, ref: Ref, body: Object | Sequence[Object], *, kind: PatchKind, manager: str, dry_run: bool = False) -> dict[str, Any]:
        """Change an object that is there; see `Cluster`."""
        with self._lock:
            live = self._existing(ref)
            before = live.served()
            try:
                changed = merge_patch(before, body) if isinstance(body, Mapping) else json_patch(before, body)
            except PatchError:
                assert not isinstance(body, Mapping)
                if tested_version(body) not in (None, live.version):
                    raise _conflict(ref) from None
                raise invalid("", str(ref)) from None
            _check_versions(ref, section(changed, "metadata"), live)
            _check_name(ref, section(changed, "metadata"), section(before, "metadata"))
            kept = stored(changed, section(before, "metadata").get("namespace", ""))
            _check(ref, live, kept, applied=False)
            after = updated(LiveObject(live.kept, live.managers), manager, kept)
            answer = self._store(ref, live, kept, after.managers, dry_run=dry_run)
            return {name: answer[name] for name in ("apiVersion", "kind", "metadata")}

    def delete(self, ref: Ref, *, uid: str, resource_version: str, dry_run: bool = False) -> None:
        """Delete an object if it still is this one; see `Cluster`."""
        with self._lock:
            identity = self._look().identity(ref)
            live = self._existing(ref)
            if (uid, resource_version) != (live.uid, live.version):
                raise _conflict(ref)
            if not dry_run:
                self._files.remove(live.entry)
                self._owners.set(identity, ())

    # ---- what is there ---------------------------------------------------------------------------------------------------------------------------

    def _look(self) -> Index:
        """Look at the files again."""
        entries = self._files.entries()
        if entries is not self._entries:
            self._entries, self._index = entries, Index(entries)
        return self._index

    def _find(self, identity: Identity) -> _Live | None:
        """The object as it was at the last look."""
        found = self._index.entries(identity)
        if not found:
            self._seen.pop(identity, None)
            return None
        if len(found) > 1:
            files = ", ".join(dict.fromkeys(each.path for each in found))
            raise ClusterError(f"it is there more than once: {files}", subject=str(identity), hint="leave one of them in the folder")
        entry = found[0]
        if isinstance(entry.obj.get("sops"), Mapping):
            hint = "a folder that stands for a cluster holds what is decrypted; secrettool hook build makes it"
            raise ClusterError(f"it is encrypted in {entry.path}", subject=str(identity), hint=hint)
        kept = stored(entry.obj, identity.namespace)
        return self._versioned(identity, entry, kept, owners.existing(self._owners.of(identity), flatten(kept)))

    def _versioned(self, identity: Identity, entry: Entry, kept: dict[str, Any], managers: Managers) -> _Live:
        text = json.dumps([kept, owners.entries(managers)], sort_keys=True)
        seen, uid, version = self._seen.get(identity, ("", "", ""))
        if text != seen:
            written_uid = section(entry.obj, "metadata").get("uid")
            uid = uid or (written_uid if isinstance(written_uid, str) and written_uid else str(uuid4()))
            version = str(next(self._numbers))
            self._seen[identity] = (text, uid, version)
        return _Live(entry, kept, managers, uid, version)

    def _existing(self, ref: Ref) -> _Live:
        live = self._find(self._look().identity(ref))
        if live is None:
            raise ClusterError(f"404 NotFound: {ref.kind} {ref.name} does not exist", status=404, reason="NotFound", subject=str(ref))
        return live

    def _check_place(self, ref: Ref, namespace: str) -> None:
        if namespace and not self._index.has_namespace(namespace):
            raise ClusterError(f"404 NotFound: namespace {namespace} does not exist", status=404, reason="NotFound", subject=str(ref))
        if namespace and not _LABEL.fullmatch(namespace):
            raise invalid("metadata.namespace is invalid", str(ref))

    # ---- writing ---------------------------------------------------------------------------------------------------------------------------------

    def _store(self, ref: Ref, live: _Live | None, kept: dict[str, Any], managers: Managers, *, dry_run: bool) -> dict[str, Any]:
        if dry_run:
            return _served(kept, managers, live.uid if live else str(uuid4()), live.version if live else None)
        if live is None:
            self._files.add(kept)
        elif not _same(live.kept, kept):
            self._files.replace(live.entry, written(live.entry.obj, live.kept, kept))
        identity = self._look().identity(ref)
        self._owners.set(identity, managers)
        after = self._find(identity)
        if after is None:
            raise _conflict(ref)
        return after.served()


def _served(kept: Object, managers: Managers, uid: str, version: str | None) -> dict[str, Any]:
    metadata = {**section(kept, "metadata"), "uid": uid}
    if version is not None:
        metadata["resourceVersion"] = version
    if managers:
        metadata["managedFields"] = owners.entries(managers)
    copy: dict[str, Any] = json.loads(json.dumps({**kept, "metadata": metadata}))
    return copy


def _same(one: Object, other: Object) -> bool:
    # As text, because Python takes True for 1.
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


# ---- what is refused -----------------------------------------------------------------------------------------------------------------------------


def _conflict(ref: Ref) -> ClusterError:
    message = "409 Conflict: somebody else changed it at the same time"
    return ClusterError(message, status=HTTPStatus.CONFLICT.value, reason="Conflict", subject=str(ref))


def _check_versions(ref: Ref, metadata: Object, live: _Live) -> None:
    """Compare what a patch or an apply says of the version with the object; null and empty text say nothing."""
    if (metadata.get("uid") or live.uid) != live.uid:
        raise invalid("metadata.uid: the field cannot be changed", str(ref))
    if (metadata.get("resourceVersion") or live.version) != live.version:
        raise _conflict(ref)


def _check_name(ref: Ref, metadata: Object, before: Object) -> None:
    for name in ("name", "namespace"):
        if metadata.get(name) != before.get(name):
            raise ClusterError("400 BadRequest: it names another object", status=400, reason="BadRequest", subject=str(ref))


def _check_owners(ref: Ref, payload: Object, manager: str, live: _Live) -> None:
    sent, there = owned(flatten(payload)), flatten(live.kept)
    changed = {path for path, value in sent.items() if path in there and there[path] != value}
    others = [each for each in live.managers if (each.name, each.operation) != (manager, "Apply")]
    found = [FieldConflict(each.name, "." + ".".join(path)) for each in others for path in sorted(each.fields & changed)]
    if found:
        raise ApplyConflict(tuple(found), subject=str(ref))


def _check(ref: Ref, live: _Live | None, kept: Object, *, applied: bool) -> None:
    problem: Problem | None = problem_of(kept)
    if problem is None and live is not None:
        problem = forbidden_change(live.kept, kept)
    if problem is not None:
        raise refusal(problem, str(ref), applied=applied)
