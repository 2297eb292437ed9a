"""Tables of the documentation that say what code says: made from it, so that a test can compare them."""

from __future__ import annotations

from pathlib import Path

import yaml

from secrettool.patcher.policy import TABLE, Row, Verdict

ROOT = Path(__file__).resolve().parents[1]

_GIT = {
    "full": "`reconcile: disabled` or `ssa: Ignore`",
    "once": "`ssa: IfNotPresent`",
    "rule": "a rule of `spec.ignore`",
    "none": "no protection, and sets a key that is filled",
    "free": "sets no key that is filled",
}
_LIVE = {"full": "annotated", "open": "not annotated", "missing": "missing"}
_OWNED = {None: "", True: ", owned", False: ", not owned"}


def policy_table() -> str:
    """The table of `secrettool.patcher.policy` for people, in Markdown."""
    lines = ["| # | Git | live | `ensure` | `require` | `warn` |", "| --- | --- | --- | --- | --- | --- |"]
    for row in TABLE:
        cells = [str(row.number), _git(row), _live(row), *map(_verdict, (row.ensure, row.require, row.warn))]
        lines.append(f"| {' | '.join(cells)} |")
    return "".join(f"{line}\n" for line in lines)


def action_table() -> str:
    """The inputs of the action, in Markdown."""
    inputs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    lines = ["| input | default | |", "| --- | --- | --- |"]
    for name, each in inputs.items():
        default = f"`{each['default']}`" if each["default"] else ""
        lines.append(f"| `{name}` | {default} | {each['description']} |")
    return "".join(f"{line}\n" for line in lines)


def _git(row: Row) -> str:
    if "unknown" in row.git:
        return "not in Git, or unknown" if set(row.git) == {"absent", "unknown"} else "anything else"
    return _GIT[row.git[0]]


def _live(row: Row) -> str:
    return ("any" if len(row.live) > 1 else _LIVE[row.live[0]]) + _OWNED[row.owned]


def _verdict(verdict: Verdict) -> str:
    said = f"`{verdict.code}`" if verdict.code else ""
    if verdict.action == "refuse":
        return f"refuse {said}"
    if verdict.action == "missing":
        return f"`create`, else `onMissing`{f', {said}' if said else ''}"
    level = "note" if verdict.severity == "note" else "warn"
    return ", ".join(part for part in ("patch and add" if verdict.annotate else "patch", f"{level} {said}" if said else "") if part)
