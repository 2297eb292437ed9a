"""Why a file is encrypted the way it is: the rules that were tried, and what comes out, for `config explain`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from secrettool.config import ConfigFile, CreationPlan, resolve
from secrettool.errors import SecrettoolError
from secrettool.sops.rules import RuleMatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secrettool.masterkeys import ExplicitKeys
    from secrettool.sops.keygroups import KeyGroup
    from secrettool.sops.selection import SelectorKind

_WORDS = {True: "yes", False: "no", None: "-"}


class Explanation(NamedTuple):
    """What `config explain` shows.

    Attributes:
        path: Absolute path of the file; it need not exist.
        config: Path of the config file; None without one.
        match: What matching found; None without creation rules.
        plan: How the file would be encrypted; None when it cannot be.
        error: Why it cannot be.
    """

    path: str
    config: str | None
    match: RuleMatch | None
    plan: CreationPlan | None
    error: SecrettoolError | None


def explain(
    config: ConfigFile | None,
    path: str,
    explicit: ExplicitKeys | None = None,
    *,
    selectors: Mapping[SelectorKind, str] | None = None,
    shamir_threshold: int = 0,
    mac_only_encrypted: bool = False,
    single_value_store: str | None = None,
) -> Explanation:
    """Explain what `resolve` does with the same arguments. A path that cannot be encrypted gives an explanation too, with the error in it."""
    match = None if config is None else config.rule_for(path)
    plan: CreationPlan | None = None
    problem: SecrettoolError | None = None
    try:
        plan = resolve(
            config,
            path,
            explicit,
            selectors=selectors,
            shamir_threshold=shamir_threshold,
            mac_only_encrypted=mac_only_encrypted,
            single_value_store=single_value_store,
        )
    except SecrettoolError as error:
        problem = error
    return Explanation(path, None if config is None else config.path, match, plan, problem)


def _rule_records(match: RuleMatch) -> list[dict[str, object]]:
    records: list[dict[str, object]] = []
    for number, rule in enumerate(match.rules):
        matches, reason = match.verdict(number)
        records.append({"rule": rule.where, "path_regex": rule.path_regex, "matches": matches, "reason": reason})
    return records


def _shares_needed(plan: CreationPlan) -> int:
    """How many groups must open: the threshold, all of them without one, and the only one whatever the threshold."""
    return 1 if len(plan.groups) == 1 else plan.shamir_threshold or len(plan.groups)


def _keys_source(plan: CreationPlan) -> str:
    if plan.explicit or plan.rule is None:
        return "options or environment"
    return plan.rule.where


def as_mapping(explanation: Explanation) -> dict[str, object]:
    """The explanation for JSON.

    Returns:
        `path`, `config`, `matched_text`, `rules` (each `rule`, `path_regex`, `matches`, `reason`), `error` (None, or `message`, `hint`, `exit_code`)
        and, unless there is an error, `keys_from`, `groups` (lists of `kind` and `key`), `shamir_threshold`, `shares_needed`, `selector` (None, or
        `kind` and `text`), `mac_only_encrypted` and `warnings`.
    """
    match, plan, error = explanation.match, explanation.plan, explanation.error
    record: dict[str, object] = {
        "path": explanation.path,
        "config": explanation.config,
        "matched_text": None if match is None else match.text,
        "rules": [] if match is None else _rule_records(match),
        "error": None if error is None else {"message": str(error), "hint": error.hint, "exit_code": int(error.code)},
    }
    if plan is not None:
        selector = plan.selector
        record |= {
            "keys_from": _keys_source(plan),
            "groups": [[{"kind": key.kind, "key": key.text} for key in group] for group in plan.groups],
            "shamir_threshold": plan.shamir_threshold,
            "shares_needed": _shares_needed(plan),
            "selector": None if selector is None else {"kind": selector.kind, "text": selector.text},
            "mac_only_encrypted": plan.mac_only_encrypted,
            "warnings": list(plan.warnings),
        }
    return record


def _group_lines(groups: tuple[KeyGroup, ...]) -> Iterator[str]:
    for number, group in enumerate(groups):
        indent = "  "
        if len(groups) > 1:
            yield f"  group {number}"
            indent = "    "
        if not group:
            yield f"{indent}no key: encrypting fails"
        for key in group:
            yield f"{indent}{key.kind:<9}{key.text}"


def _plan_lines(plan: CreationPlan) -> Iterator[str]:
    yield f"keys      from {_keys_source(plan)}"
    yield from _group_lines(plan.groups)
    if len(plan.groups) > 1:
        yield f"threshold {_shares_needed(plan)} of {len(plan.groups)} groups open the file"
    if plan.selector is None:
        yield "selector  none, the whole file is one value"
    else:
        yield f"selector  {plan.selector.kind}: {plan.selector.text}"
    yield f"mac       over {'encrypted values only' if plan.mac_only_encrypted else 'all values'}"
    for warning in plan.warnings:
        yield f"warning   {warning}"


def as_text(explanation: Explanation) -> str:
    """The explanation for people: some lines, with a line break at the end."""
    lines = [f"file      {explanation.path}", f"config    {explanation.config or 'none'}"]
    if explanation.match is None:
        lines.append("rules     none")
    else:
        lines += [f"matched   {explanation.match.text}", "rules"]
        for number, rule in enumerate(explanation.match.rules):
            matches, reason = explanation.match.verdict(number)
            expression = f": {rule.path_regex}" if rule.path_regex else ""
            lines.append(f"  {_WORDS[matches]:<4}{rule.where}  {reason}{expression}")
        if not explanation.match.rules:
            lines.append("  none in the list, so no file matches")
    if explanation.plan is not None:
        lines += _plan_lines(explanation.plan)
    if explanation.error is not None:
        lines.append(f"error     {explanation.error}")
        if explanation.error.hint:
            lines.append(f"hint      {explanation.error.hint}")
    return "\n".join(lines) + "\n"
