"""What applying would do to each object: read it, ask Flux's rules, try the apply without storing it, compare.

Source: github.com/fluxcd/pkg/ssa 0.61 manager_apply.go (ApplyAll), with conflicts that are not forced; requirement DA-41.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from secrettool.cluster.drift import has_drifted
from secrettool.cluster.model import ApplyConflict, Cluster, UnknownKind
from secrettool.cluster.ownership import check_string_data
from secrettool.cluster.parallel import each_at_once
from secrettool.cluster.prediction import predicted
from secrettool.cluster.stages import is_definition, is_namespace
from secrettool.errors import ClusterError
from secrettool.flux import APPLY_MANAGER, Controller, FluxKustomization, LiveObject, what_flux_does
from secrettool.objects import Object, Ref, ref_of, section

DryRun: TypeAlias = Literal["server", "client"]

Action: TypeAlias = Literal["created", "configured", "unchanged", "skipped", "failed", "held"]
"""`skipped`: Flux would skip it. `failed`: see the error. `held`: not applied because another object failed."""


class Step(NamedTuple):
    """What becomes of one object.

    Attributes:
        ref: The object.
        action: What is done, or was.
        reason: Why, for `skipped`, `held` and guesses; without a value.
        error: Why it failed; for a plan also the conflict that an apply without force would meet.
        sent: What is applied.
        live: The object in the cluster before; None when there is none.
        wanted: The object afterwards; None when that is not known.
    """

    ref: Ref
    action: Action
    reason: str | None = None
    error: ClusterError | None = None
    sent: Object = MappingProxyType({})
    live: Object | None = None
    wanted: Object | None = None

    def __repr__(self) -> str:
        return f"<Step {self.ref} {self.action}>"

    @property
    def writes(self) -> bool:
        """Whether something is to be sent."""
        return self.action in ("created", "configured")


class Settings(NamedTuple):
    """How objects are applied.

    Attributes:
        kustomization: Whose rules count; one without a name when there is none.
        controller: The version of Flux whose rules count.
        force: Take over fields of other managers.
        dry_run: `server`: ask the server what it would do; `client`: read only, and guess. None: apply.
        through_conflicts: Plan on when fields belong to others, as if they were taken over, and keep the conflict.
        heed_flux: Whether Flux's rules count at all.
    """

    kustomization: FluxKustomization = FluxKustomization(name="")
    controller: Controller = Controller()
    force: bool = False
    dry_run: DryRun | None = None
    through_conflicts: bool = False
    heed_flux: bool = True


class Planner:
    """Plans stage after stage, and remembers what earlier stages would create.

    Args:
        cluster: Where the objects go.
        settings: How.
        known: What is in the place of some objects, read a moment ago; the others are asked for.
    """

    def __init__(self, cluster: Cluster, settings: Settings, known: Mapping[Ref, Object | None] = MappingProxyType({})) -> None:
        self._cluster = cluster
        self._settings = settings
        self._known = known
        self._new_namespaces: set[str] = set()
        self._new_kinds: set[tuple[str, str]] = set()

    def plan(self, stage: Sequence[Object], tell: Callable[[], None] = lambda: None) -> list[Step]:
        """One step for each object, in order; nothing is written.

        Args:
            stage: The objects, prepared.
            tell: Called after each object.
        """
        steps: list[Step] = []
        for step in each_at_once(self._step, stage):
            tell()
            steps.append(step)
        for step in steps:
            if step.action == "created" and is_namespace(step.ref):
                self._new_namespaces.add(step.ref.name)
            if step.writes and is_definition(step.ref):
                spec = section(step.sent, "spec")
                self._new_kinds.add((str(spec.get("group")), str(section(spec, "names").get("kind"))))
        return steps

    def _step(self, obj: Object) -> Step:
        ref = ref_of(obj)
        try:
            return self._planned(ref, obj)
        except ClusterError as error:
            error.file = error.file or str(ref)
            return Step(ref, "failed", None, error, obj)

    def _planned(self, ref: Ref, obj: Object) -> Step:
        live = self._live(ref)
        skipped = self._skipped(obj, live)
        if skipped is not None:
            return Step(ref, "skipped", skipped, None, obj, live)
        if self._settings.dry_run == "client":
            return _compared(ref, obj, live, predicted(live, obj), None)
        missing = self._missing(ref) if live is None and self._settings.dry_run else None
        if missing is not None:
            return Step(ref, "created", missing, None, obj, None, predicted(None, obj))
        try:
            if live is not None and not self._settings.force:
                check_string_data(obj, live)
            return _compared(ref, obj, live, self._tried(obj, force=self._settings.force), None)
        except ApplyConflict as conflict:
            if not self._settings.through_conflicts:
                raise
            return _compared(ref, obj, live, self._tried(obj, force=True), conflict)

    def _live(self, ref: Ref) -> Object | None:
        if ref in self._known:
            return self._known[ref]
        try:
            return self._cluster.get(ref)
        except UnknownKind:
            if self._settings.dry_run and (ref.group, ref.kind) in self._new_kinds:
                return None
            raise

    def _skipped(self, obj: Object, live: Object | None) -> str | None:
        """Why Flux would leave the object as it is; None when it would not."""
        if not self._settings.heed_flux:
            return None
        there = LiveObject.from_object(live) if live is not None else None
        effect = what_flux_does(obj, there, self._settings.kustomization, in_inventory=False, controller=self._settings.controller)
        return effect.reason if effect.action in ("skipped", "never created", "nothing") else None

    def _missing(self, ref: Ref) -> str | None:
        """What the server would have to have before it could say anything about the object, and will have when it comes to that."""
        if ref.namespace in self._new_namespaces:
            return "its namespace is new"
        return "its kind is new" if (ref.group, ref.kind) in self._new_kinds else None

    def _tried(self, obj: Object, *, force: bool) -> dict[str, Any]:
        return self._cluster.apply(obj, manager=APPLY_MANAGER, force=force, dry_run=True)


def _compared(ref: Ref, obj: Object, live: Object | None, wanted: Object, conflict: ApplyConflict | None) -> Step:
    action: Action = "created" if live is None else "configured" if has_drifted(live, wanted) else "unchanged"
    return Step(ref, action, None, conflict, obj, live, wanted)
