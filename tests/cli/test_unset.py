"""`unset`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.sandbox import Sandbox

TEXT = "# head\na: one   # aside\nb: 2\nlist:\n- x\n- y\n"


@pytest.fixture
def box(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


@pytest.fixture
def file(box: Sandbox) -> Path:
    return box.encrypted("f.yaml", TEXT)


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ('["b"]', "# head\na: one   # aside\nlist:\n- x\n- y\n"),
        ('["list"][0]', "# head\na: one   # aside\nb: 2\nlist:\n- y\n"),
        ("['list']", "# head\na: one   # aside\nb: 2\n"),
    ],
)
def test_unset_removes_the_entry_and_keeps_the_rest(box: Sandbox, file: Path, path: str, left: str) -> None:
    before = [line for line in file.read_text().splitlines() if line.startswith("a:")]
    done = box.call("unset", "f.yaml", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert box.plain("f.yaml") == left
    assert [line for line in file.read_text().splitlines() if line.startswith("a:")] == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (('["zz"]',), 1, "Key not found: zz"),
        (('["list"][5]',), 1, "Index 5 out of bounds"),
        (('["list"][-1]',), 1, "negative"),
        (('["a"]["k"]',), 1, "Unsupported type"),
        (('["a"]["k"]', "--idempotent"), 1, "Unsupported type"),
        (("a",), 7, "Invalid unset index format"),
        ((), 100, "index is missing"),
        (('["a"]', "x"), 100, "index is missing"),
    ],
)
def test_unset_refuses_and_leaves_the_file(box: Sandbox, file: Path, words: tuple[str, ...], code: int, said: str) -> None:
    before = file.read_bytes()
    done = box.call("unset", "f.yaml", *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert file.read_bytes() == before


@pytest.mark.parametrize("path", ['["zz"]', '["list"][5]'])
def test_unset_idempotent_is_silent_about_what_is_not_there(box: Sandbox, file: Path, path: str) -> None:
    before = file.read_bytes()
    done = box.call("unset", "--idempotent", "f.yaml", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert file.read_bytes() == before


@pytest.mark.parametrize(("path", "said"), [('["b"]', "would be changed"), ('["zz"]', "would stay as it is")])
def test_unset_dry_run_says_whether_it_would_change(box: Sandbox, file: Path, path: str, said: str) -> None:
    before = file.read_bytes()
    done = box.call("unset", "-n", "--idempotent", "f.yaml", path)
    assert done.returncode == 0
    assert said in done.stderr
    assert file.read_bytes() == before
