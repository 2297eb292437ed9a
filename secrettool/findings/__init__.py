"""Findings: what is wrong with files and objects, and how it is printed for people, scripts and the pages of a forge.

model    one finding
rules    a title for each code
text     a line for each
json     for scripts
github   workflow commands, which become annotations
sarif    for code scanning
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Literal, TypeAlias, get_args

from secrettool.findings.model import Finding, Severity

__all__ = ["FORMS", "Finding", "Form", "Severity", "render"]

Form: TypeAlias = Literal["text", "json", "github", "sarif"]

FORMS: tuple[Form, ...] = get_args(Form)


def render(findings: Sequence[Finding], form: Form) -> str:
    """All findings in a form, ending with a newline.

    For no findings `text` and `github` are empty, `json` and `sarif` say so in their own way.
    """
    text: str = import_module(f"secrettool.findings.{form}").render(findings)
    return text
