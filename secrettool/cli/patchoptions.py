"""Options that the commands of `patch` share. `patchsession` and `patchreport` read them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from secrettool.cli.options import F

MAP = ".secrettool/patch.yaml"
STDIN = "-"

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)\Z")


class Duration(click.ParamType[float]):
    """Seconds, written as `90`, `90s`, `5m` or `1h`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number of seconds."""
        if isinstance(value, float):
            return value
        found = _DURATION.match(str(value))
        if found is None:
            self.fail(f"{value!r} is no duration: write 90s, 5m or 1h", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


def together(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in this order in the help."""

    def apply(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


def target_ids(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The ids of the map, for a shell that completes `--target`."""
    return [target.id for target in _known_targets(ctx) if target.id.startswith(incomplete)]


def _group_names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The groups of the map, for a shell that completes `--group`."""
    return sorted({group for target in _known_targets(ctx) for group in target.groups if group.startswith(incomplete)})


def _known_targets(ctx: click.Context) -> tuple[Any, ...]:
    from secrettool.cli.patchsession import load_map
    from secrettool.errors import SecrettoolError

    try:
        return load_map(ctx.params.get("map_file") or MAP).targets
    except SecrettoolError:
        return ()


map_file = click.option("--map", "map_file", metavar="FILE", type=click.Path(), default=MAP, show_default=True, help="The patch map.")

selection = together(
    click.option("--target", "targets", metavar="ID", multiple=True, shell_complete=target_ids, help="Only this target; may be repeated."),
    click.option(
        "--group", "groups", metavar="NAME", multiple=True, shell_complete=_group_names, help="Only targets of this group; may be repeated."
    ),
    click.option("--all", "everything", is_flag=True, help="All targets; on a terminal that is what a map with a name does anyway."),
)
"""Parameters `targets`, `groups` and `everything`."""

manifests = click.option(
    "--manifests",
    metavar="FOLDER",
    type=click.Path(),
    multiple=True,
    help="Folder with the manifests that Flux applies; may be repeated. Without it nothing is known of what git says.",
)

cluster = together(
    click.option(
        "--kubeconfig", metavar="FILE", type=click.Path(), help="Else KUBECONFIG, ~/.kube/config, or the account of the pod; - reads stdin."
    ),
    click.option("--context", metavar="NAME", help="Context of the kubeconfig; its current one by default."),
    click.option("--server", metavar="URL", help="API server instead of the one in the kubeconfig."),
    click.option("--tls-server-name", metavar="NAME", help="Name that the server's certificate must have, if not the one in its URL."),
    click.option("--folder", metavar="FOLDER", type=click.Path(), help="A folder of manifests in the place of a cluster, to try things out."),
    click.option("--wait-for-api", metavar="TIME", type=Duration(), help="Wait so long for the API server to answer, such as 60s."),
    click.option("--allow-disk", is_flag=True, help="Let the key of the kubeconfig lie on a disk when there is no file system in memory."),
)
"""What `patchsession.connected` reads."""

policy = together(
    click.option(
        "--policy",
        type=click.Choice(["ensure", "require", "warn", "ignore"]),
        help="How protection against Flux is dealt with, whatever the map says: add it (ensure), refuse what has none (require), warn, or ignore.",
    ),
    click.option(
        "--flux-version",
        metavar="VERSION",
        help="Version of kustomize-controller, such as 1.7.3; the newest known by default. Rules differ a little.",
    ),
)

mask = click.option(
    "--mask",
    type=click.Choice(["auto", "off"]),
    default="auto",
    help="In GitHub Actions, ask the runner to hide every value in its logs (auto). Use off when another program reads stdout.",
)

values = together(
    click.option("--allow-exec-ref", is_flag=True, help="Let values written as ref+exec:// run programs."),
    click.option("--allow-http", is_flag=True, help="Let providers be asked without TLS."),
    click.option("--vault-role", metavar="ROLE", help="Log in to Vault as this role, as the GitHub job that this is, where the map says nothing."),
    click.option("--vault-audience", metavar="TEXT", help="Audience of that identity; the address of Vault by default."),
    click.option("--check", "check_login", is_flag=True, help="Look at a token of Vault that was given before it is used."),
    mask,
)
"""What `patchsession.opened` reads for the sources."""

report = together(
    click.option(
        "--output",
        "form",
        type=click.Choice(["text", "json", "github", "sarif"]),
        default="text",
        help="Form of the report; github also writes the summary and the outputs of the step.",
    ),
    click.option(
        "--report-file",
        metavar="FILE",
        type=click.Path(),
        help="Write the report there as well: as JSON or SARIF if the name ends in .json or .sarif, else in the form of --output.",
    ),
    click.option("--strict", is_flag=True, help="Take warnings for failures (exit code 3)."),
)
"""What `patchreport` reads."""

record_sources = click.option(
    "--record-sources", is_flag=True, help="Write to an annotation which versions of the secrets the values are from, for `patch drift`."
)
verify = click.option("--no-verify", is_flag=True, help="Do not read back what was written.")
wait = click.option("--wait", metavar="TIME", type=Duration(), help="Wait so long for every restarted workload to be available, such as 5m.")
