"""What Flux will do with Secrets that hold placeholders, or that something else fills (DA-27).

Each Secret is put through `what_flux_does` as it is now, once it was filled, and once it leaves git. Rows are those of docs/reference/flux.md:

    rows 1 and 11     never created                                          AN08
    row 5 with 12     not touched, but deleted as soon as it leaves git      AN02
    rows 6 and 9      set back to what git says                              PH003 for a placeholder, AN01 for another value
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from secrettool.check.decryption import SEALED, is_opened
from secrettool.check.repository import Located, Repository
from secrettool.findings import Finding
from secrettool.flux import PATCH_MANAGER, Controller, Effect, FluxKustomization, LiveObject, what_flux_does
from secrettool.flux.fields import flatten, nest
from secrettool.flux.live import patched as written
from secrettool.flux.secret import normalised
from secrettool.flux.selectors import RECONCILE, SSA, is_merged
from secrettool.objects import Object, Ref, is_secret, ref_of, section
from secrettool.placeholders import DEFAULT_TOKENS, find

_FILLED = b64encode(b"filled by the check").decode("ascii")

_HINT_CREATE = "use ssa: IfNotPresent, which creates it once, or let the patcher create it from the manifest"
_HINT_PRUNE = "annotate the live object with reconcile: disabled when it is filled"
_HINT_RESET = (
    "use ssa: IfNotPresent in git and reconcile: disabled on the live object, or leave the key out of the manifest, "
    "or add a spec.ignore rule (kustomize-controller 1.9 or later)"
)


class _Case(NamedTuple):
    """A Secret, what applies it, and the keys that something else fills."""

    located: Located
    manifest: Object
    kustomization: FluxKustomization
    controller: Controller
    keys: list[str]
    has_placeholders: bool

    def next_pass(self, manifest: Object | None, live: LiveObject | None, *, in_inventory: bool) -> Effect:
        return what_flux_does(manifest, live, self.kustomization, in_inventory=in_inventory, controller=self.controller)

    def finding(self, code: str, text: str, hint: str, keys: Collection[str] = ()) -> Finding:
        where = self.located
        return Finding(code, "warning", f"{self.kustomization}: {text}", where.file, where.line, where.subject, ", ".join(keys) or None, hint)


def reconciliation_findings(
    repository: Repository,
    *,
    patched: Collection[Ref] = (),
    tokens: tuple[str, ...] = DEFAULT_TOKENS,
    controller: Controller = Controller(),  # noqa: B008 -- immutable
) -> list[Finding]:
    """A warning for every placeholder or patched Secret that Flux never creates, sets back, or deletes without a word.

    Args:
        repository: The files.
        patched: Secrets that something fills although git has another value than a placeholder.
        tokens: Placeholders.
        controller: Version and flags of the controller that is to apply them.
    """
    return [
        finding
        for _, kustomization, manifests in repository.applied
        for located in manifests
        if (case := _case(located, replace(kustomization, suspend=False), controller, patched, tokens)) is not None
        for finding in _findings(case)
    ]


def _case(
    located: Located, kustomization: FluxKustomization, controller: Controller, patched: Collection[Ref], tokens: tuple[str, ...]
) -> _Case | None:
    if not is_secret(located.obj):
        return None
    opened = _without_ciphertext(located.obj) if is_opened(located.obj, kustomization, controller) else located.obj
    manifest = normalised(opened)
    found = [hit.key for hit in find(manifest, tokens) if hit.key is not None]
    keys = list(section(manifest, "data")) if ref_of(manifest) in patched else found
    return _Case(located, manifest, kustomization, controller, keys, bool(found)) if keys else None


def _findings(case: _Case) -> list[Finding]:
    fresh = case.next_pass(case.manifest, None, in_inventory=False)
    found: list[Finding] = []
    if fresh.action == "never created":
        found.append(case.finding("AN08", f"Flux never creates the Secret ({fresh.reason})", _HINT_CREATE))
    filled = _filled(case, fresh.live)
    if filled is None:
        return found
    later = case.next_pass(case.manifest, filled, in_inventory=True)
    lost = [path[1] for path in (*later.overwritten, *later.removed) if path[0] == "data" and len(path) > 1 and path[1] in case.keys]
    if lost:
        found.append(_set_back(case, lost))
    gone = case.next_pass(None, later.live, in_inventory=later.in_inventory)
    if fresh.action == "never created" and gone.action == "pruned":
        text = "the annotation stands in git only and never reaches the cluster, so Flux deletes the filled Secret once it leaves git"
        found.append(case.finding("AN02", text, _HINT_PRUNE))
    return found


def _set_back(case: _Case, keys: list[str]) -> Finding:
    why = "; ssa: Merge keeps only keys that git does not set" if is_merged(case.manifest) else ""
    what = "the placeholder" if case.has_placeholders else "the value of git"
    return case.finding("PH003" if case.has_placeholders else "AN01", f"the next pass sets a filled value back to {what}{why}", _HINT_RESET, keys)


def _filled(case: _Case, created: LiveObject | None) -> LiveObject | None:
    """The Secret in the cluster with values in it; when Flux skips it now, as an earlier revision without the annotation left it."""
    if created is None:
        fields = flatten(case.manifest)
        bare = {path: value for path, value in fields.items() if path[-1] not in (RECONCILE, SSA)}
        created = case.next_pass(nest(bare), None, in_inventory=False).live
    if created is None:
        return None
    return written(created, PATCH_MANAGER, {"data": dict.fromkeys(case.keys, _FILLED)})


def _without_ciphertext(obj: Object) -> Object:
    """What is left to compare when the values are not known: Flux opens them, and they are no placeholders."""
    fields = flatten(obj).items()
    return nest({path: value for path, value in fields if path[0] != "sops" and not (isinstance(value, str) and value.startswith(SEALED))})
