"""Names for the values, variables and targets of a new patch map."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, count
from typing import Final

from secrettool.objects import Ref

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_RESERVED: Final = ("GITHUB_", "ACTIONS_", "RUNNER_")
"""Beginnings that GitHub keeps for itself."""


class Namer:
    """Gives every name once.

    Attributes:
        given: Variable by value, in the order in which they were made.
    """

    def __init__(self) -> None:
        self.given: dict[str, str] = {}
        self._variables: set[str] = set()
        self._ids: set[str] = set()

    def value(self, ref: Ref, parts: Iterable[str]) -> str:
        """A new value.

        Args:
            ref: The object that it is for.
            parts: What to call it after, such as the names of the object and of its key.
        """
        words = _distinct(parts)
        named = ((_camel_case(each), _variable(each)) for each in _candidates(words, words_of(ref.namespace)))
        name, variable = next(each for each in named if each[0] not in self.given and each[1] not in self._variables)
        self.given[name] = variable
        self._variables.add(variable)
        return name

    def target_id(self, ref: Ref) -> str:
        """A new target."""
        plain = [re.sub(r"[^a-z0-9.-]", "-", part.lower()) for part in (ref.name, ref.namespace, ref.kind)]
        name, namespace, kind = (part.lstrip(".-") for part in plain)
        namespaced = f"{namespace}.{name}" if namespace else name
        whole = f"{namespaced}.{kind}"
        candidates = chain((name, namespaced, whole), (f"{whole}.{number}" for number in count(2)))
        found = next(each for each in candidates if each not in self._ids)
        self._ids.add(found)
        return found


def words_of(text: str) -> list[str]:
    """The words of a name, in lower case: `clientSecret` and `client-secret` have two."""
    return [word.lower() for word in _WORD.findall(text)]


def _distinct(parts: Iterable[str]) -> list[str]:
    """The words of all parts; two at least, so that no variable such as PATH comes out."""
    words: list[str] = []
    for part in parts:
        words += [word for word in words_of(part) if word not in words]
    return words if len(words) > 1 else [*words, "value"]


def _candidates(words: list[str], namespace: list[str]) -> Iterator[list[str]]:
    yield words
    if namespace and words[: len(namespace)] != namespace:
        yield [*namespace, *words]
    yield from ([*words, str(number)] for number in count(2))


def _camel_case(words: list[str]) -> str:
    name = words[0] + "".join(word.capitalize() for word in words[1:])
    return name if name[0].isalpha() else f"v{name}"


def _variable(words: list[str]) -> str:
    name = "_".join(words).upper()
    if name.startswith(_RESERVED):
        return f"SECRET_{name}"
    return name if name[0].isalpha() else f"V_{name}"
