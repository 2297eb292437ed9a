"""What an object should hold: the bytes of each key, from values, templates, JSON and filled texts.

All or nothing: with one error no key of the object is written.

Source: requirements PT-06 to PT-08; `VL03` and `PH006`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from secrettool.errors import SourceError
from secrettool.findings import Finding, Severity
from secrettool.objects import Object, Ref, folded
from secrettool.patcher.body import live_value
from secrettool.patcher.fill import FillError, filled
from secrettool.patcher.git import GitObject
from secrettool.patcher.mapping import AbsentForm, FillForm, JsonForm, JsonTree, KeyForm, KeyRule, Target, TemplateForm, ValueForm
from secrettool.patcher.templates import RenderError, Template
from secrettool.placeholders import DEFAULT_TOKENS, classify, find
from secrettool.sources.value import SecretValue

Values: TypeAlias = Mapping[str, "SecretValue | SourceError"]
"""What the sources gave, by name of the value."""

_HINT_LEFT = "map the rest of the text as well: the placeholders that are left are no values"


class Context(NamedTuple):
    """What an object's keys are made from, beside the values.

    Attributes:
        target: The target.
        ref: The object.
        git: What git has; None when it has nothing, or nobody looked.
        live: The object in the cluster; None when it is missing.
        tokens: What counts as a placeholder.
        may_be_empty: Whether empty text is a value, by name of the value.
    """

    target: Target
    ref: Ref
    git: GitObject | None
    live: Object | None
    tokens: tuple[str, ...] = DEFAULT_TOKENS
    may_be_empty: Callable[[str], bool] = lambda _: False

    def __repr__(self) -> str:
        return f"<Context {self.target.id} {self.ref}>"


class Wanted(NamedTuple):
    """What an object should hold.

    Attributes:
        fields: Bytes by key; None: the key is removed. Keys that stay as they are for want of a value are left out.
        findings: What is wrong; with an error among them nothing may be written.
    """

    fields: Mapping[str, bytes | None]
    findings: tuple[Finding, ...] = ()

    def __repr__(self) -> str:
        return f"<Wanted {', '.join(self.fields)}>"

    @property
    def is_whole(self) -> bool:
        """Whether the object may be written."""
        return not any(finding.severity == "error" for finding in self.findings)


def rules_to_apply(target: Target, live: Object | None, tokens: tuple[str, ...]) -> dict[str, KeyRule]:
    """The rules of a target without those that want a placeholder in the cluster and do not find one (PT-08)."""
    return {key: rule for key, rule in target.rules.items() if not rule.only_if_placeholder or live is None or _is_open(live, key, tokens)}


def placeholder_keys(obj: Object, tokens: tuple[str, ...]) -> dict[str, str]:
    """Keys of a Secret, or pointers into another kind, that are placeholders or hold one; with the places inside them, as people read them."""
    return {hit.key or hit.pointer: ", ".join(inner.pointer for inner in hit.inner) for hit in find(obj, tokens)}


def wanted(context: Context, rules: Mapping[str, KeyRule], values: Values) -> Wanted:
    """The bytes of every key.

    Args:
        context: What they are made from.
        rules: The rules that apply.
        values: At least the values that these rules use; those that are not there count as missing.
    """
    fields: dict[str, bytes | None] = {}
    findings: list[Finding] = []
    for key, rule in rules.items():
        maker = _Key(context, key, rule, values)
        problems = maker.problems()
        if not problems:
            try:
                fields[key] = maker.made()
                problems = maker.leftover(fields[key])
            except RenderError as error:
                problems = [maker.finding("TP01", error.message, where=error.where)]
            except FillError as error:
                problems = [maker.finding("FL01", error.message, where=error.where, hint=error.hint)]
            except SourceError as error:
                problems = [maker.finding(error.rule, error.message)]
        findings += problems
    return Wanted(fields, tuple(findings))


def _is_open(live: Object, key: str, tokens: tuple[str, ...]) -> bool:
    return live_value(live, key) is None or key in placeholder_keys(live, tokens)


class _Key(NamedTuple):
    """One key on the way to its bytes."""

    context: Context
    key: str
    rule: KeyRule
    values: Values

    def finding(self, code: str, text: str, *, severity: Severity = "error", where: str | None = None, hint: str | None = None) -> Finding:
        place = where if where and where.startswith(self.key) else ": ".join(part for part in (self.key, where) if part)
        return Finding(code, severity, text, subject=str(self.context.ref), key=place, hint=hint)

    def problems(self) -> list[Finding]:
        """Why the values do not do: some failed, some are missing, some are placeholders themselves (PT-07)."""
        found: list[Finding] = []
        for name in sorted(self.rule.names):
            error = self._error(name)
            if error is None:
                continue
            if not error.is_missing:
                found.append(self._value_finding(name, error, "error"))
            elif name in self.rule.required:
                lenient = self.rule.optional or self.context.target.policy.on_missing_value == "skip"
                found.append(self._value_finding(name, error, "note" if lenient else "error"))
        return found

    def made(self) -> bytes | None:
        """The bytes.

        Raises:
            RenderError: A template has no text.
            FillError: There is no text to fill.
            SourceError: A field needs text, and the value is none.
        """
        form: KeyForm = self.rule.form
        if isinstance(form, AbsentForm):
            return None
        if isinstance(form, ValueForm):
            value = self.values[form.name]
            assert isinstance(value, SecretValue)
            return value.reveal() if self.context.target.is_secret else value.text().encode()
        if isinstance(form, TemplateForm):
            return self._text(form.template).encode()
        if isinstance(form, JsonForm):
            return json.dumps(_tree(form.tree, self._text), ensure_ascii=False, separators=(",", ":")).encode()
        assert isinstance(form, FillForm)
        return filled(self._base(), {pointer: self._text(template) for pointer, template in form.leaves.items()})

    def leftover(self, value: bytes | None) -> list[Finding]:
        """A placeholder that is still there."""
        if value is None:
            return []
        entry: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "data": {self.key: b64encode(value).decode("ascii")}}
        left = placeholder_keys(entry, self.context.tokens)
        if not left:
            return []
        return [self.finding("PH006", "a placeholder is left in the text", where=left[self.key] or None, hint=_HINT_LEFT)]

    def _error(self, name: str) -> SourceError | None:
        value = self.values.get(name)
        if isinstance(value, SourceError):
            return value
        if value is None:
            return SourceError("VL01", "there is no such value", subject=name)
        if value.is_empty and not self.context.may_be_empty(name):
            return SourceError("VL02", "the value is empty", subject=name, hint="allowEmpty takes it")
        if classify(value.reveal().decode("utf-8", "surrogateescape"), self.context.tokens) in ("exact", "tagged"):
            return SourceError("VL03", "the value is a placeholder itself", subject=name)
        return None

    def _value_finding(self, name: str, error: SourceError, severity: Severity) -> Finding:
        source = f"{name} ({error.where})" if error.where else name
        stays = "; the key stays as it is" if severity == "note" else ""
        return self.finding(error.rule, f"value {source}: {error.message}{stays}", severity=severity, hint=error.hint)

    def _text(self, template: Template) -> str:
        there = {name: value for name in template.names if isinstance(value := self.values.get(name), SecretValue) and self._error(name) is None}
        return template.render(there, target=self.context.target.id, key=self.key)

    def _base(self) -> bytes:
        """The text to fill: that of the manifest, which is the one copy of its other leaves; without one that of the cluster."""
        git = self.context.git
        there = folded(git.obj) if git is not None and not git.is_encrypted else None
        for obj in (there, self.context.live):
            text = live_value(obj, self.key) if obj is not None else None
            if text is not None:
                return text
        raise FillError("there is no text to fill", hint="name the folders of the manifests with --manifests, or use json or template")


def _tree(root: JsonTree, text: Callable[[Template], str]) -> Any:
    """A tree with its templates rendered."""
    top: list[Any] = [None]
    waiting: list[tuple[Any, Any, str | int]] = [(root, top, 0)]
    while waiting:
        node, holder, place = waiting.pop()
        if isinstance(node, Mapping):
            holder[place] = made = dict.fromkeys(node)  # in the order of the map
            waiting += [(inner, made, key) for key, inner in node.items()]
        elif isinstance(node, tuple):
            holder[place] = items = [None] * len(node)
            waiting += [(inner, items, number) for number, inner in enumerate(node)]
        else:
            holder[place] = text(node) if isinstance(node, Template) else node
    return top[0]
