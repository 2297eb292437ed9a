"""What a map fills, in the form that checks take, and what is wrong with it (PT-03).

    MF01  several manifests fit                   PH002  a key that the manifest lacks
    MF02  created from a manifest with ciphertext  PH007  an object that git does not have
                                                   PH008  two targets write the same key

What reads maps lies above; it makes a `MappedObject` for each object of each target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from secrettool.check.repository import Located
from secrettool.findings import Finding, Severity
from secrettool.flux.ignore import pointer_path
from secrettool.objects import Object, Ref, is_secret, ref_of, section

Form: TypeAlias = Literal["value", "template", "json", "fill", "absent"]
_Name: TypeAlias = tuple[str, str, str, str]


class MappedKey(NamedTuple):
    """A key of a Secret, or a JSON pointer into another object, that a map writes.

    Attributes:
        key: Its name.
        form: How it is written; `absent` takes it away.
        line: Where the map says so, from 1.
        leaves: For `fill`: pointers into the text.
    """

    key: str
    form: Form
    line: int
    leaves: frozenset[str] = frozenset()


class MappedObject(NamedTuple):
    """One object of a target.

    Attributes:
        target: Id of the target.
        ref: The object.
        keys: What is written.
        line: Where the map says so, from 1.
        creates: Whether it is created without a manifest (`new`), from one (`manifest`), or not at all.
        protects: Whether the live object is annotated so that Flux leaves it alone.
        manifest: What git has; None when it has nothing.
        problem: Code, cause and hint when what git has cannot be told.
    """

    target: str
    ref: Ref
    keys: tuple[MappedKey, ...]
    line: int
    creates: Literal["new", "manifest"] | None = None
    protects: bool = True
    manifest: Located | None = None
    problem: tuple[str, str, str | None] | None = None


class Mapped:
    """What a map fills, by object.

    Args:
        objects: The objects of all targets.
        file: The map, for places; None when there is none.
    """

    def __init__(self, objects: Iterable[MappedObject] = (), file: str | None = None) -> None:
        self.objects: Sequence[MappedObject] = tuple(objects)
        self.file = file
        self._by_place: dict[tuple[str, int, Ref], list[MappedObject]] = {}
        self._by_name: dict[_Name, list[MappedObject]] = {}
        for each in self.objects:
            if each.manifest is not None:
                self._by_place.setdefault(_place(each.manifest), []).append(each)
            elif each.problem is not None:  # whichever of the manifests is meant
                self._by_name.setdefault(_name(each.ref), []).append(each)

    def of(self, located: Located) -> list[MappedObject]:
        """What is written into an object of git, by any target."""
        ref = ref_of(located.obj)
        names = dict.fromkeys((_name(ref), _name(ref._replace(namespace=""))))
        return [*self._by_place.get(_place(located), ()), *(each for name in names for each in self._by_name.get(name, ()))]

    def findings(self) -> Iterator[Finding]:
        """What is wrong with the map."""
        for each in self.objects:
            yield from self._of_object(each)
        yield from self._double()

    def _of_object(self, each: MappedObject) -> Iterator[Finding]:
        if each.problem is not None:
            code, text, hint = each.problem
            yield Finding(code, "error", f"target {each.target}: {text}", self.file, each.line, str(each.ref), None, hint)
        elif each.manifest is None:
            if each.creates != "new":
                severity: Severity = "error" if each.creates == "manifest" else "warning"
                text, hint = f"the manifests have no object of target {each.target}", "correct ref, or give the target a create with a type"
                yield Finding("PH007", severity, text, self.file, each.line, str(each.ref), None, hint)
        else:
            if each.creates == "manifest" and "sops" in each.manifest.obj:
                text, hint = f"target {each.target} is to create it from its manifest, which is encrypted", "let create say a type"
                yield Finding("MF02", "error", text, self.file, each.line, str(each.ref), None, hint)
            for key in each.keys:
                if key.form != "absent" and not has(each.manifest.obj, key.key):
                    hint = "nothing to do: Flux never touches a key that git does not set"
                    yield Finding("PH002", "note", "the map fills it, and the manifest lacks it", self.file, key.line, str(each.ref), key.key, hint)

    def _double(self) -> Iterator[Finding]:
        first: dict[tuple[_Name, str], str] = {}
        for each in self.objects:
            for key in each.keys:
                other = first.setdefault((_name(each.ref), key.key), each.target)
                if other != each.target:
                    text = f"targets {other} and {each.target} both write it"
                    yield Finding("PH008", "error", text, self.file, key.line, str(each.ref), key.key, "leave it to one of them")


def has(obj: Object, key: str) -> bool:
    """Whether an object sets a key: an entry of a Secret, the field at a JSON pointer of another kind."""
    if is_secret(obj):
        return key in section(obj, "data") or key in section(obj, "stringData")
    return value_at(obj, key) is not None


def value_at(root: object, pointer: str) -> object:
    """What stands at a JSON pointer; None where there is nothing."""
    node = root
    for step in pointer_path(pointer):
        if isinstance(node, list):
            node = node[int(step)] if step.isascii() and step.isdigit() and int(step) < len(node) else None
        else:
            node = node.get(step) if isinstance(node, dict) else None
    return node


def _place(located: Located) -> tuple[str, int, Ref]:
    return located.file, located.line, ref_of(located.obj)


def _name(ref: Ref) -> _Name:
    return ref.group, ref.kind, ref.namespace, ref.name
