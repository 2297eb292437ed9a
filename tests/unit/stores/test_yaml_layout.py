"""Where the metadata block goes, and that taking it out leaves what was there."""

from __future__ import annotations

import pytest
import yaml

from secrettool.errors import FormatError, MetadataError, MetadataNotFound
from secrettool.sops import document
from secrettool.sops.envelope import Cipher, additional_data
from secrettool.sops.metadata import read_metadata, section_of
from secrettool.sops.opening import OpenedFile
from secrettool.stores.yaml import YamlStore
from tests.unit.stores.sealed_files import KEY, open_sealed, opened, seal

STORE = YamlStore()


def sealed(text: str) -> str:
    """The encrypted text, once it was seen that it opens to the same bytes."""
    data = seal(STORE, text.encode())
    assert open_sealed(STORE, data).decode() == text
    return data.decode()


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("a: x\n", "]\nsops:\n    age:\n", "version: 3.13.2\n"),
        ("a: x", "]\nsops:\n", "version: 3.13.2"),
        ("  a: x\n", "]\n  sops:\n      age:\n", "\n"),
        ("a: x\r\n", "]\r\nsops:\r\n    age:\r\n", "3.13.2\r\n"),
        ("a: x\n\n# c\n\n", "]\n\nsops:\n", "3.13.2\n"),
        ("a: x\n---\nb: y\n...\n", "]\nsops:\n", "3.13.2\n...\n"),
        ("{a: x}\n", ", sops: {age: [{", "}}\n"),
        ("{a: x,}\n", ",sops: {age: [{", "},}\n"),
        ("{}\n", "{sops: {age: [{", "}}\n"),
        ("---\n", "---\nsops:\n    # layout of the original: empty\n", "3.13.2\n"),
        ("---", "---\nsops:\n    # layout of the original: empty\n", "3.13.2"),
        ("null\n", "\nsops:\n    # layout of the original: root null at line 0, column 0\n", "3.13.2\n"),
        ("--- ~ # c\n", "sops:\n    # layout of the original: root ~  at line 0, column 4\n", "3.13.2\n"),
        ("a_unencrypted: |\n  x", "_unencrypted: |-\n  x\nsops:\n    # layout of the original: clip\n", "3.13.2"),
        ("a_unencrypted: |+\n  x", "_unencrypted: |-\n  x\nsops:\n    # layout of the original: keep\n", "3.13.2"),
        ("a_unencrypted: |+\n  x\n\n  ", "x\n\nsops:\n    age:\n", "3.13.2\n  "),
        ("a: |\n  x", "]\nsops:\n    age:\n", "3.13.2"),
        ("list:\n- x\n# tail\n", "sops:\n    # layout of the original: no blank line above\n", "3.13.2\n"),
    ],
)
def test_block_goes_to(text: str, start: str, end: str) -> None:
    data = sealed(text)
    assert start in data
    assert data.endswith(end)


def test_block_in_every_document_and_notation_in_the_first() -> None:
    data = sealed("a: 0755\n---\nb: 0644\n---\n{c: 0}\n")
    assert data.count("sops:") == 3
    assert data.count("notation of the original") == 1


def test_empty_document_that_sops_made_opens_as_an_empty_mapping() -> None:
    data = sealed("---\n# c\n")
    assert open_sealed(STORE, data.replace("    # layout of the original: empty\n", "").encode()) == b"---\n# c\n{}\n"


def test_block_is_taken_out_wherever_it_stands() -> None:
    data = sealed("b: x\n# c\nc: y\n")
    block = data[data.index("sops:") :]
    assert open_sealed(STORE, (block + data.replace(block, "")).encode()) == b"b: x\n# c\nc: y\n"


@pytest.mark.parametrize(
    ("text", "error", "cause"),
    [
        ("a: 1\n", MetadataNotFound, "sops metadata not found"),
        ("a: 1\nsops: x\n", MetadataError, "Found sops entry that is not a mapping"),
        ('{sops: {}, "sops": {}}\n', FormatError, "already defined"),
        ("sops: {}\n? &k sops\n: {}\n", FormatError, "already defined"),
        ("k: &k sops\nsops: {}\n*k : {}\n", MetadataError, "Found duplicate sops entry"),
    ],
)
def test_section_that_cannot_be_used(text: str, error: type[Exception], cause: str) -> None:
    with pytest.raises(error, match=cause):
        STORE.parse_sealed(text.encode())


def test_section_of_the_first_document_counts() -> None:
    document = STORE.parse_sealed(b"a: 1\nsops:\n  version: 1\n  at: 2031-07-09\n---\nb: 2\nsops: anything\n")
    assert document.section is not None
    assert [type(item.value.value).__name__ for item in document.section.items] == ["int", "Time"]  # type: ignore[union-attr]
    assert [[item.key for item in root.items] for root in document.tree] == [["a"], ["b"]]  # type: ignore[union-attr]


class Reseal:
    """Other envelopes and another section."""

    def __init__(self, data: bytes) -> None:
        file = opened(STORE, data)
        self.document = file.document
        self.section = section_of(file.metadata)
        self.envelopes = [None if was is None else f"ENC[new{number}]" for number, was in enumerate(file.opened)]
        self.notation: str | None = "bm90ZQ=="

    def extra(self, envelope: str, path: tuple[str, ...]) -> str | None:
        return "ENC[extra]"


def test_resealing_replaces_envelopes_and_block_in_place() -> None:
    text = "# c\na: x # d\nb: 'y'\nc: |\n  z\nl: { # dropped\n  k: v }\nd: 0755\n"
    resealer = Reseal(sealed(text).encode())
    data = STORE.reseal(resealer.document, resealer).decode()
    assert data[: data.index("sops:")] == (
        "#ENC[new0]\na: ENC[new2] #ENC[new1]\nb: 'ENC[new3]'\nc: |\n  ENC[new4]\nl: { #ENC[extra]\n  k: 'ENC[new5]' }\nd: ENC[new6]\n"
    )
    assert "sops:\n    # notation of the original: bm90ZQ==\n    age:\n" in data
    read_metadata(STORE.parse_sealed(data.encode()).section)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["a: x", "{a: x}\n", "---\n", "list:\n- x\n# tail\n", "a: x\n---\nb: [&x y, *x ]\n", "null\n", "a_unencrypted: |\n  x"]
)
def test_resealing_with_nothing_new_changes_nothing(text: str) -> None:
    data = sealed(text).encode()
    resealer = Reseal(data)
    resealer.envelopes = [None for _ in resealer.envelopes]
    resealer.notation = resealer.document.notation
    assert STORE.reseal(resealer.document, resealer) == data


@pytest.mark.parametrize("style", ["{}", '"{}"', "|-\n    {}", ">\n    {}", "&x {}"])
def test_value_that_says_it_was_a_comment_is_printed_as_its_fields(style: str) -> None:
    cipher = Cipher(KEY)
    envelope = cipher.seal("note", "comment", aad=additional_data(("a",)), nonce=bytes(range(32)))
    sealed = seal(STORE, b"a: one\nb: two\n")
    lines = sealed.decode().split("\n")
    lines[0] = "a: " + style.format(envelope)
    file = document.load(STORE, "\n".join(lines).encode())
    plain = STORE.open(file.document, OpenedFile(file.document, file.metadata, KEY, ignore_mac=True)).decode()
    assert yaml.safe_load(plain) == {"a": {"value": "note", "inline": False}, "b": "two"}
