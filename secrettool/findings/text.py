"""Findings for people: a line for each, and a hint below those that share it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from secrettool.findings.model import Finding, one_line


def render(findings: Sequence[Finding]) -> str:
    """A line `CODE file:line: object: key: text` for each finding, in order; a hint stands once below findings in a row of the same rule."""
    lines: list[str] = []
    for (_, hint), group in groupby(findings, key=lambda finding: (finding.code, finding.hint)):
        lines += [one_line(str(finding)) for finding in group]
        if hint:
            lines.append(f"hint: {one_line(hint)}")
    return "".join(f"{line}\n" for line in lines)
