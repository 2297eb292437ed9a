"""The status page: one page for people, without a script, that shows names and states, and never a value.

Everything that comes from outside is escaped by the template; control characters, also those that turn the direction of text, are shown as escapes.
The style is part of the page; its digest is in the content security policy, which allows nothing else.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from secrettool.findings import Finding
from secrettool.findings.model import one_line
from secrettool.sidecar.health import Clock, is_ready, readyz
from secrettool.sidecar.state import ObjectAction, ObjectState, Snapshot, SourceState
from secrettool.sidecar.status import stamp
from secrettool.sidecar.wsgi import POLICY

if TYPE_CHECKING:
    from jinja2 import Template

MOST_OBJECTS: Final = 500
"""Objects of a group that are shown; `/status` has all."""

REVISION_LENGTH: Final = 80

Look: TypeAlias = Literal["good", "bad", "warn", "plain"]

_LOOKS: Final[dict[ObjectAction, Look]] = {"failed": "bad", "conflict": "bad", "held": "warn", "skipped": "warn"}

_MINUTE, _HOUR, _DAY = 60, 3600, 86400

_NO_BREAK = "\u00a0"


class Row(NamedTuple):
    """One object."""

    name: str
    action: str
    reason: str
    look: Look


class Group(NamedTuple):
    """Some objects of a source."""

    title: str
    objects: tuple[Row, ...]
    left_out: int
    is_open: bool


class Note(NamedTuple):
    """One finding."""

    text: str
    code: str
    hint: str
    look: Look


class Card(NamedTuple):
    """One source."""

    id: str
    mood: str
    look: Look
    facts: tuple[tuple[str, str], ...]
    findings: tuple[Note, ...]
    groups: tuple[Group, ...]


class Page(NamedTuple):
    """Everything."""

    title: str
    version: str
    now: str
    uptime: str
    problems: tuple[str, ...]
    sources: tuple[Card, ...]


def render(snapshot: Snapshot, clock: Clock) -> bytes:
    """The page as of a moment."""
    return _template().render(page=_page(snapshot, clock), style=_style()).encode()


@cache
def policy() -> str:
    """The content security policy of the page."""
    digest = b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"{POLICY}; style-src 'sha256-{digest}'; img-src data:"


def ago(seconds: float | None, now: float) -> str:
    """A time and how long ago it was, or how long it is until then."""
    if seconds is None:
        return "not yet"
    age = now - seconds
    return f"{stamp(seconds)} ({span(age)}{_NO_BREAK}ago)" if age >= 0 else f"{stamp(seconds)} (in{_NO_BREAK}{span(-age)})"


def span(seconds: float) -> str:
    """A time span in its two largest units, which no line break parts."""
    whole = int(seconds)
    if whole < _MINUTE:
        text = f"{whole} s"
    elif whole < _HOUR:
        text = f"{whole // _MINUTE} min {whole % _MINUTE} s"
    elif whole < _DAY:
        text = f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    else:
        text = f"{whole // _DAY} d {whole % _DAY // _HOUR} h"
    return text.replace(" ", _NO_BREAK)


def _page(snapshot: Snapshot, clock: Clock) -> Page:
    sources = tuple(snapshot.sources.values())
    failing = sum(source.result == "failed" for source in sources)
    well = sum(source.result != "failed" and is_ready(source, clock) for source in sources)
    if failing:
        title = f"{failing} of {_sources(len(sources))} failing"
    else:
        title = f"{_sources(len(sources))}, all well" if well == len(sources) else f"{well} of {_sources(len(sources))} ready"
    uptime = span(max(0.0, clock.wall - snapshot.started))
    return Page(title, snapshot.version, stamp(clock.wall) or "", uptime, readyz(snapshot, clock), tuple(_card(source, clock) for source in sources))


def _sources(number: int) -> str:
    return f"{number} source" if number == 1 else f"{number} sources"


def _card(source: SourceState, clock: Clock) -> Card:
    mood, look = _mood(source, clock)
    troubled = [each for each in source.objects if each.action in _LOOKS or each.is_drifted]
    calm = [each for each in source.objects if each.action not in _LOOKS and not each.is_drifted]
    groups = (_group("to look at", troubled, is_open=True), _group("in order", calm, is_open=False))
    return Card(
        source.id, mood, look, tuple(_facts(source, clock)), tuple(map(_note, source.findings)), tuple(each for each in groups if each.objects)
    )


def _mood(source: SourceState, clock: Clock) -> tuple[str, Look]:
    if not source.is_leader:
        return "standing by", "plain"
    if source.result == "failed":
        return (f"failed: {source.cause}" if source.cause else "failed"), "bad"
    if source.result is None:
        return "starting", "plain"
    return ("well", "good") if is_ready(source, clock) else ("out of date", "warn")


def _facts(source: SourceState, clock: Clock) -> Iterable[tuple[str, str]]:
    yield "Mode and source", f"{source.mode}, {source.kind}"
    yield "Revision", _revision(source.revision) or "none yet"
    if source.attempted_revision not in ("", source.revision):
        yield "Revision that was tried", _revision(source.attempted_revision)
    yield "Last pass", _last_pass(source, clock)
    yield "Last pass that went well", ago(source.last_success, clock.wall)
    if source.failures:
        yield "Failed since then", f"{source.failures} of {source.passes} passes"
    if source.next_attempt is not None:
        yield "Next pass", ago(source.next_attempt, clock.wall)
    yield "Keys", _keys(source)
    if source.lease:
        yield "Lease", f"{source.lease}, {'held by this replica' if source.is_leader else 'held by another replica'}"
    if source.drifted:
        yield "Changed by somebody else", f"{source.drifted}, put right"


def _last_pass(source: SourceState, clock: Clock) -> str:
    begun = ago(source.last_attempt, clock.wall)
    return begun if source.result is None else f"{begun}, {source.result}, {source.duration:.2f} s"


def _revision(revision: str) -> str:
    shown = one_line(revision)
    return shown if len(shown) <= REVISION_LENGTH else shown[: REVISION_LENGTH - 1] + "…"


def _keys(source: SourceState) -> str:
    names = ", ".join(f"{count} {kind}" for kind, count in sorted(source.identities.items()))
    loaded = (names or "loaded") if source.keys_loaded else "not loaded"
    return f"{loaded}; others were refused: {one_line(source.keys_error)}" if source.keys_error else loaded


def _group(what: str, objects: list[ObjectState], *, is_open: bool) -> Group:
    rows = tuple(map(_row, objects[:MOST_OBJECTS]))
    return Group(f"{len(objects)} {'object' if len(objects) == 1 else 'objects'} {what}", rows, len(objects) - len(rows), is_open)


def _row(each: ObjectState) -> Row:
    look: Look = _LOOKS.get(each.action, "warn" if each.is_drifted else "good")
    reason = ", ".join(part for part in ("had been changed by somebody else" if each.is_drifted else "", one_line(each.reason)) if part)
    return Row(one_line(each.name), each.action, reason, look)


def _note(finding: Finding) -> Note:
    place = finding.file if finding.line is None else f"{finding.file}:{finding.line}" if finding.file else f"line {finding.line}"
    text = ": ".join(part for part in (place, finding.message) if part)
    look: Look = "bad" if finding.severity == "error" else "warn" if finding.severity == "warning" else "plain"
    return Note(one_line(text), finding.code, one_line(finding.hint or ""), look)


@cache
def _style() -> str:
    return _file("page.css")


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_file("page.html"))


def _file(name: str) -> str:
    return files("secrettool.sidecar").joinpath(name).read_text(encoding="utf-8")
