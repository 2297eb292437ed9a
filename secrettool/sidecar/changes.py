"""Which changes of a source somebody may want to know of, and how they are put into words: codes, names and counts, never a value."""

from __future__ import annotations

from typing import Final, NamedTuple

from secrettool.findings.model import one_line
from secrettool.sidecar.config import Change
from secrettool.sidecar.state import SourceState

MOST_FINDINGS: Final = 3
"""Findings that are quoted."""

LONGEST_LINE: Final = 300
"""Characters of a line; the rest is left out."""


class News(NamedTuple):
    """What happened to a source at one moment.

    Attributes:
        time: When, seconds since 1970.
        source: Its id.
        changes: What kinds of change it is; at least one.
        revision: The revision that was worked on.
        cause: What the pass failed at; empty when it did not.
        failures: Failed passes since the last one that went well.
        text: In words, some lines.
    """

    time: float
    source: str
    changes: tuple[Change, ...]
    revision: str
    cause: str
    failures: int
    text: str


def news(before: SourceState, after: SourceState, time: float) -> News | None:
    """What two states of a source, one after the other, have to tell; None when it is nothing.

    Only changes count: that a pass fails as the one before it did, or goes well again and again, is no news.

    Args:
        before: The one.
        after: The other.
        time: When it happened, seconds since 1970.
    """
    found: dict[Change, str] = {}
    if after.result == "failed":
        if before.result != "failed":
            found["failed"] = _failed(after)
        if after.cause == "guard" and (before.result != "failed" or before.cause != "guard"):
            found["guard"] = _failed(after)
    elif before.result == "failed" and after.result is not None:
        found["recovered"] = f"well again after {_passes(before.failures)}, at revision {after.revision or 'unknown'}"
    if after.keys_taken > before.keys_taken > 0:
        found["keys"] = f"other keys were loaded: {_identities(after)}"
    elif after.keys_loaded and after.keys_error and after.keys_error != before.keys_error:
        found["keys"] = f"the keys that lie there now were refused, the former ones are still used: {after.keys_error}"
    if not found:
        return None
    # That the guard refused something says why the pass failed: one message, not two.
    lines = list(dict.fromkeys(found.values()))
    whole = "\n".join(_short(line) for text in lines for line in text.split("\n"))
    return News(time, after.id, tuple(found), _short(after.attempted_revision), after.cause, after.failures, f"{after.id} ({after.mode}): {whole}")


def _failed(after: SourceState) -> str:
    what = "the guard refused it" if after.cause == "guard" else f"failed: {after.cause or 'unexpected'}"
    errors = [finding for finding in after.findings if finding.severity == "error"]
    lines = [f"{what}, at revision {after.attempted_revision or 'unknown'}", *(one_line(str(error)) for error in errors[:MOST_FINDINGS])]
    if len(errors) > MOST_FINDINGS:
        lines.append(f"and {len(errors) - MOST_FINDINGS} more")
    return "\n".join(lines)


def _identities(source: SourceState) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(source.identities.items())) or "none"


def _passes(number: int) -> str:
    return "a failed pass" if number == 1 else f"{number} failed passes"


def _short(line: str) -> str:
    clean = one_line(line)
    return clean if len(clean) <= LONGEST_LINE else clean[: LONGEST_LINE - 1] + "…"
