"""What keeps Flux from setting back placeholders in objects that `reconciliation` does not look at: other kinds than Secrets, and manifests that no
Flux Kustomization of the repository leads to.

    PH003  a placeholder that nothing protects        AN08  an object that Flux never creates, and no target either
    AN01   a literal that the map writes, and nothing protects
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from secrettool.check.lines import Lines
from secrettool.check.mapped import MappedObject, value_at
from secrettool.check.repository import Located
from secrettool.findings import Finding
from secrettool.flux import Controller, FluxKustomization
from secrettool.flux.fields import FieldPath
from secrettool.flux.ignore import ignored_fields, is_ignored, pointer_path
from secrettool.flux.reconcile import payload_of
from secrettool.flux.selectors import exclusion, is_if_not_present
from secrettool.objects import Object, is_secret
from secrettool.placeholders import Hit

RECOMMENDED: Final = (
    "use ssa: IfNotPresent in git and reconcile: disabled on the live object, or leave the key out of the manifest, "
    "or add a spec.ignore rule (kustomize-controller 1.9 or later)"
)
"""The manifests that PT-24 recommends."""

_HINT_CREATE: Final = "use ssa: IfNotPresent, which creates it once, or give its target create: from-manifest"


class GitManifest(NamedTuple):
    """An object in git.

    Attributes:
        located: The object and its place.
        kustomizations: The Flux Kustomizations that apply it in this form; none when there is none in the repository.
    """

    located: Located
    kustomizations: tuple[FluxKustomization, ...] = ()


class _Guard(NamedTuple):
    """What keeps one Kustomization from setting fields of an object back."""

    exclusion: str | None
    is_once: bool
    covered: tuple[FieldPath, ...]

    def sets_back(self, pointer: str) -> bool:
        return self.exclusion is None and not self.is_once and not is_ignored(pointer_path(pointer), self.covered)


def protection_findings(
    manifest: GitManifest, hits: Sequence[Hit], objects: Iterable[MappedObject], lines: Lines, controller: Controller
) -> Iterator[Finding]:
    """What is wrong with the protection of an object.

    Args:
        manifest: The object.
        hits: Its placeholders.
        objects: What the map writes into it.
        lines: Where leaves are written.
        controller: The controller that applies it.
    """
    located, objects = manifest.located, tuple(objects)
    obj = located.obj
    if is_secret(obj) and manifest.kustomizations:
        return
    literals = [] if is_secret(obj) or not manifest.kustomizations else list(_literals(obj, hits, objects))
    if not hits and not literals:
        return

    def finding(code: str, text: str, pointers: list[str], keys: str | None, hint: str) -> Finding:
        return Finding(code, "warning", text, located.file, lines.of(located.file, located.line, pointers[0]), located.subject, keys, hint)

    guards = _guards(manifest, controller)
    never = guards[0].exclusion if all(guard.exclusion for guard in guards) else None
    if never is not None:
        if not any(each.creates for each in objects):
            where = [hit.pointer for hit in hits] or literals
            yield finding("AN08", f"Flux never creates the object ({never})", where, None, _HINT_CREATE)
        return
    open_hits = [hit for hit in hits if any(guard.sets_back(hit.pointer) for guard in guards)]
    if open_hits:
        text = "nothing keeps Flux from putting the placeholder back"
        if any(each.protects for each in objects):
            text = "only the annotation of the live object keeps Flux from putting the placeholder back; a new cluster does not have it yet"
        yield finding("PH003", text, [hit.pointer for hit in open_hits], ", ".join(hit.key or hit.pointer for hit in open_hits), RECOMMENDED)
    lost = [pointer for pointer in literals if any(guard.sets_back(pointer) for guard in guards)]
    if lost:
        yield finding("AN01", "the map fills it, and nothing keeps Flux from setting it back to the value of git", lost, ", ".join(lost), RECOMMENDED)


def _literals(obj: Object, hits: Sequence[Hit], objects: Iterable[MappedObject]) -> Iterator[str]:
    """The fields of another kind that git and the map both set."""
    held = {hit.pointer for hit in hits}
    keys = dict.fromkeys(key.key for each in objects for key in each.keys)
    return (key for key in keys if key not in held and value_at(obj, key) is not None)


def _guards(manifest: GitManifest, controller: Controller) -> list[_Guard]:
    """What protects the object, for each Kustomization that applies it; when none is known, for the object as it is written."""
    obj = manifest.located.obj
    if not manifest.kustomizations:
        return [_Guard(exclusion(obj), is_if_not_present(obj), ())]
    found: list[_Guard] = []
    for kustomization in manifest.kustomizations:
        payload = payload_of(obj, kustomization)
        covered = ignored_fields(kustomization.ignore, payload) if controller.version.knows_ignore_rules else ()
        found.append(_Guard(exclusion(payload), is_if_not_present(payload), covered))
    return found
