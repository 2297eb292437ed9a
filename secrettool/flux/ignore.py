"""The rules of `spec.ignore`: fields of which Flux lets the live value stand.

A rule counts only where there is a live object with that field; an object that is created gets everything that git says.

Source: fluxcd/pkg ssa/jsondiff/selector.go (targets) and ssa/manager_apply.go (DriftIgnoreRules); kustomize api/types/selector.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from secrettool.flux import labelselector
from secrettool.flux.controller import FIELD_MANAGER
from secrettool.flux.fields import FieldPath, Fields, flatten, is_below
from secrettool.flux.live import LiveObject
from secrettool.objects import Object, annotations_of, labels_of, ref_of
from secrettool.sops.selection import compile_expression

if TYPE_CHECKING:
    from secrettool.sops.selection import Expression


class Target(NamedTuple):
    """Which objects are meant. Regular expressions over the whole text; the empty text means any.

    Attributes:
        label_selector: A selector over the labels.
        annotation_selector: A selector of the same form over the annotations.
    """

    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    label_selector: str = ""
    annotation_selector: str = ""

    def check(self) -> None:
        """Compile everything.

        Raises:
            ValueError: An expression or a selector cannot be read.
        """
        for expression in self[:5]:
            _anchored(expression)
        for selector in self[5:]:
            labelselector.parse(selector)

    def selects(self, obj: Object) -> bool:
        """Whether an object is meant."""
        ref = ref_of(obj)
        version = ref.api_version.rpartition("/")[2]
        facts = (ref.group, version, ref.kind, ref.name, ref.namespace)
        if not all(not wanted or _anchored(wanted).search(fact) for wanted, fact in zip(self[:5], facts, strict=True)):
            return False
        selectors = ((self.label_selector, labels_of(obj)), (self.annotation_selector, annotations_of(obj)))
        return all(requirement.matches(found) for text, found in selectors for requirement in labelselector.parse(text))


class IgnoreRule(NamedTuple):
    """One rule.

    Attributes:
        paths: JSON pointers, such as `/data/password`; a pointer into a list covers nothing here.
        target: Which objects; None for all.
    """

    paths: tuple[str, ...]
    target: Target | None = None


def ignored_fields(rules: Iterable[IgnoreRule], obj: Object) -> tuple[FieldPath, ...]:
    """The fields of an object that rules cover; each with all that is below it."""
    return tuple(pointer_path(pointer) for rule in rules if rule.target is None or rule.target.selects(obj) for pointer in rule.paths)


def is_ignored(path: FieldPath, covered: Iterable[FieldPath]) -> bool:
    """Whether a field is covered."""
    return any(is_below(path, root) for root in covered)


def reshaped(sent: Fields, live: LiveObject, covered: tuple[FieldPath, ...]) -> Fields:
    """The fields that are sent once the rules were heard.

    A covered field that differs is left out when another manager applied it, otherwise it gets the live value. One that is not there yet is sent.
    """
    there = flatten(live.obj)
    found: Fields = {}
    for path, value in sent.items():
        if path not in there or there[path] == value or not is_ignored(path, covered):
            found[path] = value
        elif not any(owner.operation == "Apply" and owner.name != FIELD_MANAGER for owner in live.owners(path)):
            found[path] = there[path]
    return found


def pointer_path(pointer: str) -> FieldPath:
    """The field that a JSON pointer (RFC 6901) names."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


@lru_cache(maxsize=256)
def _anchored(expression: str) -> Expression:
    return compile_expression(f"^(?:{expression})$" if expression else "")
