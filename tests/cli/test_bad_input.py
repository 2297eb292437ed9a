"""Input that nobody should give: each ends with a clear error, leaves no file behind and shows nothing of what is in the file."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.running import AGE1, KEY2, ROOT, VECTORS, Result, environment

CANARY = "canary-51c0ffee"
HUGE = 20_000_000  # bytes
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
ENCRYPT = ("encrypt", "--age", AGE1)

# Name of the file, its bytes, the command, and the exit code.
BAD: dict[str, tuple[str, bytes, tuple[str, ...], int]] = {
    "not UTF-8 in YAML": ("f.yaml", f"a: {CANARY}\nb: ".encode() + b"\xff\xfe\n", ENCRYPT, 2),
    "not UTF-8 in JSON": ("f.json", f'{{"a": "{CANARY}'.encode() + b'\xff", }', ENCRYPT, 2),
    "NUL in YAML": ("f.yaml", f"a: {CANARY}\0\n".encode(), ENCRYPT, 2),
    "NUL in JSON": ("f.json", f'{{"a": "{CANARY}\0"}}'.encode(), ENCRYPT, 2),
    "unbalanced YAML": ("f.yaml", f"a: [{CANARY}\n".encode(), ENCRYPT, 2),
    "tab in YAML": ("f.yaml", f"a:\n\t- {CANARY}\n".encode(), ENCRYPT, 2),
    "duplicate key": ("f.yaml", f"{CANARY}: 1\n{CANARY}: 2\n".encode().replace(CANARY.encode(), b"k", 2) + f"x: {CANARY}\n".encode(), ENCRYPT, 2),
    "cut JSON": ("f.json", f'{{"a": "{CANARY}'.encode(), ENCRYPT, 2),
    "line without = in dotenv": ("f.env", f"A=1\n{CANARY}\n".encode(), ENCRYPT, 2),
    "broken INI": ("f.ini", f"[a\nx = {CANARY}\n".encode(), ENCRYPT, 2),
    "billion laughs": ("f.yaml", f"z: {CANARY}\n{BOMB}".encode(), ENCRYPT, 2),
    "unknown anchor": ("f.yaml", f"a: {CANARY}\nb: *nothing\n".encode(), ENCRYPT, 2),
    "number that is too large": ("f.json", f'{{"a": "{CANARY}", "b": 1e999}}'.encode(), ENCRYPT, 2),
    "encrypted already": ("f.yaml", f"a: {CANARY}\nsops: {{}}\n".encode(), ENCRYPT, 203),
    "not encrypted": ("f.yaml", f"a: {CANARY}\n".encode(), ("decrypt",), 1),
    "no data in binary": ("f.bin", f'{{"a": "{CANARY}", "sops": {{}}}}'.encode(), ("decrypt",), 1),
    "junk in the section": ("f.yaml", f"a: ENC[]\nsops:\n  mac: {CANARY}\n  lastmodified: {CANARY}\n".encode(), ("decrypt",), 1),
    "clear value where an envelope belongs": ("f.json", b"", ("decrypt",), 25),
}


def clear_value() -> bytes:
    sealed = json.loads((VECTORS / "pos" / "json-basic.enc.json").read_bytes())
    first = next(key for key in sealed if key != "sops")
    sealed[first] = CANARY
    return json.dumps(sealed).encode()


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("verbose", [False, True], ids=["quiet", "verbose"])
def test_bad_input_is_a_clear_error_that_shows_nothing(cli: Run, work: Path, home: Path, tmp_path: Path, name: str, verbose: bool) -> None:
    file, data, words, code = BAD[name]
    data = data or clear_value()
    (work / file).write_bytes(data)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for where in ((), ("-i",), ("--output", "out")):
        done = cli(*(["--verbose"] if verbose else []), *words, *where, file, TMPDIR=str(temporary))
        assert (done.code, done.out) == (code, b""), done.err
        assert f"secrettool: error: {file}: " in done.err
        assert "internal error" not in done.err
        assert "Traceback" not in done.err
        assert CANARY not in done.err
    assert [path.name for path in work.iterdir()] == [file]
    assert (work / file).read_bytes() == data
    assert list(temporary.iterdir()) == list(home.iterdir()) == []


@pytest.mark.parametrize(("option", "value"), [("--age", CANARY), ("--add-age", CANARY), ("--extract", f'["{CANARY}"')])
def test_a_private_key_given_for_a_public_one_is_not_repeated(cli: Run, work: Path, option: str, value: str) -> None:
    (work / "f.json").write_bytes((VECTORS / "pos" / "json-basic.enc.json").read_bytes())
    private = next(line for line in Path(KEY2).read_text().splitlines() if line.startswith("AGE-SECRET-KEY-"))
    command = {"--age": "encrypt", "--add-age": "rotate", "--extract": "decrypt"}[option]
    done = cli(command, option, private if command != "decrypt" else value, "f.json")
    assert done.code != 0
    assert private not in done.err
    assert private[:30] not in done.err


@pytest.mark.parametrize(
    ("file", "data", "code"),
    [
        ("deep.yaml", "[" * 10_000 + "]" * 10_000, 2),
        ("deep.yaml", "a: " + "[" * 10_000 + "x" + "]" * 10_000 + "\n", 0),
        ("flow.yaml", "a: " + "{b: " * 10_000 + "x" + "}" * 10_000 + "\n", 0),
        ("deep.json", '{"a":' * 10_000 + "1" + "}" * 10_000, 0),
        ("list.json", '{"a":' + "[" * 10_000 + "1" + "]" * 10_000 + "}", 0),
    ],
    ids=["top list", "YAML lists", "YAML mappings", "JSON objects", "JSON lists"],
)
def test_ten_thousand_levels_are_read_or_refused(outside: Run, work: Path, file: str, data: str, code: int) -> None:
    (work / file).write_text(data)
    done = outside(*ENCRYPT, "--output", "out", file)
    assert done.code in (code, 2), done.err
    assert "internal error" not in done.err
    if done.code == 0:
        back = outside("decrypt", "--filename-override", file, "out")
        assert (back.code, back.out) == (0, data.encode())
    else:
        assert "secrettool: error: " in done.err


def test_directory_is_refused(cli: Run, work: Path) -> None:
    (work / "d.yaml").mkdir()
    for words in (ENCRYPT, ("decrypt",), ("rotate",)):
        done = cli(*words, "d.yaml")
        assert (done.code, done.out) == (2, b"")
        assert "d.yaml" in done.err
        assert "is a directory" in done.err


def test_missing_file_is_named(cli: Run) -> None:
    for words, code in ((ENCRYPT, 100), (("decrypt",), 100), (("rotate",), 2), (("filestatus",), 1), (("verify",), 2)):
        done = cli(*words, "nowhere.yaml")
        assert (done.code, done.out) == (code, b"")
        assert "nowhere.yaml" in done.err


def test_file_without_permission_is_refused(outside: Run, work: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (work / "f.yaml").write_text("a: 1\n")
    (work / "f.yaml").chmod(0)
    done = outside(*ENCRYPT, "f.yaml")
    assert done.code == 2
    assert "permission denied" in done.err


def test_huge_file_is_handled_in_bounded_memory(work: Path, home: Path) -> None:
    (work / "huge.bin").write_bytes(b"\0" * HUGE)
    done = limited(work, home, 1 << 30, *ENCRYPT, "-i", "huge.bin")
    assert done == Result(0, b"", "")
    assert limited(work, home, 1 << 30, "decrypt", "-i", "huge.bin") == Result(0, b"", "")
    assert (work / "huge.bin").stat().st_size == HUGE


def test_too_little_memory_is_an_error_of_ours(work: Path, home: Path) -> None:
    (work / "huge.bin").write_bytes(b"\0" * HUGE)
    done = limited(work, home, 120 << 20, *ENCRYPT, "-i", "huge.bin")
    assert done.code == 1
    assert "not enough memory" in done.err
    assert [path.name for path in work.iterdir()] == ["huge.bin"]


def limited(work: Path, home: Path, most: int, *words: str) -> Result:
    """Run with at most this much address space, in bytes."""
    done = subprocess.run(
        [sys.executable, "-m", "secrettool", *words],
        cwd=work,
        env=environment(home, PYTHONPATH=str(ROOT)),
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )
    return Result(done.returncode, done.stdout, done.stderr.decode())


def test_full_disk_leaves_the_file(work: Path, home: Path) -> None:
    mount = f"mount -t tmpfs -o size=16k tmpfs {work}"
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    encrypt = f"{sys.executable} -m secrettool encrypt -i --age {AGE1} f.bin"
    script = f"{mount} && cd {work} && head -c 9000 /dev/zero > f.bin && {encrypt}; code=$?; ls -A; wc -c < f.bin; exit $code"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], env=environment(home, PYTHONPATH=str(ROOT)), capture_output=True, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stdout.decode().split() == ["f.bin", "9000"]
    assert b"no space left on device" in done.stderr
