"""From a target of a patch map, as the schema lets it through, to the target; and whether it fits together."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, TypeAlias

from secrettool.patcher.mapping import (
    AbsentForm,
    Create,
    FillForm,
    JsonForm,
    JsonTree,
    KeyForm,
    KeyRule,
    NewSecret,
    Target,
    TargetPolicy,
    TemplateForm,
    ValueForm,
    Workload,
)
from secrettool.patcher.templates import Template, TemplateError, parse
from secrettool.yamlfile.located import LocatedYaml, Path
from secrettool.yamlfile.validation import Findings, choices

Fields: TypeAlias = Mapping[str, Any]

_POLICY: Final = {
    "annotationPolicy": "annotation",
    "onMissing": "on_missing",
    "onMissingNamespace": "on_missing_namespace",
    "onMissingValue": "on_missing_value",
    "allowEmpty": "allow_empty",
    "scrubLastApplied": "scrub_last_applied",
    "force": "force",
}
IDENTITY: Final = re.compile(r"/(?:apiVersion|kind|status|metadata/(?:name|namespace|uid|resourceVersion|managedFields))(?:/.*)?", re.DOTALL)
"""Fields that say which object it is, or belong to the server."""


def policy_of(fields: Fields, base: TargetPolicy) -> TargetPolicy:
    """A policy with the fields that are given in the place of those of another one."""
    names = TargetPolicy.__slots__
    given = {_POLICY[name]: value for name, value in fields.items()}
    return TargetPolicy(**{name: given.get(name, getattr(base, name)) for name in names})


class TargetLoader:
    """Makes targets.

    Args:
        source: The map.
        findings: Gets what is wrong with them.
        values: The names of the map's values.
        defaults: The policy of targets that change nothing.
    """

    def __init__(self, source: LocatedYaml, findings: Findings, values: Collection[str], defaults: TargetPolicy) -> None:
        self._source = source
        self._findings = findings
        self._values = values
        self._defaults = defaults

    def load(self, number: int, fields: Fields) -> Target:
        """One target.

        Args:
            number: Its index in the map.
            fields: What the map says.
        """
        path: Path = ("targets", number)
        ref = fields["ref"]
        section = "keys" if "keys" in fields else "fields"
        restart = fields.get("restart", ())
        target = Target(
            id=fields["id"],
            api_version=ref.get("apiVersion", "v1"),
            kind=ref["kind"],
            name=ref["name"],
            namespaces=tuple(ref.get("namespaces", [ref.get("namespace", "")])),
            rules={key: self._rule((*path, section, key), rule) for key, rule in fields[section].items()},
            groups=tuple(fields.get("groups", ())),
            create=_create(fields.get("create")),
            manifest=fields.get("manifest"),
            policy=policy_of(fields.get("policy", {}), self._defaults),
            restart="auto" if restart == "auto" else tuple(Workload(each["kind"], each["name"]) for each in restart),
            verify=tuple(fields.get("verify", {}).get("command", ())),
            line=self._source.spot(path).line,
        )
        self._check(path, target, section)
        return target

    def _check(self, path: Path, target: Target, section: str) -> None:
        if target.is_secret and target.namespaces == ("",):
            self._findings.add((*path, "ref"), "lacks namespace", "a Secret is always in one; give namespace, or a list as namespaces")
        if section == "keys" and not target.is_secret:
            self._findings.add((*path, "keys"), "is for Secrets", "use fields with JSON pointers, such as /data/url")
        if section == "fields" and target.is_secret:
            self._findings.add((*path, "fields"), "is for other kinds than Secrets", "use keys")
        if not target.is_secret and isinstance(target.create, NewSecret):
            self._findings.add((*path, "create"), "makes a Secret, and the target is none", "use create: from-manifest")
        if not target.is_secret and target.restart == "auto":
            self._findings.add((*path, "restart"), "finds what uses a Secret, and the target is none", "name the workloads")
        if section == "fields":
            for pointer in target.rules:
                if IDENTITY.fullmatch(pointer):
                    self._findings.add((*path, section, pointer), "is not for patches: it says which object it is, or belongs to the server")

    # ---- what is written -------------------------------------------------------------------------------------------------------------------------

    def _rule(self, path: Path, rule: Any) -> KeyRule:
        line = self._source.spot(path).line
        if isinstance(rule, str):
            self._check_value(path, rule)
            return KeyRule(ValueForm(rule), frozenset({rule}), frozenset({rule}), line=line)
        form = self._form(path, rule)
        if isinstance(form, ValueForm):
            names = required = frozenset({form.name})
        else:
            templates = list(_templates(form))
            names = frozenset[str]().union(*(template.names for template in templates))
            required = frozenset[str]().union(*(template.required for template in templates))
        return KeyRule(form, names, required, rule.get("optional", False), rule.get("onlyIfPlaceholder", False), line)

    def _form(self, path: Path, rule: Fields) -> KeyForm:
        if "value" in rule:
            self._check_value((*path, "value"), rule["value"])
            return ValueForm(rule["value"])
        if "template" in rule:
            return TemplateForm(self._template((*path, "template"), rule["template"]))
        if "json" in rule:
            return JsonForm(self._tree((*path, "json"), rule["json"]))
        if "fill" in rule:
            return FillForm({pointer: self._template((*path, "fill", pointer), text) for pointer, text in rule["fill"].items()})
        return AbsentForm()

    def _check_value(self, path: Path, name: str) -> None:
        if name not in self._values:
            self._findings.add(path, "is not in values", choices(name, self._values, "values"))

    def _template(self, path: Path, text: str) -> Template:
        try:
            return parse(text, self._values)
        except TemplateError as error:
            self._findings.add_in_text(path, error.line, error.message, error.hint)
            return Template("")

    def _tree(self, path: Path, node: Any) -> JsonTree:
        """The reader limits the depth of a map."""
        if isinstance(node, str):
            return self._template(path, node)
        if isinstance(node, dict):
            return {key: self._tree((*path, key), inner) for key, inner in node.items()}
        if isinstance(node, list):
            return tuple(self._tree((*path, number), inner) for number, inner in enumerate(node))
        number: int | float | bool | None = node
        return number


def _create(fields: Any) -> Create:
    if fields is None or fields == "from-manifest":
        return fields  # type: ignore[no-any-return]
    return NewSecret(**fields)


def _templates(form: KeyForm) -> Iterator[Template]:
    """The templates of a form."""
    waiting: list[Any] = []
    match form:
        case TemplateForm():
            yield form.template
        case FillForm():
            yield from form.leaves.values()
        case JsonForm():
            waiting.append(form.tree)
    while waiting:
        node = waiting.pop()
        if isinstance(node, Template):
            yield node
        elif isinstance(node, Mapping):
            waiting += node.values()
        elif isinstance(node, tuple):
            waiting += node
