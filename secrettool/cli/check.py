"""`secrettool check`."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from secrettool import fs
from secrettool.cli import options, output, patchoptions
from secrettool.cli.checkfiles import Tree
from secrettool.errors import Outcome

if TYPE_CHECKING:
    from secrettool.findings import Finding, Form
    from secrettool.patcher.mapping import PatchMap

_BY_END: dict[str, Form] = {".json": "json", ".sarif": "sarif"}


@click.command(
    "check",
    cls=options.Command,
    examples=(
        "secrettool check",
        "secrettool check --strict apps/ clusters/production",
        "secrettool check --map deploy/patch.yaml --flux-version 1.7.3",
        "secrettool check --output github --report-file check.sarif   # annotations of a pull request, and a file for code scanning",
        "secrettool check --output json | jq -r '.findings[] | select(.severity == \"error\") | .file'",
    ),
)
@click.argument("paths", metavar="[PATH]...", type=click.Path(), nargs=-1)
@click.option("--map", "map_file", metavar="FILE", type=click.Path(), help=f"The patch map; {patchoptions.MAP} by default, if it is there.")
@click.option("--root", metavar="FOLDER", type=click.Path(), help="Root of the repository. Else the nearest folder above PATH with .git.")
@click.option("--flux-version", metavar="VERSION", help="Follow this version of kustomize-controller, such as 1.7.3; the newest known by default.")
@click.option(
    "--output", "form", type=click.Choice(["text", "json", "github", "sarif"]), default="text", help="Form of the findings, which go to stdout."
)
@click.option(
    "--report-file",
    metavar="FILE",
    type=click.Path(),
    help="Write the findings there as well: as JSON or SARIF if the name ends in .json or .sarif, else in the form of --output.",
)
@click.option("--strict", is_flag=True, help="Let warnings decide the exit code as errors do.")
def command(paths: tuple[str, ...], form: Form, report_file: str | None, strict: bool, **given: Any) -> int:
    """Read the manifests of a repository and say what will go wrong with its secrets: placeholders that nothing fills or that Flux puts back,
    literals where the map fills, ciphertext that nothing decrypts. No key is needed, and no cluster.

    The whole repository is read, since a file in one folder decides what Flux does with another; what is said is about the files at PATH, which is
    the working directory by default, and about the map. Files that Git ignores and folders whose name begins with a dot are left out.

    Each finding has a code, a file with a line, an object and a key, never a value. The exit code is 5 when one of them is an error, or with --strict
    a warning; notes never count. It is 2 when the map or a file cannot be read.
    """
    from secrettool.check import Repository, inspect
    from secrettool.check.mapped import Mapped
    from secrettool.flux import NEWEST, Controller, FluxVersion
    from secrettool.placeholders import DEFAULT_TOKENS

    controller = Controller(FluxVersion.parse(given["flux_version"]) if given["flux_version"] else NEWEST)
    tree = Tree(paths or (".",), given["root"])
    patch_map = _map(tree, given["map_file"])
    repository = Repository(tree.read())
    mapped = Mapped()
    if patch_map is not None:
        from secrettool.patcher.checking import mapped as mapped_by
        from secrettool.patcher.git import Manifests

        mapped = mapped_by(patch_map, Manifests(repository), file=_name(tree, str(patch_map.file)))
    found = inspect(repository, mapped, tokens=patch_map.tokens if patch_map else DEFAULT_TOKENS, controller=controller)
    shown = [finding for finding in found if finding.file is None or finding.file == mapped.file or tree.is_wanted(finding.file)]
    _tell(shown, form, report_file, tree)
    counts = Counter(finding.severity for finding in shown)
    output.note(
        f"check: {_counted(len(repository.files), 'file')}: " + ", ".join(_counted(counts[word], word) for word in ("error", "warning", "note"))
    )
    return Outcome.REFUSED if counts["error"] or (strict and counts["warning"]) else Outcome.DONE


def _map(tree: Tree, path: str | None) -> PatchMap | None:
    """The map: the one given, else that of the working directory, else that of the root; None when there is none.

    Raises:
        ConfigError: It cannot be used.
        InputError: It cannot be read.
    """
    from secrettool.cli.patchsession import load_map

    if path is None:
        usual = (patchoptions.MAP, os.path.join(tree.root, patchoptions.MAP))
        path = next((each for each in usual if os.path.lexists(each)), None)
    return None if path is None else load_map(path)


def _name(tree: Tree, path: str) -> str:
    """The map as findings name it: from the root, if it lies there."""
    return tree.relative(path) or os.path.realpath(path)


def _tell(found: Sequence[Finding], form: Form, report_file: str | None, tree: Tree) -> None:
    """Print findings, and write the report file.

    Raises:
        OutputError: The file cannot be written.
    """
    click.echo(_report(found, form, tree), nl=False)
    sys.stdout.flush()
    if report_file is not None:
        kind = _BY_END.get(os.path.splitext(report_file)[1], form)
        fs.replace(report_file, _report(found, kind, tree).encode("utf-8", "surrogateescape"))


def _report(found: Sequence[Finding], form: Form, tree: Tree) -> str:
    """Findings in a form. People read paths from where they are, programs from the root."""
    from secrettool.findings import render

    if form == "text":
        here = os.path.realpath(os.curdir)
        found = [each if each.file is None else each._replace(file=os.path.relpath(os.path.join(tree.root, each.file), here)) for each in found]
    return render(found, form)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
