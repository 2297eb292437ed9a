"""`secrettool hook diff`."""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from secrettool.cli import hookcluster, hookoutput, options, output
from secrettool.cli.hook_build import Job, build_options
from secrettool.cli.progress import Counter
from secrettool.errors import Outcome, SecrettoolError, UsageError

if TYPE_CHECKING:
    from secrettool.cluster.comparing import Difference
    from secrettool.objects import Object, Ref

_WORDS = {"added": "created", "replaced": "configured", "removed": "removed"}


class Row(NamedTuple):
    """What is told of one object.

    Attributes:
        told: For scripts.
        text: Unified text; empty when nothing differs.
        error: Why it could not be compared.
    """

    told: dict[str, Any]
    text: str = ""
    error: SecrettoolError | None = None

    @property
    def differs(self) -> bool:
        """Whether there is a difference."""
        return bool(self.text)


@click.command(
    "diff",
    cls=options.Command,
    examples=(
        "secrettool hook diff overlays/production",
        "secrettool hook diff clusters/production/apps.yaml --context production --exit-code",
        "secrettool hook diff overlays/production --against main",
        "secrettool hook diff overlays/production --against HEAD~1 --no-keys   # names and plain fields only",
        "secrettool hook diff overlays/production --output json | jq '.objects[] | select(.action == \"configured\").fields'",
    ),
)
@click.argument("path", metavar="PATH", type=click.Path())
@build_options
@hookcluster.cluster_options
@click.option("--against", metavar="REVISION", help="Compare with PATH in this revision of Git instead of the cluster.")
@click.option("--exit-code", is_flag=True, help="End with 6 when there are differences.")
@click.option("--output", "form", type=click.Choice(["text", "json"]), default="text", help="Unified text for each object, or one JSON document.")
def command(path: str, form: str, against: str | None, exit_code: bool, **given: Any) -> int:
    """Show what applying PATH would change: the objects in the cluster, and what the API server says that they would become.

    PATH is what `hook apply` takes. What counts is what counts for Flux: labels, annotations, and every field outside metadata and status. Values of
    Secrets are hidden behind stars, marked (before) and (after) where they differ; so are all values of other objects that were encrypted. Nothing is
    written, but the server has to let the account patch. Objects that Flux would skip are passed over; objects that are in the cluster only are not
    looked for.

    With --against the two sides are PATH as it was in REVISION and as it is now, both built and decrypted; no cluster is asked.
    """
    if against is not None and path == hookcluster.STDIN:
        raise UsageError("stdin has no revisions", code=Outcome.CONFIGURATION)
    if against is None and given["no_keys"]:
        raise UsageError("--no-keys puts markers where values would be: against a cluster all would differ", code=Outcome.CONFIGURATION)
    before = None if against is None else _before(path, against, given)  # a revision that is not there is told before anything is built
    if before is not None and before.errors:
        return hookoutput.tell_errors(before.errors)
    found = hookcluster.wanted(path, given)
    if found.errors:
        return hookoutput.tell_errors(found.errors)
    rows = _live(found, given) if before is None else _between(before, found)
    if form == "json":
        _print_json(rows, against)
    else:
        _print_text(rows)
    code = hookoutput.tell_errors(row.error for row in rows if row.error)
    return code or (Outcome.CHANGES if exit_code and any(row.differs for row in rows) else Outcome.DONE)


# ---- against the cluster -------------------------------------------------------------------------------------------------------------------------


def _live(found: hookcluster.Wanted, given: Mapping[str, Any]) -> list[Row]:
    from secrettool.cluster.planning import Planner
    from secrettool.cluster.preparing import prepared
    from secrettool.cluster.stages import stages
    from secrettool.objects import ref_of

    with hookcluster.connected(given) as cluster:
        ready = prepared(found.objects, cluster, namespace=given["namespace"])
        if ready.errors:
            return [Row({}, "", error) for error in ready.errors]
        hidden = _hidden(ready.objects, found.decrypted)
        planner = Planner(cluster, found.settings(given, dry_run="server", through_conflicts=True))
        counter = Counter(len(ready.objects), "objects compared")
        steps = [step for stage in stages(ready.objects) for step in planner.plan(stage, counter.step)]
        counter.clear()
    from secrettool.cluster.comparing import difference

    rows: list[Row] = []
    for step in steps:
        told = hookcluster.row(step)
        if not step.writes:
            rows.append(Row(told, "", step.error if step.action == "failed" else None))
            continue
        found_difference = difference(ref_of(step.sent), step.live, step.wanted, whole=step.ref in hidden)
        rows.append(_row(told, found_difference))
        if step.error is not None:
            output.warning(f"{step.ref}: {step.error.message}; an apply needs --force-conflicts")
    return rows


def _hidden(objs: Iterable[Object], decrypted: Iterable[bool]) -> frozenset[Ref]:
    """The objects of which no value may be shown. Of Secrets the values are always hidden, and the rest is of use."""
    from secrettool.objects import is_secret, ref_of

    return frozenset(ref_of(obj) for obj, was_encrypted in zip(objs, decrypted, strict=True) if was_encrypted and not is_secret(obj))


# ---- against a revision --------------------------------------------------------------------------------------------------------------------------


def _before(path: str, revision: str, given: Mapping[str, Any]) -> hookcluster.Wanted:
    """PATH as it was; without objects when it was not there."""
    from secrettool.cli.revision import checked_out

    root = Job.start(path, given).root
    with checked_out(root, revision) as folder:
        place = os.path.normpath(os.path.join(folder, os.path.relpath(os.path.realpath(path), root)))
        if not os.path.lexists(place):
            return hookcluster.Wanted((), (), None, ())
        return hookcluster.wanted(place, {**given, "root": folder})


def _between(before: hookcluster.Wanted, after: hookcluster.Wanted) -> list[Row]:
    from secrettool.cluster.comparing import difference
    from secrettool.cluster.stages import order
    from secrettool.objects import folded, ref_of

    sides = [{ref_of(obj): folded(obj) for obj in side.objects} for side in (before, after)]
    hidden = _hidden(before.objects, before.decrypted) | _hidden(after.objects, after.decrypted)
    rows: list[Row] = []
    for ref in sorted(sides[0].keys() | sides[1].keys(), key=order):
        told = {"apiVersion": ref.api_version, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}
        rows.append(_row(told, difference(ref, sides[0].get(ref), sides[1].get(ref), whole=ref in hidden)))
    return rows


# ---- what is printed -----------------------------------------------------------------------------------------------------------------------------


def _row(told: dict[str, Any], found: Difference | None) -> Row:
    if found is None:
        return Row({**told, "action": "unchanged"})
    fields = [change._asdict() for change in found.fields]
    return Row({**told, "action": _WORDS[found.change], "fields": fields, "diff": found.text}, found.text)


def _print_text(rows: list[Row]) -> None:
    for row in rows:
        if row.text:
            click.echo(row.text, nl=False)
    counts = Tally(row.told["action"] for row in rows if row.told)
    if counts:
        output.note("diff: " + ", ".join(f"{number} {word}" for word, number in sorted(counts.items())))


def _print_json(rows: list[Row], against: str | None) -> None:
    import json

    objects = [row.told for row in rows if row.told]
    counts = Tally(told["action"] for told in objects)
    click.echo(json.dumps({"against": against or "cluster", "objects": objects, "counts": dict(sorted(counts.items()))}, indent=2))
