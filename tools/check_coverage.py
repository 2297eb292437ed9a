"""Hold the measured coverage against the figures in pyproject.toml: lines and branches separately, under each folder.

Usage: check_coverage.py coverage.json
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Share(NamedTuple):
    """How many of how many were run."""

    covered: int
    total: int

    @property
    def percent(self) -> float:
        """From 0 to 100; an empty set is covered."""
        return 100 * self.covered / self.total if self.total else 100.0


def measure(report: dict[str, dict[str, dict[str, dict[str, int]]]], folder: str) -> dict[str, Share]:
    """Add up lines and branches of the files under a folder."""
    summaries = [entry["summary"] for name, entry in report["files"].items() if name.startswith(folder)]
    return {
        "lines": Share(sum(part["covered_lines"] for part in summaries), sum(part["num_statements"] for part in summaries)),
        "branches": Share(sum(part["covered_branches"] for part in summaries), sum(part["num_branches"] for part in summaries)),
    }


def main() -> int:
    """Print the figures; 1 when one is too low."""
    report = json.loads(Path(sys.argv[1]).read_text())
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["secrettool"]["coverage"]
    low = False
    for folder, least in wanted.items():
        for what, share in measure(report, folder).items():
            enough = share.percent >= least
            low = low or not enough
            print(f"  {folder:<22} {what:<9} {share.percent:6.2f} %  (at least {least} %){'' if enough else '  TOO LOW'}")
    if low:
        worst = sorted(report["files"].items(), key=lambda item: item[1]["summary"]["percent_covered"])
        for name, entry in worst[:8]:
            print(f"  {entry['summary']['percent_covered']:6.2f} %  {name}: lines {entry['missing_lines'][:12]}")
    return int(low)


if __name__ == "__main__":
    sys.exit(main())
