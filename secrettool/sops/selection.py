"""Selection: which leaves of a tree are encrypted.

Source: sops 3.13 sops.go (shouldBeEncrypted).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import methodcaller
from typing import Literal, NamedTuple, Protocol

from secrettool.errors import ExitCode, UsageError
from secrettool.sops.tree import Comment, TreePath, Visit

SelectorKind = Literal[
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
]
SELECTOR_KINDS: tuple[SelectorKind, ...] = (
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
)
DEFAULT_SUFFIX = "_unencrypted"


class Expression(Protocol):
    """A compiled expression."""

    def search(self, text: str) -> object | None:
        """A match anywhere in the text, or None."""


class ExpressionError(ValueError):
    """An expression that RE2 does not take."""


def compile_expression(expression: str) -> Expression:
    r"""Compile a regular expression under Go's rules (RE2, unanchored, without `\C`).

    Raises:
        ExpressionError: RE2 refuses it: look-around, back-references, or broken syntax.
    """
    import re2  # type: ignore[import-untyped]

    if r"\C" in expression.replace("\\\\", ""):
        raise ExpressionError(r"\C is not supported")
    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Expression = re2.compile(expression, options)
        return compiled
    except re2.error as error:
        reason = error.args[0]
        raise ExpressionError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from None


def _matcher(expression: str) -> Callable[[str], bool]:
    """A search that matches nothing when the expression does not compile, as the reference does."""
    try:
        search = compile_expression(expression).search
    except ExpressionError:
        return lambda text: False

    @lru_cache(maxsize=65536)
    def matches(text: str) -> bool:
        return search(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")) is not None

    return matches


class Selector(NamedTuple):
    """The one selector of a file.

    Attributes:
        kind: Which of the six it is.
        text: Suffix or expression, not empty.
    """

    kind: SelectorKind = "unencrypted_suffix"
    text: str = DEFAULT_SUFFIX

    def check(self) -> None:
        """Refuse an expression that would match nothing because it does not compile (sops encrypts nothing then, without a word).

        Raises:
            UsageError: With exit code 8.
        """
        if self.kind.endswith("regex"):
            try:
                compile_expression(self.text)
            except ExpressionError as error:
                raise UsageError(
                    f"{self.kind} does not compile: {error}",
                    hint="expressions follow RE2, as in Go: no look-around, no back-references",
                    code=ExitCode.CONFLICTING_PARAMETERS,
                ) from None


DEFAULT_SELECTOR = Selector()
"""What a file gets that names no selector."""


def _by_keys(matches: Callable[[str], bool], default: bool) -> Callable[[Visit], bool]:
    def selects(visit: Visit) -> bool:
        for key in visit[1]:
            if matches(key):
                return not default
        return default

    return selects


class Selection:
    """A selector at work on one tree; remembers its decisions about keys.

    Attributes:
        selector: The selector.
        by_visit: Whether this leaf or comment is encrypted. A function of its own for each kind, since it is called for every value of a file.
    """

    __slots__ = ("_comment_matches", "_default", "_key_matches", "by_visit", "selector")

    def __init__(self, selector: Selector) -> None:
        self.selector = selector
        kind, text = selector.kind, selector.text
        self._default = kind.startswith("unencrypted")
        self._comment_matches = _matcher(text) if "comment" in kind else None
        self._key_matches: Callable[[str], bool] | None = None
        self.by_visit: Callable[[Visit], bool] = self._by_comments
        if self._comment_matches is None:
            self._key_matches = methodcaller("endswith", text) if kind.endswith("suffix") else _matcher(text)
            self.by_visit = _by_keys(self._key_matches, self._default)

    def by_path(self, path: TreePath) -> bool:
        """Whether a leaf under this path is encrypted; True for a selector that looks at comments."""
        if self._key_matches is None:
            return True
        for key in path:
            if self._key_matches(key):
                return not self._default
        return self._default

    def _by_comments(self, visit: Visit) -> bool:
        assert self._comment_matches is not None
        levels = visit.comments
        if self._default:
            return not any(self._comment_matches(text) for level in levels for text in level)
        last = len(levels) - 1
        for number, level in enumerate(levels):
            # A comment does not select itself: it is the newest one of the innermost level.
            texts = level[:-1] if number == last and isinstance(visit.node, Comment) else level
            if any(self._comment_matches(text) for text in texts):
                return True
        return False

    def refuses(self, envelope: str) -> bool:
        """Whether a freshly encrypted comment would stop its own decryption (`unencrypted_comment_regex` alone)."""
        return self._comment_matches is not None and self._default and self._comment_matches(envelope)
