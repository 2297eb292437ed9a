"""Runs a Dockerfile without a container: each stage is a folder, and the absolute paths in its steps lie below that folder.

For the instructions that this project uses, and no others. What it proves: the steps work in an empty place with nothing but a Python and what the
builder was given, and what comes out starts. What it cannot prove: that the base images are what they are thought to be.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

KNOWN: Final = frozenset({"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "HEALTHCHECK", "LABEL", "RUN", "USER", "WORKDIR"})
SYSTEM: Final = ("bin", "dev", "etc", "lib", "proc", "sbin", "sys", "tmp", "usr", "var")
"""Folders that belong to the machine: everything else is the image's."""
_OWN_PATH: Final = re.compile(rf"(?<![\w./@*}}-])/(?!(?:{'|'.join(SYSTEM)})\b)(?=[a-z])")


class Step(NamedTuple):
    """One instruction."""

    name: str
    words: str


class Stage(NamedTuple):
    """What stands between two FROM.

    Attributes:
        base: As it is written, variables and all.
        name: After AS; the number of the stage without one.
        arguments: Defaults of what is declared in it.
        steps: The rest.
    """

    base: str
    name: str
    arguments: dict[str, str]
    steps: list[Step]


def read_dockerfile(text: str) -> list[Stage]:
    """The stages of a Dockerfile, without what stands before the first."""
    return _read(text)[1]


def _read(text: str) -> tuple[dict[str, str], list[Stage]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    outer: dict[str, str] = {}
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, words = line.partition(" ")
        if name == "FROM":
            base, _, alias = words.partition(" AS ")
            stages.append(Stage(base, alias or str(len(stages)), {}, []))
        elif name == "ARG":
            variable, _, default = words.partition("=")
            (stages[-1].arguments if stages else outer)[variable] = default
        else:
            assert name in KNOWN, f"an instruction that this runner does not know: {name}"
            stages[-1].steps.append(Step(name, words.strip()))
    return outer, stages


class Image(NamedTuple):
    """A stage that was built.

    Attributes:
        root: Its folder.
        environ: Its environment.
        command: ENTRYPOINT and CMD.
    """

    root: Path
    environ: dict[str, str]
    entrypoint: list[str]
    command: list[str]


def is_left_out(path: str, ignorefile: str) -> bool:
    """Whether the builder does not get a file: the last pattern that matches it, or a folder that it is in, decides."""
    parts = path.split("/")
    ways = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    left_out = False
    for line in filter(None, map(str.strip, ignorefile.splitlines())):
        if not line.startswith("#"):
            expression = re.escape(line.removeprefix("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
            if any(re.fullmatch(expression, way) for way in ways):
                left_out = not line.startswith("!")
    return left_out


class Builder:
    """Builds the stages that the last one needs, as BuildKit does.

    Args:
        dockerfile: To build; `<name>.dockerignore` beside it says what the builder does not get.
        context: Folder that COPY copies from.
        folder: For the stages; must be empty.
        bases: Makes the root folder of an image from outside, and says its environment.
        arguments: As `--build-arg`.
    """

    def __init__(
        self, dockerfile: Path, context: Path, folder: Path, bases: Mapping[str, Callable[[Path], dict[str, str]]], arguments: Mapping[str, str]
    ) -> None:
        outer, stages = _read(dockerfile.read_text(encoding="utf-8"))
        self._ignorefile = dockerfile.with_name(dockerfile.name + ".dockerignore").read_text(encoding="utf-8")
        self._context, self._folder, self._bases, self._given = context, folder, bases, arguments
        self._outer = outer | {name: value for name, value in arguments.items() if name in outer}
        self._stages = {stage.name: stage for stage in stages}
        self._last = stages[-1].name
        self.images: dict[str, Image] = {}

    def build(self) -> Image:
        """The last stage."""
        return self._image(self._last)

    def _image(self, name: str) -> Image:
        if name in self.images:
            return self.images[name]
        root = self._folder / f"stage-{len(self.images)}-{re.sub('[^a-z0-9]+', '-', name)}"
        if name not in self._stages:
            root.mkdir(parents=True)
            image = Image(root, self._bases[name](root), [], [])
        else:
            stage = self._stages[name]
            base = self._image(_filled(stage.base, self._outer))
            shutil.copytree(base.root, root, symlinks=True)
            image = self._run(stage, base._replace(root=root, environ=dict(base.environ)))
        self.images[name] = image
        return image

    def _run(self, stage: Stage, image: Image) -> Image:
        variables = stage.arguments | {name: value for name, value in self._given.items() if name in stage.arguments}
        folder = image.root
        for step in stage.steps:
            if step.name == "ENV":
                image.environ.update(_pairs(self._inside(_filled(step.words, variables | image.environ), image.root)))
            elif step.name == "WORKDIR":
                folder = image.root / step.words.lstrip("/")
                folder.mkdir(parents=True, exist_ok=True)
            elif step.name == "COPY":
                self._copy(step.words, image.root, folder)
            elif step.name == "RUN":
                command = ["sh", "-ec", self._inside(step.words, image.root)]
                run = subprocess.run(command, cwd=folder, env={**variables, **self._environ(image)}, capture_output=True, text=True, check=False)
                assert run.returncode == 0, f"RUN {step.words}\n{run.stdout}{run.stderr}"
            elif step.name in {"ENTRYPOINT", "CMD"}:
                words = [word.strip(' "') for word in step.words.strip("[]").split(",")]
                image = image._replace(entrypoint=words) if step.name == "ENTRYPOINT" else image._replace(command=words)
        return image

    def _environ(self, image: Image) -> Mapping[str, str]:
        return image.environ

    @staticmethod
    def _inside(text: str, root: Path) -> str:
        return _OWN_PATH.sub(f"{root}/", text)

    def _copy(self, words: str, root: Path, folder: Path) -> None:
        *sources, target = words.split()
        origin = self._context
        stage = None
        if sources[0].startswith("--from="):
            stage = sources.pop(0).removeprefix("--from=")
            origin = self._image(stage).root
        place = root / target.lstrip("/") if target.startswith("/") else folder / target
        for source in sources:
            given = origin / source.strip("/")
            inside = place / given.name if target.endswith("/") and given.is_file() else place
            if stage is not None:
                _take(given, inside)
            else:
                self._take_from_context(given, inside)

    def _take_from_context(self, given: Path, place: Path) -> None:
        files = [given] if given.is_file() else sorted(path for path in given.rglob("*") if path.is_file())
        kept = [path for path in files if not is_left_out(path.relative_to(self._context).as_posix(), self._ignorefile)]
        assert kept, f"the builder does not get {given.name}"
        for path in kept:
            _take(path, place / path.relative_to(given) if path != given else place)


def _take(given: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if given.is_dir():
        shutil.copytree(given, place, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(given, place, follow_symlinks=False)


def _filled(text: str, variables: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: variables[found[1]], text)


def _pairs(words: str) -> dict[str, str]:
    return {name: value.strip('"') for name, _, value in (word.partition("=") for word in words.split())}


def system_path() -> str:
    """Where a base image has its shell and tools."""
    return os.pathsep.join(folder for folder in ("/usr/local/bin", "/usr/bin", "/bin") if os.path.isdir(folder))
