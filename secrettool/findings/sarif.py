"""Findings as SARIF 2.1.0, for code scanning.

Source: OASIS SARIF 2.1.0; GitHub's documentation of the properties that code scanning reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from secrettool import __version__
from secrettool.findings.model import Finding
from secrettool.findings.rules import TITLES

SCHEMA_URI = "https://json.schemastore.org/sarif-2.1.0.json"
FINGERPRINT = "secrettool/v1"


def render(findings: Sequence[Finding]) -> str:
    """One run with a rule for each code and a result for each finding. It holds no snippet: only places, codes and texts."""
    first: dict[str, Finding] = {}
    for finding in findings:
        first.setdefault(finding.code, finding)
    numbers = {code: number for number, code in enumerate(first)}
    driver = {"name": "secrettool", "semanticVersion": __version__, "rules": [_rule(example) for example in first.values()]}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": [_result(finding, numbers) for finding in findings]}
    return json.dumps({"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(example: Finding) -> dict[str, Any]:
    title = {"text": TITLES.get(example.code, example.code)}
    return {
        "id": example.code,
        "shortDescription": title,
        "fullDescription": title,
        "help": {"text": example.hint or title["text"]},
        "defaultConfiguration": {"level": example.severity},
    }


def _result(finding: Finding, numbers: dict[str, int]) -> dict[str, Any]:
    text = f"{finding.message} ({finding.hint})" if finding.hint else finding.message
    location = _location(finding)
    return {
        "ruleId": finding.code,
        "ruleIndex": numbers[finding.code],
        "level": finding.severity,
        "message": {"text": text},
        "locations": [location] if location else [],
        "partialFingerprints": {FINGERPRINT: _fingerprint(finding)},
    }


def _location(finding: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if finding.file is not None:
        physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.file)}}
        if finding.line is not None:
            physical["region"] = {"startLine": finding.line}
        location["physicalLocation"] = physical
    if finding.subject is not None:
        name = ": ".join(part for part in (finding.subject, finding.key) if part)
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "object"}]
    return location


def _uri(path: str) -> str:
    quoted = quote(path.encode("utf-8", "surrogateescape"))
    return f"file://{quoted}" if path.startswith("/") else quoted


def _fingerprint(finding: Finding) -> str:
    """A digest of the rule, the object and the place in it, so that moved lines stay the same result. None of them is a value."""
    parts = (finding.code, finding.subject or "", finding.key or "")
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
