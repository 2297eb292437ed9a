"""`set`: what the value may be, where it goes, and that nothing else changes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from secrettool.cli.set_value import json_value
from secrettool.errors import UsageError
from secrettool.sops.tree import Branch, Item, Leaf, Sequence
from tests.cli.sandbox import Sandbox

TEXT = "# head\na: one   # aside\nb: 2\nlist:\n- x\n- z\n"


@pytest.fixture
def box(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


@pytest.fixture
def file(box: Sandbox) -> Path:
    return box.encrypted("f.yaml", TEXT)


def lines(path: Path, start: str) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.startswith(start)]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('"uno"', "uno"),
        ('  "uno"\n', "uno"),
        ("true", "true"),
        ("null", "null"),
        ("7", "7"),
        ("-5", "-5"),
        ("1.50", "1.5"),
        ("9007199254740993", "9.007199254740992e+15"),
    ],
)
def test_set_scalar_replaces_the_value_and_keeps_the_text(box: Sandbox, file: Path, value: str, shown: str) -> None:
    done = box.call("set", "f.yaml", '["a"]', value)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert box.plain("f.yaml") == TEXT.replace("a: one ", f"a: {shown} ")


def test_set_keeps_the_ciphertext_of_other_values(box: Sandbox, file: Path) -> None:
    before = lines(file, "b:")
    assert box.call("set", "f.yaml", '["a"]', '"uno"').returncode == 0
    assert lines(file, "b:") == before


def test_set_number_becomes_a_float(box: Sandbox, file: Path) -> None:
    assert box.call("set", "f.yaml", '["a"]', "7").returncode == 0
    assert "type:float" in lines(file, "a:")[0]


def test_set_object_keeps_whole_numbers(box: Sandbox, file: Path) -> None:
    assert box.call("set", "f.yaml", '["new"]["deep"]', '{"num": 9007199254740993, "l": [1, null, {"k": "v"}]}').returncode == 0
    assert (
        box.plain("f.yaml")
        == TEXT + "new:\n    deep:\n        num: 9007199254740993\n        l:\n            - 1\n            - null\n            - k: v\n"
    )


def test_set_position_behind_the_end_appends(box: Sandbox, file: Path) -> None:
    assert box.call("set", "f.yaml", '["list"][9]', '"w"').returncode == 0
    assert box.plain("f.yaml") == TEXT + "- w\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (('["b"]', "[1,2]"), 7, "Invalid --set value format"),
        (('["b"]', "secret-word"), 7, "is not valid JSON"),
        (('["b"]', '"secret-word" "more"'), 7, "is not valid JSON"),
        (('["b"]', '"secret-word", "x": 1'), 7, "is not valid JSON"),
        (('["b"]', '1}, {"x": 1'), 7, "is not valid JSON"),
        (('["b"]', "1e999"), 7, "is not valid JSON"),
        (('["b"]', ""), 7, "is not valid JSON"),
        (("[b]", "1"), 7, "Invalid set index format"),
        (("", '{"secret-word": 1}'), 7, "Invalid set index format"),
        (('["sops"]', "1"), 203, "contains a top-level entry"),
        (('["list"][-1]', "1"), 1, "negative"),
        (('["list"]["k"]', "1"), 1, "list"),
        (('["b"]',), 100, "Need precisely 3 positional arguments"),
        (('["b"]', "1", "2"), 100, "Need precisely 3 positional arguments"),
        (("--value-stdin", '["b"]', "1"), 100, "Need precisely 2 positional arguments"),
        (("--value-stdin", "--value-file", '["b"]', "1"), 1, "both --value-file and --value-stdin"),
        (("--value-file", '["b"]', "missing.json"), 1, "missing.json"),
    ],
)
def test_set_refuses_and_leaves_the_file(box: Sandbox, file: Path, words: tuple[str, ...], code: int, said: str) -> None:
    before = file.read_bytes()
    done = box.call("set", "f.yaml", *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "secret-word" not in done.stderr
    assert file.read_bytes() == before


def test_set_on_a_missing_file_is_2(box: Sandbox) -> None:
    assert box.call("set", "none.yaml", '["a"]', "1").returncode == 2


def test_set_reads_the_value_from_stdin(box: Sandbox, file: Path) -> None:
    assert box.call("set", "--value-stdin", "f.yaml", '["a"]', stdin='"typed\\nlines"\n').returncode == 0
    assert box.call("decrypt", "--extract", '["a"]', "f.yaml").stdout == "typed\nlines"


def test_set_reads_the_value_from_a_file(box: Sandbox, file: Path) -> None:
    (box.folder / "v.json").write_text('{"k": 1}\n')
    assert box.call("set", "f.yaml", '["a"]', "v.json", "--value-file").returncode == 0
    assert box.call("decrypt", "--extract", '["a"]["k"]', "f.yaml").stdout == "1\n"


def test_set_same_typed_value_writes_nothing(box: Sandbox, file: Path) -> None:
    before = os.stat(file)
    assert box.call("set", "--idempotent", "f.yaml", '["a"]', '"one"').returncode == 0
    after = os.stat(file)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_set_same_number_with_another_type_is_a_change(box: Sandbox, file: Path) -> None:
    assert box.call("set", "--idempotent", "f.yaml", '["b"]', "2").returncode == 0
    assert "type:float" in lines(file, "b:")[0]


@pytest.mark.parametrize(("value", "said"), [('"uno"', "would be changed"), ('"one"', "would stay as it is")])
def test_set_dry_run_says_whether_it_would_change(box: Sandbox, file: Path, value: str, said: str) -> None:
    before = file.read_bytes()
    done = box.call("set", "--dry-run", "f.yaml", '["a"]', value)
    assert done.returncode == 0
    assert said in done.stderr
    assert file.read_bytes() == before


def test_set_output_type_turns_the_file_into_another_format(box: Sandbox, file: Path) -> None:
    assert box.call("set", "--output-type", "json", "f.yaml", '["a"]', '"uno"').returncode == 0
    done = box.call("decrypt", "--input-type", "json", "--output-type", "yaml", "f.yaml")
    assert done.stdout == "a: uno\nb: 2\nlist:\n    - x\n    - z\n"


def test_set_ignore_mac_opens_a_changed_file(box: Sandbox, file: Path) -> None:
    file.write_text(file.read_text().replace("list:\n", "extra_unencrypted: 1\nlist:\n"))
    assert box.call("set", "f.yaml", '["a"]', '"uno"').returncode == 51
    assert box.call("set", "--ignore-mac", "f.yaml", '["a"]', '"uno"').returncode == 0
    assert box.plain("f.yaml").startswith("# head\na: uno   # aside\n")


def test_set_help_warns_of_the_process_list(box: Sandbox) -> None:
    shown = " ".join(box.call("set", "--help").stdout.split())
    assert "list of processes" in shown
    assert "give secrets with --value-stdin" in shown


@pytest.mark.real
@pytest.mark.parametrize("value", ['"x: y"', "1e21", "-0", '{"a": [true, 1, 1.5, "é\\ud83d"]}', '{"a": {}, "b": [], "c": ""}'])
def test_set_value_reads_the_same_in_sops(box: Sandbox, file: Path, real_sops: Path, value: str) -> None:
    twin = box.folder / "twin.yaml"
    twin.write_bytes(file.read_bytes())
    assert box.call("set", "f.yaml", '["b"]', value).returncode == 0
    assert subprocess.run([real_sops, "set", "twin.yaml", '["b"]', value], cwd=box.folder, env=box.env, check=False).returncode == 0
    ours, theirs = (
        subprocess.run([real_sops, "decrypt", name], cwd=box.folder, env=box.env, capture_output=True, text=True, check=True).stdout
        for name in ("f.yaml", "twin.yaml")
    )
    assert ours == theirs


def test_json_value_of_an_object_stands_in_no_text() -> None:
    node = json_value('{"a": null, "b": [1, {"c": "x"}]}')
    assert isinstance(node, Branch)
    first, second = node.items
    assert isinstance(first, Item) and isinstance(second, Item)
    assert isinstance(first.value, Leaf) and first.value.start == -1
    assert isinstance(second.value, Sequence)
    number = second.value.items[0]
    assert isinstance(number, Leaf) and (number.value, number.start) == (1, -1)


def test_json_value_nested_deeply_is_read() -> None:
    assert isinstance(json_value('{"a":' * 20_000 + "1" + "}" * 20_000), Branch)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "01", "+1", "'a'", '"a', "{", "\ufeff1", "nul", "[", "1 2"])
def test_json_value_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        json_value(text)
    assert caught.value.code == 7
