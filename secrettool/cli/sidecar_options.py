"""The configuration of a sidecar, from a file or from options for one source."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from secrettool.cli import options
from secrettool.cli.textfiles import read_text
from secrettool.errors import Outcome, UsageError

if TYPE_CHECKING:
    from secrettool.sidecar.config import Config

_SOURCE = (
    click.option("--mode", type=click.Choice(["apply", "render"]), help="Apply objects, or write files."),
    click.option("--source", metavar="DIR", type=click.Path(), help="Folder that is watched, or a link to one; - for manifests on stdin."),
    click.option(
        "--flux", metavar="KIND/[NAMESPACE/]NAME", help="Source of Flux whose artifact is watched, such as GitRepository/flux-system/fleet."
    ),
    click.option("--path", metavar="DIR", help="Folder of the source that is built; its root by default."),
    click.option("--build", type=click.Choice(["auto", "kustomize", "plain"]), help="Build with kustomize, take manifests as they are, or look."),
    click.option("--id", "id_", metavar="NAME", help="Name of the source, in labels and names of objects; main by default."),
    click.option("--interval", metavar="TIME", help="Time between two passes that nothing else starts, such as 90s; 5m by default."),
    click.option("--age-key-file", "key_files", metavar="FILE", type=click.Path(), multiple=True, help="File of age identities; may be repeated."),
    click.option(
        "--key-folder", metavar="DIR", type=click.Path(), help="Folder of a mounted Secret: its .agekey, .asc and sops.vault-token entries."
    ),
    click.option("--env-keys", is_flag=True, help="Use keys of the environment for what no given key opens."),
    click.option("-n", "--namespace", metavar="NAME", help="Namespace of objects that name none; without it they are refused."),
    click.option("--allow-placeholders", is_flag=True, help="Let placeholders such as REPLACE_ME pass."),
)
_APPLY = (
    click.option("--kinds", metavar="KINDS", help="Kinds that are applied, with commas: Secret (the default), ConfigMap."),
    click.option("--adopt", is_flag=True, help="Take over objects that are there without our label."),
    click.option("--force-conflicts", is_flag=True, help="Take over fields of other field managers."),
    click.option("--prune", is_flag=True, help="Delete objects of ours that are gone from the source."),
    click.option("--leader-elect", is_flag=True, help="Apply only while a Lease is held."),
)
_RENDER = (
    click.option("--target", metavar="DIR", type=click.Path(), help="Folder for the files, on a file system in memory."),
    click.option("--layout", type=click.Choice(["tree", "flat", "documents"]), help="NAMESPACE/NAME/KEY, KEY, or a YAML file for each object."),
    click.option("--file-mode", metavar="MODE", help="Mode of the files; 0440 by default."),
)
_PROCESS = (
    click.option("--port", type=click.IntRange(1, 65535), help="Port of health, metrics and status; 8080 by default."),
    click.option("--no-http", is_flag=True, help="Serve neither health nor metrics nor status."),
    click.option("--no-events", is_flag=True, help="Write no Events."),
    click.option("--allow-disk", is_flag=True, help="Let plain text lie on a disk where there is no file system in memory."),
)


def config_options(function: options.F) -> options.F:
    """The options that `configuration` reads."""
    for option in reversed((*_SOURCE, *_APPLY, *_RENDER, *_PROCESS)):
        function = option(function)
    return function


def configuration(file: str | None, given: Mapping[str, Any]) -> Config:
    """The configuration of a file, or of options.

    Args:
        file: The file; None without one.
        given: The parameters of `config_options`.

    Raises:
        ConfigError: It cannot be used.
        UsageError: The options do not fit, or there are some beside the file.
    """
    named = {name for name, value in given.items() if value}
    if file is None:
        return _from_options(given)
    if named:
        hint = f"leave out {', '.join(sorted(map(_flag, named)))}"
        raise UsageError("with --config the rest stands in the file", hint=hint, code=Outcome.CONFIGURATION)
    return load_file(file)


def load_file(file: str) -> Config:
    """The configuration in a file.

    Raises:
        ConfigError: It cannot be used.
        InputError: It cannot be read.
    """
    from secrettool.sidecar.loading import load

    return load(read_text(file), namespace=_namespace(), file=file)


def _from_options(given: Mapping[str, Any]) -> Config:
    from secrettool.sidecar.loading import InvalidConfigError, load

    data = {
        "apiVersion": "secrettool.dev/v1alpha1",
        "kind": "Sidecar",
        "sources": [_source(given)],
        "events": not given["no_events"],
        "allowDisk": given["allow_disk"],
        "http": _present(enabled=not given["no_http"], port=given["port"]),
    }
    if given["leader_elect"]:
        data["leaderElection"] = {}
    try:
        return load(json.dumps(data), namespace=_namespace())
    except InvalidConfigError as error:
        lines = [f"{problem.field.removeprefix('sources[0].')}: {problem.message}" for problem in error.problems]
        raise UsageError("; ".join(lines), hint=error.hint, code=Outcome.CONFIGURATION) from None


def _source(given: Mapping[str, Any]) -> dict[str, Any]:
    mode = given["mode"] or ("render" if given["target"] else "apply")
    unfit = ("kinds", "adopt", "force_conflicts", "prune", "leader_elect") if mode == "render" else ("target", "layout", "file_mode")
    wrong = [_flag(name) for name in unfit if given[name]]
    if wrong:
        raise UsageError(f"{', '.join(wrong)} and --mode {mode} do not fit together", code=Outcome.CONFIGURATION)
    if (given["source"] is None) == (given["flux"] is None):
        raise UsageError("give --config, or either --source or --flux", code=Outcome.CONFIGURATION)
    source = _present(id=given["id_"] or "main", path=given["path"], build=given["build"], interval=given["interval"])
    source |= {"allowPlaceholders": given["allow_placeholders"], **_origin(given)}
    source["keys"] = _present(files=list(given["key_files"]), folder=given["key_folder"], environment=given["env_keys"])
    if mode == "render":
        if given["target"] is None:
            raise UsageError("--mode render needs --target", code=Outcome.CONFIGURATION)
        source["render"] = _present(target=given["target"], namespace=given["namespace"], layout=given["layout"], mode=given["file_mode"])
    else:
        kinds = given["kinds"].split(",") if given["kinds"] else None
        flags = {"adopt": given["adopt"], "forceConflicts": given["force_conflicts"], "prune": given["prune"]}
        source["apply"] = _present(namespace=given["namespace"], kinds=kinds, **flags)
    return source


def _origin(given: Mapping[str, Any]) -> dict[str, Any]:
    if given["source"] == "-":
        return {"stdin": {}}
    if given["source"] is not None:
        return {"dir": {"path": given["source"]}}
    kind, *place, name = given["flux"].split("/") if "/" in given["flux"] else ("", given["flux"])
    if not kind or len(place) > 1:
        raise UsageError("--flux must be KIND/NAME or KIND/NAMESPACE/NAME", code=Outcome.CONFIGURATION)
    return {"flux": _present(kind=kind, namespace=place[0] if place else None, name=name)}


def _namespace() -> str:
    from secrettool.sidecar.supervisor import Pod

    return Pod.of(os.environ).namespace


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _flag(name: str) -> str:
    return {"id_": "--id", "key_files": "--age-key-file"}.get(name, "--" + name.replace("_", "-"))
