"""Credentials, and what is known of the world outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from secrettool.errors import SourceError
from tests.unit.sources.support import Told, context, failure


def test_first_variable_that_is_set_wins() -> None:
    known = context(environ={"A": "", "B": "b", "C": "c"})
    assert known.first("A", "B", "C") == "b"
    assert known.first("A", "X") is None


def test_paths_begin_at_the_root() -> None:
    assert context(root="/r").path("a/b") == "/r/a/b"
    assert context(root="/r").path("/a") == "/a"


def test_it_shows_no_environment() -> None:
    assert repr(context(environ={"A": "canary"}, root="/r")) == "<Context of /r>"


def test_pt_32_credential_is_masked_and_has_no_white_space_around_it(told: Told, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("canary-file\n")
    known = context(told, {"A": " canary-variable\n"}, tmp_path)
    assert known.credential("token", variable="A", file="token") == "canary-variable"
    assert known.credential("token", variable=None, file="token") == "canary-file"
    assert told.masked == ["canary-variable", "canary-file"]


def test_credential_that_nobody_names_is_none(told: Told) -> None:
    assert context(told).credential("token", variable=None, file=None) is None
    assert told.masked == []


@pytest.mark.parametrize("data", [b"", b" \n", b"canary\xff", "canary-ü".encode(), b"canary\ncanary", b"canary\x00", b"canary\x7f"])
def test_what_cannot_be_a_credential_is_refused_unquoted(data: bytes, told: Told, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(data)
    known = context(told, {"A": data.decode("utf-8", "surrogateescape")}, tmp_path)
    for variable, file in (("A", None), (None, "token")):
        with pytest.raises(SourceError) as refused:
            known.credential("token", variable=variable, file=file)
        failure(refused.value, "VL09")
    assert told.masked == []


def test_credential_in_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for file in ("absent", "."):
        with pytest.raises(SourceError) as refused:
            context(root=tmp_path).credential("token", variable=None, file=file)
        assert file in failure(refused.value, "VL09").message


def test_credential_of_an_unset_variable_is_refused() -> None:
    with pytest.raises(SourceError) as refused:
        context().credential("secret id", variable="A", file=None)
    assert failure(refused.value, "VL09").message == "there is no secret id in variable A"
