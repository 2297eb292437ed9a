"""`secrettool cmp`: a config management plugin of Argo CD.

Source: Argo CD 3.6 operator manual, config management plugins; cmpserver/plugin.
"""

from __future__ import annotations

import click

from secrettool.cli.hookoutput import HookGroup
from secrettool.cli.lazy import Row

TABLE = {
    "generate": Row("cmp_generate", "Build, decrypt and guard the application's folder, and print its objects."),
    "discover": Row("cmp_discover", "Print a line when the folder holds something that this plugin opens."),
    "plugin-yaml": Row("cmp_plugin_yaml", "Print the configuration of the plugin."),
}


@click.group(
    "cmp",
    cls=HookGroup,
    table=TABLE,
    examples=("secrettool cmp plugin-yaml > plugin.yaml", "cd apps/web && secrettool cmp generate"),
)
def command() -> None:
    """What Argo CD calls when secrettool is its config management plugin.

    Keys come from the plugin container's own environment (SOPS_AGE_KEY_FILE and the like), never from an application's settings. Argo CD keeps
    what is generated in its cache: see the guide before you use it for secrets.
    """
