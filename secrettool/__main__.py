"""`python -m secrettool` and the program `secrettool`."""

from __future__ import annotations

import gc

# Before any other import: the collector would walk over everything that the imports make, again and again, and find nothing. A run that works on
# one file ends before it is missed; runs over many files switch it on (cli.batch).
gc.disable()

import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Words after the program's name; those of the process when None.

    Returns:
        The exit code.
    """
    from secrettool.cli.app import run

    code = run(argv)
    if argv is None:
        gc.freeze()  # the collection at the end of the interpreter has nothing to find either
    return code


if __name__ == "__main__":
    sys.exit(main())
