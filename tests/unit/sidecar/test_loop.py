"""Pass after pass of one source: what starts one, how long it waits, and what others see of it."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from secrettool.objects import Ref
from secrettool.sidecar import loop as looping
from secrettool.sidecar.config import Config, DirSource, Keys, RenderSettings, Source
from secrettool.sidecar.keys import Keyring
from secrettool.sidecar.log import JsonLines
from secrettool.sidecar.loop import Loop
from secrettool.sidecar.passes import Worker
from secrettool.sidecar.rendering import Renderer
from secrettool.sidecar.source_dir import DirOrigin
from secrettool.sidecar.state import NoRecorder, SourceState
from secrettool.sidecar.supervisor import first_board
from tests.interop.gitops import KEY_FILE
from tests.interop.sidecars import secret
from tests.waiting import wait_for

CANARY = "canary-0c3a"
IDENTITY = KEY_FILE.read_bytes()
SLOW = 3600.0


class Told(NoRecorder):
    """Keeps what only grows."""

    def __init__(self) -> None:
        self.passes: list[tuple[str, str]] = []
        self.opened: list[tuple[str, str, int]] = []
        self.refusals: list[tuple[str, int]] = []
        self.swaps = 0

    def reconciled(self, source: str, result: str, seconds: float) -> None:
        assert seconds >= 0
        self.passes.append((source, result))

    def decrypted(self, form: str, result: str, count: int) -> None:
        self.opened.append((form, result, count))

    def refused(self, reason: str, count: int) -> None:
        self.refusals.append((reason, count))

    def swapped(self) -> None:
        self.swaps += 1


class Stage:
    """A source, its loop in a thread, and what is told of it."""

    def __init__(self, folder: Path, *, interval: float = SLOW) -> None:
        self.tree, self.target, self.key = folder / "tree", folder / "target", folder / "key.txt"
        self.tree.mkdir()
        self.key.write_bytes(IDENTITY)
        render = RenderSettings(target=str(self.target), layout="flat")
        source = Source(id="main", origin=DirSource(str(self.tree)), keys=Keys(files=(str(self.key),)), render=render, interval=interval)
        self.told = Told()
        self.events: list[tuple[Ref | None, str, str]] = []
        self.states: list[SourceState] = []
        self.board = first_board(Config(sources=(source,)))
        self.board.subscribe(lambda before, after: self.states.append(after))
        keyring = Keyring(source.keys, {})
        renderer = Renderer(render, allow_disk=True, swapped=self.told.swapped)
        worker = Worker(source, DirOrigin(str(self.tree)), keyring, renderer, self.told, environ=os.environ)
        self.loop = Loop(worker, self.board, self.told, lambda regarding, reason, note: self.events.append((regarding, reason, note)))
        self.thread = threading.Thread(target=self.loop.run)

    def write(self, text: str = CANARY, name: str = "db") -> None:
        new = self.tree.parent / "new"
        new.write_text(secret(name, annotations=None, **{name: text}), encoding="utf-8")
        os.replace(new, self.tree / f"{name}.yaml")

    @property
    def state(self) -> SourceState:
        return self.loop.state

    def rendered(self, name: str = "db") -> str:
        return (self.target / name).read_text(encoding="utf-8")

    def wait(self, happened: Callable[[SourceState], bool]) -> None:
        wait_for(lambda: happened(self.state), seconds=10)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(looping, "POLL", 0.05)
    made = Stage(tmp_path)
    yield made
    made.loop.stop()
    if made.thread.is_alive():
        made.thread.join(10)


def test_first_pass_is_done_at_once_and_shown(stage: Stage) -> None:
    stage.write()
    assert (stage.state.phase, stage.state.keys_loaded, stage.state.is_first_done) == ("starting", False, False)
    before = time.time()
    stage.thread.start()
    stage.wait(lambda state: state.phase == "waiting")
    state = stage.state
    assert stage.rendered() == CANARY
    assert (state.result, state.cause, state.passes, state.failures, state.keys_loaded, state.keys_taken) == ("done", "", 1, 0, True, 1)
    assert (dict(state.identities), state.tally, state.is_leader, state.lease) == ({"age": 1}, {"written": 1}, True, "")
    assert state.last_success is not None
    assert state.next_attempt is not None
    assert before <= state.last_success <= time.time()
    assert 0.9 * SLOW <= state.next_attempt - state.last_success <= 1.1 * SLOW
    assert state.revision.startswith("files:")
    assert next(each.phase for each in stage.states if each.phase in ("running", "waiting")) == "running"
    assert stage.told.passes == [("main", "done")]
    assert stage.told.opened == [("object", "done", 1)]
    assert stage.told.swaps == 1
    assert [event[1:] for event in stage.events] == [("Applied", "source main: 1 written")]


def test_change_of_the_source_starts_a_pass_and_nothing_else_does(stage: Stage) -> None:
    stage.write("first")
    stage.thread.start()
    stage.wait(lambda state: state.passes == 1)
    ticked = stage.state.ticked
    stage.wait(lambda state: state.ticked > ticked + 0.15)  # some looks later
    assert stage.state.passes == 1
    stage.write("second")
    stage.wait(lambda state: state.passes == 2)
    assert stage.rendered() == "second"


def test_who_asks_gets_a_look_and_a_pass_only_after_drift(stage: Stage) -> None:
    stage.write()
    stage.thread.start()
    stage.wait(lambda state: state.passes == 1)
    ticked = stage.state.ticked
    stage.loop.ask()
    stage.wait(lambda state: state.ticked > ticked)
    assert stage.state.passes == 1
    (stage.target / "db").resolve().unlink()
    stage.loop.ask()
    stage.wait(lambda state: state.passes == 2)
    assert stage.rendered() == CANARY


def test_interval_starts_passes_that_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looping, "POLL", 0.05)
    stage = Stage(tmp_path, interval=0.02)
    stage.write()
    stage.thread.start()
    stage.wait(lambda state: state.passes >= 4)
    stage.loop.stop()
    stage.thread.join(10)
    assert stage.state.phase == "stopped"
    assert {result for _, result in stage.told.passes[1:]} == {"unchanged"}
    assert stage.told.swaps == 1
    assert len(stage.events) == 1


def test_da_38_failures_keep_the_last_good_state_and_wait_longer_each_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looping, "FIRST_BACKOFF", 0.03)
    stage.write()
    stage.thread.start()
    stage.wait(lambda state: state.passes == 1)
    good = stage.state
    (stage.tree / "bad.yaml").write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {a: REPLACE_ME}\n", encoding="utf-8")
    stage.wait(lambda state: state.failures >= 3)
    state = stage.state
    assert (state.cause, state.result, state.last_success, state.revision) == ("guard", "failed", good.last_success, good.revision)
    assert state.attempted_revision != state.revision
    assert state.objects == good.objects
    assert [finding.code for finding in state.findings] == ["HK152"]
    assert stage.told.refusals[0] == ("HK152", 1)
    assert stage.rendered() == CANARY
    assert {event[1] for event in stage.events[1:]} == {"GuardTripped"}
    ended = [each for each in stage.states if each.phase == "waiting" and each.failures and each.next_attempt and each.last_attempt]
    waits = [(each.next_attempt or 0) - (each.last_attempt or 0) for each in ended]
    assert waits == sorted(waits)
    (stage.tree / "bad.yaml").unlink()
    stage.wait(lambda state: state.failures == 0)


def test_back_off_doubles_up_to_five_minutes() -> None:
    for failures, expected in ((1, 5), (2, 10), (3, 20), (7, 300), (1000, 300)):
        assert expected <= looping._backoff(failures) <= 1.1 * expected


def test_bad_keys_are_shown_and_good_ones_start_a_pass(stage: Stage) -> None:
    stage.write()
    stage.thread.start()
    stage.wait(lambda state: state.passes == 1)
    stage.key.write_text("nothing\n", encoding="utf-8")
    stage.wait(lambda state: state.keys_error != "")
    assert (stage.state.keys_loaded, stage.state.keys_taken, stage.state.passes) == (True, 1, 1)
    stage.key.write_bytes(IDENTITY + b"\n")
    stage.wait(lambda state: state.keys_taken == 2)
    stage.wait(lambda state: state.passes == 2)
    assert stage.state.keys_error == ""
    assert "KeysReloaded" in [event[1] for event in stage.events]


def test_a_start_without_keys_fails_and_waits(stage: Stage) -> None:
    stage.key.unlink()
    stage.write()
    stage.thread.start()
    stage.wait(lambda state: state.failures == 1)
    ticked = stage.state.ticked
    stage.wait(lambda state: state.ticked > ticked + 0.15)
    assert (stage.state.passes, stage.state.cause, stage.state.keys_loaded) == (1, "keys", False)
    stage.key.write_bytes(IDENTITY)
    stage.wait(lambda state: state.failures == 0)


def test_source_that_vanishes_fails_once_until_it_is_back(stage: Stage) -> None:
    stage.write()
    stage.thread.start()
    stage.wait(lambda state: state.passes == 1)
    stage.tree.rename(stage.tree.with_name("away"))
    stage.wait(lambda state: state.cause == "source")
    ticked = stage.state.ticked
    stage.wait(lambda state: state.ticked > ticked + 0.15)
    assert stage.state.passes == 2
    assert stage.rendered() == CANARY
    stage.tree.with_name("away").rename(stage.tree)
    stage.wait(lambda state: state.failures == 0)
    assert [event[1] for event in stage.events] == ["Applied", "SourceUnavailable"]


def test_what_nobody_expected_is_told_by_its_type_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr("secrettool.sidecar.passes.render", broken)
    stage.write()
    with caplog.at_level(logging.DEBUG, "secrettool"):
        report = stage.loop.once()
    assert report.cause == "unexpected"
    assert "RuntimeError" in caplog.text
    assert CANARY not in caplog.text + str(report.errors) + str(stage.state) + str(stage.events)


def test_snapshots_and_log_hold_no_value(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.write()
    with caplog.at_level(logging.DEBUG, "secrettool"):
        stage.loop.once()
        stage.write("another-" + CANARY)
        stage.loop.once()
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    assert any(line["message"] == "db written" for line in lines)
    everything = f"{lines}{stage.states}{stage.events}{stage.board.snapshot()}"
    assert CANARY not in everything
    assert "AGE-SECRET" not in everything


def test_json_lines_hold_what_is_known_and_the_type_of_an_exception_only() -> None:
    facts: dict[str, Any] = {"source": "main", "result": "failed", "seconds": 0.0, "revision": "", "password": CANARY}
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        record = logging.LogRecord("secrettool", logging.ERROR, __file__, 1, "it %s", ("failed",), (ValueError, error, error.__traceback__))
    vars(record).update(facts)
    line = json.loads(JsonLines().format(record))
    assert line.pop("time").endswith("Z")
    assert line == {"level": "error", "message": "it failed", "source": "main", "result": "failed", "seconds": 0.0, "exception": "ValueError"}
