"""What the next pass of Flux does with one object, and what the end of its Kustomization does.

    manifest -> owner labels -> normalisation -> common metadata -> guard -> skip test -> dry run -> managers taken over -> drift -> apply
    no manifest -> in the inventory? -> owner labels? -> kept by an annotation? -> deleted

Source: kustomize-controller internal/controller/kustomization_controller.go (reconcile, apply, prune, finalize); fluxcd/pkg ssa/manager_apply.go,
manager_delete.go, patch.go. Compared with what two real controllers did: tests/hook-vectors/apply.yaml.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from secrettool.flux import selectors
from secrettool.flux.controller import FIELD_MANAGER, Controller
from secrettool.flux.effect import Effect, with_changes
from secrettool.flux.fields import FieldPath, flatten, is_compared, names, nest
from secrettool.flux.ignore import ignored_fields, is_ignored, reshaped
from secrettool.flux.kustomization import FluxKustomization
from secrettool.flux.live import FieldManager, LiveObject, applied, removed, taken_over
from secrettool.flux.secret import normalised, refusal
from secrettool.objects import Object, is_secret, labels_of, section

_CLEANED: tuple[FieldPath, ...] = (
    ("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"),
    ("metadata", "annotations", "kustomize.toolkit.fluxcd.io/checksum"),
    ("metadata", "annotations", "fluxcd.io/sync-checksum"),
    ("metadata", "labels", "fluxcd.io/sync-gc-mark"),
)
"""Labels and annotations that Flux removes before an apply."""


def what_flux_does(
    manifest: Object | None,
    live: LiveObject | None,
    kustomization: FluxKustomization,
    *,
    in_inventory: bool,
    controller: Controller = Controller(),  # noqa: B008 -- immutable
) -> Effect:
    """What the next pass does with an object.

    Args:
        manifest: The object as it leaves build, decryption and substitution; None when it is not (or no longer) in git.
        live: The object in the cluster; None when there is none.
        kustomization: What applies it.
        in_inventory: Whether the Kustomization lists the object before the pass. That is all that matters of earlier passes: whether one skipped
            the object shows here (see `FluxVersion.keeps_skipped_in_inventory`).
        controller: Version and flags.

    Returns:
        The effect on this object. When it is `refused`, the pass fails and writes no object of the same stage.
    """
    if kustomization.suspend:
        return Effect("nothing", "the Kustomization is suspended", live, in_inventory)
    if manifest is None:
        return _pruned(live, kustomization, in_inventory, kustomization.prune, "prune is off", controller)
    return _applied(_Pass(kustomization, controller, in_inventory, payload_of(manifest, kustomization)), live)


def build_failed(live: LiveObject | None, *, in_inventory: bool, reason: str) -> Effect:
    """What a pass does with an object when it fails before the apply: nothing.

    Args:
        live: The object in the cluster.
        in_inventory: Whether the Kustomization lists it.
        reason: Why the build or the decryption failed, without a value.
    """
    return Effect("refused", reason, live, in_inventory, "BuildFailed")


def what_deletion_does(
    live: LiveObject | None,
    kustomization: FluxKustomization,
    *,
    in_inventory: bool,
    controller: Controller = Controller(),  # noqa: B008 -- immutable
) -> Effect:
    """What becomes of an object when its Kustomization is deleted; parameters as for `what_flux_does`."""
    return _pruned(live, kustomization, in_inventory, kustomization.prunes_when_deleted, "the deletion policy keeps it", controller)


def payload_of(manifest: Object, kustomization: FluxKustomization) -> dict[str, Any]:
    """The object that is sent to the API server, for a manifest that leaves the build."""
    fields = flatten(manifest)
    fields["metadata", "labels", selectors.OWNER_NAME] = kustomization.name
    fields["metadata", "labels", selectors.OWNER_NAMESPACE] = kustomization.namespace
    fields = flatten(normalised(nest(fields)))
    if kustomization.common_metadata is not None:
        fields.update({("metadata", "labels", key): value for key, value in kustomization.common_metadata.labels.items()})
        fields.update({("metadata", "annotations", key): value for key, value in kustomization.common_metadata.annotations.items()})
    return nest({path: value for path, value in fields.items() if path[0] != "status"})


class _Pass(NamedTuple):
    """What stays the same while one object is applied."""

    kustomization: FluxKustomization
    controller: Controller
    in_inventory: bool
    payload: dict[str, Any]

    def refused(self, reason: str, live: LiveObject | None) -> Effect:
        return Effect("refused", reason, live, self.in_inventory, "ReconciliationFailed")

    def skipped(self, reason: str, live: LiveObject | None) -> Effect:
        listed = self.controller.version.keeps_skipped_in_inventory
        return Effect("skipped" if live else "never created", reason, live, listed)

    def is_in_either(self, live: LiveObject | None, test: Any) -> bool:
        return bool(test(self.payload) or (live is not None and test(live.obj)))


def _applied(now: _Pass, live: LiveObject | None) -> Effect:
    payload = now.payload
    if is_secret(payload) and "sops" in payload and not selectors.is_decryption_disabled(payload, now.controller.version):
        return now.refused("is encrypted, and nothing decrypts it", live)
    excluded = selectors.exclusion(payload) or (_on_live(selectors.exclusion(live.obj)) if live else None)
    if excluded is not None:
        return now.skipped(excluded, live)
    if live is not None and selectors.is_if_not_present(payload):
        return now.skipped("ssa: IfNotPresent, and it is present", live)
    dry_run = applied(live, FIELD_MANAGER, payload)
    refused = refusal(payload, live.obj if live else None, dry_run.obj)
    if refused is None:
        return _created(dry_run) if live is None else _configured(now, live, dry_run)
    is_forced = now.kustomization.force or now.is_in_either(live, selectors.is_forced)
    if live is None or not refused.invalid or not is_forced:
        return now.refused(refused.reason, live)
    return _recreated(now, live)


def _created(new: LiveObject) -> Effect:
    return with_changes(Effect("created", "it was not there", new, in_inventory=True), None)


def _recreated(now: _Pass, live: LiveObject) -> Effect:
    """Delete, then create. What is refused for another reason than the change is gone afterwards.

    So is an object with something to clean up: Flux tries to clean the deleted one, fails, and creates it only in the next pass (seen with 1.7.3).
    """
    new = applied(None, FIELD_MANAGER, now.payload)
    refused = refusal(now.payload, None, new.obj)
    failure = refused.reason if refused else "field managers cannot be cleaned up any more" if _cleaned(now, live)[0] is not live else None
    if failure is not None:
        return with_changes(now.refused(f"deleted in order to be created again, then: {failure}", None), live)
    return with_changes(Effect("recreated", "force, and it could not be changed", new, in_inventory=True), live)


def _configured(now: _Pass, live: LiveObject, dry_run: LiveObject) -> Effect:
    cleaned, managers = _cleaned(now, live)
    covered = ignored_fields(now.kustomization.ignore, now.payload) if now.controller.version.knows_ignore_rules else ()
    drift = [path for path in _differences(live, dry_run) if not is_ignored(path, covered)]
    if cleaned is live and not drift:
        return Effect("unchanged", "nothing differs", live, in_inventory=True)
    sent = flatten(now.payload)
    new = applied(cleaned, FIELD_MANAGER, nest(reshaped(sent, live, covered)))
    reason = f"differs in {names(drift)}" if drift else "labels, annotations or field managers were cleaned up"
    return with_changes(Effect("configured", reason, new, in_inventory=True, taken_over=managers), live)


def _cleaned(now: _Pass, live: LiveObject) -> tuple[LiveObject, tuple[str, ...]]:
    """The live object with foreign managers taken over, and their names; the same object when nothing is to be done."""
    if now.is_in_either(live, selectors.is_merged):
        return live, ()

    def is_taken(manager: FieldManager) -> bool:
        return not manager.subresource and now.controller.takes_over(manager.name, manager.operation)

    taken = tuple(manager.name for manager in live.managers if is_taken(manager))
    leftovers = [path for path in _CLEANED if path in flatten(live.obj)]
    if not taken and not leftovers:
        return live, ()
    return taken_over(removed(live, leftovers), FIELD_MANAGER, is_taken), taken


def _differences(live: LiveObject, dry_run: LiveObject) -> list[FieldPath]:
    old, new = flatten(live.obj), flatten(dry_run.obj)
    return [path for path in {**old, **new} if is_compared(path) and (path not in old or path not in new or old[path] != new[path])]


def _pruned(
    live: LiveObject | None, kustomization: FluxKustomization, in_inventory: bool, prunes: bool, otherwise: str, controller: Controller
) -> Effect:
    if live is None:
        return Effect("nothing", "there is no object", None, in_inventory=False)
    reason = _why_kept(live, kustomization, in_inventory, controller) if prunes else otherwise
    if reason is not None:
        return Effect("kept", reason, live, in_inventory=False)
    return with_changes(Effect("pruned", "it left git" if kustomization.prune else "deletion policy", None, in_inventory=False), live)


def _why_kept(live: LiveObject, kustomization: FluxKustomization, in_inventory: bool, controller: Controller) -> str | None:
    owner = section(labels_of(live.obj)).get(selectors.OWNER_NAME), labels_of(live.obj).get(selectors.OWNER_NAMESPACE)
    if not in_inventory:
        return "it is not in the inventory"
    if owner != (kustomization.name, kustomization.namespace):
        return "it lacks the owner labels of the Kustomization"
    return _on_live(selectors.prune_exclusion(live.obj, controller.version))


def _on_live(selector: str | None) -> str | None:
    return f"{selector} on the live object" if selector else None
