"""The Flux Kustomization object, as far as it decides what is built, decrypted, applied and pruned.

Source: kustomize-controller api/v1/kustomization_types.go (1.7.3; `ignore` from 1.9).
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, TypeVar, get_args

from secrettool.errors import ConfigError, Outcome
from secrettool.flux.ignore import IgnoreRule, Target
from secrettool.flux.reading import Section
from secrettool.objects import Object, ref_of

GROUP = "kustomize.toolkit.fluxcd.io"
KIND = "Kustomization"

DeletionPolicy: TypeAlias = Literal["MirrorPrune", "Delete", "WaitForTermination", "Orphan"]
SubstituteKind: TypeAlias = Literal["ConfigMap", "Secret"]
Choice = TypeVar("Choice", bound=str)


class Decryption(NamedTuple):
    """`spec.decryption`.

    Attributes:
        provider: `sops`; with any other text Flux decrypts nothing.
        secret: Name of the Secret with keys, in the namespace of the Kustomization; None without `secretRef`.
        service_account: Name of the ServiceAccount for workload identity; None without one.
    """

    provider: str
    secret: str | None = None
    service_account: str | None = None


class CommonMetadata(NamedTuple):
    """`spec.commonMetadata`: put on every object, over what it has."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class SubstituteFrom(NamedTuple):
    """One entry of `spec.postBuild.substituteFrom`."""

    kind: SubstituteKind
    name: str
    optional: bool


class PostBuild(NamedTuple):
    """`spec.postBuild`; that it is there matters even when it is empty."""

    substitute: Mapping[str, str]
    substitute_from: tuple[SubstituteFrom, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FluxKustomization:
    """A Flux Kustomization.

    Attributes:
        name: Its name.
        namespace: Its namespace; empty when the file does not say.
        path: `spec.path` as it is written; see `folder`.
        target_namespace: Namespace of all objects; empty to leave theirs.
        name_prefix: Put before all names.
        name_suffix: Put behind all names.
        patches: `{patch, target}` mappings, in the form of a kustomization file.
        components: Paths of kustomize components, relative to `path`.
        ignore_missing_components: Whether components that are not there are passed over.
        images: `{name, newName, newTag, digest}` mappings, in the form of a kustomization file.
        common_metadata: Labels and annotations for all objects.
        decryption: None: nothing is decrypted.
        post_build: None: nothing is substituted.
        prune: Whether objects that leave git are deleted.
        deletion_policy: What happens to the objects when the Kustomization is deleted.
        force: Whether objects that cannot be applied are deleted and created again.
        suspend: Whether no pass runs.
        ignore: Fields whose live value stands.
    """

    name: str
    namespace: str = ""
    path: str = ""
    target_namespace: str = ""
    name_prefix: str = ""
    name_suffix: str = ""
    patches: tuple[Object, ...] = ()
    components: tuple[str, ...] = ()
    ignore_missing_components: bool = False
    images: tuple[Object, ...] = ()
    common_metadata: CommonMetadata | None = None
    decryption: Decryption | None = None
    post_build: PostBuild | None = None
    prune: bool = False
    deletion_policy: DeletionPolicy = "MirrorPrune"
    force: bool = False
    suspend: bool = False
    ignore: tuple[IgnoreRule, ...] = ()

    @classmethod
    def from_object(cls, obj: Object) -> FluxKustomization:
        """Read the object; fields that nothing here needs are not looked at.

        Raises:
            ConfigError: It is another kind, or a field has the wrong type or an impossible value; `where` is the field.
        """
        if not is_flux_kustomization(obj):
            raise ConfigError(f"not a {KIND} of {GROUP}", where="kind", code=Outcome.CONFIGURATION)
        top = Section(obj)
        metadata = top.section("metadata") or Section({}, "metadata")
        spec = top.section("spec") or Section({}, "spec")
        return cls(
            name=metadata.required("name"),
            namespace=metadata.text("namespace"),
            path=spec.text("path"),
            target_namespace=spec.text("targetNamespace"),
            name_prefix=spec.text("namePrefix"),
            name_suffix=spec.text("nameSuffix"),
            patches=_patches(spec),
            components=spec.text_list("components"),
            ignore_missing_components=spec.flag("ignoreMissingComponents"),
            images=_images(spec),
            common_metadata=_common_metadata(spec),
            decryption=_decryption(spec),
            post_build=_post_build(spec),
            prune=spec.flag("prune"),
            deletion_policy=_deletion_policy(spec),
            force=spec.flag("force"),
            suspend=spec.flag("suspend"),
            ignore=tuple(_ignore_rule(rule) for rule in spec.sections("ignore")),
        )

    @property
    def folder(self) -> str:
        """`path` relative to the root of the source, without `.` and `..`; empty for the root. `..` above the root stays at the root."""
        return posixpath.normpath(posixpath.join("/", self.path.lstrip("/"))).lstrip("/")

    @property
    def prunes_when_deleted(self) -> bool:
        """Whether its objects are deleted with it."""
        if self.suspend or self.deletion_policy == "Orphan":
            return False
        return self.prune or self.deletion_policy != "MirrorPrune"

    def __str__(self) -> str:
        return "/".join(part for part in (KIND, self.namespace, self.name) if part)


def is_flux_kustomization(obj: Object) -> bool:
    """Whether an object is a Kustomization of Flux, not one of kustomize."""
    ref = ref_of(obj)
    return ref.kind == KIND and ref.group == GROUP


def _decryption(spec: Section) -> Decryption | None:
    block = spec.section("decryption")
    if block is None:
        return None
    secret = block.section("secretRef")
    return Decryption(block.required("provider"), secret.required("name") if secret else None, block.text("serviceAccountName") or None)


def _common_metadata(spec: Section) -> CommonMetadata | None:
    block = spec.section("commonMetadata")
    return CommonMetadata(block.texts("labels"), block.texts("annotations")) if block else None


def _post_build(spec: Section) -> PostBuild | None:
    block = spec.section("postBuild")
    return PostBuild(block.texts("substitute"), tuple(_substitute_from(each) for each in block.sections("substituteFrom"))) if block else None


def _substitute_from(entry: Section) -> SubstituteFrom:
    known: tuple[SubstituteKind, ...] = get_args(SubstituteKind)
    kind = _one_of(entry.required("kind"), known)
    if kind is None:
        raise entry.error("kind", "must be ConfigMap or Secret")
    return SubstituteFrom(kind, entry.required("name"), entry.flag("optional"))


def _deletion_policy(spec: Section) -> DeletionPolicy:
    known: tuple[DeletionPolicy, ...] = get_args(DeletionPolicy)
    policy = _one_of(spec.text("deletionPolicy") or "MirrorPrune", known)
    if policy is None:
        raise spec.error("deletionPolicy", f"must be one of {', '.join(known)}")
    return policy


def _one_of(text: str, known: tuple[Choice, ...]) -> Choice | None:
    return next((each for each in known if each == text), None)


def _patches(spec: Section) -> tuple[Object, ...]:
    found: list[Object] = []
    for entry in spec.sections("patches"):
        entry.required("patch")
        entry.section("target")
        found.append(entry.as_object())
    return tuple(found)


def _images(spec: Section) -> tuple[Object, ...]:
    found: list[Object] = []
    for entry in spec.sections("images"):
        entry.required("name")
        for name in ("newName", "newTag", "digest"):
            entry.text(name)
        found.append(entry.as_object())
    return tuple(found)


def _ignore_rule(entry: Section) -> IgnoreRule:
    paths = entry.text_list("paths")
    if not paths:
        raise entry.error("paths", "is missing or empty")
    if not all(path.startswith("/") and path != "/" for path in paths):
        raise entry.error("paths", "must be JSON pointers such as /data/password")
    block = entry.section("target")
    return IgnoreRule(paths, target_of(block) if block else None)


def target_of(block: Section) -> Target:
    """The objects that a `target` block means.

    Raises:
        ConfigError: A field is no text, or no expression or selector.
    """
    names = ("group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector")
    target = Target(*(block.text(name) for name in names))
    for position, name in enumerate(names):
        try:
            Target()._replace(**{Target._fields[position]: target[position]}).check()
        except ValueError:
            raise block.error(name, "not a regular expression" if position < 5 else "not a label selector") from None
    return target
