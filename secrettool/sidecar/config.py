"""What a sidecar is told to do, as frozen data. `loading` makes it from a file, the command line from its options.

Durations are seconds, modes are numbers. Nothing here holds a secret: keys, tokens and URLs that are secrets are named by the file they are in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from secrettool.sidecar.state import Mode, SourceKind

DEFAULT_INTERVAL: Final = 300.0
MIN_INTERVAL: Final = 1.0
DEFAULT_MODE: Final = 0o440
DEFAULT_PORT: Final = 8080

FluxKind: TypeAlias = Literal["GitRepository", "OCIRepository", "Bucket", "ExternalArtifact"]

Build: TypeAlias = Literal["auto", "kustomize", "plain"]

Layout: TypeAlias = Literal["tree", "flat", "documents"]
"""`tree`: `<namespace>/<name>/<key>`; `flat`: `<key>`; `documents`: every object as one file of YAML."""

NotificationType: TypeAlias = Literal["webhook", "slack", "telegram"]

Change: TypeAlias = Literal["failed", "recovered", "keys", "guard"]
"""A pass failed after one that went well, or went well after one that failed; other keys lie there, taken or not; the guard refused something."""

CHANGES: Final[tuple[Change, ...]] = get_args(Change)

StatusAccess: TypeAlias = Literal["token", "open", "off"]
"""Who sees `/status` and `/`: who knows the token of `refresh.token_file` (nobody without one), everybody, or nobody."""


class DirSource(NamedTuple):
    """A folder, or a link to one that is replaced as a whole.

    Attributes:
        path: Absolute, or relative to the working folder.
    """

    path: str


class FluxSource(NamedTuple):
    """An object of Flux whose artifact is downloaded.

    Attributes:
        kind: Which one.
        namespace: Its namespace.
        name: Its name.
    """

    kind: FluxKind
    namespace: str
    name: str


class StdinSource(NamedTuple):
    """Manifests on stdin, read once."""


Origin: TypeAlias = DirSource | FluxSource | StdinSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Where the keys of a source are.

    Attributes:
        files: Files of age identities.
        folder: Folder of a mounted Secret: entries that end in `.agekey` or `.asc`, and `sops.vault-token`; None without one.
        environment: Whether keys of the environment open what no given key is for.
    """

    files: tuple[str, ...] = ()
    folder: str | None = None
    environment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplySettings:
    """How objects are applied.

    Attributes:
        namespace: Of objects that name none; None: they are refused.
        kinds: The kinds that are applied; others are left out.
        adopt: Whether objects that are there without our label are taken over.
        force: Whether fields of other field managers are taken over.
        prune: Whether objects that are gone from the source are deleted.
    """

    namespace: str | None = None
    kinds: tuple[str, ...] = ("Secret",)
    adopt: bool = False
    force: bool = False
    prune: bool = False


class PostAfter(NamedTuple):
    """After a swap, a POST without a body.

    Attributes:
        url: On loopback.
    """

    url: str


class SignalAfter(NamedTuple):
    """After a swap, a signal.

    Attributes:
        process: Name of the processes that get it, as in `/proc/PID/comm`.
        signal: Such as `HUP`.
    """

    process: str
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderSettings:
    """How files are written.

    Attributes:
        target: The folder, on a file system in memory.
        namespace: Of objects that name none; None: they are refused where the path has the namespace in it.
        layout: Which files.
        mode: Of the files; folders can be entered by who can read.
        after: What is done after a swap; None for nothing.
    """

    target: str
    namespace: str | None = None
    layout: Layout = "tree"
    mode: int = DEFAULT_MODE
    after: PostAfter | SignalAfter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source and what is done with it.

    Attributes:
        id: Its name: a DNS label of at most 40 characters, unique.
        origin: Where it comes from.
        path: The folder that is built, relative to the origin's root.
        build: How.
        interval: Seconds between two passes that nothing else starts.
        labels: For `Config.selector`.
        keys: What opens it.
        parity: As `HookConfig.parity`.
        mac: As `HookConfig.mac`.
        placeholders: Whether placeholders may pass the guard.
        apply: For mode `apply`; else None.
        render: For mode `render`; else None.
    """

    id: str
    origin: Origin
    path: str = "."
    build: Build = "auto"
    interval: float = DEFAULT_INTERVAL
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    keys: Keys = Keys()
    parity: Literal["flux", "extended"] = "extended"
    mac: Literal["source", "require", "skip"] = "source"
    placeholders: bool = False
    apply: ApplySettings | None = None
    render: RenderSettings | None = None

    @property
    def mode(self) -> Mode:
        """What is done with it."""
        return "render" if self.render is not None else "apply"

    @property
    def kind(self) -> SourceKind:
        """Where it comes from."""
        if isinstance(self.origin, DirSource):
            return "dir"
        return "flux" if isinstance(self.origin, FluxSource) else "stdin"

    @property
    def lease(self) -> str:
        """Name of its Lease."""
        return f"secrettool-{self.id}"

    @property
    def inventory(self) -> str:
        """Name of the ConfigMap with its inventory."""
        return f"secrettool-inventory-{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """Leader election, for each source in mode `apply` by itself.

    Attributes:
        enabled: Whether there is one.
        namespace: Of the Leases; None: the pod's.
        most: Leases that one replica holds at most; None for any number.
    """

    enabled: bool = False
    namespace: str | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """Where health, metrics and status are served.

    Attributes:
        enabled: Whether they are.
        address: To listen at.
        port: To listen at.
        status: Who sees names of objects and findings.
    """

    enabled: bool = True
    address: str = "0.0.0.0"  # noqa: S104 -- probes come from the node
    port: int = DEFAULT_PORT
    status: StatusAccess = "token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """Who may start a pass by `POST /refresh`; nobody without a file.

    Attributes:
        token_file: File with the bearer token.
        hmac_file: File with the secret that signatures are made with.
    """

    token_file: str | None = None
    hmac_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Somebody who is told of changes of state.

    Attributes:
        type: In which form.
        url_file: File with the URL, for `webhook` and `slack`; None for `telegram`.
        token_file: File with a bearer token for `webhook` (optional), with the bot's token for `telegram`.
        hmac_file: File with the secret that `webhook` signs with; None for no signature.
        chat: Of `telegram`.
        sources: Sources that count; empty for all.
        events: Which changes.
    """

    type: NotificationType
    url_file: str | None = None
    token_file: str | None = None
    hmac_file: str | None = None
    chat: str | None = None
    sources: tuple[str, ...] = ()
    events: tuple[Change, ...] = CHANGES


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything.

    Attributes:
        sources: At least one.
        selector: Labels that a source must have to be worked on by this replica.
        leases: Leader election.
        events: Whether Events are written.
        http: Health, metrics, status.
        refresh: Passes on demand.
        notifications: Who is told.
        allow_disk: Whether plain text may lie on a disk where no file system in memory is.
    """

    sources: tuple[Source, ...]
    selector: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    leases: Leases = Leases()
    events: bool = True
    http: Http = Http()
    refresh: Refresh = Refresh()
    notifications: tuple[Notification, ...] = ()
    allow_disk: bool = False

    @property
    def selected(self) -> tuple[Source, ...]:
        """The sources that this replica works on."""
        return tuple(each for each in self.sources if self.selector.items() <= dict(each.labels).items())

    @property
    def needs_cluster(self) -> bool:
        """Whether anything is asked of an API server."""
        return any(each.mode == "apply" or each.kind == "flux" for each in self.selected)
