"""`secrettool patch drift`."""

from __future__ import annotations

from typing import Any

import click

from secrettool.cli import patchoptions, patchreport, patchsession
from secrettool.errors import Outcome


@click.command(
    "drift",
    cls=patchreport.Command,
    examples=(
        "secrettool patch drift --all --manifests k3s",
        "secrettool patch drift --all --no-values                   # asks no provider",
        "secrettool patch drift --group bootstrap --output json | jq '.targets[].findings'",
        "secrettool patch drift --all --manifests k3s --output github   # in a scheduled workflow",
    ),
)
@patchoptions.map_file
@patchoptions.selection
@patchoptions.manifests
@patchoptions.cluster
@click.option("--no-values", is_flag=True, help="Ask no provider, and compare no values: placeholders, missing keys and protection are looked at.")
@patchoptions.policy
@patchoptions.values
@patchoptions.report
def command(*, no_values: bool, **given: Any) -> int:
    """Show what is not as a run would leave it; nothing is written. Exit code 6 when there is anything.

    DR01: a placeholder is still there. DR02: a key or an object is missing. DR03: a value is not that of its source. DR04: nothing keeps Flux from
    setting values back. DR05: the source has a newer version than the one that was written with --record-sources. DR06: a workload was not restarted.
    """
    with patchsession.opened(given, may_write=False) as session:
        from secrettool.patcher.drift import drift, has_drift
        from secrettool.patcher.run import Settings

        settings = Settings(may_be_empty=session.patch_map.may_be_empty)
        results = drift(session.targets, session.around, None if no_values else session.sources, settings)
    from secrettool.patcher.result import outcome

    code = outcome(results, strict=given["strict"])
    is_known = not any(result.word == "failed" for result in results)
    if is_known and has_drift(results):
        code = Outcome.CHANGES
    return patchreport.tell(results, "drift", given, code)
