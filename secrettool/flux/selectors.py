"""The annotations and labels by which an object opts out of a part of reconciliation.

Flux looks at annotations and labels alike and ignores the case of the value; white space is not trimmed. For `decrypt` only annotations count.

Source: fluxcd/pkg ssa/utils/meta.go (AnyInMetadata); kustomize-controller internal/controller/kustomization_controller.go (apply, prune).
"""

from __future__ import annotations

from secrettool.flux.controller import FluxVersion
from secrettool.objects import Object, annotations_of, labels_of

PREFIX = "kustomize.toolkit.fluxcd.io/"
RECONCILE = PREFIX + "reconcile"
SSA = PREFIX + "ssa"
FORCE = PREFIX + "force"
PRUNE = PREFIX + "prune"
DECRYPT = PREFIX + "decrypt"
OWNER_NAME = PREFIX + "name"
OWNER_NAMESPACE = PREFIX + "namespace"


def has(obj: Object, key: str, value: str) -> bool:
    """Whether an annotation or a label has a value, in any case."""
    return any(_equal(part.get(key), value) for part in (labels_of(obj), annotations_of(obj)))


def exclusion(obj: Object) -> str | None:
    """`reconcile: disabled` or `ssa: Ignore`, which keep an object from being applied; None without them.

    They count in the manifest and in the live object.
    """
    return _first(obj, (RECONCILE, "disabled"), (SSA, "Ignore"))


def is_if_not_present(obj: Object) -> bool:
    """`ssa: IfNotPresent`: created when it is absent, otherwise left alone. Counts in the manifest only."""
    return has(obj, SSA, "IfNotPresent")


def is_merged(obj: Object) -> bool:
    """`ssa: Merge`: no field manager is taken over. Counts in the manifest and in the live object."""
    return has(obj, SSA, "Merge")


def is_forced(obj: Object) -> bool:
    """`force: enabled`: deleted and created again when it cannot be applied. Counts in the manifest and in the live object."""
    return has(obj, FORCE, "enabled")


def prune_exclusion(live: Object, version: FluxVersion) -> str | None:
    """What keeps the live object when it leaves git or its Kustomization is deleted; None when nothing does."""
    ignored = ((SSA, "Ignore"),) if version.keeps_ignored_at_prune else ()
    return _first(live, (PRUNE, "disabled"), (RECONCILE, "disabled"), *ignored)


def is_decryption_disabled(obj: Object, version: FluxVersion) -> bool:
    """Whether the resource stage and the guard pass over the object."""
    return version.knows_decrypt_disabled and _equal(annotations_of(obj).get(DECRYPT), "disabled")


def _first(obj: Object, *selectors: tuple[str, str]) -> str | None:
    return next((f"{key.removeprefix(PREFIX)}: {value}" for key, value in selectors if has(obj, key, value)), None)


def _equal(found: object, value: str) -> bool:
    return isinstance(found, str) and found.casefold() == value.casefold()
