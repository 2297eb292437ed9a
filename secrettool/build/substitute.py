"""Variables after the build: `${name}` in the text of each object.

An object is printed as YAML, its variables are replaced in the text, and the text is read again: so a value can become a number or a whole mapping,
and an object that is no YAML afterwards fails. An object with the annotation or label `substitute: disabled` is left alone.

What was decrypted just before keeps its text, unless Flux is to be followed exactly: it rewrites that too.

Source: github.com/fluxcd/pkg/kustomize 1.24 kustomize_varsub.go.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from secrettool import manifests
from secrettool.build.envsubst import SubstitutionError, substitute
from secrettool.errors import FormatError, HookError
from secrettool.flux.kustomization import PostBuild, SubstituteFrom
from secrettool.objects import Object, Place, annotations_of, labels_of, ref_of, texts

FAILED: Final = "HK144"
DISABLED: Final = "kustomize.toolkit.fluxcd.io/substitute"

VariableSource: TypeAlias = Callable[[SubstituteFrom], Mapping[str, str] | None]
"""Gives the entries of a ConfigMap or Secret in the namespace of the Kustomization; None when it does not exist."""

_NAME: Final = re.compile(r"[_A-Za-z][_A-Za-z0-9]*")


def load_variables(post_build: PostBuild, source: VariableSource) -> dict[str, str]:
    """The variables of a Kustomization; those written in it win, and line ends are taken out of all.

    Raises:
        HookError: `HK144`: a ConfigMap or Secret is missing and not optional, or the name of a variable cannot be used.
    """
    found: dict[str, str] = {}
    for reference in post_build.substitute_from:
        entries = source(reference)
        if entries is None and not reference.optional:
            subject = f"{reference.kind}/{reference.name}"
            raise HookError(
                FAILED, "the variables that it holds are needed and not known here", subject=subject, hint="give its manifest with --variables FILE"
            )
        found.update(entries or {})
    found.update(post_build.substitute)
    wrong = next((name for name in found if not _NAME.fullmatch(name)), None)
    if wrong is not None:
        raise HookError(FAILED, "the name of a variable may have letters, digits and underscores only", key=f"variable {wrong!a}")
    return {name: text.replace("\n", "") for name, text in found.items()}


def is_disabled(obj: Object) -> bool:
    """Whether an object opts out; an exact comparison, label or annotation."""
    return "disabled" in (labels_of(obj).get(DISABLED), annotations_of(obj).get(DISABLED))


def substituted(obj: Object, variables: Mapping[str, str], *, strict: bool, before: Object | None = None) -> Object:
    """An object with its variables replaced; the same one when it has none.

    Args:
        obj: The object.
        variables: Values by name; without any nothing is done.
        strict: Whether a variable without value and default is an error (kustomize-controller from 1.9 on).
        before: The object as it was encrypted: texts that differ from it are kept as they are. None: nothing is kept.

    Raises:
        HookError: `HK144`: a malformed expression, a variable that is not set, or an object that is none any more.
    """
    if not variables or is_disabled(obj) or not _has_dollar(obj):
        return obj
    kept: dict[str, str] = {}
    shown = obj if before is None or before is obj else _with_stand_ins(obj, before, kept)
    subject = str(ref_of(obj))
    try:
        text = substitute(manifests.dump([shown]), variables, strict=strict)
        found = manifests.read(text, file=None)
    except SubstitutionError as error:
        raise HookError(FAILED, f"variables cannot be substituted: {error}", subject=subject) from None
    except FormatError as error:
        raise HookError(FAILED, "with its variables it is no YAML any more", subject=subject, key=error.where) from None
    if len(found) != 1 or not ref_of(found[0].obj).kind:
        raise HookError(FAILED, "with its variables it is no object any more", subject=subject)
    return _mapped(found[0].obj, lambda _, text: kept.get(text, text)) if kept else found[0].obj


def _has_dollar(obj: Object) -> bool:
    waiting: list[Any] = [obj]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and "$" in value:
            return True
    return False


def _with_stand_ins(obj: Object, before: Object, kept: dict[str, str]) -> Object:
    """The object with a plain word in the place of every text that was decrypted.

    Args:
        obj: The object.
        before: The object as it was encrypted.
        kept: Gets the texts by their words, which nobody can guess: else an object could ask for a text in another place.
    """
    known = dict(texts(before))
    word = f"secrettool-{os.urandom(8).hex()}-"

    def stand_in(place: Place, text: str) -> str:
        if "$" not in text or known.get(place) == text:
            return text
        name = f"{word}{len(kept)}-"
        kept[name] = text
        return name

    return _mapped(obj, stand_in)


def _mapped(obj: Object, change: Callable[[Place, str], str]) -> Object:
    """A copy of an object with every text changed."""
    result: dict[str, Any] = {}
    waiting: list[tuple[Place, Any, Any]] = [(None, obj, result)]

    def made(place: Place, value: Any) -> Any:
        if isinstance(value, str):
            return change(place, value)
        if not isinstance(value, dict | list):
            return value
        empty: dict[str, Any] | list[Any] = {} if isinstance(value, dict) else []
        waiting.append((place, value, empty))
        return empty

    while waiting:
        place, value, target = waiting.pop()
        if isinstance(value, dict):
            target.update((key, made((place, key), inner)) for key, inner in value.items())
        else:
            target.extend(made((place, index), inner) for index, inner in enumerate(value))
    return result
