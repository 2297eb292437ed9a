"""What Flux will do with Secrets that hold placeholders, or that something else fills (DA-27).

Each Secret is put through `what_flux_does` as it is now, once it was filled, and once it leaves git. Rows are those of docs/reference/flux.md:

    rows 1 and 11     never created                                          AN08
    row 5 with 12     not touched, but deleted as soon as it leaves git      AN02
    rows 6 and 9      set back to what git says                              PH003 for a placeholder, AN01 for another value

What the map does about it counts: a target that creates the Secret, and the annotation that it gets in the cluster with its values.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from secrettool.check.decryption import SEALED, is_opened
from secrettool.check.lines import Lines, entry_pointer
from secrettool.check.mapped import Mapped
from secrettool.check.protection import RECOMMENDED
from secrettool.check.repository import Located, Repository
from secrettool.findings import Finding, Severity
from secrettool.flux import PATCH_MANAGER, Controller, Effect, FluxKustomization, LiveObject, what_flux_does
from secrettool.flux.fields import flatten, nest
from secrettool.flux.live import patched as written
from secrettool.flux.secret import normalised
from secrettool.flux.selectors import RECONCILE, SSA, is_merged
from secrettool.objects import Object, is_secret, section
from secrettool.placeholders import DEFAULT_TOKENS, find

_FILLED = b64encode(b"filled by the check").decode("ascii")

_HINT_CREATE = "use ssa: IfNotPresent, which creates it once, or let the patcher create it from the manifest"
_HINT_PRUNE = "annotate the live object with reconcile: disabled when it is filled"
_HINT_PRUNE_MAPPED = "the patcher gives the live object the annotation, with the values"
_HINT_RESET = RECOMMENDED


class _Case(NamedTuple):
    """A Secret, what applies it, and the keys that something else fills.

    `placeholders` are those that hold one in git, `literals` those for which git has another value, and the map too.
    """

    located: Located
    manifest: Object
    kustomization: FluxKustomization
    controller: Controller
    placeholders: tuple[str, ...]
    literals: tuple[str, ...]
    is_created: bool
    is_protected: bool

    @property
    def keys(self) -> tuple[str, ...]:
        return self.placeholders + self.literals

    def next_pass(self, manifest: Object | None, live: LiveObject | None, *, in_inventory: bool) -> Effect:
        return what_flux_does(manifest, live, self.kustomization, in_inventory=in_inventory, controller=self.controller)


def reconciliation_findings(
    repository: Repository,
    mapped: Mapped = Mapped(),  # noqa: B008 -- immutable
    *,
    tokens: tuple[str, ...] = DEFAULT_TOKENS,
    controller: Controller = Controller(),  # noqa: B008 -- immutable
) -> list[Finding]:
    """A finding for every placeholder or patched Secret that Flux never creates, sets back, or deletes without a word.

    Args:
        repository: The files.
        mapped: What a map fills, and how.
        tokens: Placeholders.
        controller: Version and flags of the controller that is to apply them.
    """
    return [
        finding
        for applied in repository.applied
        for located in applied.manifests
        if (case := _case(located, replace(applied.kustomization, suspend=False), controller, mapped, tokens)) is not None
        for finding in _findings(case, repository.lines)
    ]


def _case(located: Located, kustomization: FluxKustomization, controller: Controller, mapped: Mapped, tokens: tuple[str, ...]) -> _Case | None:
    if not is_secret(located.obj):
        return None
    opened = _without_ciphertext(located.obj) if is_opened(located.obj, kustomization, controller) else located.obj
    manifest = normalised(opened)
    placeholders = tuple(hit.key for hit in find(manifest, tokens) if hit.key is not None)
    objects = mapped.of(located)
    written = {key.key for each in objects for key in each.keys}.difference(placeholders)
    literals = tuple(key for key in section(manifest, "data") if key in written)
    if not placeholders and not literals:
        return None
    is_created, is_protected = any(each.creates for each in objects), any(each.protects for each in objects)
    return _Case(located, manifest, kustomization, controller, placeholders, literals, is_created, is_protected)


def _findings(case: _Case, lines: Lines) -> Iterator[Finding]:
    for code, severity, text, hint, keys in _problems(case):
        where = case.located
        line = lines.of(where.file, where.line, entry_pointer(where.obj, (keys or case.keys)[0]))
        yield Finding(code, severity, f"{case.kustomization}: {text}", where.file, line, where.subject, ", ".join(keys) or None, hint)


def _problems(case: _Case) -> Iterator[tuple[str, Severity, str, str, tuple[str, ...]]]:
    """Code, severity, text, hint and keys of what Flux does that nobody wants."""
    fresh = case.next_pass(case.manifest, None, in_inventory=False)
    if fresh.action == "never created" and not case.is_created:
        yield "AN08", "warning", f"Flux never creates the Secret ({fresh.reason})", _HINT_CREATE, ()
    filled = _filled(case, fresh.live)
    if filled is None:
        return
    later = case.next_pass(case.manifest, filled, in_inventory=True)
    lost = {path[1] for path in (*later.overwritten, *later.removed) if path[0] == "data" and len(path) > 1}
    what = "the next pass sets a filled value back to"
    if case.is_protected:
        what = "only the annotation of the live object keeps a filled value; in a new cluster Flux sets it back to"
    why = "; ssa: Merge keeps only keys that git does not set" if is_merged(case.manifest) else ""
    if keys := tuple(key for key in case.placeholders if key in lost):
        yield "PH003", "warning", f"{what} the placeholder{why}", _HINT_RESET, keys
    if keys := tuple(key for key in case.literals if key in lost):
        yield "AN01", "warning", f"{what} the value of git{why}", _HINT_RESET, keys
    gone = case.next_pass(None, later.live, in_inventory=later.in_inventory)
    if fresh.action == "never created" and gone.action == "pruned":
        text = "the annotation stands in git only and never reaches the cluster, so Flux deletes the filled Secret once it leaves git"
        severity: Severity = "note" if case.is_protected else "warning"
        yield "AN02", severity, text, _HINT_PRUNE_MAPPED if case.is_protected else _HINT_PRUNE, ()


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
