"""The real programs that the tests run: which there are, at which version, and where their builds lie.

A recipe is a folder here with `go.mod`, `go.sum` and `recipe.toml`. Its build lies in the user's cache, in a folder named after the recipe and a
hash of these files, so that a changed recipe is a new build and two checkouts share one. `python -m tests.interop.programs` builds what is missing.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
PARTS: Final = ("go.mod", "go.sum", "recipe.toml")


class RecipeError(Exception):
    """A recipe contradicts itself; only a change to its files helps."""


def cache_root(environ: Mapping[str, str]) -> Path:
    """The folder of all builds, made or not: under `XDG_CACHE_HOME` where that is absolute, else under `.cache` of the user's home folder."""
    base = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".cache")
    return Path(base) / "secrettool-peers"


# Read when this module is imported: a test sees an empty home folder.
CACHE_ROOT: Final = cache_root(os.environ)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is taken out of one Go module, and how it is built."""

    name: str
    source: Path
    """Folder of `go.mod`, `go.sum` and `recipe.toml`."""
    module: str
    version: str
    """The module's version as `go.mod` requires it, such as `v1.34.4`."""
    go: tuple[int, ...]
    """The oldest version of Go that `go.mod` allows, such as (1, 25, 8)."""
    programs: Mapping[str, str]
    """The folder of each program's main package in the module, by the program's name."""
    folders: Mapping[str, str]
    """Folders of the module that are copied beside the programs, by the name of the copy."""
    variables: Mapping[str, str]
    """Text that the linker puts into variables of Go, by the variable's full name."""
    tags: tuple[str, ...]
    """Build tags."""

    @property
    def key(self) -> str:
        """16 hexadecimal digits over the recipe's files."""
        digest = hashlib.sha256()
        for part in PARTS:
            content = (self.source / part).read_bytes()
            digest.update(f"{part} {len(content)}\n".encode() + content)
        return digest.hexdigest()[:16]

    def folder(self, root: Path = CACHE_ROOT) -> Path:
        """Where the build of exactly this recipe lies; it exists only when it is complete."""
        return root / f"{self.name}-{self.key}"


def read_recipe(source: Path) -> Recipe:
    """The recipe in a folder.

    Raises:
        RecipeError: `recipe.toml` names no module, nothing to take out of it, or an unknown field; `go.mod` does not require the module at a version.
        OSError: A file cannot be read.
        tomllib.TOMLDecodeError: `recipe.toml` is not TOML.
    """
    told = tomllib.loads((source / "recipe.toml").read_text(encoding="utf-8"))
    unknown = told.keys() - {"module", "programs", "folders", "variables", "tags"}
    if unknown or "module" not in told or not (told.get("programs") or told.get("folders")):
        raise RecipeError(
            f"{source.name}/recipe.toml must name a module and programs or folders; not known: {', '.join(sorted(unknown)) or 'nothing'}"
        )
    required = (source / "go.mod").read_text(encoding="utf-8")
    version = re.search(rf"^(?:require|\t) ?{re.escape(told['module'])} (v\S+)", required, re.MULTILINE)
    go = re.search(r"^go ([0-9.]+)$", required, re.MULTILINE)
    if version is None or go is None:
        raise RecipeError(f"{source.name}/go.mod must require {told['module']} and name a version of Go")
    return Recipe(
        name=source.name,
        source=source,
        module=told["module"],
        version=version[1],
        go=tuple(int(part) for part in go[1].split(".")),
        programs=told.get("programs", {}),
        folders=told.get("folders", {}),
        variables={name: text.format(version=version[1]) for name, text in told.get("variables", {}).items()},
        tags=tuple(told.get("tags", ())),
    )


@cache
def all_recipes() -> tuple[Recipe, ...]:
    """Every recipe, by name."""
    return tuple(read_recipe(file.parent) for file in sorted(HERE.glob("*/recipe.toml")))


def find(name: str, root: Path = CACHE_ROOT) -> Path | None:
    """A program that was built, or one on PATH; None when there is neither.

    Args:
        name: The program's name, such as `kube-apiserver`.
        root: The folder of all builds.
    """
    for recipe in all_recipes():
        if name in recipe.programs:
            built = recipe.folder(root) / name
            if built.is_file():
                return built
    found = shutil.which(name)
    return Path(found) if found else None


def find_folder(recipe_name: str, name: str, root: Path = CACHE_ROOT) -> Path | None:
    """A folder that was copied out of a recipe's module, such as `crds` of `kustomize-controller`; None when it was not built."""
    for recipe in all_recipes():
        if recipe.name == recipe_name and name in recipe.folders:
            copied = recipe.folder(root) / name
            return copied if copied.is_dir() else None
    return None
