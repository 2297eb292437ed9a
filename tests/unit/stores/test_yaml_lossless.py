"""Encrypting and opening YAML gives every byte back; what must not stay readable does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from secrettool.errors import FormatError, TreeEncryptError
from secrettool.sops.envelope import DataKey
from secrettool.sops.selection import Selector, SelectorKind
from secrettool.stores.yaml import YamlStore
from tests.unit.stores.sealed_files import open_sealed, plain, seal, vectors

STORE = YamlStore()
ENVELOPE = re.compile(r"ENC\[[^\]]*\]")
CASES = sorted((Path(__file__).parents[2] / "lossless-cases").glob("*.yaml"))
REFUSED = {"50-refused-question-mark-in-flow", "57-refused-slash-escape"}
SELECTORS = [Selector(), Selector("encrypted_regex", "^(data|spec|b|list|base|l)$")]


def back(text: str, selector: Selector | None = None) -> tuple[str, str]:
    """The encrypted text, and what opening it gives."""
    sealed = seal(STORE, text.encode(), selector)
    return sealed.decode(), open_sealed(STORE, sealed).decode()


@pytest.mark.parametrize("selector", SELECTORS, ids=["everything", "selected"])
@pytest.mark.parametrize("case", [case for case in CASES if "refused" not in case.name], ids=lambda case: case.stem)
def test_case_comes_back_byte_for_byte(case: Path, selector: Selector) -> None:
    data = case.read_bytes()
    sealed = seal(STORE, data, selector)
    assert sealed != data
    assert open_sealed(STORE, sealed) == data


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_case_that_sops_refuses_is_refused(name: str) -> None:
    data = next(case for case in CASES if case.stem == name).read_bytes()
    with pytest.raises(FormatError) as error:
        STORE.parse(data)
    assert error.value.where is not None


def test_case_with_integer_keys_is_refused_by_the_walk() -> None:
    data = next(case for case in CASES if case.stem == "58-refused-not-string-key").read_bytes()
    with pytest.raises(TreeEncryptError, match="non-string key"):
        seal(STORE, data)


@pytest.mark.parametrize(("sealed", "key", "printed", "text"), vectors("yaml"))
def test_vector_opens_to_what_sops_prints(sealed: bytes, key: DataKey, printed: bytes, text: bytes | None) -> None:
    got = [plain(root) for root in STORE.parse(open_sealed(STORE, sealed, key)).tree]
    wanted = [plain(root) for root in STORE.parse(printed).tree]
    # sops writes null for several lines of which the first starts with a tab.
    assert got == ([[("k", "\tfirst\nsecond"), ("z", "after")]] if wanted == [[("k", None), ("z", "after")]] else wanted)


@pytest.mark.parametrize(("sealed", "key", "printed", "text"), [entry for entry in vectors("yaml") if "binary" not in str(entry.id)])
def test_plain_text_of_vector_comes_back(sealed: bytes, key: DataKey, printed: bytes, text: bytes | None) -> None:
    if text is None:
        pytest.skip("made by hand from an encrypted file")
    assert open_sealed(STORE, seal(STORE, text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "a: hush\n",
        "a: 'hush'\n",
        "a: [hush, {b: hush}] # hush\n",
        "a: |\n  hush\n  more hush\n",
        "a: >\n  hush\n  more hush\n\n  hush\n",
        "a: hush\n  hush\n",
        "# hush\na: 1\n# hush\n",
        "a:\n  - hush # hush\n  # hush\n",
        "a: [ # hush\n  hush, # hush\n  # hush\n  ]\n",
        "%YAML 1.1 # hush\n---\na: 1\n",
        "a: &x hush\nb: *x\nc: [*x ]\n",
        "a: &x {b: hush}\nc:\n  <<: *x # hush\n",
        'a: !!binary "aHVzaA=="\nb: !!str hush\n',
        'a: "hu\\x73h"\n',
        "a: 1\n---\n# hush\nb: hush\n...\n# hush\n---\nc: 1\n",
        "a:\n  b: 1\n # hush",
    ],
)
def test_nothing_readable_stays_when_everything_is_encrypted(text: str) -> None:
    sealed, opened = back(text)
    assert opened == text
    assert "hush" not in ENVELOPE.sub("", sealed) and "aHVzaA" not in sealed and "hu\\x73h" not in sealed


def test_clear_subtree_keeps_its_bytes() -> None:
    text = "kind:   Secret # kept\ndata:\n  a: x\nspec_: {q: [1,  2]}\n"
    sealed, opened = back(text, Selector("encrypted_regex", "^data$"))
    assert opened == text
    assert sealed.startswith("kind:   Secret # kept\ndata:\n  a: ENC[") and "spec_: {q: [1,  2]}\n" in sealed


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("a: x\n", "a: ENC["),
        ("a: 'x'\n", "a: 'ENC["),
        ('a: "x"\n', 'a: "ENC['),
        ("a: [x]\n", "a: ['ENC["),
        ('a: ["x"]\n', 'a: ["ENC['),
        ("a: |2-\n    x\n  y\n", "a: |2-\n  ENC["),
        ("a: >+\n   x\n   y\n\n", "a: >+\n   ENC["),
        ("a: |+\n\n\n", "a: |+\n  ENC["),
        ('a: !!int "5"\n', "a: ENC["),
        ("a: !x v\n", "a: !x ENC["),
        ("a: &x v\n", "a: &x ENC["),
        ("a: &x !!int 5\n", "a: &x ENC["),
        ("a: !!int &x 5\n", "a: &x ENC["),
        ("# c\na: 1\n", "#ENC["),
    ],
)
def test_envelope_takes_the_style_of_the_value(text: str, form: str) -> None:
    sealed, opened = back(text)
    assert sealed.startswith(form)
    assert opened == text


@pytest.mark.parametrize("kind", ["encrypted_comment_regex", "unencrypted_comment_regex"])
def test_empty_comment_of_a_list_stays_where_a_rule_about_comments_needs_it(kind: SelectorKind) -> None:
    text = "a:\n#\n- x\n- y\nb:\n# c\n#\n- z\n"
    sealed, opened = back(text, Selector(kind, r"^\s*$"))
    assert opened == text
    assert "a:\n#\n- " in sealed
    assert ("- x\n- ENC[" in sealed) is kind.startswith("un")


def test_empty_comment_of_a_list_is_encrypted_below_a_comment_that_selects() -> None:
    text = "a:\n# c\n#\n- x\n"
    sealed, opened = back(text, Selector("encrypted_comment_regex", "c"))
    assert opened == text
    assert sealed.startswith("a:\n# c\n#ENC[")


@pytest.mark.parametrize("text", ["a: x\n", "a: 1.50\n", "b: TRUE\n", "c: [x, http://y:80]\n", "d: |\n  x\n   y\n", "e: 1e21\n", "f: 'it''s'\n"])
def test_notation_is_not_needed_for(text: str) -> None:
    assert "notation of the original" not in back(text)[0]


@pytest.mark.parametrize(
    "text", ["a: 0755\n", "a: 2031-07-09\n", "a: yes\n", 'a: "\\x41"\n', "a: x\n  y\n", "a: 'x\n  y'\n", "a: ['x']\n", "a: .Inf\n"]
)
def test_notation_keeps(text: str) -> None:
    sealed, opened = back(text)
    assert sealed.count("# notation of the original: ") == 1
    assert opened == text


def test_notation_that_was_dropped_gives_the_canonical_form() -> None:
    sealed = back('a: 0755\nb: "\\x41"\nc: >\n  x\n  y\n\n  z\nd: |+\n\n')[0]
    without = "".join(line for line in sealed.splitlines(True) if "notation" not in line)
    assert open_sealed(STORE, without.encode()).decode() == 'a: 493\nb: "A"\nc: "x y\\nz\\n"\n' + 'd: "\\n"\n\n'


def test_byte_order_marks_and_encodings_come_back() -> None:
    text = 'a: é # c\nb: "x"\n'
    for data in (b"\xef\xbb\xbf" + text.encode(), b"\xff\xfe" + text.encode("utf-16-le"), b"\xfe\xff" + text.encode("utf-16-be")):
        sealed = seal(STORE, data)
        assert sealed[:2] == data[:2]
        assert open_sealed(STORE, sealed) == data
