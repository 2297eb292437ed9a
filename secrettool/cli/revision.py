"""A source as it was in a revision of Git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from secrettool import fs
from secrettool.cli.git import git
from secrettool.errors import ConfigError, Outcome

_TREE = "tree"


@contextmanager
def checked_out(root: str, revision: str) -> Iterator[str]:
    """A private folder with the files below `root` as they were in a revision, removed on leaving. It holds nothing but what Git holds.

    Args:
        root: A folder in a work tree.
        revision: Any name that Git knows, such as `HEAD` or `main~2`.

    Raises:
        ConfigError: There is no such revision, or no repository; or the folder was not there.
        OutputError: The files could not be written.
    """
    commit = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    prefix = git(root, "rev-parse", "--show-prefix")
    if commit is None or prefix is None:
        hint = "PATH must lie in a Git work tree, and the revision exist there"
        raise ConfigError(f"git knows no revision {revision!r} here", hint=hint, code=Outcome.CONFIGURATION)
    tree = f"{commit.decode('ascii').strip()}:{os.fsdecode(prefix).strip(chr(10))}"
    with fs.memory_directory(allow_disk=True) as folder:
        place = os.path.join(folder, _TREE)
        os.mkdir(place, 0o700)
        _git(root, folder, revision, "read-tree", tree)
        _git(root, folder, revision, "checkout-index", "--all", f"--prefix={place}/")
        yield place


def _git(root: str, folder: str, revision: str, *words: str) -> None:
    """Run Git with an index of its own, so that the one of the repository stays as it is."""
    environ = {**os.environ, "GIT_INDEX_FILE": os.path.join(folder, "index"), "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(["git", "-C", root, *words], stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environ)
    except OSError:
        done = None
    if done is None or done.returncode != 0:
        raise ConfigError(f"the files of revision {revision!r} cannot be had from git", code=Outcome.CONFIGURATION)
