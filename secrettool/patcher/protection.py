"""What keeps Flux, or somebody else, from setting back what is written into an object: in git, and in the cluster.

Source: requirements PT-22, PT-23; `secrettool.flux` for what counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from secrettool.flux import NEWEST, FluxKustomization, FluxVersion
from secrettool.flux.fields import FieldPath, flatten, is_below
from secrettool.flux.ignore import ignored_fields, is_ignored
from secrettool.flux.reconcile import payload_of
from secrettool.flux.secret import normalised
from secrettool.flux.selectors import OWNER_NAME, RECONCILE, exclusion, has, is_if_not_present
from secrettool.objects import Object, annotations_of, is_secret, labels_of, section

GitProtection: TypeAlias = Literal["none", "free", "rule", "once", "full", "absent", "unknown"]
"""How the manifest protects what is written, from weak to strong: `none`: git sets a key that is written; `free`: it sets none of them; `rule`:
`spec.ignore` covers them; `once`: created once, then left alone; `full`: never applied. `absent`: not in git; `unknown`: nobody looked."""

LiveProtection: TypeAlias = Literal["missing", "open", "full"]
"""How the live object is protected; `full`: an annotation or a label keeps Flux from applying it."""

Owner: TypeAlias = Literal["helm", "argocd", "operator"]
"""Who else writes the object."""

_WEAK_TO_STRONG = get_args(GitProtection)


class Live(NamedTuple):
    """What the live object says about who else writes it.

    Attributes:
        protection: Against Flux.
        is_kept: Whether every version of Flux keeps it when it leaves git: `reconcile: disabled`, not `ssa: Ignore` alone.
        is_owned: Whether it carries the owner labels of Flux.
        others: Who else writes it.
    """

    protection: LiveProtection
    is_kept: bool = False
    is_owned: bool = False
    others: tuple[Owner, ...] = ()


MISSING = Live("missing")


def live_protection(obj: Object | None) -> Live:
    """What protects the object in the cluster; None when there is none."""
    if obj is None:
        return MISSING
    protection: LiveProtection = "full" if exclusion(obj) is not None else "open"
    return Live(protection, has(obj, RECONCILE, "disabled"), bool(labels_of(obj).get(OWNER_NAME)), tuple(_others(obj)))


def git_protection(
    manifest: Object,
    written: Collection[FieldPath],
    removed: Collection[FieldPath] = (),
    kustomizations: Iterable[FluxKustomization] = (),
    version: FluxVersion = NEWEST,
) -> GitProtection:
    """How git protects what is written; of several Kustomizations that apply the manifest the weakest counts.

    Args:
        manifest: The object in git.
        written: Fields that get a value, `("data", key)` for the entries of a Secret.
        removed: Fields that are taken away: an ignored field that is missing comes back.
        kustomizations: What applies the manifest; without one its rules are not known.
        version: Of kustomize-controller: rules count since 1.9.
    """
    found = [_protection(payload_of(manifest, each), written, removed, each if version.knows_ignore_rules else None) for each in kustomizations]
    return min(found or [_protection(manifest, written, removed, None)], key=_WEAK_TO_STRONG.index)


def contested(manifest: Object, written: Iterable[FieldPath]) -> dict[FieldPath, FieldPath]:
    """The fields that git sets, too, each with the place up to which git is one field there: a list is one."""
    fields = flatten(normalised(manifest))
    if is_secret(manifest):  # one that is encrypted is not folded
        fields.update({("data", str(key)): "" for name in ("data", "stringData") for key in section(manifest, name)})
    found: dict[FieldPath, FieldPath] = {}
    for path in written:
        place = next((each for each in fields if _meet(each, fields, path)), None)
        if place is not None:
            found[path] = place if len(place) < len(path) else path
    return found


def _meet(each: FieldPath, fields: Mapping[FieldPath, Any], path: FieldPath) -> bool:
    return is_below(each, path) or (is_below(path, each) and fields[each] != {})


def _protection(
    payload: Object, written: Collection[FieldPath], removed: Collection[FieldPath], kustomization: FluxKustomization | None
) -> GitProtection:
    if exclusion(payload) is not None:
        return "full"
    if is_if_not_present(payload):
        return "once"
    met = contested(payload, [*written, *removed])
    if not met:
        return "free"
    covered = ignored_fields(kustomization.ignore, payload) if kustomization is not None else ()
    return "rule" if all(path not in removed and is_ignored(place, covered) for path, place in met.items()) else "none"


def _others(obj: Object) -> Iterable[Owner]:
    annotations = annotations_of(obj)
    if labels_of(obj).get("app.kubernetes.io/managed-by") == "Helm" and annotations.get("meta.helm.sh/release-name"):
        yield "helm"
    if annotations.get("argocd.argoproj.io/tracking-id"):
        yield "argocd"
    owners = section(obj, "metadata").get("ownerReferences")
    if isinstance(owners, list) and any(isinstance(each, Mapping) and each.get("controller") is True for each in owners):
        yield "operator"
