"""`secrettool hook build`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from secrettool.cli import hookkeys, hookoutput, options, output
from secrettool.cli.git import repository_above
from secrettool.cli.streams import write_stdout
from secrettool.cli.textfiles import read_text
from secrettool.errors import ConfigError, Outcome, UsageError

if TYPE_CHECKING:
    from secrettool.build.render import Rendered, Surroundings
    from secrettool.build.substitute import VariableSource
    from secrettool.flux import FluxKustomization
    from secrettool.flux.kustomization import SubstituteFrom
    from secrettool.hook.model import HookConfig, KeyRing
    from secrettool.objects import Object

_OPTIONS = (
    click.option("--root", metavar="FOLDER", type=click.Path(), help="Root of the source; nothing outside is read. Else the nearest with .git."),
    click.option(
        "--sources",
        type=click.Choice(["flux", "extended"]),
        default="flux",
        help="Files opened before the build: those of Flux, or also those of configMapGenerator and the older fields for patches.",
    ),
    click.option(
        "--no-keys", is_flag=True, help="Use no key: print markers of the same type where values would be. Such output cannot pass a guard."
    ),
    click.option("--allow-disk", is_flag=True, help="Let decrypted files lie on a disk when there is no file system in memory."),
    click.option("--allow-placeholders", is_flag=True, help="Let placeholders such as REPLACE_ME pass."),
    click.option(
        "--variables",
        "variable_files",
        metavar="FILE",
        type=click.Path(),
        multiple=True,
        help="Manifests of the ConfigMaps and Secrets that postBuild.substituteFrom names; may be repeated.",
    ),
    click.option(
        "--flux-version", metavar="VERSION", help="Follow this version of kustomize-controller, such as 1.7.3; the newest known by default."
    ),
    click.option(
        "--build",
        "how",
        type=click.Choice(["auto", "kustomize", "plain"]),
        default="auto",
        help="Build with kustomize, take the manifests as they are (plain), or see what is there (auto).",
    ),
)


def build_options(function: options.F) -> options.F:
    """The options that `Job.start` reads, with those of keys and strictness."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return hookkeys.keys(hookkeys.strictness(function))


class Job(NamedTuple):
    """What a command line says is to be built.

    Attributes:
        root: Absolute path of the root.
        path: The folder or file, relative to it.
        flux: The Kustomization to act for; None for the folder by itself.
        config: How strictly Flux is followed.
        surroundings: What else the build takes from outside.
    """

    root: str
    path: str
    flux: FluxKustomization | None
    config: HookConfig
    surroundings: Surroundings

    @classmethod
    def start(cls, path: str, given: Mapping[str, Any]) -> Job:
        """Read what a command got.

        Args:
            path: A Flux Kustomization file, a folder, or a file of manifests.
            given: The parameters of `build_options`.

        Raises:
            ConfigError: A file that is named is not what it should be.
            InputError: A file cannot be read.
        """
        from secrettool.build.render import Surroundings
        from secrettool.flux import NEWEST, FluxVersion
        from secrettool.placeholders import ALLOW

        flux = _flux(path, given)
        folder = path if os.path.isdir(path) else os.path.dirname(path) or "."
        root = _root(folder, given["root"], needed=flux is not None and not os.path.isdir(path))
        if flux is not None and os.path.isdir(path):
            flux = replace(flux, path=_below(root, path))
        config = replace(hookkeys.config(given), sources=given["sources"])
        surroundings = Surroundings(
            environ=os.environ,
            version=FluxVersion.parse(given["flux_version"]) if given["flux_version"] else NEWEST,
            variables=_variables(given["variable_files"]),
            allow_disk=given["allow_disk"],
            how=given["how"],
            without_keys=given["no_keys"],
        )
        config = replace(config, placeholders=ALLOW) if given["allow_placeholders"] else config
        return cls(root, "." if flux else _below(root, path), flux, config, surroundings)

    def run(self, given: Mapping[str, Any]) -> Rendered:
        """Build; warnings are printed.

        Raises:
            SecrettoolError: As `build.render.render`, and what `hookkeys.open_keys` raises.
        """
        from secrettool.build.render import render
        from secrettool.hook.withoutkeys import NoKeys

        with ExitStack() as stack:
            keys: KeyRing
            if self.surroundings.without_keys:
                keys = NoKeys()
            else:
                opened = stack.enter_context(hookkeys.open_keys(given))
                hookoutput.tell_findings(opened.warnings)
                keys = opened
            done = render(self.root, self.path, flux=self.flux, config=self.config, keys=keys, surroundings=self.surroundings)
        hookoutput.tell_findings(done.warnings)
        return done


@click.command(
    "build",
    cls=options.Command,
    examples=(
        "secrettool hook build overlays/production | secrettool hook guard --print | kubectl apply -f -",
        "secrettool hook build clusters/production/apps.yaml --key-file age.agekey --show   # a Flux Kustomization",
        "secrettool hook build overlays/production --no-keys | kubeconform -strict",
        "secrettool hook build apps.yaml --strict-flux --mac=skip --output json | jq '.items[].metadata.name'",
        "secrettool hook build manifests/ --build plain --key-secret sops-age.yaml > plain.yaml",
    ),
)
@click.argument("path", metavar="PATH", type=click.Path())
@build_options
@click.option("--output", "form", type=click.Choice(["yaml", "json"]), default="yaml", help="YAML documents, or one JSON object of kind List.")
@hookkeys.show
def command(path: str, form: str, **given: Any) -> int:
    """Build PATH, decrypt what is encrypted in it, and print the objects, in the order of a pass of Flux. Nothing is applied.

    PATH is a file with a Flux Kustomization (its spec.path is relative to the root, and the result is what Flux would apply), a folder for kustomize,
    a folder of manifests, or one file of them. The source is never written to; a decrypted file exists in memory only, while kustomize runs.

    Nothing is printed when something fails or must not reach a cluster (exit code 5); every such object is named. kustomize, or kubectl, has to be on
    PATH unless only manifests are read. Remote bases and paths that lead out of the root are refused.
    """
    hookoutput.check_stdout(given["show"] or given["no_keys"])
    if path == "-":
        raise UsageError("PATH is a folder or a file", hint="a stream of manifests is for `secrettool hook decrypt`", code=Outcome.CONFIGURATION)
    job = Job.start(path, given)
    done = job.run(given)
    if done.errors:
        return hookoutput.tell_errors(done.errors)
    if not done.objects:
        output.warning(f"{path}: there is no object in it")
    write_stdout(_printed(done.objects, job.flux, form).encode("utf-8", "surrogateescape"))
    return Outcome.DONE


def _printed(objs: tuple[Object, ...], flux: FluxKustomization | None, form: str) -> str:
    from secrettool.build.render import applied

    final = applied(objs, flux) if flux else list(objs)
    if form == "json":
        import json

        return json.dumps({"apiVersion": "v1", "kind": "List", "items": final}, indent=2, ensure_ascii=False) + "\n"
    from secrettool.manifests import dump

    return dump(final)


# ---- what is to be built -------------------------------------------------------------------------------------------------------------------------


def _flux(path: str, given: Mapping[str, Any]) -> FluxKustomization | None:
    """The Kustomization that PATH or `--flux-kustomization` names."""
    if given["flux_file"] is not None:
        if not os.path.isdir(path):
            raise UsageError("with --flux-kustomization PATH must be the folder to build", code=Outcome.CONFIGURATION)
        return hookkeys.flux_kustomization(given)
    if os.path.isdir(path):
        return None
    from secrettool.flux import is_flux_kustomization

    if not any(is_flux_kustomization(obj) for obj in _objects(path)):
        return None
    return hookkeys.flux_kustomization({"flux_file": path})


def _root(folder: str, given: str | None, *, needed: bool) -> str:
    """The root: the one given, else the nearest folder above with `.git`, else the folder itself.

    Raises:
        ConfigError: There is none, and the path in a Kustomization is relative to it.
    """
    if given is not None:
        return os.path.realpath(given)
    start = os.path.realpath(folder)
    found = repository_above(start)
    if found is None and needed:
        raise ConfigError(
            "no folder above it has .git, so the root of the source is not known", hint="name it with --root", code=Outcome.CONFIGURATION
        )
    return found or start


def _below(root: str, path: str) -> str:
    real = os.path.realpath(path)
    if real != root and not real.startswith(root.rstrip("/") + "/"):
        raise ConfigError("the path lies outside of the root", hint="name a root above it with --root", code=Outcome.CONFIGURATION)
    return os.path.relpath(real, root)


def _objects(path: str) -> list[dict[str, Any]]:
    from secrettool.manifests import read

    return [manifest.obj for manifest in read(read_text(path), file=path)]


def _variables(paths: tuple[str, ...]) -> VariableSource:
    """Where variables come from: the ConfigMaps and Secrets in some files."""
    from secrettool.hook.keysecret import key_secret
    from secrettool.objects import section

    known: dict[tuple[str, str], dict[str, str]] = {}
    for path in paths:
        for obj in _objects(path):
            name = str(section(obj, "metadata").get("name"))
            if obj.get("kind") == "Secret":
                entries = key_secret(obj, subject=path).entries
                known["Secret", name] = {key: data.decode("utf-8", "surrogateescape") for key, data in entries.items()}
            elif obj.get("kind") == "ConfigMap":
                known["ConfigMap", name] = {key: str(text) for key, text in section(obj, "data").items()}

    def find(reference: SubstituteFrom) -> dict[str, str] | None:
        return known.get((reference.kind, reference.name))

    return find
