"""Objects into a cluster, with our label on each, and what is done about objects of others and objects that are gone.

Every object is read first. Nothing is written unless all of them may be; objects that are as they should be get no request but that one.

Source: requirements DA-38 to DA-42.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import ne
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secrettool.cluster.applying import apply
from secrettool.cluster.drift import has_drifted
from secrettool.cluster.model import ApplyConflict, Cluster, PatchKind, Unavailable
from secrettool.cluster.parallel import each_at_once
from secrettool.cluster.planning import Settings, Step
from secrettool.cluster.prediction import predicted
from secrettool.cluster.preparing import prepared
from secrettool.errors import ClusterError, SecrettoolError
from secrettool.objects import Object, Ref, labels_of, ref_of, section
from secrettool.sidecar.inventory import OWNER, Inventory
from secrettool.sidecar.state import ObjectAction, ObjectState

if TYPE_CHECKING:
    from secrettool.sidecar.config import Source

_HELD: Final = "another object was refused"


class ForeignObject(ClusterError):
    """An object that is there and not ours."""


class LeaseLost(ClusterError):
    """Another replica may apply now, so this one must not."""


class Applied(NamedTuple):
    """What became of the objects.

    Attributes:
        objects: One for each, and one for each that was pruned.
        errors: Why something was not done.
        conflicts: Objects that belong to others, wholly or in part.
    """

    objects: tuple[ObjectState, ...]
    errors: tuple[SecrettoolError, ...]
    conflicts: int = 0

    @property
    def wrote(self) -> bool:
        """Whether anything was."""
        return any(each.action in ("created", "configured", "pruned") for each in self.objects)


class _Look(NamedTuple):
    """An object and what is in its place."""

    ref: Ref
    sent: Object
    live: Object | None = None
    error: ClusterError | None = None
    is_due: bool = False


class Applier:
    """Applies the objects of one source, pass after pass.

    Args:
        source: The source, in mode `apply`.
        cluster: Where they go.
        namespace: Of the inventory.
        may_write: Whether this replica may (still) write.
    """

    def __init__(self, source: Source, cluster: Cluster, *, namespace: str, may_write: Callable[[], bool] = lambda: True) -> None:
        assert source.apply is not None
        self._source = source
        self._settings = source.apply
        self._cluster = Fenced(cluster, may_write)
        self._inventory = Inventory(self._cluster, Ref("v1", "ConfigMap", namespace, source.inventory), source.id)
        self._versions: dict[Ref, str] = {}

    def run(self, objs: Sequence[Object]) -> Applied:
        """Apply objects, and prune what is gone.

        Args:
            objs: All objects of the build, decrypted and guarded; those of other kinds than the configured ones are left out.

        Raises:
            ClusterError: The cluster cannot be asked at all.
        """
        chosen = [self._labelled(obj) for obj in objs if obj.get("kind") in self._settings.kinds and obj.get("apiVersion") == "v1"]
        ready = prepared(chosen, self._cluster, namespace=self._settings.namespace)
        if ready.errors:
            return Applied((), tuple(ready.errors))
        looks = list(self._looks(ready.objects))
        errors = [look.error for look in looks if look.error is not None]
        if errors:
            told = [
                _state(look.ref, _word(look.error) if look.error else "held", look.error.message if look.error else "another object")
                for look in looks
            ]
            return Applied(tuple(told), tuple(errors), sum(_is_conflict(error) for error in errors))
        wanted = {look.ref for look in looks}
        if self._settings.prune:
            self._inventory.write(self._inventory.read() | wanted)
        done = self._written(looks)
        if done.errors or not self._settings.prune or not looks:
            return done
        pruned, failed = self._pruned(sorted(self._inventory.read() - wanted))
        return Applied((*done.objects, *pruned), failed, done.conflicts)

    def forget(self) -> None:
        """Another replica may have applied meanwhile."""
        self._versions.clear()
        self._inventory.forget()

    def has_drifted(self) -> bool:
        """Whether an object is another one than after the last pass: a look at versions alone, without anything decrypted.

        Raises:
            ClusterError: The cluster cannot be asked.
        """
        found = each_at_once(lambda ref: _version(self._cluster.get(ref)), [*self._versions])
        return any(map(ne, found, self._versions.values()))

    def _labelled(self, obj: Object) -> dict[str, Any]:
        metadata = dict(section(obj, "metadata"))
        metadata["labels"] = {**labels_of(obj), OWNER: self._source.id}
        return {**obj, "metadata": metadata}

    # ---- look ----------------------------------------------------------------------------------------------------------------------------------

    def _looks(self, objs: Sequence[Object]) -> Iterator[_Look]:
        """Each object with what is in its place; the first that shows that there is no cluster is the last that is asked for."""
        for look in each_at_once(self._look, objs):
            yield look
            if isinstance(look.error, Unavailable):
                return

    def _look(self, obj: Object) -> _Look:
        ref = ref_of(obj)
        try:
            live = self._cluster.get(ref)
        except ClusterError as error:
            error.file = error.file or str(ref)
            return _Look(ref, obj, None, error)
        if live is None:
            return _Look(ref, obj, is_due=True)
        owner = labels_of(live).get(OWNER)
        if owner != self._source.id and not self._settings.adopt:
            return _Look(ref, obj, live, _foreign(ref, owner))
        return _Look(ref, obj, live, is_due=has_drifted(live, predicted(live, obj)))

    # ---- write ---------------------------------------------------------------------------------------------------------------------------------

    def _written(self, looks: Sequence[_Look]) -> Applied:
        due = [look.sent for look in looks if look.is_due]
        known = {look.ref: look.live for look in looks}
        settings = Settings(force=self._settings.force, heed_flux=False)
        steps = {step.ref: step for step in apply(due, self._cluster, settings, known=known)} if due else {}
        versions: dict[Ref, str] = {}
        states: list[ObjectState] = []
        for look in looks:
            step = steps.get(look.ref)
            last = self._versions.get(look.ref)
            is_drifted = step is not None and step.writes and last is not None and _version(look.live) != last
            states.append(_after(look, step, is_drifted))
            versions[look.ref] = _version(step.wanted if step is not None and step.writes else look.live)
        errors = tuple(step.error for step in steps.values() if step.error is not None)
        if not errors:
            self._versions = versions
        return Applied(tuple(states), errors, sum(_is_conflict(error) for error in errors))

    def _pruned(self, refs: Sequence[Ref]) -> tuple[list[ObjectState], tuple[SecrettoolError, ...]]:
        """Delete what is gone; what is no longer ours is only forgotten."""
        states: list[ObjectState] = []
        errors: list[SecrettoolError] = []
        left = set(self._inventory.read())
        for ref in refs:
            try:
                if self._delete(ref):
                    states.append(_state(ref, "pruned"))
                left.discard(ref)
            except ClusterError as error:
                error.file = error.file or str(ref)
                errors.append(error)
                states.append(_state(ref, "failed", error.message))
        try:
            self._inventory.write(left)
        except ClusterError as error:
            errors.append(error)
        return states, tuple(errors)

    def _delete(self, ref: Ref) -> bool:
        live = self._cluster.get(ref)
        if live is None or labels_of(live).get(OWNER) != self._source.id:
            return False
        self._cluster.delete(ref, uid=str(section(live, "metadata").get("uid")), resource_version=_version(live))
        return True


class Fenced:
    """A cluster that is written to only while that is allowed. Implements `Cluster`.

    Args:
        cluster: The cluster.
        may_write: Asked before every write.
    """

    def __init__(self, cluster: Cluster, may_write: Callable[[], bool]) -> None:
        self._cluster = cluster
        self._may_write = may_write

    def is_namespaced(self, api_version: str, kind: str) -> bool:
        """See `Cluster`."""
        return self._cluster.is_namespaced(api_version, kind)

    def namespace_exists(self, name: str) -> bool:
        """See `Cluster`."""
        return self._cluster.namespace_exists(name)

    def get(self, ref: Ref) -> dict[str, Any] | None:
        """See `Cluster`."""
        return self._cluster.get(ref)

    def list_objects(self, api_version: str, kind: str, namespace: str) -> list[dict[str, Any]]:
        """See `Cluster`."""
        return self._cluster.list_objects(api_version, kind, namespace)

    def apply(self, obj: Object, *, manager: str, force: bool = False, dry_run: bool = False) -> dict[str, Any]:
        """See `Cluster`; `LeaseLost` when it is not allowed."""
        self._check(str(ref_of(obj)), dry_run)
        return self._cluster.apply(obj, manager=manager, force=force, dry_run=dry_run)

    def patch(self, ref: Ref, body: Object | Sequence[Object], *, kind: PatchKind, manager: str, dry_run: bool = False) -> dict[str, Any]:
        """See `Cluster`; `LeaseLost` when it is not allowed."""
        self._check(str(ref), dry_run)
        return self._cluster.patch(ref, body, kind=kind, manager=manager, dry_run=dry_run)

    def delete(self, ref: Ref, *, uid: str, resource_version: str, dry_run: bool = False) -> None:
        """See `Cluster`; `LeaseLost` when it is not allowed."""
        self._check(str(ref), dry_run)
        self._cluster.delete(ref, uid=uid, resource_version=resource_version, dry_run=dry_run)

    def _check(self, subject: str, dry_run: bool) -> None:
        if not dry_run and not self._may_write():
            raise LeaseLost("not written: the Lease was lost", subject=subject, hint="another replica goes on")


# ---- what is told --------------------------------------------------------------------------------------------------------------------------------


def _foreign(ref: Ref, owner: object) -> ForeignObject:
    whose = f"belongs to source {owner}" if isinstance(owner, str) and owner else "was made by somebody else"
    hint = "set adopt: true to take over objects that are there, or leave it out of the source"
    return ForeignObject(f"it is there already, and {whose}", status=409, reason="Conflict", subject=str(ref), hint=hint)


def _after(look: _Look, step: Step | None, is_drifted: bool) -> ObjectState:
    if step is None:
        return _state(look.ref, "unchanged")
    if step.error is not None:
        return _state(look.ref, _word(step.error), step.error.message)
    return ObjectState(str(look.ref), step.action, step.reason or "", is_drifted)


def _state(ref: Ref, action: ObjectAction, reason: str = "") -> ObjectState:
    return ObjectState(str(ref), action, reason)


def _word(error: ClusterError) -> ObjectAction:
    return "conflict" if _is_conflict(error) else "failed"


def _is_conflict(error: ClusterError) -> bool:
    return isinstance(error, ApplyConflict | ForeignObject)


def _version(obj: Object | None) -> str:
    return str(section(obj or {}, "metadata").get("resourceVersion", ""))
