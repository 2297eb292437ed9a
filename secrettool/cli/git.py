"""Asking Git: which files there are, and what a file was in a revision."""

from __future__ import annotations

import os
import subprocess

from secrettool.errors import SecrettoolError


def git(folder: str, *words: str) -> bytes | None:
    """What a Git command prints; None when it fails or there is no Git. It takes no locks, so it disturbs nobody who works in the repository."""
    try:
        done = subprocess.run(
            ["git", "-C", folder, *words], stdin=subprocess.DEVNULL, capture_output=True, check=False, env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def repository_above(folder: str) -> str | None:
    """The nearest folder above a real path, or itself, that has `.git`; None when there is none. Git is not asked."""
    place = folder
    while not os.path.lexists(os.path.join(place, ".git")):
        above = os.path.dirname(place)
        if above == place:
            return None
        place = above
    return place


def file_at(revision: str, path: str) -> bytes | None:
    """What a file was in a revision.

    Args:
        revision: Any name that Git knows, such as `HEAD` or `main~2`.
        path: The file as it is named now.

    Returns:
        Its bytes; None when it was not there.

    Raises:
        SecrettoolError: There is no such revision, or no repository.
    """
    folder, name = os.path.split(path)
    folder = folder or "."
    commit = git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        raise SecrettoolError(f"git knows no revision {revision!r} here", hint="the file must lie in a Git work tree, and the revision exist there")
    return git(folder, "cat-file", "blob", f"{commit.decode('ascii').strip()}:./{name}")
