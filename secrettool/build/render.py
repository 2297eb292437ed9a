"""From a folder to the objects that would be applied, in the order of a Flux pass.

    generate -> source stage -> build -> resource stage -> variables -> guard

A file of plain text exists only in a copy of the tree in memory, and only if the source stage opened one; else the tree is built where it lies. The
guard looks at the objects before anything is normalised, which is what Flux gets wrong; with `parity="flux"` it is Flux's own.

Source: kustomize-controller internal/controller/kustomization_controller.go (reconcile, generate, build).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from secrettool import manifests
from secrettool.build import kustomize, plain
from secrettool.build.generate import find_kustomization, generate
from secrettool.build.references import check_references
from secrettool.build.substitute import VariableSource, load_variables, substituted
from secrettool.errors import FormatError, HookError, OutputError, SecrettoolError
from secrettool.findings import Finding
from secrettool.flux import NEWEST, FluxKustomization, FluxVersion
from secrettool.flux.secret import normalised
from secrettool.hook.decryptor import Decryptor
from secrettool.hook.filemac import macs_of_manifest
from secrettool.hook.guard import guard
from secrettool.hook.keysecret import is_decrypting
from secrettool.hook.model import MAX_ERRORS, HookConfig, KeyRing, ObjectOutcome
from secrettool.objects import Object, ref_of
from secrettool.placeholders import ALLOW

if TYPE_CHECKING:
    from secrettool.fs.saferoot import SafeRoot

Stage: TypeAlias = Literal["generate", "sources", "build", "resource", "substitute", "guard"]
"""Where a pass ended."""

How: TypeAlias = Literal["auto", "kustomize", "plain"]
"""`auto`: kustomize where there is a kustomization file or a Flux Kustomization, else plain manifests."""

HASH_OF_CIPHERTEXT: Final = "HK009"

_HASHED_NAME: Final = re.compile(r".-[2456789bcdfghkmt]{10}\Z")
_STRICT_SINCE: Final = FluxVersion(1, 9, 0)


class Fact(NamedTuple):
    """What became of one object.

    Attributes:
        subject: `Secret/namespace/name`.
        action: What the resource stage did.
        entries: Names of the entries that were decrypted.
    """

    subject: str
    action: Literal["untouched", "decrypted", "disabled"]
    entries: tuple[str, ...]


class Rendered(NamedTuple):
    """The result of a pass.

    Attributes:
        objects: The objects in order; all of them when nothing failed.
        facts: One for each object.
        warnings: What a person should be told.
        errors: What failed, at most `MAX_ERRORS`; with one of them no object may be applied.
        stage: Where it failed; None when it did not.
    """

    objects: tuple[Object, ...]
    facts: tuple[Fact, ...]
    warnings: tuple[Finding, ...]
    errors: tuple[SecrettoolError, ...] = ()
    stage: Stage | None = None

    def __repr__(self) -> str:
        return f"<Rendered {len(self.objects)} objects, {len(self.errors)} errors>"

    def check(self) -> Rendered:
        """The same, when nothing failed.

        Raises:
            SecrettoolError: The first failure.
        """
        if self.errors:
            raise self.errors[0]
        return self


def _unknown(_: object) -> None:
    """No ConfigMap and no Secret is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a pass takes from outside.

    Attributes:
        environ: Environment, for finding and calling kustomize.
        version: The kustomize-controller to follow.
        variables: Where `substituteFrom` finds its ConfigMaps and Secrets.
        allow_disk: Whether plain text may lie on a disk when there is no file system in memory.
        how: How the folder is built.
        without_keys: Whether `keys` gives markers instead of values, which the guard then lets pass.
    """

    environ: Mapping[str, str]
    version: FluxVersion = NEWEST
    variables: VariableSource = _unknown
    allow_disk: bool = False
    how: How = "auto"
    without_keys: bool = False


def render(
    root_dir: str, path: str, *, flux: FluxKustomization | None, config: HookConfig, keys: KeyRing | None, surroundings: Surroundings
) -> Rendered:
    """Run one pass over a source.

    Args:
        root_dir: The root of the source: nothing outside is read.
        path: The folder, relative to the root; not used with `flux`, which has its own.
        flux: Act for this Kustomization; None for a folder by itself, whose objects keep kustomize's own order.
        config: How strictly Flux is followed.
        keys: What opens data keys; None: nothing is decrypted. For a Kustomization that does not decrypt nothing is decrypted either.
        surroundings: Everything else.

    Returns:
        The objects, or what failed; two calls give the same.

    Raises:
        ConfigError: kustomize is needed and not there.
        InputError: The root cannot be read.
        OutputError: There is no room in memory for the copy.
    """
    with ExitStack() as stack:
        from secrettool.fs.saferoot import SafeRoot

        root = stack.enter_context(SafeRoot(root_dir))
        return _Pass(root, flux.path if flux else path, flux, config, keys, surroundings, stack).run()


def applied(objs: Iterable[Object], flux: FluxKustomization) -> list[Object]:
    """The objects as Flux sends them, but for its owner labels: `stringData` folded into `data`, common labels and annotations put on."""
    return [_with_common_metadata(normalised(obj), flux) for obj in objs]


class _Pass:
    def __init__(
        self,
        root: SafeRoot,
        path: str,
        flux: FluxKustomization | None,
        config: HookConfig,
        keys: KeyRing | None,
        surroundings: Surroundings,
        stack: ExitStack,
    ) -> None:
        self.root = root
        self.path = path
        self.flux = flux
        self.config = replace(config, placeholders=ALLOW) if surroundings.without_keys else config
        self.around = surroundings
        self.stack = stack
        self.keys = keys if flux is None or is_decrypting(flux) else None
        self.decryptor = Decryptor(self.config, self.keys) if self.keys is not None else None
        self.is_private = False  # whether the tree that is built is a copy in which plain text may stand
        self.stage: Stage = "generate"
        self.warnings: list[Finding] = []
        self.errors: list[SecrettoolError] = []
        self.facts: list[Fact] = []

    def run(self) -> Rendered:
        objs: list[Object] = []
        try:
            objs = self.finish(self.build_plain() if self.is_plain() else self.build())
            if not self.errors:
                self.stage = "guard"
                self.errors += guard(objs, self.config)
        except HookError as error:
            self.errors.append(error)
        failed = self.stage if self.errors else None
        return Rendered(tuple(objs), tuple(self.facts), tuple(self.warnings), tuple(self.errors[:MAX_ERRORS]), failed)

    def is_plain(self) -> bool:
        if self.flux is not None or self.around.how == "kustomize":
            return False
        return self.around.how == "plain" or self.root.kind(self.path) != "directory" or find_kustomization(self.root, self.path) is None

    # ---- before the objects --------------------------------------------------------------------------------------------------------------------

    def build_plain(self) -> list[Object]:
        self.stage = "build"
        files = [plain.read_file(self.root, file) for file in plain.find_files(self.root, self.path)]
        if self.keys is not None and self.config.mac != "skip":
            self.decryptor = Decryptor(self.config, self.keys, macs=self.checked(files, self.keys))
        return [obj for file in files for obj in file.objects]

    def checked(self, files: list[plain.PlainFile], keys: KeyRing) -> set[str]:
        """The MACs of the encrypted files among the manifests."""
        macs: set[str] = set()
        errors: list[HookError] = []
        for file in files:
            try:
                macs |= macs_of_manifest(file.path, file.data, keys, open_disabled=self.config.open_disabled)
            except HookError as error:
                error.file = error.file or file.path
                errors.append(error)
        self.stop_at(tuple(errors), (), "sources")
        return macs

    def build(self) -> list[Object]:
        program = kustomize.needed_program(self.around.environ)
        root = self.generated()
        folder = root.resolve(self.path)
        is_opened = False
        if self.decryptor is not None:
            report = self.decryptor.open_sources(root, folder)
            self.stop_at(report.errors, report.warnings, "sources")
            if report.opened and not self.is_private:
                root = self.copied(root, allow_disk=self.around.allow_disk)
            for file, data in report.opened.items():
                root.write(file, data)
            is_opened = bool(report.opened)
        self.stage = "build"
        missing = check_references(root.path, folder)
        keep_order = self.flux is not None
        text = kustomize.run(program, root.path, folder, environ=self.around.environ, keep_order=keep_order, missing=missing, is_opened=is_opened)
        try:
            found = manifests.read(text, file=None)
        except FormatError as error:
            raise HookError(plain.NO_OBJECT, "the build gave something that cannot be read", subject=folder, key=error.where) from None
        objs = plain.objects_of(found, folder)
        return [obj for obj in objs if not _is_kustomization(obj)] if self.flux else objs

    def generated(self) -> SafeRoot:
        """The root in which the folder has the kustomization file that is to be built."""
        if self.flux is None:
            return self.root
        made = generate(self.root, self.flux)
        if not made.is_needed:
            return self.root
        try:
            root = self.copied(self.root, allow_disk=self.around.allow_disk)
            self.is_private = True
        except OutputError:
            # What Flux generates holds nothing but what Git holds, so this copy may lie anywhere, as long as no file is opened.
            root = self.copied(self.root, allow_disk=True)
        if made.is_new:
            root.create(made.path, made.text.encode("utf-8", "surrogateescape"))
        else:
            root.write(made.path, made.text.encode("utf-8", "surrogateescape"))
        return root

    def copied(self, root: SafeRoot, *, allow_disk: bool) -> SafeRoot:
        from secrettool.fs.workspace import open_workspace

        return self.stack.enter_context(open_workspace(root, allow_disk=allow_disk)).root

    def stop_at(self, errors: tuple[HookError, ...], warnings: tuple[Finding, ...], stage: Stage) -> None:
        """Keep what a stage said; end the pass when something failed in it."""
        self.warnings += warnings
        if errors:
            self.stage = stage
            self.errors += errors[:-1]
            raise errors[-1]  # goes where all others go

    # ---- object by object ----------------------------------------------------------------------------------------------------------------------

    def finish(self, objs: list[Object]) -> list[Object]:
        """Resource stage and variables; failing objects are left out, and all of them are told."""
        post_build = self.flux.post_build if self.flux else None
        done: list[Object] = []
        failed: Stage | None = None
        variables: Mapping[str, str] | None = None
        for obj in objs:
            if len(self.errors) >= MAX_ERRORS:
                break
            self.stage = "resource"
            try:
                outcome = self.decryptor.open_object(obj) if self.decryptor is not None else ObjectOutcome(obj, "untouched")
                self.stage = "substitute"
                if post_build is not None and variables is None:
                    variables = load_variables(post_build, self.around.variables)
                final = self.substituted(outcome.obj, variables, obj) if variables else outcome.obj
            except HookError as error:
                self.errors.append(error)
                failed = failed or self.stage
                continue
            self.note(obj, outcome)
            done.append(final)
        self.stage = failed or self.stage
        return done

    def substituted(self, obj: Object, variables: Mapping[str, str], before: Object) -> Object:
        kept = before if self.config.parity == "extended" else None
        return substituted(obj, variables, strict=self.around.version >= _STRICT_SINCE, before=kept)

    def note(self, obj: Object, outcome: ObjectOutcome) -> None:
        subject = str(ref_of(outcome.obj))
        self.facts.append(Fact(subject, outcome.action, outcome.entries))
        self.warnings += outcome.warnings
        if outcome.action == "decrypted" and outcome.entries and _HASHED_NAME.search(ref_of(obj).name):
            text = "the hash in its name was made of ciphertext, so encrypting again renames it although no value changed"
            self.warnings.append(Finding(HASH_OF_CIPHERTEXT, "note", text, subject=subject))


def _with_common_metadata(obj: Object, flux: FluxKustomization) -> Object:
    common = flux.common_metadata
    if common is None:
        return obj
    metadata: dict[str, Any] = dict(obj.get("metadata") or {})
    for name, more in (("labels", common.labels), ("annotations", common.annotations)):
        if more:
            metadata[name] = {**(metadata.get(name) or {}), **more}
    return {**obj, "metadata": metadata}


def _is_kustomization(obj: Object) -> bool:
    """Whether it is a kustomization file among the resources; Flux drops these."""
    ref = ref_of(obj)
    return ref.kind == "Kustomization" and ref.group == "kustomize.config.k8s.io"
