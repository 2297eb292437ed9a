"""What the commands of `patch` work with: the map, the selected targets, the cluster, the manifests and the sources of values.

options -> map -> targets -> manifests, sources, cluster -> Session
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from secrettool import fs
from secrettool.cli import output, patchvalues
from secrettool.cli.patchoptions import STDIN
from secrettool.cli.streams import read_stdin
from secrettool.cli.textfiles import read_text
from secrettool.errors import ConfigError, Outcome, UsageError
from secrettool.placeholders import DEFAULT_TOKENS

if TYPE_CHECKING:
    from secrettool.cluster.model import Cluster
    from secrettool.objects import Ref
    from secrettool.patcher.case import Surroundings
    from secrettool.patcher.git import Manifests
    from secrettool.patcher.mapping import PatchMap, Target
    from secrettool.sources.resolver import Resolver

_LIMIT = 16 << 20  # bytes of a map or a kubeconfig
_POLL = 2.0
"""Seconds between two looks whether the API server is there."""


class Session(NamedTuple):
    """What a command works with.

    Attributes:
        patch_map: The map, with the policy of the command line in every target.
        targets: Those that were selected.
        around: Cluster and manifests.
        sources: The values of the map; nothing is fetched yet.
    """

    patch_map: PatchMap
    targets: tuple[Target, ...]
    around: Surroundings
    sources: Resolver

    def __repr__(self) -> str:
        return f"<Session of {len(self.targets)} targets>"


@contextmanager
def opened(given: Mapping[str, Any], *, may_write: bool) -> Iterator[Session]:
    """Everything that a run needs; at the end logins are given back, and what the sources warned of is printed.

    Args:
        given: The parameters of `patchoptions.map_file`, `selection`, `manifests`, `cluster`, `policy` and `values`.
        may_write: Whether values that are generated may be stored at their provider.

    Raises:
        SecrettoolError: The map, a selection or a manifest is wrong; the cluster is not configured, or does not answer in time.
    """
    patch_map, targets = selected(given)
    with ExitStack() as stack:
        stack.enter_context(fs.ending_signals_raise())
        warnings: list[str] = []
        stack.callback(_tell, warnings)
        # Before the kubeconfig's login program starts: what sources read from the environment is not for children.
        sources = stack.enter_context(patchvalues.resolver(patch_map, given, may_write=may_write, on_warning=warnings.append))
        around = stack.enter_context(surroundings(given, [ref for target in targets for ref in target.refs()], patch_map.tokens))
        yield Session(patch_map, targets, around, sources)


# ---- the map -------------------------------------------------------------------------------------------------------------------------------------


def selected(given: Mapping[str, Any], *, by_default: bool = False) -> tuple[PatchMap, tuple[Target, ...]]:
    """The map and the targets that the options select.

    Args:
        given: The parameters of `patchoptions.map_file` and `selection`; `policy` if it is there.
        by_default: Whether all targets are meant when none is named.

    Raises:
        SecrettoolError: The map cannot be used, or the selection does not fit it.
    """
    from secrettool.patcher.selection import select

    patch_map = load_map(given["map_file"])
    policy = given.get("policy")
    if policy is not None:
        targets = tuple(replace(target, policy=replace(target.policy, annotation=policy)) for target in patch_map.targets)
        patch_map = replace(patch_map, targets=targets)
    everything = given["everything"] or (by_default and not given["targets"] and not given["groups"])
    is_terminal = sys.stdin.isatty()
    return patch_map, select(patch_map, ids=given["targets"], groups=given["groups"], everything=everything, is_terminal=is_terminal)


def load_map(path: str) -> PatchMap:
    """Read a patch map.

    Raises:
        ConfigError: It cannot be used.
        InputError: It cannot be read; the code is that of configuration.
    """
    from secrettool.patcher.loading import load

    if not os.path.lexists(path):
        error = ConfigError("there is no such map", hint="`secrettool patch init` writes one; --map names another", code=Outcome.CONFIGURATION)
        error.file = path
        raise error
    return load(read_text(path, limit=_LIMIT), file=path)


# ---- cluster and manifests -----------------------------------------------------------------------------------------------------------------------


@contextmanager
def surroundings(given: Mapping[str, Any], refs: Sequence[Ref], tokens: tuple[str, ...] = DEFAULT_TOKENS) -> Iterator[Surroundings]:
    """The cluster, and what git says about some objects.

    Args:
        given: The parameters of `patchoptions.manifests`, `cluster` and `policy`.
        refs: The objects that will be looked up.
        tokens: What counts as a placeholder.

    Raises:
        SecrettoolError: See `opened`.
    """
    from secrettool.flux import NEWEST, FluxVersion
    from secrettool.patcher.case import Surroundings

    version = FluxVersion.parse(given["flux_version"]) if given.get("flux_version") else NEWEST
    found = manifests(given["manifests"], refs)
    with connected(given) as cluster:
        yield Surroundings(cluster, found, tokens, version)


def manifests(paths: Sequence[str], refs: Sequence[Ref] | None = None) -> Manifests | None:
    """What git says; None when no folder is named. Files that cannot be read as manifests are warned of.

    Args:
        paths: `--manifests`.
        refs: The objects that will be looked up; None for all.
    """
    if not paths:
        return None
    from secrettool.cli import manifestfiles
    from secrettool.patcher.git import Manifests

    found = Manifests(manifestfiles.read(paths), refs)
    _tell(f"passed over, since it cannot be read as manifests: {error}" for error in found.unreadable)
    return found


@contextmanager
def connected(given: Mapping[str, Any]) -> Iterator[Cluster]:
    """The cluster that the options name, once it answers.

    Args:
        given: The parameters of `patchoptions.cluster` and `patchoptions.manifests`.

    Raises:
        ConfigError: There is none, or its kubeconfig cannot be used.
        UsageError: A folder and a server are named, or values do not belong into the folder.
        ClusterError: It does not answer in the time of `--wait-for-api`.
    """
    if given["folder"] is not None:
        if any(given[name] is not None for name in ("kubeconfig", "context", "server", "tls_server_name")):
            raise UsageError("--folder takes the place of a cluster", hint="leave out the options of the API server", code=Outcome.CONFIGURATION)
        from secrettool.cli import patchfolder
        from secrettool.cluster.folder import FolderCluster

        patchfolder.check(given["folder"], given["manifests"])
        yield FolderCluster(given["folder"])
        return
    from secrettool.cluster.connection import Access, connect

    path, text = given["kubeconfig"], None
    if path == STDIN:
        path, text = "stdin", _kubeconfig()
    access = Access(path, given["context"], given["server"], given["allow_disk"], text, given["tls_server_name"])
    with connect(access, os.environ) as cluster:
        if given["wait_for_api"]:
            _wait(cluster, given["wait_for_api"])
        yield cluster


def _kubeconfig() -> str:
    if sys.stdin.isatty():
        raise UsageError("the kubeconfig is read from stdin, which is this terminal", code=Outcome.CONFIGURATION)
    data = read_stdin()
    if not data.strip():
        raise ConfigError("stdin: there is no kubeconfig", hint="the program before the pipe printed nothing", code=Outcome.CONFIGURATION)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError("stdin: not UTF-8 text", code=Outcome.CONFIGURATION) from None


def _wait(cluster: Cluster, seconds: float) -> None:
    """Wait until the server answers, be it with a refusal."""
    import time

    from secrettool.cluster.model import Unavailable
    from secrettool.errors import ClusterError

    end = time.monotonic() + seconds
    while True:
        try:
            cluster.namespace_exists("default")
            return
        except Unavailable:
            left = end - time.monotonic()
            if left <= 0:
                raise
            time.sleep(min(_POLL, left))
        except ClusterError:
            return


def _tell(warnings: Iterator[str] | Sequence[str]) -> None:
    for warning in dict.fromkeys(warnings):
        output.warning(warning)
