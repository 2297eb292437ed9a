"""Servers of the tests end with the tests, however these end, and leave nothing but the logs of a failure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest

from tests.interop.gitops import ROOT
from tests.interop.peers.process import LOOPBACK, RUNNING, ServerFailed, answers, free_ports, serving, workspace
from tests.waiting import wait_for

ENVIRON = {"PATH": os.environ.get("PATH", os.defpath)}


def web_server(port: int) -> list[str]:
    return [sys.executable, "-m", "http.server", str(port), "--bind", LOOPBACK]


def is_there(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet reaped does not."""
    with suppress(FileNotFoundError):
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return False


def test_server_answers_inside_the_block_and_not_after_it(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with serving("web", web_server(port), log=tmp_path / "web.log", environ=ENVIRON, ready=lambda: answers(port, "/")) as server:
        assert answers(port, "/")
        assert server in RUNNING
        assert '"GET / HTTP/1.1" 200' in server.tail()

    assert not answers(port, "/")
    assert server not in RUNNING


def test_server_that_ends_early_is_an_error_with_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]

    with (
        pytest.raises(ServerFailed, match=r"web ended with status 1 before it was ready; (?s:.)*no such option"),
        serving("web", command, log=tmp_path / "web.log", environ=ENVIRON, ready=lambda: False),
    ):
        pass


def test_server_that_is_not_ready_in_time_is_killed(tmp_path: Path) -> None:
    (port,) = free_ports(1)

    with (
        pytest.raises(ServerFailed, match=r"web was not ready after 0\.5 s"),
        serving("web", web_server(port), log=tmp_path / "web.log", environ=ENVIRON, ready=lambda: False, seconds=0.5),
    ):
        pass

    assert not answers(port, "/")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills the children of a process that was killed")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_server_ends_when_who_started_it_is_ended(sent: signal.Signals, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    program = f"""\
        import sys, time
        from pathlib import Path
        from tests.interop.peers.process import answers, serving
        with serving("web", {web_server(port)}, log=Path("web.log"), environ={ENVIRON}, ready=lambda: answers({port}, "/")) as server:
            print(server.process.pid, flush=True)
            time.sleep(60)
    """
    environ = {**ENVIRON, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tests:
        assert tests.stdout is not None
        pid = int(tests.stdout.readline())
        assert is_there(pid)
        tests.send_signal(sent)

    wait_for(lambda: not is_there(pid), seconds=10)


@pytest.mark.parametrize(("failures", "left"), [([3, 3], None), ([3, 4], ["server.log"])])
def test_workspace_keeps_the_logs_when_a_test_failed(failures: list[int], left: list[str] | None, tmp_path: Path) -> None:
    counts = iter(failures)
    with workspace(tmp_path / "servers", lambda: next(counts)) as folder:
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "db").touch()
        (folder / "server.log").touch()
        (folder / "token").touch()

    assert ([file.name for file in folder.iterdir()] if folder.exists() else None) == left
