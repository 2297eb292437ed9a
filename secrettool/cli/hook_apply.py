"""`secrettool hook apply`."""

from __future__ import annotations

import sys
from collections import Counter as Tally
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from secrettool.cli import hookcluster, hookoutput, options, output
from secrettool.cli.hook_build import build_options
from secrettool.cli.progress import Counter
from secrettool.errors import Outcome, UsageError

if TYPE_CHECKING:
    from secrettool.cluster.planning import DryRun, Settings, Step


@click.command(
    "apply",
    cls=options.Command,
    examples=(
        "secrettool hook apply overlays/production --dry-run=server",
        "secrettool hook apply clusters/production/apps.yaml --key-file age.agekey --context production   # a Flux Kustomization",
        "secrettool hook build overlays/production | secrettool hook apply - --namespace shop",
        "secrettool hook apply overlays/production --output json | jq '.counts'",
    ),
)
@click.argument("path", metavar="PATH", type=click.Path())
@build_options
@hookcluster.cluster_options
@click.option(
    "--dry-run",
    "dry_run",
    type=click.Choice(["server", "client"]),
    help="Write nothing: let the server try it (server), or guess from what is there, which takes the right to read only (client).",
)
@click.option("--force-conflicts", is_flag=True, help="Take over fields that belong to other field managers.")
@click.option("--output", "form", type=click.Choice(["text", "json"]), default="text", help="A line for each object, or one JSON document.")
def command(path: str, form: str, dry_run: DryRun | None, force_conflicts: bool, **given: Any) -> int:
    """Build PATH, decrypt it, and apply its objects by server-side apply as the field manager `secrettool`.

    PATH is what `hook build` takes, or `-` for manifests on stdin that are built and decrypted already. Nothing is applied unless every object was
    decrypted and passed the guard. Objects that Flux would skip are skipped (reconcile: disabled, ssa: Ignore, ssa: IfNotPresent); those that would
    not change are not written; the order is Flux's: definitions, namespaces and cluster roles, then classes, then the rest. After a failure nothing
    more is written. Objects that are gone from PATH are not deleted.

    A line says what became of an object: created, configured, unchanged, skipped, conflict, failed, or held because another failed. Exit codes: 0
    done, 2 usage or configuration, 5 refused by the guard, 7 a secret does not open, 8 the cluster refused or is not there.
    """
    if given["no_keys"]:
        raise UsageError("--no-keys puts markers where values would be, and markers must not reach a cluster", code=Outcome.CONFIGURATION)
    found = hookcluster.wanted(path, given)
    if found.errors:
        return hookoutput.tell_errors(found.errors)
    with hookcluster.connected(given) as cluster:
        from secrettool.cluster.applying import apply
        from secrettool.cluster.preparing import prepared

        ready = prepared(found.objects, cluster, namespace=given["namespace"])
        if ready.errors:
            return hookoutput.tell_errors(ready.errors)
        settings = found.settings(given, dry_run=dry_run, force=force_conflicts)
        counter = Counter(len(ready.objects), "objects compared")
        steps = apply(ready.objects, cluster, settings, counter.step)
        told = list(_told(steps, counter, settings, is_text=form == "text"))
    if form == "json":
        _print_json(told, dry_run)
    return _end(told)


def _told(steps: Iterator[Step], counter: Counter, settings: Settings, *, is_text: bool) -> Iterator[Step]:
    """The steps without the objects, each printed as soon as it is done: what is written is told even when the run is broken off."""
    for step in steps:
        counter.clear()
        if is_text:
            click.echo(_line(step, settings.dry_run))
            sys.stdout.flush()
        yield step._replace(sent={}, live=None, wanted=None)
    counter.clear()


def _line(step: Step, dry_run: DryRun | None) -> str:
    why = step.error.message if step.error else step.reason
    tried = f" ({dry_run} dry run)" if dry_run and step.writes else ""
    return f"{step.ref} {hookcluster.word(step)}{tried}" + (f": {why}" if why else "")


def _print_json(steps: list[Step], dry_run: DryRun | None) -> None:
    import json

    counts = Tally(hookcluster.word(step) for step in steps)
    document = {"dryRun": dry_run, "objects": [hookcluster.row(step) for step in steps], "counts": dict(sorted(counts.items()))}
    click.echo(json.dumps(document, indent=2))


def _end(steps: list[Step]) -> int:
    failed = [step for step in steps if step.error]
    held = sum(step.action == "held" for step in steps)
    if not failed:
        return Outcome.DONE
    hints = dict.fromkeys(step.error.hint for step in failed if step.error and step.error.hint)
    text = f"{len(failed)} of {len(steps)} objects failed" + (f", {held} held because of that" if held else "")
    output.error(text, "; ".join(hints) or None)
    return Outcome.CLUSTER
