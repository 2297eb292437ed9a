"""Findings for scripts, as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from secrettool.findings.model import Finding

SCHEMA = "secrettool.findings/1"
"""Name of the form. The number grows when a field goes or changes its meaning; fields may be added under the same number."""


def render(findings: Sequence[Finding]) -> str:
    """An object with `schema`, `findings` in order, each with all fields of `Finding` (null where there is nothing), and `totals` by severity."""
    counts = Counter(finding.severity for finding in findings)
    whole = {
        "schema": SCHEMA,
        "findings": [finding._asdict() for finding in findings],
        "totals": {severity: counts[severity] for severity in ("error", "warning", "note")},
    }
    return json.dumps(whole, indent=2) + "\n"
