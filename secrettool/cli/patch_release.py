"""`secrettool patch release`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from secrettool.cli import patchoptions, patchreport, patchsession
from secrettool.cli.patch_set import secret_ref
from secrettool.errors import Outcome, UsageError

if TYPE_CHECKING:
    from secrettool.objects import Ref
    from secrettool.patcher.case import Surroundings
    from secrettool.patcher.result import Result


@click.command(
    "release",
    cls=patchreport.Command,
    examples=(
        "secrettool patch release authentik/authentik-credentials --manifests k3s",
        "secrettool patch release --target letsencrypt-email --manifests k3s   # all objects of a target of the map",
    ),
)
@click.argument("name", metavar="[NAMESPACE/NAME]", required=False)
@patchoptions.map_file
@patchoptions.selection
@patchoptions.manifests
@patchoptions.cluster
@click.option("--dry-run", type=click.Choice(["server"]), help="Let the server try the request and store nothing.")
@patchoptions.report
def command(*, name: str | None, **given: Any) -> int:
    """Give a Secret, or the objects of targets, back to Flux: the annotation reconcile: disabled is taken away.

    That is refused (exit code 5) while git still has a placeholder in the object, which Flux would put back, and when Flux owns an object that git
    does not have: it would delete it. So name the folders of the manifests with --manifests.
    """
    targets = given["targets"] or given["groups"] or given["everything"]
    if bool(name) == bool(targets):
        raise UsageError("name a Secret as NAMESPACE/NAME, or targets of the map with --target", code=Outcome.CONFIGURATION)
    refs, tokens = _chosen(name, given)
    with patchsession.surroundings(given, refs, tokens) as around:
        results = [_released(ref, around, dry_run=bool(given["dry_run"])) for ref in refs]
    return patchreport.tell(results, "dry-run" if given["dry_run"] else "apply", given)


def _chosen(name: str | None, given: Mapping[str, Any]) -> tuple[list[Ref], tuple[str, ...]]:
    """The objects, and what counts as a placeholder; for a Secret that is named a map is not needed."""
    from secrettool.placeholders import DEFAULT_TOKENS

    if name is None:
        patch_map, targets = patchsession.selected(given)
        return [ref for target in targets for ref in target.refs()], patch_map.tokens
    has_map = os.path.lexists(given["map_file"])
    return [secret_ref(name)], patchsession.load_map(given["map_file"]).tokens if has_map else DEFAULT_TOKENS


def _released(ref: Ref, around: Surroundings, *, dry_run: bool) -> Result:
    from secrettool.patcher.git import ManifestError
    from secrettool.patcher.release import refused, release

    try:
        git = around.manifests.find(ref) if around.manifests is not None else None
    except ManifestError as error:
        return refused(ref, error)
    return release(ref, git, around.cluster, tokens=around.tokens, dry_run=dry_run)
