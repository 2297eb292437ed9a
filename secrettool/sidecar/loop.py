"""Pass after pass of one source: what starts one, how long it waits, and what others see of it.

A pass starts at the beginning, after the interval, when the source or the keys changed, and when somebody asks for one. Who asks while nothing
changed gets a look whether everything is still in its place, and a pass only if it is not. After a failure the next pass comes after 5 seconds, 10,
20 and so on up to 5 minutes, or as soon as something changed.

Source: section 13.2 of the sidecar's requirements.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from threading import Event
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from secrettool.errors import SecrettoolError
from secrettool.findings import Finding
from secrettool.objects import Ref
from secrettool.sidecar.events import Reason
from secrettool.sidecar.origin import SourceUnavailable
from secrettool.sidecar.passes import Report
from secrettool.sidecar.state import Result, SourceState

if TYPE_CHECKING:
    from secrettool.sidecar.lease import Lease
    from secrettool.sidecar.passes import Worker
    from secrettool.sidecar.state import Board, Cause, Recorder

log = logging.getLogger(__name__)

POLL: Final = 5.0
"""Seconds between two looks at folders and key files."""
FIRST_BACKOFF: Final = 5.0
LONGEST_BACKOFF: Final = 300.0
JITTER: Final = 0.1
ERRORS_LOGGED: Final = 10
"""Findings of one pass that get a line each."""

_REASONS: Final[dict[Cause, Reason]] = {
    "source": "SourceUnavailable",
    "keys": "DecryptFailed",
    "build": "DecryptFailed",
    "decrypt": "DecryptFailed",
    "guard": "GuardTripped",
    "conflict": "ApplyConflict",
    "apply": "ApplyFailed",
    "render": "ApplyFailed",
    "unexpected": "ApplyFailed",
}

Tell = Callable[[Ref | None, Reason, str], None]
"""Takes an Event: the object, None for the pod; the reason; a text."""


class Loop:
    """The passes of one source, in one thread.

    Args:
        worker: Does them.
        board: Where the state is shown.
        recorder: Takes what only grows.
        tell: Takes Events.
    """

    def __init__(self, worker: Worker, board: Board, recorder: Recorder, tell: Tell = lambda regarding, reason, note: None) -> None:
        self._worker = worker
        self._source = worker.source
        self._board = board
        self._recorder = recorder
        self._tell = tell
        self._lease: Lease | None = None
        self._wake = Event()
        self._is_asked = False
        self._is_stopping = False
        self._is_first = True
        self._next = 0.0  # of time.monotonic()
        self._poll_at = 0.0
        self._mark = ""
        self._generation = 0

    def __repr__(self) -> str:
        return f"<Loop of {self._source.id}>"

    @property
    def state(self) -> SourceState:
        """What is shown now."""
        return self._board.snapshot().sources[self._source.id]

    def use(self, lease: Lease) -> None:
        """Work only while a Lease is held; before `run`."""
        self._lease = lease
        self._publish(lease=self._source.lease, is_leader=False)

    def ask(self) -> None:
        """Start a pass at once; from any thread."""
        self._is_asked = True
        self._wake.set()

    def wake(self) -> None:
        """Go round; from any thread."""
        self._wake.set()

    def stop(self) -> None:
        """End after the pass that is running; from any thread."""
        self._is_stopping = True
        self._wake.set()

    def run(self) -> None:
        """Go round until `stop`."""
        try:
            while not self._is_stopping:
                self._wake.clear()
                try:
                    self._round()
                except Exception as error:  # the loop lives on; its text may quote something
                    log.error("unexpected: %s", type(error).__name__, extra={"source": self._source.id})
                    self._poll_at = time.monotonic() + POLL
                self._wake.wait(self._pause())
        finally:
            self._publish(phase="stopped", next_attempt=None)

    def once(self) -> Report:
        """Do one pass, whatever was before."""
        return self._pass()

    # ---- going round ---------------------------------------------------------------------------------------------------------------------------

    def _round(self) -> None:
        if not self._leads():
            self._publish(phase="standby" if self.state.phase != "starting" or self._lease is not None else "starting")
            return
        now = time.monotonic()
        asked, self._is_asked = self._is_asked, False
        if self._is_first or now >= self._next or self._has_changed(now, asked) or (asked and not self._is_in_place()):
            self._pass()
        else:
            self._publish()

    def _leads(self) -> bool:
        if self._lease is None:
            return True
        leads = self._lease.is_held()
        if leads != self.state.is_leader:
            log.info("the Lease was %s", "won" if leads else "lost", extra={"source": self._source.id})
            if leads:
                self._worker.forget()
                self._is_first = True
            self._publish(is_leader=leads)
        return leads

    def _has_changed(self, now: float, asked: bool) -> bool:
        """Whether source or keys are other ones than at the last pass; looked at now and then, or when somebody asks."""
        if now < self._poll_at and not asked:
            return False
        self._poll_at = now + POLL
        self._reload()
        if self._worker.keyring.generation != self._generation:
            return True
        if self._worker.keyring.current is None or not (self._worker.origin.looks or asked):
            return False
        try:
            return self._worker.origin.look() != self._mark
        except SourceUnavailable:
            return self._mark != ""

    def _is_in_place(self) -> bool:
        """Whether the last pass went well, and everything is as it left it."""
        if self.state.failures:
            return False
        try:
            return not self._worker.has_drifted()
        except SecrettoolError:
            return False

    def _pause(self) -> float:
        if self._is_stopping:
            return 0.0
        if self._lease is not None and not self._lease.is_held():
            return POLL
        return max(0.0, min(self._next, self._poll_at) - time.monotonic())

    def _reload(self) -> None:
        """Take other keys, if there are any, and show what there is."""
        keyring = self._worker.keyring
        taken, before = keyring.generation, self.state.keys_error
        keyring.refresh()
        error = str(keyring.error) if keyring.error is not None else ""
        if keyring.generation != taken and taken:
            log.info("other keys are used from now on", extra={"source": self._source.id})
            self._tell(self._worker.origin.subject, "KeysReloaded", f"source {self._source.id}: the keys were read again")
        if error and error != before and taken:
            log.warning("the keys that are there now cannot be used, the former ones stay: %s", error, extra={"source": self._source.id})
        identities = keyring.current.identities if keyring.current is not None else {}
        self._publish(
            keys_loaded=keyring.current is not None, keys_taken=keyring.generation, keys_error=error, identities=MappingProxyType(identities)
        )

    # ---- one pass ------------------------------------------------------------------------------------------------------------------------------

    def _pass(self) -> Report:
        begun, at = time.monotonic(), time.time()
        self._is_first = False
        self._publish(phase="running", last_attempt=at)
        try:
            self._reload()
            self._generation = self._worker.keyring.generation
            report = self._worker.run()
        except Exception as error:  # whatever it is, its text may quote something
            log.error("unexpected: %s", type(error).__name__, extra={"source": self._source.id})
            report = Report(cause="unexpected", errors=(SecrettoolError(f"unexpected: {type(error).__name__}", hint="this is a defect"),))
        if report.is_standing_down:
            log.info("the pass was broken off: the Lease was lost", extra={"source": self._source.id})
            self._publish(phase="standby")
        else:
            self._end(report, time.monotonic() - begun)
        return report

    def _end(self, report: Report, seconds: float) -> None:
        self._mark = report.mark
        before = self.state
        failures = before.failures + 1 if report.cause else 0
        wait = _backoff(failures) if failures else self._source.interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 -- nothing secret
        self._next = time.monotonic() + wait
        self._poll_at = time.monotonic() + min(POLL, wait)
        result: Result = "failed" if report.cause else "done" if report.wrote else "unchanged"
        now = time.time()
        well: dict[str, Any] = {"last_success": now, "revision": report.revision} if not report.cause else {}
        self._recorder.reconciled(self._source.id, result, seconds)
        self._log(report, result, seconds)
        self._publish(
            phase="waiting",
            attempted_revision=report.revision,
            result=result,
            cause=report.cause,
            passes=before.passes + 1,
            failures=failures,
            next_attempt=now + wait,
            duration=seconds,
            objects=report.objects or (before.objects if report.cause else ()),
            findings=report.findings,
            **well,
        )
        self._tell_events(report)

    def _tell_events(self, report: Report) -> None:
        regarding, name = self._worker.origin.subject, f"source {self._source.id}"
        if report.cause:
            texts = [str(finding) for finding in report.findings if finding.severity == "error"]
            more = f" ({len(texts) - 1} more)" if len(texts) > 1 else ""
            self._tell(regarding, _REASONS[report.cause], f"{name}: {texts[0] if texts else 'failed'}{more}")
        elif report.wrote:
            self._tell(regarding, "Applied", f"{name}: {_counted(report)}")
        drifted = [each.name for each in report.objects if each.is_drifted]
        if drifted:
            self._tell(regarding, "DriftCorrected", f"{name}: {', '.join(drifted)}")

    def _log(self, report: Report, result: Result, seconds: float) -> None:
        facts = {"source": self._source.id, "revision": report.revision, "result": result, "seconds": round(seconds, 3)}
        if report.cause:
            facts["cause"] = report.cause
        level = logging.ERROR if report.cause else logging.INFO if report.wrote or self.state.passes == 0 else logging.DEBUG
        log.log(level, "pass: %s", _counted(report) or result, extra=facts)
        for finding in report.findings[:ERRORS_LOGGED]:
            _log_finding(finding, self._source.id)
        for each in report.objects:
            if each.action in ("created", "configured", "pruned", "written", "removed", "conflict"):
                log.info("%s %s%s", each.name, each.action, " (drifted)" if each.is_drifted else "", extra={"source": self._source.id})

    def _publish(self, **changes: Any) -> None:
        self._board.publish(replace(self.state, ticked=time.monotonic(), **changes))


def _backoff(failures: int) -> float:
    doubled: float = min(FIRST_BACKOFF * 2 ** min(failures - 1, 20), LONGEST_BACKOFF)
    return doubled * random.uniform(1, 1 + JITTER)  # noqa: S311 -- nothing secret


def _counted(report: Report) -> str:
    counts = Counter(each.action for each in report.objects)
    return ", ".join(f"{count} {action}" for action, count in sorted(counts.items()))


def _log_finding(finding: Finding, source: str) -> None:
    facts = {"source": source} | ({"hint": finding.hint} if finding.hint else {})
    log.log(logging.ERROR if finding.severity == "error" else logging.WARNING, "%s", finding, extra=facts)
