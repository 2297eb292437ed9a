"""Files are replaced whole or not at all, and plain text has a place that is not a disk."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from secrettool import fs
from secrettool.errors import InputError, OutputError

IS_ROOT = os.geteuid() == 0
needs_permissions = pytest.mark.skipif(IS_ROOT, reason="the superuser may write everywhere")
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only the superuser may give files away")
needs_tmpfs = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has tmpfs")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "app.yaml"
    path.write_bytes(b"old\r\n\x00")
    return path


# --- read ---


def test_read_gives_every_byte(target: Path) -> None:
    assert fs.read(str(target))[0] == b"old\r\n\x00"


def test_read_gives_more_than_one_chunk(tmp_path: Path) -> None:
    data = os.urandom(fs.CHUNK + 17)
    (tmp_path / "big").write_bytes(data)
    assert fs.read(str(tmp_path / "big"))[0] == data


def test_read_of_a_pipe_gives_what_was_written() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"through a pipe")
    os.close(writer)
    try:
        assert fs.read(f"/dev/fd/{reader}")[0] == b"through a pipe"
    finally:
        os.close(reader)


def test_read_at_the_limit_is_accepted(target: Path) -> None:
    assert len(fs.read(str(target), limit=6)[0]) == 6


def test_read_beyond_the_limit_is_refused(target: Path) -> None:
    with pytest.raises(InputError, match="larger than the limit of 5 bytes"):
        fs.read(str(target), limit=5)


def test_read_of_a_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        fs.read(str(tmp_path / "none.yaml"))
    assert str(caught.value) == f"{tmp_path}/none.yaml: cannot be read: no such file or directory"


def test_read_of_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        fs.read(str(tmp_path))


@needs_permissions
def test_read_without_permission_is_refused(target: Path) -> None:
    target.chmod(0)
    with pytest.raises(InputError, match="permission denied"):
        fs.read(str(target))


def test_read_leaves_no_descriptor_open(target: Path, tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    fs.read(str(target))
    for path, limit in ((tmp_path, None), (target, 1)):
        with pytest.raises(InputError):
            fs.read(str(path), limit=limit)
    assert len(os.listdir("/dev/fd")) == before


# --- replace ---


def test_replace_writes_the_bytes_and_nothing_else(target: Path, tmp_path: Path) -> None:
    fs.replace(str(target), b"new\r\n")
    assert target.read_bytes() == b"new\r\n"
    assert names(tmp_path) == ["app.yaml"]


def test_replace_takes_a_relative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fs.replace("here.yaml", b"x")
    assert (tmp_path / "here.yaml").read_bytes() == b"x"


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o644, 0o755, 0o444])
def test_replace_keeps_the_mode(target: Path, kept: int) -> None:
    target.chmod(kept)
    fs.replace(str(target), b"new")
    assert mode(target) == kept


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_replace_makes_a_new_file_with_the_umask(tmp_path: Path, umask: int, expected: int) -> None:
    former = os.umask(umask)
    try:
        fs.replace(str(tmp_path / "new"), b"x")
        assert os.umask(umask) == umask
    finally:
        os.umask(former)
    assert mode(tmp_path / "new") == expected


@needs_root
def test_replace_keeps_owner_and_group(target: Path) -> None:
    os.chown(target, 12345, 23456)
    fs.replace(str(target), b"new")
    assert (target.stat().st_uid, target.stat().st_gid) == (12345, 23456)


def test_replace_closes_the_group_bits_when_the_group_cannot_be_kept(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target.chmod(0o664)
    status = os.stat_result((*target.stat()[:5], target.stat().st_gid + 1, *target.stat()[6:]))

    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", forbidden)
    descriptor = os.open(target, os.O_RDONLY)
    try:
        assert fs._final_mode(descriptor, status) == 0o644
    finally:
        os.close(descriptor)


def test_replace_follows_links_and_keeps_them(target: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    first = tmp_path / "links" / "first"
    first.symlink_to("../app.yaml")
    second = tmp_path / "second"
    second.symlink_to("links/first")
    fs.replace(str(second), b"new")
    assert second.is_symlink()
    assert first.is_symlink()
    assert target.read_bytes() == b"new"
    assert names(tmp_path / "links") == ["first"]


def test_replace_through_a_dangling_link_makes_its_target(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("later")
    fs.replace(str(tmp_path / "link"), b"x")
    assert (tmp_path / "later").read_bytes() == b"x"
    assert (tmp_path / "link").is_symlink()


def test_replace_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        fs.replace(str(tmp_path / "none" / "app.yaml"), b"x")
    assert str(caught.value) == f"{tmp_path}/none/app.yaml: cannot be written: no such file or directory"


def test_replace_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="is a directory"):
        fs.replace(str(tmp_path / "folder"), b"x")
    assert names(tmp_path) == ["folder"]


@needs_permissions
def test_replace_in_a_folder_without_permission_is_refused(target: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(OutputError, match="permission denied"):
            fs.replace(str(target), b"x")
    finally:
        tmp_path.chmod(0o755)
    assert target.read_bytes() == b"old\r\n\x00"


def test_replace_on_a_full_disk_keeps_the_old_content(target: Path, tmp_path: Path) -> None:
    # The limit on file size makes write(2) fail in the middle, as a full disk does.
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, former[1]))
    try:
        with pytest.raises(OutputError, match="file too large"):
            fs.replace(str(target), b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert target.read_bytes() == b"old\r\n\x00"
    assert names(tmp_path) == ["app.yaml"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_replace_of_a_full_device_reports_the_cause() -> None:
    with pytest.raises(OutputError, match="no space left on device"):
        fs.replace("/dev/full", b"x")


def test_replace_writes_into_a_pipe_and_leaves_it_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    fs.replace(str(pipe), b"through")
    reader.join()
    assert got == [b"through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_replace_of_the_null_device_leaves_it_a_device() -> None:
    fs.replace("/dev/null", b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


# --- replace only what was read ---


def test_replace_with_the_stamp_of_the_read_succeeds(target: Path) -> None:
    _, stamp = fs.read(str(target))
    fs.replace(str(target), b"new", expected=stamp)
    assert target.read_bytes() == b"new"


def test_replace_after_a_change_in_place_is_refused(target: Path, tmp_path: Path) -> None:
    _, stamp = fs.read(str(target))
    target.write_bytes(b"theirs, longer")
    with pytest.raises(OutputError, match="was changed by another program"):
        fs.replace(str(target), b"ours", expected=stamp)
    assert target.read_bytes() == b"theirs, longer"
    assert names(tmp_path) == ["app.yaml"]


def test_replace_after_another_replacement_of_equal_size_and_time_is_refused(target: Path) -> None:
    _, stamp = fs.read(str(target))
    other = target.with_name("other")
    other.write_bytes(b"OLD\r\n\x00")
    os.utime(other, ns=(stamp.mtime, stamp.mtime))
    other.replace(target)
    with pytest.raises(OutputError, match="was changed by another program"):
        fs.replace(str(target), b"ours", expected=stamp)
    assert target.read_bytes() == b"OLD\r\n\x00"


def test_replace_after_a_removal_is_refused(target: Path, tmp_path: Path) -> None:
    _, stamp = fs.read(str(target))
    target.unlink()
    with pytest.raises(OutputError, match="was removed by another program"):
        fs.replace(str(target), b"ours", expected=stamp)
    assert names(tmp_path) == []


# --- replace, killed ---

WRITER = """
import sys
from secrettool import fs
contents = [letter * 400_000 for letter in (b"a", b"b")]
print("ready", flush=True)
while True:
    for content in contents:
        fs.replace(sys.argv[1], content)
"""


def start_writer(path: Path) -> subprocess.Popen[bytes]:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert writer.stdout is not None
    writer.stdout.readline()
    return writer


def kill_after(writer: subprocess.Popen[bytes], seconds: float, number: int) -> int:
    time.sleep(seconds)
    writer.send_signal(number)
    status = writer.wait()
    assert writer.stdout is not None
    writer.stdout.close()
    return status


def test_replace_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    moments = random.Random(20)
    target = tmp_path / "app.yaml"
    target.write_bytes(b"a" * 400_000)
    for _ in range(30):
        kill_after(start_writer(target), moments.uniform(0, 0.03), signal.SIGKILL)
        assert target.read_bytes() in (b"a" * 400_000, b"b" * 400_000)
        for left in tmp_path.glob(".secrettool-*.tmp"):
            left.unlink()
    assert names(tmp_path) == ["app.yaml"]


def test_is_temporary_knows_the_name_that_replace_uses(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(os, "replace", lambda source, _: seen.append(source))
    fs.replace(str(target), b"new")
    assert [fs.is_temporary(name) for name in (*seen, str(target))] == [True, False]


def test_replace_ended_by_a_signal_leaves_no_temporary_file(tmp_path: Path) -> None:
    moments = random.Random(21)
    target = tmp_path / "app.yaml"
    target.write_bytes(b"a" * 400_000)
    for _ in range(8):
        kill_after(start_writer(target), moments.uniform(0, 0.03), signal.SIGTERM)
        assert names(tmp_path) == ["app.yaml"]
        assert target.read_bytes() in (b"a" * 400_000, b"b" * 400_000)


# --- memory_directory ---


@needs_tmpfs
def test_memory_directory_is_private_in_memory_and_removed() -> None:
    with fs.memory_directory() as folder:
        assert mode(Path(folder)) == 0o700
        assert fs.is_in_memory(folder)
        (Path(folder) / "deep").mkdir()
        (Path(folder) / "deep" / "plain").write_text("x")
    assert not os.path.exists(folder)


@needs_tmpfs
def test_memory_directory_is_removed_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), fs.memory_directory() as folder:
        raise ZeroDivisionError
    assert not os.path.exists(folder)


@needs_tmpfs
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_memory_directory_is_removed_on_a_signal(number: signal.Signals) -> None:
    script = "import time; from secrettool import fs\nwith fs.memory_directory() as folder:\n    print(folder, flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    folder = process.stdout.readline().strip()
    assert os.path.isdir(folder)
    assert kill_after(process, 0, number) != 0  # type: ignore[arg-type]
    assert not os.path.exists(folder)


@needs_tmpfs
def test_memory_directory_restores_signal_handlers() -> None:
    before = [signal.getsignal(signal.Signals[name]) for name in fs.ENDING_SIGNALS]
    with fs.memory_directory():
        assert [signal.getsignal(signal.Signals[name]) for name in fs.ENDING_SIGNALS] != before
    assert [signal.getsignal(signal.Signals[name]) for name in fs.ENDING_SIGNALS] == before


@needs_tmpfs
def test_memory_directory_leaves_an_ignored_signal_ignored() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with fs.memory_directory():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)


@needs_tmpfs
def test_memory_directory_works_in_another_thread() -> None:
    seen: list[bool] = []

    def work() -> None:
        with fs.memory_directory() as folder:
            seen.append(os.path.isdir(folder))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]


def test_memory_directory_without_a_mount_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fs, "MOUNTS", "/nonexistent/mounts")
    with pytest.raises(OutputError, match="no writable memory file system") as caught, fs.memory_directory():
        pytest.fail("a folder was made")
    assert caught.value.hint is not None


def test_memory_directory_on_disk_is_private_when_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fs, "MOUNTS", "/nonexistent/mounts")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with fs.memory_directory(allow_disk=True) as folder:
        assert Path(folder).parent == tmp_path.resolve()
        assert mode(Path(folder)) == 0o700
    assert names(tmp_path) == []


def test_memory_directory_in_a_missing_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fs, "MOUNTS", "/nonexistent/mounts")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    with pytest.raises(OutputError, match="cannot be made"), fs.memory_directory(allow_disk=True):
        pytest.fail("a folder was made")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("dev / ext4 rw 0 0\ntmpfs {} tmpfs rw 0 0\n", True),
        ("dev / ext4 rw 0 0\ntmpfs {} tmpfs rw 0 0\ndev {} ext4 rw 0 0\n", False),
        ("tmpfs / tmpfs rw 0 0\ndev {} ext4 rw 0 0\n", False),
        ("dev / ext4 rw 0 0\ntmpfs {}x tmpfs rw 0 0\n", False),
        ("dev / ext4 rw 0 0\n", False),
    ],
)
def test_the_upper_file_system_of_the_mount_table_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, expected: bool) -> None:
    folder = tmp_path.resolve() / "with space"
    folder.mkdir()
    mounts = tmp_path / "mounts"
    mounts.write_text(table.replace("{}", str(folder).replace(" ", "\\040")))
    monkeypatch.setattr(fs, "MOUNTS", str(mounts))
    assert fs.is_in_memory(str(folder)) is expected


def test_abandoned_folders_in_memory_are_removed_and_others_stay() -> None:
    base = Path(fs._memory_base(False))
    abandoned, young = base / f"secrettool-{os.urandom(8).hex()}", base / f"secrettool-{os.urandom(8).hex()}"
    other = base / f"secrettool-kept-{os.urandom(8).hex()}"
    for folder in (abandoned, young, other):
        folder.mkdir(mode=0o700)
        (folder / "x").touch()
    for folder in (abandoned, other):
        os.utime(folder, (1, 1))
    try:
        with fs.memory_directory() as held:
            os.utime(held, (1, 1))
            assert fs.remove_abandoned() >= 1
            assert [folder.exists() for folder in (abandoned, young, other, Path(held))] == [False, True, True, True]
    finally:
        shutil.rmtree(young)
        shutil.rmtree(other)
