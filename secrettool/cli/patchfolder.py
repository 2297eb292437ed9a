"""The folder that stands for a cluster: where values may be written as plain text."""

from __future__ import annotations

import os
from collections.abc import Sequence

from secrettool.cli.git import git, repository_above
from secrettool.errors import Outcome, UsageError


def check(folder: str, manifests: Sequence[str]) -> None:
    """Look whether what is written there could be committed, or be taken for what git says.

    Args:
        folder: `--folder`; one that is not there is left to whoever opens it.
        manifests: `--manifests`.

    Raises:
        UsageError: The folder holds manifests of git or lies among them, or Git does not ignore it.
    """
    real = os.path.realpath(folder)
    for path in manifests:
        other = os.path.realpath(path)
        if _is_below(real, other) or _is_below(other, real):
            hint = f"copy what a cluster would have from {path} to a folder outside of it"
            raise UsageError(f"{folder} cannot be the cluster and the manifests of git at once", hint=hint, code=Outcome.CONFIGURATION)
    root = repository_above(real)
    if root is not None and git(root, "check-ignore", "--quiet", "--", os.path.join(real, "x")) is None:
        hint = "take a folder outside of the repository, or let Git ignore it: values are written there as plain text"
        raise UsageError(f"{folder} lies in a Git work tree that does not ignore it", hint=hint, code=Outcome.CONFIGURATION)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
