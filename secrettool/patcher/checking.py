"""A patch map in the form that the checks of a repository take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from secrettool.check.mapped import Form, Mapped, MappedKey, MappedObject
from secrettool.check.repository import Located
from secrettool.objects import Ref
from secrettool.patcher.git import ManifestError, Manifests
from secrettool.patcher.mapping import AbsentForm, FillForm, JsonForm, KeyForm, PatchMap, Target, TemplateForm


def mapped(patch_map: PatchMap, manifests: Manifests, *, file: str | None) -> Mapped:
    """What a map fills.

    Args:
        patch_map: The map.
        manifests: What git has.
        file: The map as findings name it.
    """
    return Mapped((each for target in patch_map.targets for each in _objects(target, manifests)), file)


def _objects(target: Target, manifests: Manifests) -> Iterator[MappedObject]:
    keys = tuple(MappedKey(key, _form(rule.form), rule.line, _leaves(rule.form)) for key, rule in target.rules.items())
    creates: Literal["new", "manifest"] | None = None if target.create is None else "manifest" if target.create == "from-manifest" else "new"
    for ref in target.refs():
        manifest, problem = _manifest(target, ref, manifests)
        protects = target.policy.annotation == "ensure"
        yield MappedObject(target.id, ref, keys, target.line, creates, protects, manifest, problem)


def _manifest(target: Target, ref: Ref, manifests: Manifests) -> tuple[Located | None, tuple[str, str, str | None] | None]:
    """What git has, or code, cause and hint when that cannot be told."""
    try:
        found = manifests.find(ref, target.manifest)
    except ManifestError as error:
        return None, (error.rule, error.message, error.hint)
    return (None if found is None else Located(found.file, found.line, found.obj)), None


def _form(form: KeyForm) -> Form:
    match form:
        case TemplateForm():
            return "template"
        case JsonForm():
            return "json"
        case FillForm():
            return "fill"
        case AbsentForm():
            return "absent"
        case _:
            return "value"


def _leaves(form: KeyForm) -> frozenset[str]:
    return frozenset(form.leaves) if isinstance(form, FillForm) else frozenset()
