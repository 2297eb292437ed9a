"""Nothing is written to a disk, by the sidecar or by what it starts: every system call that opens for writing or makes something is looked at."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from secrettool.errors import Outcome
from secrettool.fs import is_in_memory
from tests.interop.gitops import KEY_FILE, RECIPIENT, ROOT, command, write_tree
from tests.interop.peers import missing
from tests.interop.sidecars import CANARY, secret
from tests.waiting import wait_for

pytestmark = pytest.mark.real

CALLS = "open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,link,linkat,symlink,symlinkat,rename,renameat,renameat2,truncate"
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE")
CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)")
NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')
DEVICES = ("/dev/null", "/dev/tty", "/proc/")


def written(trace: Path, folder: Path) -> set[str]:
    """The paths that were opened for writing, made or renamed, with success. Relative ones of `*at` calls come with the path that strace adds."""
    found: set[str] = set()
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        call = CALL.match(line)
        if call is None or int(call[3]) < 0:
            continue
        name, arguments = call[1], call[2]
        if name.startswith("open") and not WRITING.search(arguments):
            continue
        names = NAME.findall(arguments)
        above = re.search(r"<([^>]*)>", arguments.split('"')[0])
        place = names[-1]
        found.add(os.path.normpath(os.path.join(above[1] if above else str(folder), place)))
    return found


@pytest.fixture
def tree(tmp_path: Path, real_kustomize: Path) -> Path:
    """A source whose build needs a decrypted file."""
    if shutil.which("strace") is None:
        missing("strace", "install it (Debian: strace)")
    build = "resources: [db.yaml]\nnamespace: team\nsecretGenerator:\n- name: app\n  files: [settings.json]\n"
    settings = f'{{"a": "{CANARY}"}}\n'
    folder = write_tree(tmp_path / "tree", {"db.yaml": secret("db", password=CANARY), "kustomization.yaml": build, "settings.json": settings})
    command(folder, "encrypt", "-i", "--age", RECIPIENT, "settings.json")
    assert CANARY not in (folder / "settings.json").read_text(encoding="utf-8")
    return folder


def sidecar(tmp_path: Path, tree: Path, target: Path, kustomize: Path, *words: str) -> tuple[subprocess.Popen[bytes], Path]:
    trace = tmp_path / "trace"
    environ = {"PATH": f"{kustomize.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    program = [sys.executable, "-m", "secrettool", "sidecar", "run", "--source", str(tree), "--target", str(target), "--age-key-file", str(KEY_FILE)]
    tracing = ["strace", "-f", "-y", "-qq", "-s", "4096", "-o", str(trace), "-e", f"trace={CALLS}"]
    return subprocess.Popen([*tracing, *program, "--no-http", *words], env=environ, stderr=subprocess.PIPE), trace


def test_da_44_render_mode_writes_nowhere_but_in_memory(tmp_path: Path, tree: Path, memory: Path, real_kustomize: Path) -> None:
    process, trace = sidecar(tmp_path, tree, memory / "target", real_kustomize, "--once")
    assert process.communicate(timeout=60)
    assert process.returncode == 0
    assert CANARY in (memory / "target" / "team" / "db" / "password").read_text(encoding="utf-8")
    paths = written(trace, tmp_path)
    assert any(path.startswith(str(memory)) for path in paths)
    assert any("/secrettool-" in path and path.endswith("settings.json") for path in paths)  # the copy in which kustomize reads
    assert [path for path in paths if not path.startswith(DEVICES) and not is_in_memory(os.path.dirname(path) or "/")] == []


def test_da_44_the_workspace_goes_when_the_program_is_told_to_end(tmp_path: Path, tree: Path, memory: Path, real_kustomize: Path) -> None:
    before = {name for name in os.listdir("/dev/shm") if name.startswith("secrettool-")}
    process, trace = sidecar(tmp_path, tree, memory / "target", real_kustomize, "--interval", "1s")
    wait_for((memory / "target" / "team").exists, seconds=30)
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    os.kill(int(child), signal.SIGTERM)
    process.communicate(timeout=60)
    paths = written(trace, tmp_path)
    assert [path for path in paths if not path.startswith(DEVICES) and not is_in_memory(os.path.dirname(path) or "/")] == []
    mine = {path.split("/")[3] for path in paths if path.startswith("/dev/shm/secrettool-")} - before
    assert mine
    assert not mine & set(os.listdir("/dev/shm"))


def test_da_45_the_program_leaves_no_core_and_nobody_of_its_user_may_look_into_it(tmp_path: Path, memory: Path) -> None:
    write_tree(tmp_path / "tree", {"db.yaml": secret("db", "team", password=CANARY)})
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    places = ["--source", str(tmp_path / "tree"), "--target", str(memory / "target"), "--age-key-file", str(KEY_FILE)]
    with subprocess.Popen(
        [sys.executable, "-m", "secrettool", "sidecar", "run", "--no-http", *places], env=environ, stderr=subprocess.PIPE
    ) as process:
        try:
            wait_for((memory / "target" / "team").exists, seconds=30)
            limits = Path(f"/proc/{process.pid}/limits").read_text(encoding="ascii")
            assert re.search(r"Max core file size +0 +0 ", limits)
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            assert "Umask:\t0077" in status
            for name in ("environ", "cmdline"):
                text = Path(f"/proc/{process.pid}/{name}").read_bytes()
                assert CANARY.encode() not in text
                assert b"AGE-SECRET" not in text
        finally:
            process.terminate()
        assert process.stderr is not None
        assert CANARY.encode() not in process.stderr.read()


def test_da_43_without_kustomize_only_plain_manifests_are_built(tmp_path: Path, memory: Path) -> None:
    write_tree(tmp_path / "tree", {"db.yaml": secret("db", "team", password=CANARY), "kustomization.yaml": "resources: [db.yaml]\n"})
    environ = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    places = ["--source", str(tmp_path / "tree"), "--target", str(memory / "target"), "--age-key-file", str(KEY_FILE)]
    command_line = [sys.executable, "-m", "secrettool", "sidecar", "run", "--once", *places]
    done = subprocess.run(command_line, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == Outcome.CONFIGURATION
    assert "neither kustomize nor kubectl is on PATH" in done.stderr
    (tmp_path / "tree" / "kustomization.yaml").unlink()
    assert subprocess.run(command_line, env=environ, capture_output=True, check=False).returncode == Outcome.DONE


def test_da_44_what_a_killed_process_left_in_memory_goes_with_the_next_start(tmp_path: Path, tree: Path, memory: Path) -> None:
    slow = write_tree(tmp_path / "bin", {"kustomize": "#!/bin/sh\nsleep 60\n"}) / "kustomize"
    slow.chmod(0o755)
    environ = {"PATH": f"{slow.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    places = ["--source", str(tree), "--target", str(memory / "target"), "--age-key-file", str(KEY_FILE)]
    program = [sys.executable, "-m", "secrettool", "sidecar", "run", "--once", *places]

    def mine() -> list[Path]:
        return [each for each in Path("/dev/shm").glob("secrettool-*/settings.json") if CANARY in each.read_text(encoding="utf-8")]

    before = mine()
    with subprocess.Popen(program, env=environ, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            wait_for(lambda: len(mine()) > len(before), seconds=30)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    (left,) = set(mine()) - set(before)
    os.utime(left.parent, (1, 1))
    slow.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    assert subprocess.run(program, env=environ, capture_output=True, check=False).returncode == Outcome.DECRYPTION
    assert not left.parent.exists()
