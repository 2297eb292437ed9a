from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.keys import age_file, rage
from secrettool.keys.age_file import AgeFile, AgeFileError, Stanza

FILE_KEY = bytes(range(16))
NONCE = bytes(16)
STANZA = Stanza("test", ("one", "two"), b"body")


@given(st.binary(max_size=300))
def test_dearmor_gives_back_what_armor_wrote(raw: bytes) -> None:
    assert age_file.dearmor(age_file.armor(raw)) == raw


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\n \n\n" + text,
        lambda text: text + " \n\n",
        lambda text: text.rstrip("\n"),
    ],
    ids=["crlf", "leading blanks", "trailing blanks", "no newline"],
)
def test_dearmor_accepts(change: object) -> None:
    assert callable(change)
    assert age_file.dearmor(change(age_file.armor(b"x" * 100))) == b"x" * 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "hello",
        " " + age_file.armor(b"x"),
        "\n" * 1100 + age_file.armor(b"x"),
        age_file.armor(b"x") + "more",
        age_file.armor(b"x") + "\n" * 1100,
        age_file.armor(b"x").replace("eA==", "eA="),
        age_file.armor(b"x").replace("eA==", "eB=="),
        age_file.armor(b"x").replace("eA==", "e?=="),
        age_file.armor(b"x").replace("eA==", "eA==\n"),
        age_file.armor(b"x" * 100).replace("\n", "\n\n", 2),
        age_file.armor(b"x").replace(age_file.ARMOR_END, ""),
        age_file.ARMOR_BEGIN,
    ],
)
def test_dearmor_refuses_what_the_strict_format_forbids(text: str) -> None:
    with pytest.raises(AgeFileError):
        age_file.dearmor(text)


def test_parse_reads_what_pyrage_wrote(public: Mapping[str, str]) -> None:
    file = age_file.parse(age_file.dearmor(rage.encrypt(b"part", public["age1"], None)))
    assert file.kinds == ("X25519",)
    assert age_file.serialise_header(file.stanzas) == file.signed


stanzas = st.builds(
    Stanza,
    st.text("abcXYZ019", min_size=1, max_size=8),
    st.lists(st.text("!~/+09az", min_size=1, max_size=8), max_size=3).map(tuple),
    st.binary(max_size=150),
)


@given(st.lists(stanzas, max_size=4), st.binary(max_size=100))
def test_unseal_gives_back_what_seal_wrote(header: list[Stanza], plain: bytes) -> None:
    file = age_file.parse(age_file.seal(header, FILE_KEY, NONCE, plain))
    assert list(file.stanzas) == header
    assert age_file.unseal(file, FILE_KEY) == plain


@pytest.mark.parametrize("size", [0, 65535, 65536, 65537, 131072])
def test_unseal_joins_chunks(size: int) -> None:
    file = age_file.parse(age_file.seal([STANZA], FILE_KEY, NONCE, b"p" * size))
    assert age_file.unseal(file, FILE_KEY) == b"p" * size


def sealed(plain: bytes = b"plain") -> bytes:
    return age_file.seal([STANZA], FILE_KEY, NONCE, plain)


def test_unseal_refuses_a_changed_header() -> None:
    file = age_file.parse(sealed().replace(b" two\n", b" six\n"))
    with pytest.raises(AgeFileError, match="MAC"):
        age_file.unseal(file, FILE_KEY)


@pytest.mark.parametrize("cut", [1, 5, 16, 30])
def test_unseal_refuses_a_cut_payload(cut: int) -> None:
    file = age_file.parse(sealed()[:-cut])
    with pytest.raises(AgeFileError, match="payload"):
        age_file.unseal(file, FILE_KEY)


def test_unseal_refuses_a_file_cut_between_chunks() -> None:
    raw = sealed(b"p" * 65537)
    file = age_file.parse(raw[: -(1 + 16)])
    with pytest.raises(AgeFileError, match="payload"):
        age_file.unseal(file, FILE_KEY)


def test_unseal_refuses_an_empty_chunk_at_the_end() -> None:
    file = age_file.parse(sealed(b"p" * 65536) + bytes(16))
    with pytest.raises(AgeFileError, match="empty chunk"):
        age_file.unseal(file, FILE_KEY)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"age-encryption.org/v2\n",
        sealed()[:40],
        sealed()[: sealed().index(b"---")],
        sealed()[: sealed().index(b"--- ") + 10],
        sealed().replace(b"-> test", b"->  test"),
        sealed().replace(b"-> test", b"=> test"),
        sealed().replace(b"-> test", b"-> t\x01st"),
        sealed().replace(b"\n--- ", b"\n---  "),
        sealed().replace(b"Ym9keQ\n", b"Ym9keQ==\n"),
        sealed().replace(b"Ym9keQ\n", b"Ym9keR\n"),
        sealed().replace(b"Ym9keQ\n", b"Y" * 68 + b"\n\n"),
    ],
)
def test_parse_refuses_a_damaged_header(raw: bytes) -> None:
    with pytest.raises(AgeFileError):
        age_file.parse(raw)


def test_kinds_leave_out_grease() -> None:
    file = AgeFile((Stanza("X25519", (), b""), Stanza("q1-grease", (), b""), Stanza("X25519", (), b"")), b"", b"", b"", b"")
    assert file.kinds == ("X25519",)
