"""Runs of simple lines, `key: value` one below the other, which long files mostly consist of.

libyaml makes two events with four marks for such a line, which is most of the time that a large file takes. So the lines inside a run are taken out
of what libyaml gets. Its first and its last line stay: where libyaml says that the first one is a pair of a block mapping, on that line alone, the
lines behind it can be nothing else than further pairs of this mapping. Where it says something different (the run is inside a block scalar, say), the
text is read again as a whole.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LEAST_LINES = 8

# Keys and values that are plain scalars beyond doubt: no blank, no colon at the end, no indicator at the start. Without comments in the text, a `#`
# behind another character is part of the scalar.
_LINE = re.compile(r"(?m)^( *)([A-Za-z_][A-Za-z0-9_./-]{0,200}): ([A-Za-z0-9_/.+~][!-~]*)(?<!:)\n")


class Run(NamedTuple):
    """Lines at one column.

    Attributes:
        key: Offset of the key on the first line.
        start: Offset of the second line.
        end: Offset of the last line.
        column: Column of the keys.
        pairs: Keys and values of the lines from `start` to `end`.
    """

    key: int
    start: int
    end: int
    column: int
    pairs: list[tuple[str, str]]


def find_runs(text: str, least: int = LEAST_LINES) -> list[Run]:
    """The runs of a text without comments, of at least so many lines, in its order."""
    runs: list[Run] = []
    first = end = column = -1
    blanks = ""
    pairs: list[tuple[str, str]] = []
    for found in _LINE.finditer(text):
        indent, key, value = found.groups()
        start = found.start()
        if start != end or indent != blanks:
            if len(pairs) >= least:
                runs.append(_run(first, end, column, pairs))
            first, blanks, column, pairs = start, indent, len(indent), []
        pairs.append((key, value))
        end = found.end()
    if len(pairs) >= least:
        runs.append(_run(first, end, column, pairs))
    return runs


def _run(first: int, end: int, column: int, pairs: list[tuple[str, str]]) -> Run:
    """The run of some lines; `first` and `end` enclose them all."""
    return Run(first + column, first + _length(column, pairs[0]), end - _length(column, pairs[-1]), column, pairs[1:-1])


def _length(column: int, pair: tuple[str, str]) -> int:
    return column + len(pair[0]) + len(": ") + len(pair[1]) + len("\n")


def without_runs(text: str, runs: list[Run]) -> str:
    """The text without the lines that the runs hold."""
    parts: list[str] = []
    position = 0
    for run in runs:
        parts.append(text[position : run.start])
        position = run.end
    parts.append(text[position:])
    return "".join(parts)
