"""Swaps a folder again and again, in children that somebody kills. Run as a program with the folder.

A line on stdin starts a child, whose number is printed; the next one reaps it, and starts another. A set of files is one generation: each holds the
number of the generation, and `manifest` the names of all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import count

from secrettool.sidecar.swap import SwappedFolder

MODE = 0o440


def generation(number: int) -> dict[str, bytes]:
    """A set of files: some are in every generation, some in every second one, some in folders."""
    names = ["a", "b", "team/db/password", "team/db/user", *(["even", "team/even/x"] if number % 2 == 0 else ["odd"]), "manifest"]
    files = {name: f"{number} {name}".encode() * 50 for name in names}
    files["manifest"] = "\n".join([str(number), *sorted(names)]).encode()
    return files


def swap_forever(folder: str, first: int) -> None:
    """Write one generation after the other."""
    target = SwappedFolder(folder, MODE)
    for number in count(first):
        target.write(generation(number))


def whole(folder: str) -> int | None:
    """Read the set that `..data` leads to, as an application does; None when it was swapped away meanwhile.

    Returns:
        The number of its generation.

    Raises:
        AssertionError: It is mixed, or something is missing.
    """
    link = os.readlink(os.path.join(folder, "..data"))
    root = os.path.join(folder, link)
    try:
        found = dict(_files(root))
        lines = found["manifest"].decode().splitlines()
    except (FileNotFoundError, KeyError):
        assert os.readlink(os.path.join(folder, "..data")) != link, "a file is missing in the set that counts"
        return None
    if os.readlink(os.path.join(folder, "..data")) != link:
        return None  # the old folder is removed while it is read
    assert found == generation(int(lines[0])), "the set is mixed"
    return int(lines[0])


def _files(root: str) -> Iterator[tuple[str, bytes]]:
    for above, folders, names in os.walk(root, onerror=_raise):
        folders.sort()
        for name in names:
            path = os.path.join(above, name)
            with open(path, "rb") as file:
                yield os.path.relpath(path, root), file.read()


def _raise(error: OSError) -> None:
    raise error


def serve(folder: str) -> None:
    """Fork a child for each line."""
    first = 1
    pid = 0
    for _ in sys.stdin:
        if pid:
            os.waitpid(pid, 0)
        first += 1000
        pid = os.fork()
        if pid == 0:
            swap_forever(folder, first)
        print(pid, flush=True)
    if pid:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    serve(sys.argv[1])
