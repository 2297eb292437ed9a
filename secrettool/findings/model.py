"""One finding: what is wrong, how much it matters, and where. Its text never holds a value."""

from __future__ import annotations

from typing import Literal, NamedTuple

from secrettool.errors import HookError

Severity = Literal["error", "warning", "note"]


class Finding(NamedTuple):
    """Something a person should know.

    Attributes:
        code: The rule, such as `HK007`.
        severity: How much it matters; an `error` decides the exit code of `check`.
        text: What is wrong, lower case, without a full stop, never with a value.
        file: The file, relative to what was looked at; None without one.
        line: Line in it from 1; None when it is not known.
        subject: The object (`Secret/namespace/name`); None without one.
        key: The entry of the object or the place in the file; None for the whole.
        hint: What to try; None when there is nothing to say.
    """

    code: str
    severity: Severity
    text: str
    file: str | None = None
    line: int | None = None
    subject: str | None = None
    key: str | None = None
    hint: str | None = None

    @classmethod
    def of(cls, error: HookError, *, file: str | None = None, line: int | None = None) -> Finding:
        """An error as a finding.

        Args:
            error: The error; what it names as its file or object becomes the subject.
            file: The file that the object was read from.
            line: Line at which the object begins.
        """
        return cls(error.rule, "error", error.message, file, line, error.file, error.where, error.hint)

    @property
    def message(self) -> str:
        """Object, place in it and cause, for a form that has places of its own for code, file and line."""
        return ": ".join(part for part in (self.subject, self.key, self.text) if part)

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}" if self.file else f"line {self.line}"
        return f"{self.code} " + ": ".join(part for part in (place, self.message) if part)


def one_line(text: str) -> str:
    """A text whose control characters are shown as escapes: names of keys come from files and must not look like lines of their own."""
    return text if text.isprintable() else "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
