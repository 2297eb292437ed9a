"""No path and no link leads out of a safe root."""

from __future__ import annotations

import os
import socket
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import HookError, InputError, OutputError, UnsafePath
from secrettool.fs.openat import shown
from secrettool.fs.saferoot import MAX_LINKS, MAX_PATH, SafeRoot, clean, strip_root
from tests.rights import without_rights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`w` with `app/a.env` and `other/d.env`; a secret file beside it."""
    for name, text in (("w/app/a.env", "a"), ("w/other/d.env", "d"), ("outside/d.env", "outside")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "w"


@pytest.fixture
def root(folder: Path) -> SafeRoot:
    return SafeRoot(str(folder))


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


# --- where a path leads: every row of the table of the design ---


def test_da_20_a_relative_path_starts_at_the_root(root: SafeRoot) -> None:
    assert root.resolve("./foo") == "foo"


def test_da_20_an_absolute_path_loses_the_root(root: SafeRoot) -> None:
    assert root.resolve(f"{root.path}/foo/") == "foo"


def test_da_20_parents_stop_at_the_root(folder: Path) -> None:
    (folder / "foo").mkdir()
    with SafeRoot(str(folder / "foo")) as inner:
        assert inner.resolve("../../bar") == "bar"


def test_da_20_a_link_that_climbs_out_lands_inside_where_nothing_is(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub/a").symlink_to("../other/d.env")
    with SafeRoot(str(folder / "sub")) as inner:
        assert inner.resolve("a") == "other/d.env"
        with pytest.raises(UnsafePath) as caught:
            inner.read("a")
    assert str(caught.value) == "HK121 other/d.env: no such file or directory"


def test_da_20_a_link_inside_is_followed(folder: Path, root: SafeRoot) -> None:
    (folder / "sub").mkdir()
    (folder / "sub/a").symlink_to("../other/d.env")
    assert (root.resolve("sub/a"), root.read("sub/a")) == ("other/d.env", b"d")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "."),
        (".", "."),
        ("/", "."),
        ("..", "."),
        ("app//a.env", "app/a.env"),
        ("app/./a.env", "app/a.env"),
        ("app/../other", "other"),
        ("none/../app", "app"),
        ("none/../../app", "app"),
        ("app/a.env/x", "app/a.env/x"),
        ("app/a.env/../b", "app/b"),
        ("/app/a.env", "app/a.env"),
        ("/../app//sub/..", "app"),
        ("mein schlüssel ☃", "mein schlüssel ☃"),
    ],
)
def test_da_20_resolve(root: SafeRoot, path: str, expected: str) -> None:
    assert root.resolve(path) == expected


def test_resolve_of_an_absolute_link_starts_again_at_the_root(folder: Path, root: SafeRoot) -> None:
    (folder / "app/l").symlink_to("/other/d.env")
    assert root.resolve("app/l") == "other/d.env"


def test_resolve_of_an_absolute_link_does_not_take_the_root_off(folder: Path, root: SafeRoot) -> None:
    (folder / "app/l").symlink_to(folder / "other/d.env")
    assert root.resolve("app/l") == f"{root.path[1:]}/other/d.env"
    assert root.kind("app/l") == "missing"


def test_resolve_follows_a_link_in_the_middle(folder: Path, root: SafeRoot) -> None:
    (folder / "app/dir").symlink_to("../other")
    assert root.resolve("app/dir/d.env") == "other/d.env"
    assert root.resolve("app/dir/../app/a.env") == "app/a.env"


def test_da_20_as_many_links_as_allowed_are_followed(folder: Path, root: SafeRoot) -> None:
    (folder / "0").write_text("end")
    for number in range(1, MAX_LINKS + 2):
        (folder / str(number)).symlink_to(str(number - 1))
    assert root.read(str(MAX_LINKS)) == b"end"
    with pytest.raises(UnsafePath, match="too many levels of symbolic links") as caught:
        root.read(str(MAX_LINKS + 1))
    assert caught.value.rule == "HK121"


def test_da_20_links_in_a_circle_are_refused(folder: Path, root: SafeRoot) -> None:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    with pytest.raises(UnsafePath, match="too many levels of symbolic links"):
        root.resolve("a/x")


def test_long_targets_that_lead_up_and_down_are_refused(folder: Path, root: SafeRoot) -> None:
    (folder / "end").mkdir()
    for number in range(200):
        (folder / f"l{number}").symlink_to("app/../" * 500 + (f"l{number + 1}" if number < 199 else "end"))
    with pytest.raises(UnsafePath, match="too many levels"):
        root.resolve("l0")


@pytest.mark.parametrize("path", ["a\0b", "a\ud800b", "x" * (MAX_PATH + 1), "x" * 300])
def test_a_name_that_no_file_can_have_is_refused(root: SafeRoot, path: str) -> None:
    for action in (root.read, root.kind):
        with pytest.raises(UnsafePath) as caught:
            action(path)
        assert caught.value.rule == "HK121"


NAMES = st.sampled_from(["app", "other", "up", "out", "abs", "deep", "a.env", "d.env", "none", "..", ".", "", "dir"])


@given(st.lists(NAMES, max_size=12), st.booleans())
def test_resolve_never_leaves_the_root_and_agrees_with_a_chroot(tmp_path_factory: pytest.TempPathFactory, names: list[str], absolute: bool) -> None:
    folder = tmp_path_factory.getbasetemp() / "property"
    if not folder.exists():
        (folder / "app/deep").mkdir(parents=True)
        (folder / "other").mkdir()
        (folder / "app/a.env").write_text("a")
        (folder / "app/up").symlink_to("../../../..")
        (folder / "app/out").symlink_to("../../etc/../other")
        (folder / "other/abs").symlink_to("/app/deep")
        (folder / "dir").symlink_to("app")
    with SafeRoot(str(folder)) as root:
        found = root.resolve(("/" if absolute else "") + "/".join(names))
        real = os.path.realpath(folder / found)
        assert real == root.path or real.startswith(root.path + "/")
        assert root.resolve(found) == found
        assert ".." not in found.split("/")


# --- reading ---


def test_read_gives_every_byte(folder: Path, root: SafeRoot) -> None:
    data = os.urandom((1 << 20) + 17)
    (folder / "big").write_bytes(data)
    assert root.read("big") == data


def test_read_at_the_limit_is_accepted(folder: Path, root: SafeRoot) -> None:
    (folder / "f").write_bytes(b"12345")
    assert root.read("f", limit=5) == b"12345"


def test_read_beyond_the_limit_is_refused(folder: Path, root: SafeRoot) -> None:
    (folder / "f").write_bytes(b"123456")
    with pytest.raises(HookError) as caught:
        root.read("f", limit=5)
    assert str(caught.value) == "HK120 f: the file is larger than the limit of 5 bytes"


@pytest.mark.parametrize("path", [".", "app", "none", "app/a.env/x"])
def test_read_of_what_is_no_file_is_refused(root: SafeRoot, path: str) -> None:
    with pytest.raises(UnsafePath) as caught:
        root.read(path)
    assert caught.value.rule == "HK121"


def test_da_20_a_pipe_is_refused_and_not_waited_for(folder: Path, root: SafeRoot) -> None:
    os.mkfifo(folder / "p")
    with pytest.raises(UnsafePath, match="a device, a pipe or a socket"):
        root.read("p")
    assert root.kind("p") == "other"


def test_da_20_a_socket_is_refused(folder: Path, root: SafeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)  # the path of a socket may have about a hundred bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
    with pytest.raises(UnsafePath, match="a device, a pipe or a socket"):
        root.read("s")


def test_da_20_a_device_is_refused() -> None:
    with SafeRoot("/dev") as devices, pytest.raises(UnsafePath, match="a device, a pipe or a socket"):
        devices.read("null")


def test_read_without_permission_is_refused(folder: Path, root: SafeRoot) -> None:
    (folder / "app/a.env").chmod(0)
    with without_rights(), pytest.raises(InputError, match="permission denied"):
        root.read("app/a.env")


def test_da_20_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(folder: Path, root: SafeRoot) -> None:
    """Somebody exchanges a folder for a link again and again; what is read always comes from inside."""
    secret = b"outside"
    stop = threading.Event()

    def exchange() -> None:
        os.symlink("../outside", folder / "link")
        while not stop.is_set():
            os.rename(folder / "other", folder / "kept")
            os.rename(folder / "link", folder / "other")
            os.rename(folder / "other", folder / "link")
            os.rename(folder / "kept", folder / "other")

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        for _ in range(3000):
            with suppress(UnsafePath):
                assert root.read("other/d.env") != secret
    finally:
        stop.set()
        thread.join()


def test_reading_leaves_no_descriptor_open(folder: Path, root: SafeRoot) -> None:
    os.symlink("a", folder / "a")
    os.mkfifo(folder / "p")
    before = open_descriptors()
    root.read("app/a.env")
    root.listdir("app")
    root.kind("app/x/y")
    for path in ("a", "p", "none", "app"):
        with pytest.raises(UnsafePath):
            root.read(path)
    with pytest.raises(HookError):
        root.read("app/a.env", limit=0)
    assert open_descriptors() == before


# --- writing ---


def test_write_keeps_the_mode(folder: Path, root: SafeRoot) -> None:
    (folder / "app/a.env").chmod(0o751)
    root.write("app/a.env", b"longer than before")
    assert (folder / "app/a.env").read_bytes() == b"longer than before"
    assert stat.S_IMODE((folder / "app/a.env").stat().st_mode) == 0o751


def test_write_makes_no_file(folder: Path, root: SafeRoot) -> None:
    with pytest.raises(UnsafePath):
        root.write("app/new", b"x")
    assert not (folder / "app/new").exists()


def test_create_makes_a_private_file(folder: Path, root: SafeRoot) -> None:
    root.create("app/new", b"x")
    assert (folder / "app/new").read_bytes() == b"x"
    assert stat.S_IMODE((folder / "app/new").stat().st_mode) == 0o600


@pytest.mark.parametrize("path", ["app/a.env", ".", "app"])
def test_create_takes_no_place_that_is_taken(folder: Path, root: SafeRoot, path: str) -> None:
    with pytest.raises(OutputError):
        root.create(path, b"x")
    assert (folder / "app/a.env").read_text() == "a"


@pytest.mark.parametrize("path", ["none/new", "app/a.env/new"])
def test_create_needs_a_folder(root: SafeRoot, path: str) -> None:
    with pytest.raises(UnsafePath):
        root.create(path, b"x")


def test_write_through_a_link_stays_inside(folder: Path, root: SafeRoot) -> None:
    (folder / "app/l").symlink_to("../../outside/d.env")
    with pytest.raises(UnsafePath):
        root.write("app/l", b"x")
    assert (folder.parent / "outside/d.env").read_text() == "outside"


# --- looking around ---


def test_listdir_is_sorted(root: SafeRoot) -> None:
    assert root.listdir() == ["app", "other"]


def test_entries_say_what_is_there_without_following_links(folder: Path, root: SafeRoot) -> None:
    (folder / "app/l").symlink_to("../other")
    (folder / "app/a.env").chmod(0o640)
    assert [(entry.path, entry.kind) for entry in root.entries("app")] == [("app/a.env", "file"), ("app/l", "link")]
    assert root.entries("app")[0][2:] == (0o640, 1)
    assert root.target("app/l") == "../other"


def test_kind_and_mode_follow_links(folder: Path, root: SafeRoot) -> None:
    (folder / "app/l").symlink_to("../other/d.env")
    (folder / "other/d.env").chmod(0o604)
    assert (root.kind("app/l"), root.mode("app/l")) == ("file", 0o604)
    assert (root.kind("app"), root.kind("."), root.kind("none"), root.mode("none")) == ("directory", "directory", "missing", 0)


@pytest.mark.parametrize(
    ("target", "inside"),
    [
        ("a.env", True),
        ("../other/d.env", True),
        ("none", True),
        ("../..", False),
        ("../../w/app/a.env", False),
        ("/app/a.env", False),
        ("via/..", True),
    ],
)
def test_stays_inside(folder: Path, root: SafeRoot, target: str, inside: bool) -> None:
    (folder / "app/via").symlink_to("../other")
    (folder / "app/l").symlink_to(target)
    assert root.stays_inside("app/l") is inside


def test_stays_inside_asks_where_links_lead_and_not_what_they_say(folder: Path, root: SafeRoot) -> None:
    (folder / "app/top").symlink_to("..")
    (folder / "app/l").symlink_to("top/..")  # by its text this is app
    assert not root.stays_inside("app/l")


# --- the root itself ---


def test_a_root_that_is_a_link_keeps_its_target(folder: Path) -> None:
    link = folder.parent / "current"
    link.symlink_to("w")
    with SafeRoot(str(link)) as root:
        link.unlink()
        link.symlink_to("outside")
        assert root.read("other/d.env") == b"d"


def test_a_root_that_is_renamed_is_still_the_same(folder: Path, root: SafeRoot) -> None:
    folder.rename(folder.parent / "elsewhere")
    assert root.read("other/d.env") == b"d"


@pytest.mark.parametrize("name", ["none", "w/app/a.env"])
def test_a_root_that_is_no_folder_is_refused(tmp_path: Path, folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be opened as a folder"):
        SafeRoot(str(tmp_path / name))


def test_close_gives_the_descriptor_back(folder: Path) -> None:
    before = open_descriptors()
    with SafeRoot(str(folder)) as root:
        assert open_descriptors() == before + 1
        root.close()
    assert open_descriptors() == before


# --- texts ---


@pytest.mark.parametrize(
    ("root", "path", "expected"),
    [("/w", "/w/foo/", "foo"), ("/w", "/w", "."), ("/w", "/wide/x", "wide/x"), ("/w", "/x/../w/y", "y"), ("/", "/a", "a"), ("/w", "//w/a", "a")],
)
def test_strip_root(root: str, path: str, expected: str) -> None:
    assert strip_root(root, path) == expected


@pytest.mark.parametrize(("path", "cleaned"), [("", "."), ("//a//b/", "/a/b"), ("/..", "/"), ("a/../..", ".."), ("/a/./b/../c", "/a/c")])
def test_clean_is_as_in_go(path: str, cleaned: str) -> None:
    assert clean(path) == cleaned


def test_names_are_shown_without_control_characters() -> None:
    assert shown("schlüssel ☃.env") == "schlüssel ☃.env"
    assert shown("a\x1b[31m\n\udcff\u202e") == "a\\x1b[31m\\x0a\\xff\\u202e"
