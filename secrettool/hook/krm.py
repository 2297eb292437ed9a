"""KRM functions: decryption as a step of `kustomize build`.

    SecretGenerator   secrettool.dev/v1alpha1   generator: encrypted files become objects, or entries of new Secrets (`ksops`)
    ksops             viaduct.ai, any version   the same, for configurations of KSOPS
    Decrypt           secrettool.dev/v1alpha1   transformer: the resource stage for all objects that there are so far

Source: kyaml fn/runtime/runtimeutil; github.com/viaduct-ai/kustomize-sops 4.5 ksops.go (krm).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from secrettool.errors import HookError
from secrettool.findings import Finding
from secrettool.hook.decryptor import Decryptor
from secrettool.hook.ksops import Files, generate
from secrettool.hook.ksopsconfig import BAD_CONFIGURATION, EVERYBODYS
from secrettool.hook.kustomization import NAMES
from secrettool.hook.model import MAX_ERRORS, HookConfig, KeyRing
from secrettool.hook.resourcelist import ResourceList, Result, is_local, with_annotations, without_callers_annotations
from secrettool.objects import Object, ref_of

if TYPE_CHECKING:
    from secrettool.fs.saferoot import SafeRoot

API_VERSION = "secrettool.dev/v1alpha1"
GENERATOR, TRANSFORMER = "SecretGenerator", "Decrypt"
KSOPS_GROUP, KSOPS = "viaduct.ai", "ksops"

Role: TypeAlias = Literal["ksops", "generator", "transformer"]

_ROLES: dict[str, Role] = {GENERATOR: "generator", TRANSFORMER: "transformer"}


class Place(NamedTuple):
    """Where a function runs.

    Attributes:
        root: The repository; no path leads out of it.
        folder: The folder of the kustomization file, relative to the root.
    """

    root: SafeRoot
    folder: str


class Answer(NamedTuple):
    """What a function answers.

    Attributes:
        items: The objects; none when it failed.
        results: What it has to say; it failed when one of them is an error.
    """

    items: tuple[Object, ...]
    results: tuple[Result, ...]

    def __repr__(self) -> str:
        return f"<Answer of {len(self.items)} items, {len(self.results)} results>"

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return any(result.finding.severity == "error" for result in self.results)


def role_of(obj: Object) -> Role | None:
    """What an object configures; None when it is none of our configurations."""
    ref = ref_of(obj)
    if ref.kind == KSOPS and ref.group == KSOPS_GROUP:
        return "ksops"
    return _ROLES.get(ref.kind) if ref.api_version == API_VERSION else None


def run(source: ResourceList, place: Place, config: HookConfig, keys: KeyRing) -> Answer:
    """Do what a resource list asks for; what goes wrong is in the results.

    With `functionConfig` that is the configuration, and of the items those stay that are not configuration themselves. Without it each item that is
    a configuration is one, and its objects take its place; transformers see all that there is in the end.
    """
    call = _Call(place, config, keys)
    configuration = source.function_config
    items = call.configured_by_items(source.items) if configuration is None else call.configured(configuration, source.items)
    answer = Answer(tuple(items), tuple(call.results))
    return answer._replace(items=()) if answer.failed else answer


class _Call:
    """One call; `results` grows."""

    def __init__(self, place: Place, config: HookConfig, keys: KeyRing) -> None:
        self._place = place
        self._config = config
        self._keys = keys
        self._files = Files(place.root, place.folder, config, keys)
        self.results: list[Result] = []
        self._errors = 0

    def configured(self, configuration: Object, items: Iterable[Object]) -> list[Object]:
        """The items after the function that one object configures."""
        role = role_of(configuration)
        if role is None:
            self._refuse(configuration, "no configuration of this function: neither its kind nor its apiVersion is known")
            return []
        if role == "transformer":
            return self._transform(configuration, items)
        return [*(item for item in items if not is_local(item)), *self._generate(configuration, role)]

    def configured_by_items(self, items: Iterable[Object]) -> list[Object]:
        """The items after the functions that some of them configure."""
        found: list[Object] = []
        transformers: list[Object] = []
        used = False
        for item in items:
            role = role_of(item)
            used = used or role is not None
            if role is None:
                found.append(item)
            elif role == "transformer":
                transformers.append(item)
            else:
                found += self._generate(item, role)
        if not used:
            self._refuse(None, "no configuration: there is no functionConfig, and none of the items is one")
        for transformer in transformers:
            found = self._transform(transformer, found)
        return found

    def _generate(self, configuration: Object, role: Role) -> tuple[Object, ...]:
        made = generate(configuration, self._files, strict=role == "generator")
        for finding in made.findings:
            self._tell(finding, configuration)
        return made.objects

    def _transform(self, configuration: Object, items: Iterable[Object]) -> list[Object]:
        extra = next((name for name in configuration if name not in EVERYBODYS), None)
        if extra is not None:
            self._refuse(configuration, "there is no such field", key=extra)
            return []
        decryptor = Decryptor(self._config, self._keys)
        if not self._check_sources(decryptor, configuration):
            return []
        return [opened for item in items if (opened := self._open(decryptor, item)) is not None]

    def _check_sources(self, decryptor: Decryptor, configuration: Object) -> bool:
        """Check the MAC of the files that were built; objects cannot show it, since kustomize sorts their fields. False when one is wrong."""
        root, folder = self._place
        if self._config.mac == "skip" or not any(root.kind(f"{folder}/{name}") == "file" for name in NAMES):
            return True
        errors = decryptor.open_sources(root, folder).errors
        for error in errors:
            self._tell(Finding.of(error)._replace(file=error.file, subject=None), configuration)
        return not errors

    def _open(self, decryptor: Decryptor, item: Object) -> Object | None:
        """An item after the resource stage, which sees it without the annotations of the caller: they were not there when it was encrypted."""
        if self._errors >= MAX_ERRORS:
            return None
        bare, taken = without_callers_annotations(item)
        try:
            outcome = decryptor.open_object(bare)
        except HookError as error:
            self._tell(Finding.of(error), item)
            return None
        for finding in outcome.warnings:
            self._tell(finding, item)
        return item if outcome.obj is bare else with_annotations(outcome.obj, taken)

    def _tell(self, finding: Finding, about: Object | None) -> None:
        self.results.append(Result(finding, about))
        self._errors += finding.severity == "error"

    def _refuse(self, configuration: Object | None, text: str, *, key: str | None = None) -> None:
        subject = str(ref_of(configuration)) if configuration is not None else None
        hint = f"it is a {GENERATOR} or {TRANSFORMER} of {API_VERSION}, or a {KSOPS} of {KSOPS_GROUP}"
        self._tell(Finding(BAD_CONFIGURATION, "error", text, subject=subject, key=key, hint=hint), configuration)
