"""`secrettool patch run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from secrettool.cli import patchoptions, patchreport, patchsession
from secrettool.errors import Outcome, UsageError

if TYPE_CHECKING:
    from secrettool.patcher.run import Mode


@click.command(
    "run",
    cls=patchreport.Command,
    examples=(
        "secrettool patch --manifests k3s --plan                    # read only: what would be done",
        "secrettool patch --manifests k3s --target authentik-credentials",
        "secrettool patch --all --dry-run=server                    # the server checks, and stores nothing",
        "ssh k3s sudo cat /etc/rancher/k3s/k3s.yaml | secrettool patch --all --kubeconfig - --server https://k3s:6443",
        "secrettool patch --all --output github --wait-for-api 60s  # in a workflow",
        "secrettool patch --all --folder build/cluster              # against a folder of manifests",
    ),
)
@patchoptions.map_file
@patchoptions.selection
@patchoptions.manifests
@patchoptions.cluster
@click.option("--plan", "is_plan", is_flag=True, help="Write nothing, which takes the right to read only: say for each key what would be done.")
@click.option("--dry-run", type=click.Choice(["server"]), help="Let the server try every request and store nothing.")
@click.option("--detailed-exitcode", is_flag=True, help="With --plan or --dry-run: exit code 6 if there is something to do.")
@patchoptions.policy
@patchoptions.values
@patchoptions.record_sources
@click.option("--recreate", is_flag=True, help="Delete immutable Secrets whose values change, and create them again.")
@patchoptions.verify
@patchoptions.wait
@click.option("--fail-fast", is_flag=True, help="Stop at the first target that fails; otherwise the others are done.")
@patchoptions.report
def command(**given: Any) -> int:
    """Fill the placeholders of the targets, and keep Flux from putting them back.

    Every object is read first; only the values that are needed are fetched, and only keys that differ are written, in one request for each object. A
    second run sends nothing. Targets are independent of each other: what fails is reported, and the others are done.

    --target, --group or --all say which targets; on a terminal a map with a name means all of them. Paths in the map are relative to the working
    directory. A value, its length or its digest is never printed.
    """
    mode = _mode(given)
    with patchsession.opened(given, may_write=mode == "apply") as session:
        from secrettool.patcher.run import Settings, run

        settings = Settings(
            mode=mode,
            verify=not given["no_verify"],
            recreate=given["recreate"],
            record_sources=given["record_sources"],
            fail_fast=given["fail_fast"],
            wait=given["wait"],
            may_be_empty=session.patch_map.may_be_empty,
        )
        with patchreport.collected(mode, given, sum(len(target.namespaces) for target in session.targets)) as tell:
            results = run(session.targets, session.around, session.sources, settings, tell)
    from secrettool.patcher.result import outcome

    code = outcome(results, strict=given["strict"])
    is_changing = any(result.word in ("changed", "created") for result in results)
    if given["detailed_exitcode"] and is_changing and code == Outcome.DONE:
        code = Outcome.CHANGES
    return patchreport.tell(results, mode, given, code)


def _mode(given: Mapping[str, Any]) -> Mode:
    """How far the run goes.

    Raises:
        UsageError: The options do not fit together.
    """
    if given["is_plan"] and given["dry_run"]:
        raise UsageError("--plan sends nothing, so there is nothing to try with --dry-run", hint="leave one out", code=Outcome.CONFIGURATION)
    mode: Mode = "plan" if given["is_plan"] else "dry-run" if given["dry_run"] else "apply"
    if given["detailed_exitcode"] and mode == "apply":
        raise UsageError("--detailed-exitcode goes with --plan or --dry-run", code=Outcome.CONFIGURATION)
    return mode
