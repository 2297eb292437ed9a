"""`python -m tests.interop.fuzz`: fuzz, show progress, print a table, keep what nothing explains."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.interop.fuzz.runner import STORES, run


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--documents", type=int, default=1000, metavar="N", help="how many documents, over all stores together (1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="another seed is another set of documents (0)")
    parser.add_argument("--store", choices=STORES, action="append", help="only this store; may be given several times")
    parser.add_argument("--jobs", type=int, default=2, metavar="J", help="processes (2)")
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzz-findings"), metavar="FOLDER", help="where disagreements are written to (fuzz-findings)"
    )
    parser.add_argument("--named", action="store_true", help="keep a document for each named difference, too")
    given = parser.parse_args()
    return run(given.documents, given.seed, given.store or list(STORES), given.jobs, given.keep, given.named)


if __name__ == "__main__":
    sys.exit(main())
