"""The notation entry: opens only beside its own MAC, and never stands in the way."""

from __future__ import annotations

import base64

import pytest

from secrettool.sops.envelope import Cipher, DataKey
from secrettool.sops.notation import open_notation, seal_notation

CIPHER = Cipher(DataKey(bytes(32)))
ENTRIES: list[tuple[int, str | None]] = [(0, "0755"), (7, None), (3, "|\n  a\n\u2028")]


def test_entries_come_back() -> None:
    sealed = seal_notation(ENTRIES, CIPHER, "mac", bytes(12))
    assert open_notation(sealed, CIPHER, "mac") == dict(ENTRIES)


def test_no_entries_need_no_line() -> None:
    assert seal_notation([], CIPHER, "mac", bytes(12)) is None
    assert open_notation(None, CIPHER, "mac") == {}


def test_the_line_shows_nothing() -> None:
    sealed = seal_notation([(0, "hunter2 " * 20)], CIPHER, "mac", bytes(12))
    assert sealed is not None
    assert b"hunter2" not in base64.b64decode(sealed)


@pytest.mark.parametrize("sealed", ["", "no base64!", "AAAA", base64.b64encode(bytes(60)).decode()])
def test_what_does_not_open_is_ignored(sealed: str) -> None:
    assert open_notation(sealed, CIPHER, "mac") == {}


def test_an_entry_of_another_version_of_the_file_is_ignored() -> None:
    assert open_notation(seal_notation(ENTRIES, CIPHER, "mac", bytes(12)), CIPHER, "other mac") == {}


def test_an_entry_that_is_no_list_of_pairs_is_ignored() -> None:
    import zlib

    deflate = zlib.compressobj(wbits=-15)
    plain = deflate.compress(b'{"a":1}') + deflate.flush()
    blob = bytes(12) + CIPHER.seal_bytes(plain, aad=b"notation:mac", nonce=bytes(12))
    assert open_notation(base64.b64encode(blob).decode(), CIPHER, "mac") == {}
