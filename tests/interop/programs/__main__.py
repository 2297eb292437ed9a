"""`python -m tests.interop.programs`: build the real programs that are missing."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from types import FrameType

from tests.interop.programs import CACHE_ROOT, Recipe, RecipeError, all_recipes
from tests.interop.programs.builder import BuildError, build_missing, megabytes, older_builds, prune


def chosen(names: list[str]) -> list[Recipe]:
    """The recipes with these names or with programs of these names; all without a name.

    Raises:
        BuildError: A name is neither.
    """
    recipes = all_recipes()
    known = {recipe.name for recipe in recipes} | {program for recipe in recipes for program in recipe.programs}
    unknown = sorted(set(names) - known)
    if unknown:
        raise BuildError(f"there is no recipe for {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    return [recipe for recipe in recipes if not names or recipe.name in names or recipe.programs.keys() & set(names)]


def build(recipes: list[Recipe]) -> None:
    """Build what is missing and say what there is."""
    started = time.monotonic()
    print(f"real programs in {CACHE_ROOT}", flush=True)
    built = build_missing(recipes)
    print(f"  {len(built)} built in {time.monotonic() - started:.0f} s, {len(recipes) - len(built)} there already")
    older = older_builds(all_recipes())
    if older:
        print(f"  {len(older)} builds of other recipes; `python -m tests.interop.programs --prune` removes them")


def show_path(recipes: list[Recipe]) -> None:
    """Print the folders of the programs that are built, for PATH."""
    print(os.pathsep.join(str(recipe.folder()) for recipe in recipes if recipe.programs and recipe.folder().is_dir()))


def remove_older() -> None:
    """Remove the builds of older recipes and say which."""
    for folder in older_builds(all_recipes()):
        print(f"  {folder.name}: {megabytes(folder)}")
    print(f"  {len(prune(all_recipes()))} builds removed")


def stop(number: int, frame: FrameType | None) -> None:
    """End as on Ctrl-C, so that Go ends too and nothing half-built stays."""
    raise KeyboardInterrupt


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.programs", description="Build the real programs that the tests run.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a recipe or a program (default: all)")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--path", action="store_true", help="print the folders of what is built, for PATH; build nothing")
    action.add_argument("--prune", action="store_true", help="remove the builds of recipes that are not in this checkout; build nothing")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    try:
        if arguments.prune:
            remove_older()
        elif arguments.path:
            show_path(chosen(arguments.names))
        else:
            build(chosen(arguments.names))
    except (BuildError, RecipeError) as error:
        print(f"real-programs: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("real-programs: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
