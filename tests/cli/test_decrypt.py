"""`decrypt` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.running import AGE1, KEY2

PLAIN = b'{"a": "one",\n "b": [1, 2.50],\n "c": {"d": null}}\n'


@pytest.fixture
def sealed(work: Path, cli: Run) -> Path:
    path = work / "f.json"
    path.write_bytes(PLAIN)
    assert cli("encrypt", "-i", "--age", AGE1, "f.json").code == 0
    return path


def test_text_comes_back(cli: Run, sealed: Path) -> None:
    before = sealed.read_bytes()
    assert cli("decrypt", "f.json") == (0, PLAIN, "")
    assert sealed.read_bytes() == before


def test_output_type_prints_another_format(cli: Run, sealed: Path) -> None:
    done = cli("decrypt", "--output-type", "yaml", "f.json")
    assert done.out == b"a: one\nb:\n    - 1\n    - 2.5\nc:\n    d: null\n"


def test_indent_counts_for_text_that_is_printed_anew(cli: Run, sealed: Path) -> None:
    done = cli("--indent", "2", "decrypt", "--output-type", "yaml", "f.json")
    assert done.out == b"a: one\nb:\n  - 1\n  - 2.5\nc:\n  d: null\n"
    assert cli("--indent", "2", "decrypt", "f.json").out == PLAIN


@pytest.mark.parametrize(
    ("path", "text"), [('["a"]', b"one"), ('["b"][1]', b"2.5"), ('["c"]', b'{\n\t"d": null\n}\n'), ('["b"]', b"[\n\t1,\n\t2.5\n]")]
)
def test_extract_prints_a_part(cli: Run, sealed: Path, path: str, text: bytes) -> None:
    assert cli("decrypt", "--extract", path, "f.json") == (0, text, "")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--extract", '["z"]', "f.json"), 1, "not found"),
        (("--extract", '["b"][-1]', "f.json"), 1, "negative"),
        (("--extract", '["a"]["x"]', "f.json"), 1, "not found"),
        (("--extract", '["a"', "f.json"), 91, "--extract"),
        (("--output-type", "dotenv", "f.json"), 4, "dotenv"),
        (("--output-type", "binary", "f.json"), 4, "binary data"),
        (("-i", "--output", "o", "f.json"), 8, "--output and --in-place"),
        (("-i",), 8, "stdin"),
        (("none.json",), 100, "non-existent"),
        (("--decryption-order", "age,age", "f.json"), 112, "age"),
        (("--enable-local-keyservice=false", "f.json"), 128, "data key"),
        (("--keyservice", "tcp://localhost:1", "f.json"), 1, "key service"),
        (("--output", "no/such", "f.json"), 3, "output"),
        (("f.json", "f.json.copy"), 8, "in place"),
        (("-i", "--extract", '["a"]', "f.json", "f.json.copy"), 8, "--extract"),
    ],
)
def test_refusal_prints_nothing(cli: Run, sealed: Path, words: tuple[str, ...], code: int, message: str) -> None:
    done = cli("decrypt", *words)
    assert (done.code, done.out) == (code, b"")
    assert message in done.err


def test_wrong_key_writes_no_output(cli: Run, sealed: Path, work: Path) -> None:
    before = sealed.read_bytes()
    for words in (("--output", "o.json"), ("-i",), ()):
        done = cli("decrypt", *words, "f.json", SOPS_AGE_KEY_FILE=KEY2)
        assert (done.code, done.out) == (128, b"")
    assert sealed.read_bytes() == before
    assert [path.name for path in work.iterdir()] == ["f.json"]


def test_mac_mismatch_writes_no_output(cli: Run, sealed: Path, work: Path) -> None:
    changed = json.loads(sealed.read_bytes())
    del changed["a"]
    sealed.write_text(json.dumps(changed))
    done = cli("decrypt", "--output", "o.json", "f.json")
    assert (done.code, done.out) == (51, b"")
    assert not (work / "o.json").exists()
    assert json.loads(cli("decrypt", "--ignore-mac", "f.json").out) == {"b": [1, 2.5], "c": {"d": None}}


def test_plain_file_is_refused(cli: Run, work: Path) -> None:
    (work / "p.json").write_bytes(PLAIN)
    done = cli("decrypt", "-i", "p.json")
    assert (done.code, done.out) == (1, b"")
    assert "sops metadata not found" in done.err
    assert (work / "p.json").read_bytes() == PLAIN


def test_stdin_is_binary_without_a_name(cli: Run) -> None:
    assert cli("decrypt", stdin=b"x").code == 1


def test_binary_file_comes_back(cli: Run, work: Path) -> None:
    data = bytes(range(256)) * 3
    (work / "cert.der").write_bytes(data)
    assert cli("encrypt", "-i", "--age", AGE1, "cert.der").code == 0
    assert cli("decrypt", "cert.der") == (0, data, "")


def test_broken_config_file_is_an_error_even_here(cli: Run, sealed: Path, work: Path) -> None:
    (work / ".sops.yaml").write_text("creation_rules: [")
    done = cli("decrypt", "f.json")
    assert (done.code, done.out) == (1, b"")
    assert ".sops.yaml" in done.err


def test_link_stays_a_link(cli: Run, sealed: Path, work: Path) -> None:
    (work / "l.json").symlink_to("f.json")
    assert cli("decrypt", "-i", "l.json").code == 0
    assert (work / "l.json").is_symlink()
    assert sealed.read_bytes() == PLAIN
