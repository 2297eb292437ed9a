"""One finding: what is wrong, how much it matters, and where. Its text never holds a value."""

from __future__ import annotations

from typing import Literal, NamedTuple

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

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{self.code} " + ": ".join(part for part in (place, self.subject, self.key, self.text) if part)
