"""Compare the help texts quoted in the documentation with the real ones.

A quotation is a fenced block right after a line such as `<!-- help: secrettool encrypt --help -->`.

Usage: check_help.py [--update]      --update writes the real texts into the files
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- help: secrettool(?P<words>[^\n]*?) -->\n+```[a-z]*\n)(?P<text>.*?)(?=^```$)", re.DOTALL | re.MULTILINE)
WIDTH = "100"  # columns


def real_help(words: str) -> str:
    """What the command prints, in a terminal of fixed width and without colour."""
    environment = os.environ | {"COLUMNS": WIDTH, "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "secrettool", *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        sys.exit(f"check_help: secrettool{words} ended with {done.returncode}:\n{done.stderr}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def main() -> int:
    """Print the differences; 1 when there is one."""
    update = "--update" in sys.argv[1:]
    found, wrong = 0, 0
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text()
        fresh = text
        for block in BLOCK.finditer(text):
            found += 1
            real = real_help(block["words"])
            if real == block["text"]:
                continue
            wrong += 1
            fresh = fresh.replace(block[0], block[1] + real)
            if not update:
                name = str(path.relative_to(ROOT))
                sys.stdout.writelines(
                    difflib.unified_diff(block["text"].splitlines(True), real.splitlines(True), name, f"secrettool{block['words']}")
                )
        if update and fresh != text:
            path.write_text(fresh)
    print(f"  {found} help texts, {wrong} {'updated' if update else 'different'}")
    if wrong and not update:
        print("check_help: run `.venv/bin/python tools/check_help.py --update`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
