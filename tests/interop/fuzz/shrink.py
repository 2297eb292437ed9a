"""Making a case smaller while it still shows the same disagreement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from tests.interop.fuzz.comparison import Case
from tests.interop.fuzz.edits import Edit
from tests.interop.fuzz.options import Options

LIMIT = 400
"""Comparisons that one shrinking may cost."""


def shrink(case: Case, same: Callable[[Case], bool]) -> Case:
    """Leave out options, the change, lines and characters, as long as `same` says that nothing else was found.

    Args:
        case: A case of which `same` holds.
        same: Whether another case shows the same disagreement.
    """
    left = LIMIT

    def holds(candidate: Case) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and same(candidate)

    for simpler in (case._replace(options=Options()), case._replace(options=Options(case.options.selector)), case._replace(edit=Edit("rotate"))):
        if simpler != case and holds(simpler):
            case = simpler
    for cut in (_lines, list):
        parts = cut(case.data.decode("utf-8", "surrogateescape"))
        case = _with(case, _fewer(parts, partial(_holds_with, holds, case)))
    return case


def _with(case: Case, parts: Sequence[str]) -> Case:
    return case._replace(data="".join(parts).encode("utf-8", "surrogateescape"))


def _holds_with(holds: Callable[[Case], bool], case: Case, parts: Sequence[str]) -> bool:
    return holds(_with(case, parts))


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _fewer(parts: Sequence[str], holds: Callable[[Sequence[str]], bool]) -> list[str]:
    """The parts that are needed: ever smaller runs of them are left out (delta debugging)."""
    kept = list(parts)
    size = max(len(kept) // 2, 1)
    while kept:
        start = 0
        while start < len(kept):
            candidate = kept[:start] + kept[start + size :]
            if holds(candidate):
                kept = candidate
            else:
                start += size
        if size == 1:
            break
        size //= 2
    return kept
