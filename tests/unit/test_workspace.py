"""A copy of a tree that is private, in memory, and gone afterwards."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from secrettool import fs
from secrettool.errors import HookError, OutputError, UnsafePath
from secrettool.fs.newtree import MAX_DEPTH, Limits
from secrettool.fs.saferoot import SafeRoot
from secrettool.fs.workspace import open_workspace

needs_tmpfs = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has tmpfs")
pytestmark = needs_tmpfs


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    for name, text in (("app/a.env", "sealed"), ("app/kustomization.yaml", "{}"), ("base/deep/b.yaml", "b: 1"), (".git/objects/x", "history")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def snapshot(folder: Path) -> list[tuple[str, int, int, bytes]]:
    found = []
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        found.append((str(path), status.st_mode, status.st_mtime_ns, path.read_bytes() if path.is_file() else b""))
    return found


def files(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if not path.is_dir() or path.is_symlink())


def test_da_14_the_tree_is_copied_and_never_written_to(tree: Path) -> None:
    before = snapshot(tree)
    with SafeRoot(str(tree)) as root, open_workspace(root) as workspace:
        workspace.write({"app/a.env": b"opened"})
        assert Path(workspace.path, "app/a.env").read_bytes() == b"opened"
        assert Path(workspace.path, "base/deep/b.yaml").read_text() == "b: 1"
        assert snapshot(tree) == before


def test_da_44_folders_have_mode_0700_and_files_0600(tree: Path) -> None:
    (tree / "app/a.env").chmod(0o755)
    with SafeRoot(str(tree)) as root, open_workspace(root) as workspace:
        workspace.write({"app/a.env": b"opened"})
        modes = {stat.S_IMODE(path.stat().st_mode) for path in Path(workspace.path).rglob("*") if path.is_file()}
        folders = {stat.S_IMODE(path.stat().st_mode) for path in (Path(workspace.path), *Path(workspace.path).rglob("*")) if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})


def test_da_44_the_copy_lies_in_memory_and_is_removed(tree: Path) -> None:
    with SafeRoot(str(tree)) as root, open_workspace(root) as workspace:
        kinds = subprocess.run(["stat", "-f", "-c", "%T", workspace.path], capture_output=True, text=True, check=True).stdout.strip()
    assert kinds in ("tmpfs", "ramfs")
    assert not os.path.exists(workspace.path)


def test_da_44_a_disk_is_refused_unless_it_is_allowed(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fs, "MOUNTS", str(tmp_path / "none"))  # as on a system without a mount table
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with SafeRoot(str(tree)) as root:
        with pytest.raises(OutputError, match="no writable memory file system"), open_workspace(root):
            pytest.fail("a folder on a disk was used")
        with open_workspace(root, allow_disk=True) as workspace:
            assert workspace.path.startswith(str(tmp_path))


def test_da_44_the_copy_is_removed_when_the_pass_fails(tree: Path) -> None:
    with SafeRoot(str(tree)) as root, pytest.raises(ValueError, match="the build"), open_workspace(root) as workspace:
        raise ValueError("the build")
    assert not os.path.exists(workspace.path)


def test_da_44_the_copy_is_removed_on_term(tree: Path) -> None:
    script = (
        "import sys, time\n"
        "from secrettool.fs.saferoot import SafeRoot\n"
        "from secrettool.fs.workspace import open_workspace\n"
        "with SafeRoot(sys.argv[1]) as root, open_workspace(root) as workspace:\n"
        "    print(workspace.path, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tree)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        path = process.stdout.readline().strip()
        assert os.path.isfile(f"{path}/app/a.env")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
    assert not os.path.exists(path)


def test_da_44_a_tree_beyond_the_limit_is_refused(tree: Path) -> None:
    (tree / "big").write_bytes(bytes(1000))
    with SafeRoot(str(tree)) as root, pytest.raises(HookError) as caught, open_workspace(root, limits=Limits(100, 1000)):
        pytest.fail("more was copied than the limit allows")
    assert caught.value.rule == "HK120"


def test_a_tree_at_the_limit_is_copied(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(600))
    (tmp_path / "b").write_bytes(bytes(400))
    with SafeRoot(str(tmp_path)) as root, open_workspace(root, limits=Limits(2, 1000)) as workspace:
        assert files(workspace.path) == ["a", "b"]


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).touch()
    with SafeRoot(str(tmp_path)) as root, pytest.raises(HookError, match="more than 2 files and folders"), open_workspace(root, limits=Limits(2, 9)):
        pytest.fail("more was copied than the limit allows")


def test_folders_that_are_too_deep_are_refused(tmp_path: Path) -> None:
    os.makedirs(tmp_path / "/".join("d" * (MAX_DEPTH + 1)))
    with SafeRoot(str(tmp_path)) as root, pytest.raises(UnsafePath, match="folders"), open_workspace(root):
        pytest.fail("a folder that is too deep was copied")


def test_git_and_what_no_build_may_read_is_left_out(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret of the machine")
    (tree / "app/inside").symlink_to("../base/deep/b.yaml")
    (tree / "app/dangling").symlink_to("none")
    (tree / "app/out").symlink_to("../../outside")
    (tree / "app/absolute").symlink_to(tmp_path / "outside")
    os.mkfifo(tree / "app/pipe")
    with SafeRoot(str(tree)) as root, open_workspace(root) as workspace:
        assert files(workspace.path) == ["app/a.env", "app/dangling", "app/inside", "app/kustomization.yaml", "base/deep/b.yaml"]
        assert Path(workspace.path, "app/inside").read_text() == "b: 1"


def test_write_makes_no_new_file(tree: Path) -> None:
    with SafeRoot(str(tree)) as root, open_workspace(root) as workspace, pytest.raises(UnsafePath):
        workspace.write({"app/new": b"x"})


def test_names_with_unusual_bytes_are_copied(tmp_path: Path) -> None:
    name = b"\xe9 \n\x1b.env"
    with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
        file.write(b"x")
    with SafeRoot(str(tmp_path)) as root, open_workspace(root) as workspace:
        assert os.listdir(os.fsencode(workspace.path)) == [name]
