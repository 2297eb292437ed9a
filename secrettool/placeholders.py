"""Placeholders: what one is, and where it stands in an object.

Pure. A placeholder is a token such as `REPLACE_ME` that a person wrote where a secret belongs; the live cluster gets the value from elsewhere.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

DEFAULT_TOKENS = ("REPLACE_ME",)

PlaceholderClass = Literal["exact", "tagged", "embedded"]
"""`exact`: the whole value is the token; `tagged`: one line that starts with it, the rest is a note for people; `embedded`: part of a longer text."""


class PlaceholderPolicy(NamedTuple):
    """What is done about placeholders.

    Attributes:
        refuse: Whether an object that holds one is refused.
        tokens: The tokens, case-sensitive.
    """

    refuse: bool
    tokens: tuple[str, ...] = DEFAULT_TOKENS


REFUSE = PlaceholderPolicy(True)
ALLOW = PlaceholderPolicy(False)


def classify(text: str, tokens: tuple[str, ...] = DEFAULT_TOKENS) -> PlaceholderClass | None:
    """What kind of placeholder a text is; None for a text without one. White space around it does not count."""
    stripped = text.strip()
    for token in tokens:
        if stripped == token:
            return "exact"
        rest = stripped[len(token) : len(token) + 1]
        if stripped.startswith(token) and not rest.isalnum() and len(stripped.splitlines()) == 1:
            return "tagged"
    return "embedded" if any(_embedded(token).search(text) for token in tokens) else None


@lru_cache(maxsize=64)
def _embedded(token: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9_]){re.escape(token)}(?![A-Za-z0-9])")
