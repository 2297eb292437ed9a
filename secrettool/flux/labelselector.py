"""Label selectors as text, such as `app=shop,tier in (web, data),!legacy`.

Source: k8s.io/apimachinery pkg/labels/selector.go (Parse, Requirement.Matches).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

Operator: TypeAlias = Literal["in", "notin", "exists", "!exists", "gt", "lt"]

_REQUIREMENT = re.compile(
    r"""\s*(?:
        (?P<not>!)\s*(?P<absent>[\w./-]+)
      | (?P<key>[\w./-]+)\s*(?:
            (?P<equal>==|=|!=)\s*(?P<value>[\w./-]*)
          | (?P<order>[<>])\s*(?P<number>-?\d+)
          | (?P<set>in|notin)\s*\((?P<values>[^()]*)\)
        )?
    )\s*(?:,|$)""",
    re.VERBOSE,
)


class Requirement(NamedTuple):
    """One condition of a selector."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, object]) -> bool:
        """Whether labels meet it. A label that is absent meets `notin` and `!exists` only."""
        found = labels.get(self.key)
        if self.operator in ("exists", "!exists"):
            return (self.key in labels) is (self.operator == "exists")
        if not isinstance(found, str):
            return self.operator == "notin"
        if self.operator in ("gt", "lt"):
            return _is_ordered(found, self.operator, next(iter(self.values)))
        return (found in self.values) is (self.operator == "in")


@lru_cache(maxsize=256)
def parse(text: str) -> tuple[Requirement, ...]:
    """Read a selector; the empty text has no requirement.

    Raises:
        ValueError: It is no selector.
    """
    found: list[Requirement] = []
    position = 0
    while position < len(text.rstrip()):
        match = _REQUIREMENT.match(text, position)
        if match is None:
            raise ValueError("not a label selector")
        found.append(_requirement(match))
        position = match.end()
    if text.rstrip().endswith(","):
        raise ValueError("not a label selector")
    return tuple(found)


def _requirement(match: re.Match[str]) -> Requirement:
    part = match.groupdict()
    if part["not"]:
        return Requirement(part["absent"], "!exists")
    key = part["key"]
    if part["equal"]:
        return Requirement(key, "notin" if part["equal"] == "!=" else "in", frozenset({part["value"]}))
    if part["order"]:
        return Requirement(key, "gt" if part["order"] == ">" else "lt", frozenset({part["number"]}))
    if part["set"]:
        operator: Operator = "in" if part["set"] == "in" else "notin"
        return Requirement(key, operator, frozenset(value.strip() for value in part["values"].split(",")))
    return Requirement(key, "exists")


def _is_ordered(found: str, operator: Operator, limit: str) -> bool:
    try:
        number = int(found)
    except ValueError:
        return False
    return number > int(limit) if operator == "gt" else number < int(limit)
