"""`groups add` and `groups delete`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.sandbox import AGE1, AGE2, AGE3, KEYS, Sandbox

TEXT = "# head\na: one   # aside\nb: 2\n"
RULE = f"creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n      - age: [{AGE1}]\n      - age: [{AGE2}]\n      - age: [{AGE3}]\n"


@pytest.fixture
def box(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


@pytest.fixture
def single(box: Sandbox) -> Path:
    return box.encrypted("f.yaml", TEXT)


@pytest.fixture
def triple(box: Sandbox) -> Path:
    (box.folder / ".sops.yaml").write_text(RULE)
    return box.encrypted("f.yaml", TEXT, "--shamir-secret-sharing-threshold", "2")


def unchanged_part(text: str) -> list[str]:
    """Lines that no change of groups may touch."""
    return [line for line in text.splitlines() if line.startswith(("#", "a:", "b:", "    mac:", "    lastmodified:", "    version:"))]


def test_groups_add_needs_all_groups_by_default(box: Sandbox, single: Path) -> None:
    before = unchanged_part(single.read_text())
    done = box.call("groups", "add", "-f", "f.yaml", "-i", "--age", AGE2)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = single.read_text()
    assert "shamir_threshold: 2" in text
    assert unchanged_part(text) == before
    assert box.plain("f.yaml", "age1", "age2") == TEXT
    assert box.call("decrypt", "f.yaml").returncode == 128


def test_groups_add_takes_several_keys_and_a_threshold(box: Sandbox, triple: Path) -> None:
    words = ("--age", AGE1, "--age", f"{AGE2},{AGE3}", "--shamir-secret-sharing-threshold", "3")
    assert box.call("groups", "add", "-i", "-f", "f.yaml", *words, env={"SOPS_AGE_KEY": all_identities(box)}).returncode == 0
    text = triple.read_text()
    assert "shamir_threshold: 3" in text
    assert text.count("recipient:") == 6
    assert box.plain("f.yaml", "age1", "age2", "age3") == TEXT


def all_identities(box: Sandbox) -> str:
    return "\n".join((KEYS / f"age{number}.txt").read_text() for number in (1, 2, 3))


def test_groups_add_prints_without_in_place(box: Sandbox, single: Path) -> None:
    before = single.read_bytes()
    done = box.call("groups", "add", "-f", "f.yaml", "--age", AGE2)
    assert done.returncode == 0
    assert "shamir_threshold: 2" in done.stdout
    assert single.read_bytes() == before


def test_groups_delete_deals_the_shares_anew(box: Sandbox, triple: Path) -> None:
    before = unchanged_part(triple.read_text())
    assert box.call("groups", "delete", "-f", "f.yaml", "-i", "1", env={"SOPS_AGE_KEY": all_identities(box)}).returncode == 0
    text = triple.read_text()
    assert AGE2 not in text
    assert unchanged_part(text) == before
    assert box.plain("f.yaml", "age1", "age3") == TEXT


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("delete", "-f", "f.yaml", "-i", "x"), 1, "failed to parse [index] argument"),
        (("delete", "-f", "f.yaml", "-i", "3"), 1, "no key group 3"),
        (("delete", "-f", "f.yaml", "-i"), 1, "exactly one positional argument"),
        (("delete", "-f", "f.yaml", "-i", "0", "1"), 1, "exactly one positional argument"),
        (("delete", "-f", "f.yaml", "-i", "0", "--shamir-secret-sharing-threshold", "3"), 1, "make the Shamir threshold impossible to satisfy"),
        (("add", "-f", "f.yaml", "-i"), 1, "no key"),
        (("add", "-f", "f.yaml", "-i", "--age", "age1broken"), 1, "age1broken"),
        (("add", "-f", "f.yaml", "-i", "--age", AGE1, "f.yaml"), 1, "argument"),
        (("add", "-i", "--age", AGE1), 2, "-f"),
        (("add", "-f", "none.yaml", "-i", "--age", AGE1), 2, "none.yaml"),
    ],
)
def test_groups_refuses_and_leaves_the_file(box: Sandbox, triple: Path, words: tuple[str, ...], code: int, said: str) -> None:
    before = triple.read_bytes()
    done = box.call("groups", *words, env={"SOPS_AGE_KEY": all_identities(box)})
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert triple.read_bytes() == before


def test_groups_delete_last_group_is_refused(box: Sandbox, single: Path) -> None:
    before = single.read_bytes()
    assert box.call("groups", "delete", "-f", "f.yaml", "-i", "0").returncode == 1
    assert single.read_bytes() == before


def test_groups_dry_run_says_what_would_be(box: Sandbox, single: Path) -> None:
    before = single.read_bytes()
    done = box.call("groups", "add", "-n", "-i", "-f", "f.yaml", "--age", AGE2)
    assert (done.returncode, done.stdout) == (0, "")
    assert "would have 2 key groups, 2 of them needed" in done.stderr
    assert single.read_bytes() == before


@pytest.mark.real
def test_groups_change_reads_in_sops(box: Sandbox, triple: Path, real_sops: Path) -> None:
    environ = {**box.env, "SOPS_AGE_KEY": all_identities(box)}
    assert box.call("groups", "delete", "-f", "f.yaml", "-i", "0", env={"SOPS_AGE_KEY": all_identities(box)}).returncode == 0
    done = subprocess.run([real_sops, "decrypt", "f.yaml"], cwd=box.folder, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "# head\n# aside\na: one\nb: 2\n")
