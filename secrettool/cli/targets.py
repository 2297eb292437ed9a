"""Which files a command works on: those that are named, and with `--recursive` those in folders.

In a folder only files count that Git would not ignore. Inside a work tree Git itself is asked; elsewhere `.gitignore` files are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from secrettool.errors import ExitCode, InputError, UsageError
from secrettool.fs import is_temporary

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

    from secrettool.cli.session import Session


class Target(NamedTuple):
    """A file to work on.

    Attributes:
        path: As it was named, or as it was found below the folder that was named.
        found: Whether it comes from a folder.
        rule: For a found file, whether a creation rule covers it by its `path_regex`, and not only because the rule takes every path.
    """

    path: str
    found: bool = False
    rule: bool = False


def targets(session: Session, paths: Sequence[str], recursive: bool) -> list[Target]:
    """The files to work on, each once, in the order of the command line and below a folder by name.

    Raises:
        UsageError: 100 when nothing is named.
        InputError: A folder without `--recursive`.
        ConfigError: The config file is broken.
    """
    if not paths:
        raise UsageError("no file specified", code=ExitCode.NO_FILE_SPECIFIED)
    found: dict[str, Target] = {}
    for path in paths:
        if not os.path.isdir(path):
            found.setdefault(os.path.normpath(path), Target(path))
        elif recursive:
            for inner in _covered(session, path):
                found.setdefault(os.path.normpath(inner.path), inner)
        else:
            error = InputError("is a directory", hint="--recursive takes the files in it")
            error.file = path
            raise error
    return list(found.values())


def _covered(session: Session, folder: str) -> Iterator[Target]:
    """The files below a folder that a creation rule covers.

    A rule without `path_regex` takes every path. In a folder it counts for files of a known format only: nobody means README.md by it. Without any
    rule, all files of a known format count.
    """
    from secrettool.config import CONFIG_NAME, OTHER_NAME
    from secrettool.stores import name_for_path

    for path in files_below(folder):
        name = os.path.basename(path)
        if name in (CONFIG_NAME, OTHER_NAME) or name.startswith(".git"):  # what these say must stay readable for the programs they are for
            continue
        match = session.config.rule_for(session.absolute(path)) if session.config is not None else None
        known = name_for_path(path) != "binary"
        if match is None:
            if known:
                yield Target(path, True)
        elif match.rule is not None:
            named = bool(match.rule.path_regex)
            if named or known:
                yield Target(path, True, named)


def files_below(folder: str) -> list[str]:
    """Regular files below a folder that Git does not ignore, by name, without what a killed run left.

    Links are left out: what they lead to has a place of its own.
    """
    listed = _git_files(folder)
    if listed is None:
        listed = list(_walk(folder))
    return sorted(path for path in listed if os.path.isfile(path) and not os.path.islink(path) and not is_temporary(path))


def _git_files(folder: str) -> list[str] | None:
    """What Git knows or would add below a folder; None outside a work tree, or without Git."""
    from secrettool.cli.git import git

    if git(folder, "rev-parse", "--is-inside-work-tree") != b"true\n":
        return None
    listed = git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    if listed is None:
        return None
    return [os.path.join(folder, os.fsdecode(name)) if folder != "." else os.fsdecode(name) for name in set(listed.split(b"\0")) if name]


def _walk(folder: str) -> Iterator[str]:
    stack: list[tuple[str, tuple[tuple[str, GitIgnoreSpec], ...]]] = [(folder, ())]
    while stack:
        current, ignores = stack.pop()
        own = _ignore_file(current)
        if own is not None:
            ignores = (*ignores, (current, own))
        with os.scandir(current) as entries:
            for entry in entries:
                if entry.is_symlink() or entry.name == ".git":
                    continue
                folder_too = entry.is_dir()
                if _ignored(entry.path + ("/" if folder_too else ""), ignores):
                    continue
                if folder_too:
                    stack.append((entry.path, ignores))
                else:
                    yield entry.path if folder != "." else os.path.normpath(entry.path)


def _ignore_file(folder: str) -> GitIgnoreSpec | None:
    try:
        with open(os.path.join(folder, ".gitignore"), encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(lines)


def _ignored(path: str, ignores: Sequence[tuple[str, GitIgnoreSpec]]) -> bool:
    """Whether the innermost `.gitignore` that says something about a path ignores it."""
    for folder, spec in reversed(ignores):
        result = spec.check_file(path[len(folder) :].lstrip("/"))
        if result.include is not None:
            return result.include
    return False
