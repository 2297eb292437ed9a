"""`secrettool cmp generate`."""

from __future__ import annotations

import os

import click

from secrettool.cli import hookkeys, hookoutput, options
from secrettool.cli.cmp_settings import read_settings, root_of
from secrettool.cli.hook_build import Job
from secrettool.cli.streams import write_stdout
from secrettool.errors import ConfigError, Outcome


@click.command(
    "generate",
    cls=options.Command,
    examples=(
        "cd apps/web && secrettool cmp generate",
        "ARGOCD_ENV_SECRETTOOL_BUILD=plain secrettool cmp generate",
    ),
)
@click.option("--allow-disk", is_flag=True, help="Let decrypted files lie on a disk when there is no file system in memory.")
@hookkeys.show
def command(*, allow_disk: bool, show: bool) -> int:
    """Build the current folder, decrypt what is encrypted in it, refuse what must not reach a cluster, and print the objects.

    Settings come from variables such as ARGOCD_ENV_SECRETTOOL_MAC (also BUILD, SOURCES, STRICT_FLUX, ALLOW_EMPTY, ALLOW_PLACEHOLDERS) and from
    parameters of the same names. Exit code 2 when there is no object, because Argo CD would prune everything.
    """
    hookoutput.check_stdout(show)
    settings = read_settings(os.environ)
    given = {
        "root": root_of(".", os.environ),
        "sources": settings["sources"],
        "no_keys": False,
        "allow_disk": allow_disk,
        "allow_placeholders": settings["allow-placeholders"] == "true",
        "variable_files": (),
        "flux_version": None,
        "how": settings["build"],
        "flux_file": None,
        "key_files": (),
        "key_secret": None,
        "age_secret": None,
        "env_keys": True,
        "strict_flux": settings["strict-flux"] == "true",
        "mac": settings["mac"],
        "max_file_size": 5 * 1024 * 1024,
    }
    done = Job.start(".", given).run(given)
    if done.errors:
        return hookoutput.tell_errors(done.errors)
    if not done.objects and settings["allow-empty"] != "true":
        hint = "set ARGOCD_ENV_SECRETTOOL_ALLOW_EMPTY=true when the application shall have none: Argo CD then prunes everything"
        raise ConfigError("the folder gives no object", hint=hint, code=Outcome.CONFIGURATION)
    from secrettool.manifests import dump

    write_stdout(dump(done.objects).encode("utf-8", "surrogateescape"))
    return Outcome.DONE
