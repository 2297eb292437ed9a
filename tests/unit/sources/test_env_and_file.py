"""Values of variables and of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secrettool.sources import env, file
from secrettool.sources.model import EnvSource, ExecProvider, FileSource, ProviderSource, Source
from tests.unit.sources.support import failure, resolver, text


def test_variable_is_a_value() -> None:
    values = {"a": EnvSource("A"), "b": EnvSource("B")}
    found = resolver(values, environ={"A": "canary", "B": " kept as it is\n"}).resolve(values)
    assert {name: text(value) for name, value in found.items()} == {"a": "canary", "b": " kept as it is\n"}


def test_pt_07_variable_that_is_not_set_is_missing() -> None:
    error = failure(resolver({"a": EnvSource("A")}).resolve(["a"])["a"], "VL01")
    assert str(error) == "VL01 a: env A: the variable is not set"
    assert error.is_missing


def test_pt_07_variable_set_to_nothing_is_missing() -> None:
    assert failure(resolver({"a": EnvSource("A")}, environ={"A": ""}).resolve(["a"])["a"], "VL02").is_missing


def test_variable_that_is_no_text_keeps_its_bytes() -> None:
    environ = {"A": b"\xffcanary".decode("utf-8", "surrogateescape")}
    assert env.fetch(EnvSource("A"), environ) == b"\xffcanary"


def test_variables_of_sources_are_taken_from_what_children_inherit() -> None:
    environ = {"A": "canary", "B": "stays"}
    whole = env.take(environ, [EnvSource("A"), EnvSource("ABSENT"), FileSource("x")])
    assert environ == {"B": "stays"}
    assert whole == {"A": "canary", "B": "stays"}


def test_program_does_not_see_the_variable_of_another_value() -> None:
    provider = ExecProvider(("sh", "-c", 'echo "[$A$B$C]"'), env=("B",))
    values: dict[str, Source] = {"a": EnvSource("A"), "seen": ProviderSource("p")}
    found = resolver(values, {"p": provider}, environ={"A": "canary", "B": "told", "C": "kept back", "PATH": os.environ["PATH"]})
    assert text(found.resolve(["seen"])["seen"]) == "[told]"


# --- files ---


def written(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_file_is_a_value_without_one_line_break(tmp_path: Path) -> None:
    written(tmp_path / "token", b"canary\n\n")
    assert text(resolver({"a": FileSource("token")}, root=tmp_path).resolve(["a"])["a"]) == "canary\n"


def test_file_that_is_absent_is_missing(tmp_path: Path) -> None:
    assert failure(resolver({"a": FileSource("token")}, root=tmp_path).resolve(["a"])["a"], "VL01").is_missing


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o440])
def test_file_that_others_may_read_is_refused(mode: int, tmp_path: Path) -> None:
    written(tmp_path / "token", b"canary", mode)
    error = failure(resolver({"a": FileSource("token")}, root=tmp_path).resolve(["a"])["a"], "VL04")
    assert not error.is_missing
    assert "chmod 600" in str(error.hint)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o622])
def test_file_that_nobody_else_may_read_is_taken(mode: int, tmp_path: Path) -> None:
    assert file.fetch(str(written(tmp_path / "token", b"canary", mode))) == b"canary"


def test_file_that_was_mounted_may_have_any_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = tmp_path / "run" / "secrets"
    (mount / "..data").mkdir(parents=True)
    written(mount / "..data" / "token", b"canary", 0o644)
    (mount / "token").symlink_to("..data/token")
    monkeypatch.setattr(file, "SECRET_FOLDERS", (str(mount),))
    assert file.fetch(str(mount / "token")) == b"canary"


def test_link_out_of_the_mount_does_not_count_as_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount, beside = tmp_path / "secrets", tmp_path / "secrets-too"
    mount.mkdir()
    beside.mkdir()
    (mount / "token").symlink_to(written(beside / "token", b"canary", 0o644))
    monkeypatch.setattr(file, "SECRET_FOLDERS", (str(mount),))
    with pytest.raises(Exception, match="others than its owner"):
        file.fetch(str(mount / "token"))


def test_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    assert len(file.fetch(str(written(tmp_path / "most", b"x" * file.LIMIT)))) == file.LIMIT
    with pytest.raises(Exception, match="larger than"):
        file.fetch(str(written(tmp_path / "more", b"x" * (file.LIMIT + 1))))


@pytest.mark.parametrize(("path", "rule"), [("", "VL04"), ("a\0b", "VL06"), ("token/below", "VL04")])
def test_what_is_no_file_is_refused(path: str, rule: str, tmp_path: Path) -> None:
    written(tmp_path / "token", b"canary")
    failure(resolver({"a": FileSource(path)}, root=tmp_path).resolve(["a"])["a"], rule)
