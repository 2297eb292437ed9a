"""DA-45: what a process that holds plain text may leave behind. Each check runs in a process of its own, since nothing of it can be taken back."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.running import ROOT

LOOK = {
    "core": "import resource; print(resource.getrlimit(resource.RLIMIT_CORE))",
    "umask": "import os; print(oct(os.umask(0)))",
    "dumpable": "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))",
}
RUN = "import sys; sys.stdin = open('/dev/null'); from secrettool.cli.app import run; run(['hook', 'guard']); "


def seen(what: str) -> str:
    done = subprocess.run([sys.executable, "-c", RUN + LOOK[what]], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_da_45_no_core_is_dumped() -> None:
    assert seen("core") == "(0, 0)"


def test_da_45_new_files_are_for_their_owner_alone() -> None:
    assert seen("umask") == "0o77"


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_DUMPABLE is of Linux")
def test_da_45_no_other_process_of_the_user_may_look_into_it() -> None:
    assert seen("dumpable") == "0"


def test_da_45_commands_that_stand_in_for_sops_keep_the_limits_of_their_user() -> None:
    code = "from secrettool.cli.app import run; run(['--version']); " + LOOK["umask"]
    done = subprocess.run(
        [sys.executable, "-c", "import os; os.umask(0o22); " + code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split()[-1] == "0o22"
