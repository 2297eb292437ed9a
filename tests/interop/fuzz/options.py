"""How a document is encrypted: selector, key groups, and the layout that sops writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from secrettool.keys.recipients import age_keys
from secrettool.sops.keygroups import KeyGroup
from secrettool.sops.selection import Selector
from tests.interop.fuzz.texts import weighted

KEYS = Path(__file__).parents[2] / "vectors" / "keys"
GUEST = "age4"
"""The key that the edits add; no document is encrypted for it."""

SUFFIXES = ("_unencrypted", "_secret", "a", "é", "key")
KEY_EXPRESSIONS = (
    "^(data|stringData|b)$",
    "^a$",
    "l",
    "(?i)^upper",
    "^.{1,3}$",
    "[[:lower:]]$",
    r"\pL\d?",
    r"^\Qa.b\E",
    "k(ey)?|secret",
    ".",
    "^$",
    r"\s",
)
# Ciphertext must not match by chance: sops refuses a comment whose ciphertext matches.
COMMENT_EXPRESSIONS = ("secret", "^ c", "#", r"^\s*$", "^ ?x", "secret|two words", "^")
BROKEN = ("(", "(?=a)", r"(a)\1", "[", r"\C")


class Options(NamedTuple):
    """How a document is encrypted.

    Attributes:
        selector: What is encrypted; the default rule when None.
        mac_only_encrypted: Whether the MAC leaves clear values out.
        groups: Names of the keys of each key group.
        threshold: Groups needed to open; 0 means all.
        indent: Indentation that sops shall write; None for its default.
    """

    selector: Selector | None = None
    mac_only_encrypted: bool = False
    groups: tuple[tuple[str, ...], ...] = (("age1",),)
    threshold: int = 0
    indent: int | None = None

    @property
    def by_comments(self) -> bool:
        """Whether comments select what is encrypted."""
        return self.selector is not None and "comment" in self.selector.kind

    def config(self) -> str:
        """The same as a config file of sops."""
        rule: dict[str, Any] = {"mac_only_encrypted": self.mac_only_encrypted}
        if self.selector is not None:
            rule[self.selector.kind] = self.selector.text
        recipients = [[recipient(name) for name in group] for group in self.groups]
        if len(self.groups) == 1:
            rule["age"] = ",".join(recipients[0])
        else:
            rule["key_groups"] = [{"age": group} for group in recipients]
        if self.threshold:
            rule["shamir_threshold"] = self.threshold
        layout = {} if self.indent is None else {name: {"indent": self.indent} for name in ("yaml", "json", "json_binary")}
        return json.dumps({"creation_rules": [rule], "stores": layout}, ensure_ascii=False)

    def key_groups(self) -> tuple[KeyGroup, ...]:
        """The same as master keys."""
        return tuple(tuple(key for name in group for key in age_keys(recipient(name))) for group in self.groups)


def identity(name: str) -> str:
    """The identity file of a throwaway key."""
    return (KEYS / f"{name}.txt").read_text(encoding="utf-8")


def recipient(name: str) -> str:
    """The public key of a throwaway key, as its file says in a comment."""
    for line in identity(name).splitlines():
        if "public key:" in line:
            return line.split("public key:")[1].strip()
    raise ValueError(f"{name} does not say its public key")


def _selector(kind: Any, texts: tuple[str, ...]) -> st.SearchStrategy[Selector | None]:
    return st.sampled_from(texts).map(lambda text: Selector(kind, text))


SELECTORS: st.SearchStrategy[Selector | None] = weighted(
    (12, st.none()),
    (5, _selector("unencrypted_suffix", SUFFIXES)),
    (5, _selector("encrypted_suffix", SUFFIXES)),
    (5, _selector("encrypted_regex", KEY_EXPRESSIONS)),
    (5, _selector("unencrypted_regex", KEY_EXPRESSIONS)),
    (5, _selector("encrypted_comment_regex", COMMENT_EXPRESSIONS)),
    (5, _selector("unencrypted_comment_regex", COMMENT_EXPRESSIONS)),
    (1, _selector("encrypted_regex", BROKEN) | _selector("unencrypted_comment_regex", BROKEN)),
)
GROUPS: st.SearchStrategy[tuple[tuple[tuple[str, ...], ...], int]] = st.sampled_from(
    (
        *(((("age1",),), 0),) * 8,
        ((("age1", "age2"),), 0),
        ((("age2",), ("age1",)), 0),
        ((("age1",), ("age2",), ("age3", "age1")), 2),
    )
)


def options() -> st.SearchStrategy[Options]:
    """Options of every kind, the default ones most often."""
    return st.builds(
        lambda selector, only, groups, indent: Options(selector, only, groups[0], groups[1], indent),
        SELECTORS,
        st.sampled_from((False, False, True)),
        GROUPS,
        st.sampled_from((None, None, None, 2, 3, 9)),
    )
