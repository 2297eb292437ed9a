"""Findings as workflow commands of GitHub Actions, which show them as annotations.

Source: GitHub's documentation of workflow commands; actions/toolkit packages/core/src/command.ts (escapeData, escapeProperty).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from secrettool.findings.model import Finding, Severity, one_line

_COMMANDS: Mapping[Severity, str] = {"error": "error", "warning": "warning", "note": "notice"}


def render(findings: Sequence[Finding]) -> str:
    """A line such as `::error file=app/db.yaml,line=3,title=HK150::Secret/db: password: text%0Ahint` for each finding."""
    return "".join(f"{_command(finding)}\n" for finding in findings)


def escape_data(text: str) -> str:
    """Text behind the `::` of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Text of a property of a command."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def _command(finding: Finding) -> str:
    properties = {"file": finding.file, "line": finding.line if finding.file else None, "title": finding.code}
    given = ",".join(f"{name}={escape_property(one_line(str(value)))}" for name, value in properties.items() if value is not None)
    lines = [one_line(part) for part in (finding.message, finding.hint) if part]
    return f"::{_COMMANDS[finding.severity]} {given}::{escape_data(chr(10).join(lines))}"
