"""What the commands of the hook that talk to a cluster have in common: its options, and the objects of PATH."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from secrettool.cli import hookkeys, options
from secrettool.cli.streams import read_stdin
from secrettool.cli.textfiles import text_of
from secrettool.errors import Outcome, SecrettoolError, UsageError

if TYPE_CHECKING:
    from secrettool.cluster.model import Cluster
    from secrettool.cluster.planning import DryRun, Settings, Step
    from secrettool.flux import FluxKustomization
    from secrettool.objects import Object

STDIN = "-"

_OPTIONS = (
    click.option("--kubeconfig", metavar="FILE", type=click.Path(), help="Else KUBECONFIG, ~/.kube/config, or the account of the pod."),
    click.option("--context", metavar="NAME", help="Context of the kubeconfig; its current one by default."),
    click.option("--server", metavar="URL", help="API server instead of the one in the kubeconfig."),
    click.option("-n", "--namespace", metavar="NAME", help="Namespace of objects that name none; without it they are refused."),
)


def cluster_options(function: options.F) -> options.F:
    """The options that `connected` reads, and `--namespace`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@contextmanager
def connected(given: Mapping[str, Any]) -> Iterator[Cluster]:
    """The cluster that the options name.

    Raises:
        ConfigError: There is none, or its kubeconfig cannot be used.
        OutputError: The kubeconfig holds a key, and there is no memory file system.
    """
    from secrettool.cluster.connection import Access, connect

    access = Access(given["kubeconfig"], given["context"], given["server"], given["allow_disk"])
    with connect(access, os.environ) as cluster:
        yield cluster


class Wanted(NamedTuple):
    """What PATH is to become in a cluster.

    Attributes:
        objects: The objects, decrypted and guarded.
        decrypted: For each of them, whether something in it was encrypted.
        flux: The Kustomization to act for; None without one.
        errors: What failed; with one of them nothing may be applied.
    """

    objects: tuple[Object, ...]
    decrypted: tuple[bool, ...]
    flux: FluxKustomization | None
    errors: tuple[SecrettoolError, ...]

    def __repr__(self) -> str:
        return f"<Wanted {len(self.objects)} objects, {len(self.errors)} errors>"

    def settings(self, given: Mapping[str, Any], *, dry_run: DryRun | None, force: bool = False, through_conflicts: bool = False) -> Settings:
        """How these objects are applied: by the rules of their Kustomization and of the version of Flux that the options name."""
        from secrettool.cluster.planning import Settings
        from secrettool.flux import NEWEST, Controller, FluxKustomization, FluxVersion

        version = FluxVersion.parse(given["flux_version"]) if given["flux_version"] else NEWEST
        return Settings(self.flux or FluxKustomization(name=""), Controller(version), force, dry_run, through_conflicts)


def wanted(path: str, given: Mapping[str, Any]) -> Wanted:
    """Build and decrypt PATH, or read stdin for `-`, and guard what comes of it; warnings are printed.

    Args:
        path: As for `hook build`, or `-` for rendered manifests on stdin.
        given: The parameters of `hook_build.build_options`.

    Raises:
        SecrettoolError: The options do not fit, or a file that they name cannot be used.
    """
    if path == STDIN:
        flux = hookkeys.flux_kustomization(given)
        objs = _stream()
        return _guarded(Wanted(objs, (False,) * len(objs), flux, ()), given)
    from secrettool.build.render import applied
    from secrettool.cli.hook_build import Job

    job = Job.start(path, given)
    done = job.run(given)
    if done.errors:
        return Wanted((), (), job.flux, done.errors)
    decrypted = tuple(fact.action == "decrypted" for fact in done.facts)
    found = _guarded(Wanted(done.objects, decrypted, job.flux, ()), given)
    return found._replace(objects=tuple(applied(found.objects, job.flux))) if job.flux else found


def _guarded(found: Wanted, given: Mapping[str, Any]) -> Wanted:
    """The same with the errors of the guard: our own one, also where Flux would let something through."""
    from secrettool.hook.guard import guard
    from secrettool.placeholders import ALLOW, REFUSE

    allowed = given["allow_placeholders"] or given["no_keys"]
    config = replace(hookkeys.config(given), parity="extended", placeholders=ALLOW if allowed else REFUSE)
    return found._replace(errors=tuple(guard(found.objects, config)))


def _stream() -> tuple[Object, ...]:
    from secrettool.manifests import flatten_lists, read

    if sys.stdin.isatty():
        raise UsageError("manifests are read from stdin, which is this terminal", code=Outcome.CONFIGURATION)
    return tuple(flatten_lists(manifest.obj for manifest in read(text_of(read_stdin(), "stdin"), file="stdin")))


# ---- what is told of an object -------------------------------------------------------------------------------------------------------------------


def word(step: Step) -> str:
    """One word for what became of an object: the step's own, or `conflict`."""
    from secrettool.cluster.model import ApplyConflict

    return "conflict" if step.action == "failed" and isinstance(step.error, ApplyConflict) else step.action


def row(step: Step) -> dict[str, Any]:
    """An object for scripts; without values."""
    from secrettool.cluster.model import ApplyConflict

    ref, error = step.ref, step.error
    told: dict[str, Any] = {"apiVersion": ref.api_version, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name, "action": word(step)}
    if step.reason:
        told["reason"] = step.reason
    if isinstance(error, ApplyConflict):
        told["conflicts"] = [conflict._asdict() for conflict in error.conflicts]
    elif error is not None:
        told |= {"error": error.message, "status": error.status}
    return told
