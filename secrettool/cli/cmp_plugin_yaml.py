"""`secrettool cmp plugin-yaml`."""

from __future__ import annotations

from typing import Any

import click

from secrettool.cli import options
from secrettool.cli.cmp_settings import CHOICES, TITLES
from secrettool.errors import UsageError


@click.command(
    "plugin-yaml",
    cls=options.Command,
    examples=(
        "secrettool cmp plugin-yaml > plugin.yaml",
        "secrettool cmp plugin-yaml --version v1 | kubectl create configmap secrettool-plugin -n argocd --from-file plugin.yaml=/dev/stdin",
    ),
)
@click.option("--name", default="secrettool", show_default=True, help="Name that applications select the plugin by.")
@click.option("--version", "release", default="", help="Its version; applications then name it NAME-VERSION.")
@click.option("--discover/--no-discover", default=True, help="Take every application in which `cmp discover` finds something; on by default.")
def command(*, name: str, release: str, discover: bool) -> int:
    """Print the configuration that belongs at /home/argocd/cmp-server/config/plugin.yaml in the side container of the repo server."""
    from secrettool.manifests import dump

    if not name:
        raise UsageError("the plugin needs a name")
    spec: dict[str, Any] = {"version": release} if release else {}
    spec["generate"] = {"command": ["secrettool", "cmp", "generate"]}
    if discover:
        spec["discover"] = {"find": {"command": ["secrettool", "cmp", "discover"]}}
    spec["parameters"] = {"static": [_announced(setting, values[0]) for setting, values in CHOICES.items()]}
    spec["preserveFileMode"] = False
    plugin = {"apiVersion": "argoproj.io/v1alpha1", "kind": "ConfigManagementPlugin", "metadata": {"name": name}, "spec": spec}
    click.echo(dump([plugin]), nl=False)
    return 0


def _announced(setting: str, default: str) -> dict[str, str]:
    return {"name": setting, "title": setting, "tooltip": TITLES[setting], "collectionType": "string", "string": default}
