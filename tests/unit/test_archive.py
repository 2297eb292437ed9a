"""An archive is unpacked inside its folder, within limits, or refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import stat
import subprocess
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import HookError, InputError, SecrettoolError
from secrettool.fs.archive import LIMITS, check_digest, unpack
from secrettool.fs.newtree import MAX_DEPTH, Limits


def member(name: str, kind: bytes = tarfile.REGTYPE, *, target: str = "", size: int = 0, mode: int = 0o777) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, target, size, mode
    return info


def packed(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def file(name: str, data: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    return member(name, size=len(data)), data


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.SYMTYPE, target=target), b""


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


def refusal(data: bytes, folder: Path, limits: Limits = LIMITS) -> HookError:
    """What an archive is refused with; nothing may appear beside the folder."""
    target = folder / "target"
    target.mkdir()
    (folder / "victim").write_text("untouched")
    with pytest.raises(HookError) as caught:
        unpack(data, str(target), limits=limits)
    assert sorted(os.listdir(folder)) == ["target", "victim"]
    assert (folder / "victim").read_text() == "untouched"
    return caught.value


# --- what is unpacked ---


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_da_21_every_format_is_unpacked(tmp_path: Path, form: int, compress: type[bytes]) -> None:
    long = "folder-" * 12 + "/" + "name-" * 14
    data = packed(file("a.yaml", b"a: 1\n"), file(f"./{long}", bytes(1000)), file("empty", b""), form=form)
    unpack(compress(data), str(tmp_path))
    assert content(tmp_path) == {"a.yaml": b"a: 1\n", long: bytes(1000), "empty": b""}


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_that_no_header_can_hold_are_unpacked(tmp_path: Path, form: int) -> None:
    name = "/".join(["long-" * 30] * 3) + "/schlüssel ☃"
    unpack(packed(file(name), link("l", name), form=form), str(tmp_path))
    assert content(tmp_path) == {name: b"x"}
    assert os.readlink(tmp_path / "l") == name


@pytest.mark.parametrize("options", [["--format=gnu"], ["--format=ustar"], ["--format=posix"], ["--format=v7"], ["--format=oldgnu"]])
def test_archives_of_gnu_tar_are_unpacked(tmp_path: Path, options: list[str]) -> None:
    program = shutil.which("tar")
    if program is None or b"GNU tar" not in subprocess.run([program, "--version"], capture_output=True, check=True).stdout:
        pytest.skip("GNU tar is missing")
    source = tmp_path / "source"
    (source / "deep/er").mkdir(parents=True)
    (source / "deep/er/f").write_bytes(os.urandom(70_000))
    (source / "l").symlink_to("deep/er/f")
    os.link(source / "deep/er/f", source / "second")
    data = subprocess.run([program, "-C", source, "-cz", *options, "."], capture_output=True, check=True).stdout
    target = tmp_path / "target"
    target.mkdir()
    unpack(data, str(target))
    assert content(target) == content(source)
    assert os.readlink(target / "l") == "deep/er/f"


def test_numbers_in_binary_are_read(tmp_path: Path) -> None:
    header = bytearray(member("f", size=3).tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\x80" + (3).to_bytes(11, "big")
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:512]) + 256)
    unpack(bytes(header) + b"abc".ljust(512, b"\0"), str(tmp_path))
    assert content(tmp_path) == {"f": b"abc"}


def test_modes_of_the_archive_do_not_count(tmp_path: Path) -> None:
    unpack(packed((member("d", tarfile.DIRTYPE, mode=0o777), b""), (member("d/f", size=1, mode=0o4777), b"x")), str(tmp_path))
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "d/f").stat().st_mode) == 0o600


def test_of_two_entries_with_one_name_the_later_stays(tmp_path: Path) -> None:
    unpack(packed(file("f", b"1"), link("l", "f"), file("f", b"2"), file("l", b"3")), str(tmp_path))
    assert content(tmp_path) == {"f": b"2", "l": b"3"}


def test_links_inside_stay(tmp_path: Path) -> None:
    unpack(packed(link("a/l", "../b/f"), file("b/f"), link("dangling", "none"), link("loop", "loop2")), str(tmp_path))
    assert (tmp_path / "a/l").read_bytes() == b"x"


def test_what_stands_behind_the_end_is_not_read(tmp_path: Path) -> None:
    unpack(packed(file("f")) + b"anything", str(tmp_path))
    assert content(tmp_path) == {"f": b"x"}


# --- what is refused ---


@pytest.mark.parametrize("name", ["/etc/passwd", "/victim", "../victim", "a/../../victim", "a/..", "..", "./../victim"])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_da_21_names_that_lead_out_are_refused(tmp_path: Path, name: str, kind: bytes) -> None:
    data = packed(file("f"), (member(name, kind, target="f"), b""))
    assert refusal(data, tmp_path).rule == "HK121"


@pytest.mark.parametrize("target", ["../victim", "/etc/passwd", "..", "a/../../victim", "/"])
def test_da_21_links_that_leave_the_root_are_refused(tmp_path: Path, target: str) -> None:
    error = refusal(packed(link("l", target)), tmp_path)
    assert (error.rule, error.file) == ("HK121", "l")
    assert target not in error.message


def test_da_21_links_that_leave_the_root_by_way_of_others_are_refused(tmp_path: Path) -> None:
    # By its text p/a/l stays in p; where it leads is above the root.
    assert refusal(packed(link("p/a/l", "q/../.."), link("p/a/q", "../..")), tmp_path).rule == "HK121"


@pytest.mark.parametrize("target", ["..", "/tmp", "."])
def test_da_21_nothing_is_written_through_a_link(tmp_path: Path, target: str) -> None:
    assert refusal(packed(link("l", target), file("l/victim", b"overwritten")), tmp_path).rule == "HK121"


@pytest.mark.parametrize("target", ["../victim", "/victim", "none"])
def test_da_21_hard_links_to_what_is_not_in_the_archive_are_refused(tmp_path: Path, target: str) -> None:
    assert refusal(packed((member("h", tarfile.LNKTYPE, target=target), b"")), tmp_path).rule == "HK121"


def test_da_21_hard_links_through_a_link_are_refused(tmp_path: Path) -> None:
    data = packed(link("l", ".."), (member("h", tarfile.LNKTYPE, target="l/victim"), b""))
    assert refusal(data, tmp_path).rule == "HK121"


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, b"V", b"?"])
def test_da_21_devices_and_the_like_are_refused(tmp_path: Path, kind: bytes) -> None:
    error = refusal(packed((member("dev", kind), b"")), tmp_path)
    assert (error.rule, error.file) == ("HK121", "dev")


def test_sparse_files_of_pax_are_refused(tmp_path: Path) -> None:
    info = member("sparse", size=1)
    info.pax_headers = {"GNU.sparse.size": "1000000000000"}
    assert refusal(packed((info, b"x")), tmp_path).rule == "HK121"


def test_da_21_more_than_20_000_entries_are_refused(tmp_path: Path) -> None:
    entry = member("d", tarfile.DIRTYPE).tobuf(tarfile.USTAR_FORMAT)
    assert refusal(gzip.compress(entry * 20_001, 1), tmp_path).rule == "HK120"
    unpack(entry * 20_000, str(tmp_path / "target"))


def test_more_files_than_the_limit_are_refused(tmp_path: Path) -> None:
    data = packed(*(file(f"{number}") for number in range(101)))
    assert refusal(data, tmp_path, Limits(100, 1000)).rule == "HK120"
    assert len(content(tmp_path / "target")) == 100


def test_folders_that_only_names_imply_count_as_entries(tmp_path: Path) -> None:
    data = packed(file("a/b/c/d/e"), file("f/g/h"))
    assert refusal(data, tmp_path, Limits(7, 100)).rule == "HK120"
    unpack(data, str(tmp_path / "target"), limits=Limits(8, 100))


def test_da_21_more_than_512_mib_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    header = member("bomb", size=LIMITS.bytes + 1).tobuf(tarfile.GNU_FORMAT)
    assert refusal(gzip.compress(header + bytes(5000)), tmp_path).rule == "HK120"
    assert content(tmp_path / "target") == {}


def test_da_21_many_files_that_are_too_large_together_are_refused(tmp_path: Path) -> None:
    data = packed(file("a", bytes(600)), file("b", bytes(500)))
    error = refusal(data, tmp_path, Limits(10, 1000))
    assert (error.rule, error.file) == ("HK120", "b")


def test_a_bomb_of_compressed_headers_is_refused(tmp_path: Path) -> None:
    info = member("PaxHeaders/x", tarfile.XHDTYPE, size=1 << 30)
    data = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
    with pytest.raises(InputError, match="an extension header is too long"):
        unpack(data, str(tmp_path))


def test_extension_headers_without_end_are_refused(tmp_path: Path) -> None:
    record = b"13 comment=x\n"
    block = member("PaxHeaders/x", tarfile.XHDTYPE, size=len(record)).tobuf(tarfile.GNU_FORMAT) + record.ljust(512, b"\0")
    with pytest.raises(InputError, match="too many extension headers"):
        unpack(gzip.compress(block * 5000), str(tmp_path))


def test_a_name_with_too_many_folders_is_refused(tmp_path: Path) -> None:
    assert refusal(packed(file("d/" * (MAX_DEPTH + 1) + "f")), tmp_path).rule == "HK121"


def test_a_name_with_escapes_is_shown_without_them(tmp_path: Path) -> None:
    assert str(refusal(packed(file("../\x1b]0;x\x07")), tmp_path)).startswith("HK121 ../\\x1b]0;x\\x07: ")


# --- what is damaged ---


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    data = packed(file("f", bytes(2000)))
    for cut in (100, 511, 513, 1024, 1500, 2500):
        with pytest.raises(InputError, match="damaged"):
            unpack(data[:cut], str(tmp_path))


def test_a_cut_compression_is_refused(tmp_path: Path) -> None:
    data = gzip.compress(packed(file("f", os.urandom(5000))))
    for cut in (5, 30, len(data) // 2):
        with pytest.raises(InputError, match="damaged"):
            unpack(data[:cut], str(tmp_path))


@pytest.mark.parametrize("size", [b"\xff" * 12, b"12x" + bytes(9), b"-1" + bytes(10)])
def test_a_size_that_is_no_number_is_refused(tmp_path: Path, size: bytes) -> None:
    header = bytearray(member("f").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = size
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:512]) + 256)
    with pytest.raises(InputError, match="a number"):
        unpack(bytes(header), str(tmp_path))


def test_a_changed_header_is_refused(tmp_path: Path) -> None:
    data = bytearray(packed(file("name")))
    data[0] ^= 1
    with pytest.raises(InputError, match="checksum"):
        unpack(bytes(data), str(tmp_path))


@given(st.binary(max_size=2000), st.integers(0, 2047), st.binary(max_size=40), st.booleans())
def test_anything_is_unpacked_inside_or_refused(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, place: int, splice: bytes, whole: bool
) -> None:
    folder = tmp_path_factory.mktemp("any")
    target = folder / "target"
    target.mkdir()
    valid = packed(file("f"), link("l", "f"), file("d/g", bytes(600)))
    data = junk if whole else valid[:place] + splice + valid[place + len(splice) :]
    with suppress(SecrettoolError):
        unpack(data, str(target))
    assert os.listdir(folder) == ["target"]
    shutil.rmtree(folder)


@given(st.dictionaries(st.text("abcü \n", min_size=1, max_size=9).filter(lambda name: name.strip("/")), st.binary(max_size=1500), max_size=5))
def test_what_was_packed_comes_out_again(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    folder = tmp_path_factory.mktemp("same")
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        unpack(packed(*(file(name, data) for name, data in files.items()), form=form), str(folder))
        assert content(folder) == files
    shutil.rmtree(folder)


# --- the digest ---


def test_the_right_digest_is_accepted(tmp_path: Path) -> None:
    data = packed(file("f"))
    unpack(data, str(tmp_path), digest="sha256:" + hashlib.sha256(data).hexdigest().upper())
    assert content(tmp_path) == {"f": b"x"}


@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "sha256:", "sha256:é", "sha512:" + "0" * 128, ""])
def test_another_digest_is_refused_and_nothing_unpacked(tmp_path: Path, digest: str) -> None:
    data = packed(file("f"))
    with pytest.raises(InputError) as caught:
        unpack(data, str(tmp_path), digest=digest)
    assert os.listdir(tmp_path) == []
    assert hashlib.sha256(data).hexdigest() not in str(caught.value)


def test_check_digest_of_the_empty_artifact() -> None:
    check_digest(b"", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
