"""The patch map: which keys of which objects are filled, and where the values come from. `loading.load` makes it from text.

Source: requirements PT-04 to PT-09; schemas/patchmap.v1alpha1.schema.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from secrettool.objects import Ref
from secrettool.placeholders import DEFAULT_TOKENS

if TYPE_CHECKING:
    from secrettool.patcher.policy import OnMissing, Policy
    from secrettool.patcher.templates import Template
    from secrettool.sources.model import Provider, Source

OnMissingValue: TypeAlias = Literal["fail", "skip"]

# ---- what is written -----------------------------------------------------------------------------------------------------------------------------

JsonTree: TypeAlias = "Template | Mapping[str, JsonTree] | tuple[JsonTree, ...] | int | float | bool | None"
"""A tree whose texts are templates; numbers, booleans and null are as they were written."""


@dataclass(frozen=True, slots=True)
class ValueForm:
    """The value of this name, byte for byte."""

    name: str


@dataclass(frozen=True, slots=True)
class TemplateForm:
    """The text that the template gives."""

    template: Template


@dataclass(frozen=True, slots=True)
class JsonForm:
    """Compact JSON of the tree, keys in this order."""

    tree: JsonTree


@dataclass(frozen=True, slots=True)
class FillForm:
    """The JSON or YAML that the manifest has there, with these leaves (by JSON pointer, in the order of the map) set to texts."""

    leaves: Mapping[str, Template]


@dataclass(frozen=True, slots=True)
class AbsentForm:
    """Nothing: the key is removed."""


KeyForm: TypeAlias = ValueForm | TemplateForm | JsonForm | FillForm | AbsentForm


@dataclass(frozen=True, slots=True)
class KeyRule:
    """What is written to one key of a Secret, or to one field of another object.

    Attributes:
        form: What is written.
        names: The values that it uses.
        required: Those of them that it cannot do without: a value that stands only in front of `default` is not required.
        optional: Whether the key is left as it is when a required value is missing.
        only_if_placeholder: Whether it is written only when the live value is absent or a placeholder.
        line: Where it stands in the map, from 1.
    """

    form: KeyForm
    names: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    optional: bool = False
    only_if_placeholder: bool = False
    line: int = 0


# ---- objects -------------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """How careful a run is with a target: the defaults of the map, with what the target changes.

    Attributes:
        annotation: How protection against Flux is dealt with.
        on_missing: What a missing object is that the target does not create.
        on_missing_namespace: What a missing namespace is.
        on_missing_value: Whether a key whose value is missing fails the target or is left as it is.
        allow_empty: Whether empty text is a value.
        scrub_last_applied: Whether the plain copy of `kubectl apply` is removed.
        force: Whether objects that an operator controls are written.
    """

    annotation: Policy = "ensure"
    on_missing: OnMissing = "warn"
    on_missing_namespace: OnMissing = "warn"
    on_missing_value: OnMissingValue = "fail"
    allow_empty: bool = False
    scrub_last_applied: bool = True
    force: bool = False


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A missing Secret is created with the keys of the target alone."""

    type: str = "Opaque"


Create: TypeAlias = Literal["from-manifest"] | NewSecret | None


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload in the namespace of the object."""

    kind: Literal["Deployment", "StatefulSet", "DaemonSet"]
    name: str


@dataclass(frozen=True, slots=True)
class Target:
    """One object, or the same object in several namespaces.

    Attributes:
        id: Its name for people.
        api_version: Of the object.
        kind: Of the object.
        name: Of the object.
        namespaces: Where it is; one empty text for an object without a namespace.
        rules: What is written: by key of a Secret, by JSON pointer into objects of other kinds; in the order of the map.
        groups: Groups that it belongs to.
        create: How it is made when it is missing.
        manifest: File with its manifest; None to find it by name.
        policy: How careful a run is with it.
        restart: Workloads that are restarted after a change; `auto` for those that use it.
        verify: Program that checks a rotation, with its arguments; empty for none.
        line: Where it stands in the map, from 1.
    """

    id: str
    api_version: str
    kind: str
    name: str
    namespaces: tuple[str, ...]
    rules: Mapping[str, KeyRule]
    groups: tuple[str, ...] = ()
    create: Create = None
    manifest: str | None = None
    policy: TargetPolicy = TargetPolicy()
    restart: Literal["auto"] | tuple[Workload, ...] = ()
    verify: tuple[str, ...] = ()
    line: int = 0

    @property
    def is_secret(self) -> bool:
        """Whether `rules` are by key of a Secret."""
        return self.kind == "Secret" and self.api_version == "v1"

    @property
    def names(self) -> frozenset[str]:
        """The values that its rules use."""
        return frozenset[str]().union(*(rule.names for rule in self.rules.values()))

    def refs(self) -> Iterator[Ref]:
        """Its objects, in the order of the map."""
        return (Ref(self.api_version, self.kind, namespace, self.name) for namespace in self.namespaces)


# ---- the map -------------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PatchMap:
    """A whole map.

    Attributes:
        targets: In the order of the map; ids are unique.
        values: Sources by name. `form.allow_empty` is true where anything in the map lets the value be empty; see `may_be_empty`.
        providers: Providers by name; every name that a source uses is there.
        tokens: What counts as a placeholder.
        defaults: The policy of targets that change nothing.
        name: What the map calls itself; None when it says nothing.
        file: Where it was read from; None when that is not known.
        empty: What sources say about empty text themselves; those that say nothing are left out.
    """

    targets: tuple[Target, ...]
    values: Mapping[str, Source] = field(default_factory=dict)
    providers: Mapping[str, Provider] = field(default_factory=dict)
    tokens: tuple[str, ...] = DEFAULT_TOKENS
    defaults: TargetPolicy = TargetPolicy()
    name: str | None = None
    file: str | None = None
    empty: Mapping[str, bool] = field(default_factory=dict)

    def may_be_empty(self, value: str, target: Target) -> bool:
        """Whether empty text is a value for a target: what the source says, else the policy of the target."""
        return self.empty.get(value, target.policy.allow_empty)

    def needed(self, targets: Iterable[Target]) -> tuple[str, ...]:
        """The values that targets use, each once, in the order of the map."""
        used = frozenset[str]().union(*(target.names for target in targets))
        return tuple(name for name in self.values if name in used)
