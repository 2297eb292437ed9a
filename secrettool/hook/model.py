"""What the stages of the hook take and give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from secrettool.findings import Finding
from secrettool.objects import Object
from secrettool.placeholders import REFUSE, PlaceholderPolicy

if TYPE_CHECKING:
    from secrettool.errors import HookError
    from secrettool.fs.saferoot import SafeRoot
    from secrettool.sops.envelope import DataKey
    from secrettool.sops.metadata import Metadata

MAX_BYTES = 5 * 1024 * 1024
"""Largest encrypted file that is opened; Flux's own limit."""

MAX_ERRORS = 50
"""Failures that are collected before a pass ends."""


@dataclass(frozen=True, slots=True)
class HookConfig:
    """How strictly the hook follows Flux.

    Attributes:
        parity: `flux`: exactly what Flux decrypts; `extended`: also whole SOPS documents in `stringData` and in ConfigMaps, and split dotenv files.
        sources: `flux`: the files that Flux opens before a build; `extended`: also those of `patchesStrategicMerge`, `patchesJson6902` and
            `configMapGenerator`.
        mac: `source`: the MAC of every file that the build reads is checked; `require`: and an object whose file was not checked is refused;
            `skip`: none is checked, as in Flux.
        max_bytes: Largest encrypted file or entry.
        env_keys: Whether identities may come from the environment when none was given.
        placeholders: What the guard does about placeholders.
        open_disabled: Whether objects that Flux is told not to decrypt are opened: whoever applies beside Flux is meant to.
    """

    parity: Literal["flux", "extended"] = "extended"
    sources: Literal["flux", "extended"] = "flux"
    mac: Literal["source", "require", "skip"] = "source"
    max_bytes: int = MAX_BYTES
    env_keys: bool = True
    placeholders: PlaceholderPolicy = field(default=REFUSE)
    open_disabled: bool = False


class KeyRing(Protocol):
    """The identities and logins of one source; remembers what it unlocked, so that each data key is asked for once."""

    def data_key(self, metadata: Metadata) -> DataKey:
        """The data key of a file.

        Raises:
            KeyUnavailable: `HK111`, with a reason for every key that was tried.
        """


class ObjectOutcome(NamedTuple):
    """What became of one object.

    Attributes:
        obj: The object after the stage; the same mapping when nothing was done.
        action: `disabled`: its annotation keeps the hook off.
        entries: Names of the entries that were decrypted; empty for a whole object.
        warnings: What a person should be told.
    """

    obj: Object
    action: Literal["untouched", "decrypted", "disabled"]
    entries: tuple[str, ...] = ()
    warnings: tuple[Finding, ...] = ()

    def __repr__(self) -> str:
        return f"<ObjectOutcome {self.action} {', '.join(self.entries)}>"


class RunReport(NamedTuple):
    """What became of all objects of a pass.

    Attributes:
        outcomes: One for each object that did not fail, in order.
        errors: The failures, at most `MAX_ERRORS`.
    """

    outcomes: tuple[ObjectOutcome, ...]
    errors: tuple[HookError, ...]

    @property
    def objects(self) -> list[Object]:
        """The objects in order, without those that failed."""
        return [outcome.obj for outcome in self.outcomes]

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The warnings of all objects."""
        return tuple(finding for outcome in self.outcomes for finding in outcome.warnings)


class SourceReport(NamedTuple):
    """What the source stage did.

    Attributes:
        opened: Files that were decrypted, relative to the root, each with its plain bytes; written nowhere yet.
        macs: The `sops.mac` texts of the files whose MAC was verified.
        warnings: What a person should be told.
        errors: The failures, at most `MAX_ERRORS`.
    """

    opened: Mapping[str, bytes]
    macs: frozenset[str]
    warnings: tuple[Finding, ...]
    errors: tuple[HookError, ...]

    def __repr__(self) -> str:
        return f"<SourceReport of {len(self.opened)} files, {len(self.errors)} errors>"


@dataclass(frozen=True, slots=True)
class PassContext:
    """One pass of a reconciler over one source.

    Attributes:
        source: Identifier of the source, for messages.
        revision: Revision of the source.
        attempt: From 1.
        dry_run: Whether the pass will write nothing.
        deadline: Seconds of `time.monotonic()` at which the pass is to end; None without a limit.
    """

    source: str
    revision: str = ""
    attempt: int = 1
    dry_run: bool = False
    deadline: float | None = None


class ReconcileHook(Protocol):
    """What a reconciler calls around its own steps. Hooks run in the order of registration; the first exception ends the pass."""

    def before_build(self, ctx: PassContext, tree: SafeRoot) -> None:
        """The source lies in `tree`, which may be changed: the build reads it from there."""

    def after_build(self, ctx: PassContext, objs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The objects of the build; what is returned goes on."""

    def before_apply(self, ctx: PassContext, objs: Sequence[dict[str, Any]]) -> None:
        """The objects as they will be applied.

        Raises:
            GuardError: Something must not reach the cluster.
        """

    def after_apply(self, ctx: PassContext, results: Sequence[Any]) -> None:
        """What the reconciler did with each object, in its own words."""

    def on_error(self, ctx: PassContext, error: HookError) -> None:
        """The pass ended with this."""


Objects = Iterable[Object]
