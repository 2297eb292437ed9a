"""`secrettool patch rotate`."""

from __future__ import annotations

import os
from typing import Any

import click

from secrettool.cli import patchoptions, patchreport, patchsession


@click.command(
    "rotate",
    cls=patchreport.Command,
    examples=(
        "secrettool patch rotate --target chatto-config --manifests k3s",
        "secrettool patch rotate --target chatto-config --dry-run           # the server checks, and stores nothing",
        "secrettool patch rotate --target chatto-config --keep-old COOKIE_OLD --wait 10m",
        "secrettool patch rotate --target one --target two                  # both use the same value",
    ),
)
@patchoptions.map_file
@click.option(
    "--target",
    "targets",
    metavar="ID",
    multiple=True,
    required=True,
    shell_complete=patchoptions.target_ids,
    help="The target; with several, all are rotated or none is.",
)
@click.option("--keep-old", metavar="KEY", help="Keep the value that is replaced under this key of the object, for programs that accept both.")
@click.option(
    "--wait",
    metavar="TIME",
    type=patchoptions.Duration(),
    default="5m",
    show_default=True,
    help="How long the restarted workloads may take to be available, and after them the command that verifies.",
)
@click.option("--dry-run", is_flag=True, help="Let the server try every request; nothing is stored in the cluster or at a provider.")
@patchoptions.manifests
@patchoptions.cluster
@patchoptions.policy
@patchoptions.values
@patchoptions.record_sources
@patchoptions.verify
@patchoptions.report
def command(**given: Any) -> int:
    """Replace the values of a target that the map generates: at their provider, in the cluster, and in the workloads that use them.

    The order is: store the new values in Vault, as a new version and only over the one that was read; patch; restart what the target names under
    `restart`, and wait; run the target's `verify`. When one of these fails, the old values are stored again, the objects get them back, what was
    restarted is restarted again, and the exit code is 3. Other keys of the target stay as they are.

    `verify` gets PATH, HOME and KUBECONFIG, and says by its exit status whether the new values work. New values are printed nowhere.
    """
    with patchsession.opened({**given, "groups": (), "everything": False}, may_write=not given["dry_run"]) as session:
        from secrettool.patcher.rotate import Rotation, rotate
        from secrettool.patcher.run import Mode, Settings

        mode: Mode = "dry-run" if given["dry_run"] else "apply"
        settings = Settings(
            mode=mode,
            verify=not given["no_verify"],
            record_sources=given["record_sources"],
            wait=given["wait"],
            may_be_empty=session.patch_map.may_be_empty,
        )
        rotation = Rotation(given["keep_old"], dict(os.environ))
        with patchreport.collected(mode, given, sum(len(target.namespaces) for target in session.targets)) as tell:
            results = rotate(session.patch_map, session.targets, session.around, session.sources, settings, rotation, tell)
    return patchreport.tell(results, mode, given)
