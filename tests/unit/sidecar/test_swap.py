"""A folder whose files change all at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import OutputError
from secrettool.sidecar.swap import Swapped, SwappedFolder, is_name

MODE = 0o440


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def snapshot(target: Path) -> dict[str, bytes]:
    """What an application reads through the links."""
    found = {}
    for name in os.listdir(target):
        if not name.startswith(".."):
            place = target / name
            assert os.readlink(place) == f"..data/{name}"
            files = [each for each in place.rglob("*") if each.is_file()] if place.is_dir() else [place]
            found.update({str(each.relative_to(target)): each.read_bytes() for each in files})
    return found


def state(target: Path) -> dict[str, tuple[int, int]]:
    """Everything that a write could change."""
    return {str(each): (each.lstat().st_ino, each.lstat().st_mtime_ns) for each in [target, *target.rglob("*")]}


def test_first_write_makes_folder_links_and_modes(target: Path) -> None:
    done = SwappedFolder(str(target), MODE).write({"a": b"1", "team/db/password": b"2"})
    assert done == Swapped(("a", "team/db/password"), (), True)
    assert snapshot(target) == {"a": b"1", "team/db/password": b"2"}
    assert stat.S_IMODE((target / "a").stat().st_mode) == MODE
    assert {stat.S_IMODE((target / each).stat().st_mode) for each in ("..data", "team", "team/db")} == {0o750}
    (stamped,) = [name for name in os.listdir(target) if name.startswith("..2")]
    assert os.readlink(target / "..data") == stamped


def test_the_same_again_touches_nothing(target: Path) -> None:
    folder = SwappedFolder(str(target), MODE)
    folder.write({"a": b"1"})
    before = state(target)
    assert folder.write({"a": b"1"}) == Swapped()
    assert state(target) == before


def test_another_set_replaces_the_old_one_as_a_whole(target: Path) -> None:
    folder = SwappedFolder(str(target), MODE)
    folder.write({"a": b"1", "b": b"2", "c/d": b"3"})
    assert folder.write({"a": b"1", "b": b"x", "e": b"4"}) == Swapped(("b", "e"), ("c/d",), True)
    assert snapshot(target) == {"a": b"1", "b": b"x", "e": b"4"}
    assert len(os.listdir(target)) == 5  # a, b, e, ..data, and one folder


def test_another_mode_is_another_set(target: Path) -> None:
    SwappedFolder(str(target), 0o440).write({"a": b"1"})
    assert SwappedFolder(str(target), 0o400).write({"a": b"1"}).is_swapped
    assert stat.S_IMODE((target / "a").stat().st_mode) == 0o400
    assert stat.S_IMODE((target / "..data").stat().st_mode) == 0o700


def test_the_group_is_that_of_the_target(target: Path) -> None:
    if os.getuid():
        pytest.skip("only root gives files away")
    target.mkdir()
    os.chown(target, -1, 4242)
    SwappedFolder(str(target), MODE).write({"a/b": b"1"})
    assert {(target / each).stat().st_gid for each in ("a", "a/b", "..data")} == {4242}


def test_an_empty_set_is_one(target: Path) -> None:
    folder = SwappedFolder(str(target), MODE)
    folder.write({"a": b"1"})
    assert folder.write({}) == Swapped((), ("a",), True)
    assert snapshot(target) == {}


def test_a_write_that_fails_leaves_the_old_set(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = SwappedFolder(str(target), MODE)
    folder.write({"a": b"1"})

    def full(descriptor: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("secrettool.fs.write_all", full)
        with pytest.raises(OutputError, match="no space left"):
            folder.write({"a": b"2", "b": b"3"})
    assert snapshot(target) == {"a": b"1"}
    assert len([name for name in os.listdir(target) if name.startswith("..2")]) == 1


def test_leftovers_of_a_killed_process_are_removed(target: Path) -> None:
    folder = SwappedFolder(str(target), MODE)
    folder.write({"a": b"1"})
    (target / "..2026_05_01_10_00_00.123456").mkdir()
    (target / "..data_tmp").symlink_to("..2026_05_01_10_00_00.123456")
    (target / "gone").symlink_to("..data/gone")
    (target / "a").unlink()
    assert folder.write({"a": b"1"}) == Swapped()
    assert snapshot(target) == {"a": b"1"}
    assert len(os.listdir(target)) == 3


def test_what_is_not_ours_is_neither_replaced_nor_removed(target: Path) -> None:
    target.mkdir()
    (target / "other").write_text("theirs", encoding="utf-8")
    (target / "link").symlink_to("other")
    folder = SwappedFolder(str(target), MODE)
    folder.write({"a": b"1"})
    assert (target / "other").read_text(encoding="utf-8") == "theirs"
    assert (target / "link").is_symlink()
    with pytest.raises(OutputError, match="something else is in the place"):
        folder.write({"other": b"1"})
    assert (target / "other").read_text(encoding="utf-8") == "theirs"


def test_a_file_that_was_changed_is_written_again(target: Path) -> None:
    folder = SwappedFolder(str(target), MODE)
    folder.write({"a": b"1"})
    real = (target / "a").resolve()
    real.chmod(0o640)
    real.write_bytes(b"2")
    real.chmod(MODE)
    assert folder.write({"a": b"1"}).written == ("a",)
    assert folder.is_intact(frozenset({"a"}))
    (target / "a").resolve().unlink()
    assert not folder.is_intact(frozenset({"a"}))


@pytest.mark.parametrize("name", ["..data", "..x", ".", "", "a/b", "a b", "ä", "a\n", "x" * 256])
def test_da_48_what_is_no_name(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize("name", ["a", ".env", "tls.crt", "A_b-c.1", "a..b", "x" * 255])
def test_da_48_what_is_a_name(name: str) -> None:
    assert is_name(name)


names = st.from_regex(r"[a-c]{1,2}", fullmatch=True)
sets = st.dictionaries(st.tuples(st.sampled_from(["x", "y/", "z/w/"]), names).map("".join), st.binary(max_size=4), max_size=5)


@given(st.lists(sets, max_size=5))
def test_whatever_was_there_the_last_set_is_what_is_read(given_sets: list[dict[str, bytes]]) -> None:
    with folder_for_one_example() as target:
        for files in given_sets:
            done = SwappedFolder(str(target), MODE).write(files)
            assert snapshot(target) == files
            assert set(done.written) <= files.keys()


@contextmanager
def folder_for_one_example() -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "target"
