"""Builds recipes with Go into the cache: one after the other, each in a temporary folder that is renamed when it is complete."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.interop.programs import CACHE_ROOT, Recipe

UNFINISHED: Final = ".building-"
BUILT: Final = re.compile(r"[a-z][a-z-]*-[0-9a-f]{16}")
# What a user may have set for other work; an empty value would fall back on the file of `go env -w`.
SETTINGS: Final = {"CGO_ENABLED": "0", "GO111MODULE": "on", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}
FOR_OTHER_SYSTEMS: Final = ("GOOS", "GOARCH")
QUOTED_LINES: Final = 30


class BuildError(Exception):
    """The programs cannot be built; the text says why and what to do."""


def go_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment in which Go builds for this machine and changes no recipe."""
    return {name: text for name, text in environ.items() if name not in FOR_OTHER_SYSTEMS} | SETTINGS


def find_go(recipes: Iterable[Recipe]) -> Path:
    """Go on PATH, new enough for every recipe.

    Raises:
        BuildError: There is none, it does not run, or it is too old.
    """
    needed = max(recipe.go for recipe in recipes)
    wanted = f"Go {'.'.join(map(str, needed))} or newer"
    found = shutil.which("go")
    if found is None:
        raise BuildError(f"the program `go` is not on PATH; install {wanted}")
    asked = subprocess.run([found, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=go_environment(os.environ))
    version = re.match(r"go(\d+(?:\.\d+)*)", asked.stdout)
    if version is None:
        raise BuildError(f"{found} does not tell its version; install {wanted}")
    if tuple(int(part) for part in version[1].split(".")) < needed:
        raise BuildError(f"{found} is Go {version[1]}; install {wanted}")
    return Path(found)


@contextlib.contextmanager
def locked(root: Path) -> Iterator[int]:
    """Hold the cache for one build at a time; waits for another that is running.

    Yields:
        The lock's file descriptor. Go inherits it, so that the lock lasts as long as any process that writes.
    """
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another build is running; waiting for it", flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def show_while(running: subprocess.Popen[bytes], label: str) -> None:
    """Name what is being made until the process ends; on a terminal with the seconds that it takes, in a line that goes away."""
    started = time.monotonic()
    terminal = sys.stdout.isatty()
    if not terminal:
        print(f"  {label}", flush=True)
    while running.poll() is None:
        if terminal:
            print(f"\r  {label} {time.monotonic() - started:.0f} s", end="", flush=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(timeout=1)
    if terminal:
        print("\r\033[K", end="", flush=True)


class Builder:
    """Runs Go for the recipes.

    Args:
        go: The program.
        root: The folder of all builds; locked by the caller.
        lock: The lock's file descriptor.
    """

    def __init__(self, go: Path, root: Path, lock: int) -> None:
        self.go = go
        self.root = root
        self.lock = lock

    def build(self, recipe: Recipe) -> None:
        """Build a recipe's programs and copy its folders; the result appears at once or not at all.

        Raises:
            BuildError: Go failed; its last lines are in the text.
        """
        final = recipe.folder(self.root)
        started = time.monotonic()
        work = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self.root))
        try:
            result = work / "result"
            result.mkdir()
            for name in recipe.programs:
                self.compile(recipe, name, work)
            for name in recipe.folders:
                self.copy(recipe, name, work)
            result.rename(final)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        print(f"  {recipe.name} {recipe.version}: {time.monotonic() - started:.0f} s, {megabytes(final)}", flush=True)

    def compile(self, recipe: Recipe, name: str, work: Path) -> None:
        """Build one program into `work/result`."""
        linker = ["-s", "-w", *(f"-X {variable}={text}" for variable, text in recipe.variables.items())]
        package = os.path.normpath(f"{recipe.module}/{recipe.programs[name]}")
        options = ["-trimpath", "-buildvcs=false", f"-ldflags={' '.join(linker)}", f"-tags={','.join(recipe.tags)}"]
        self.run(recipe, name, ["build", *options, "-o", str(work / "result" / name), package], work)

    def copy(self, recipe: Recipe, name: str, work: Path) -> None:
        """Copy one folder of the module into `work/result`; the module's files are read-only, the copies are not."""
        told = self.run(recipe, name, ["mod", "download", "-json", recipe.module], work)
        origin = Path(json.loads(told)["Dir"]) / recipe.folders[name]
        (work / "result" / name).mkdir()
        for file in sorted(origin.iterdir()):
            shutil.copyfile(file, work / "result" / name / file.name)

    def run(self, recipe: Recipe, name: str, arguments: list[str], work: Path) -> bytes:
        """Run Go in the recipe's folder.

        Args:
            recipe: Whose `go.mod` counts.
            name: The program or folder that is being made.
            arguments: For Go.
            work: Holds Go's own temporary files and what it says.

        Returns:
            Its standard output.

        Raises:
            BuildError: It failed.
        """
        label = name if name == recipe.name else f"{recipe.name}: {name}"
        environment = go_environment(os.environ) | {"GOTMPDIR": str(work)}
        said, log = work / "stdout", work / "stderr"
        with said.open("wb") as out, log.open("wb") as err:
            running = subprocess.Popen([self.go, *arguments], cwd=recipe.source, env=environment, stdout=out, stderr=err, pass_fds=(self.lock,))
        try:
            show_while(running, label)
        except BaseException:
            # At this signal Go ends its compilers first.
            running.send_signal(signal.SIGINT)
            running.wait()
            raise
        if running.returncode != 0:
            lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if not line.startswith("go: downloading")]
            raise BuildError("\n".join([f"{label} {recipe.version} does not build:", *lines[-QUOTED_LINES:]]))
        return said.read_bytes()


def megabytes(folder: Path) -> str:
    """The size of a folder's files, for people."""
    return f"{sum(file.stat().st_size for file in folder.rglob('*') if file.is_file()) / 1e6:.0f} MB"


def remove_unfinished(root: Path) -> None:
    """Remove what killed builds left behind; the caller holds the lock, so none of it is in use."""
    for folder in root.glob(f"{UNFINISHED}*"):
        shutil.rmtree(folder)


def older_builds(recipes: Iterable[Recipe], root: Path = CACHE_ROOT) -> list[Path]:
    """Builds of recipes as they are no longer in this checkout."""
    current = {recipe.folder(root).name for recipe in recipes}
    return sorted(entry for entry in root.glob("*") if entry.is_dir() and BUILT.fullmatch(entry.name) and entry.name not in current)


def build_missing(recipes: Iterable[Recipe], root: Path = CACHE_ROOT) -> list[Recipe]:
    """Build the recipes that have no build yet.

    Returns:
        Those that were built now.

    Raises:
        BuildError: There is no suitable Go, or a program does not build; the recipes before it stay built.
    """
    absent = [recipe for recipe in recipes if not recipe.folder(root).is_dir()]
    if not absent:
        return []
    go = find_go(absent)
    built = []
    with locked(root) as lock:
        remove_unfinished(root)
        for recipe in absent:
            # Whoever held the lock may have built it.
            if not recipe.folder(root).is_dir():
                Builder(go, root, lock).build(recipe)
                built.append(recipe)
    return built


def prune(recipes: Iterable[Recipe], root: Path = CACHE_ROOT) -> list[Path]:
    """Remove the builds of older recipes and the leftovers of killed builds.

    Returns:
        The builds that were removed.
    """
    with locked(root):
        remove_unfinished(root)
        removed = older_builds(recipes, root)
        for folder in removed:
            shutil.rmtree(folder)
    return removed
