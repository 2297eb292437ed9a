"""All values of a run: each once, and one that fails stops no other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secrettool.errors import SourceError
from secrettool.sources.model import (
    EnvSource,
    ExecProvider,
    FileSource,
    Form,
    GenerateSource,
    ProviderSource,
    RefSource,
    SopsSource,
    Source,
    StorePlace,
    described,
)
from secrettool.sources.resolver import Resolver
from secrettool.sources.value import SecretValue
from tests.unit.sources.support import Told, failure, resolver, text


def test_pt_33_value_that_fails_stops_no_other() -> None:
    values: dict[str, Source] = {"a": EnvSource("A"), "b": FileSource("/absent"), "c": EnvSource("C")}
    found = resolver(values, environ={"A": "canary", "C": "canary"}).resolve(["a", "b", "c"])
    assert [isinstance(value, SecretValue) for value in found.values()] == [True, False, True]


def test_pt_10_only_what_is_asked_for_is_fetched(tmp_path: Path) -> None:
    provider = ExecProvider(("touch", str(tmp_path / "ran")))
    values: dict[str, Source] = {"a": EnvSource("A"), "b": ProviderSource("p")}
    resolver(values, {"p": provider}, environ={"A": "x", "PATH": os.environ["PATH"]}).resolve(["a"])
    assert not (tmp_path / "ran").exists()


def test_value_and_error_are_kept_for_the_run(tmp_path: Path, told: Told) -> None:
    file = tmp_path / "token"
    file.write_text("canary")
    file.chmod(0o600)
    made = resolver({"a": FileSource("token"), "b": FileSource("later")}, root=tmp_path, told=told)
    first = made.resolve(["a", "b"])
    file.rename(tmp_path / "later")
    second = made.resolve(["a", "b"])
    assert text(second["a"]) == "canary"
    assert second["b"] is first["b"]
    assert told.masked == ["canary"]


def test_pt_32_value_is_masked_as_it_is_meant(tmp_path: Path, told: Told) -> None:
    values: dict[str, Source] = {"a": EnvSource("A", Form(pointer="/k", encoding="base64"))}
    resolver(values, told=told, environ={"A": '{"k": "Y2FuYXJ5", "other": "x"}'}).resolve(["a"])
    assert told.masked == ["canary"]


def test_value_that_the_map_lacks_is_told() -> None:
    assert str(failure(resolver({}).resolve(["a"])["a"], "VL06")) == "VL06 a: the map has no such value"


@pytest.mark.parametrize(
    ("source", "part"),
    [
        (ProviderSource("q"), "the map has no provider 'q'"),
        (RefSource("nonsense"), "does not begin with ref+"),
        (GenerateSource("hex", store=StorePlace("p", "a", "b")), "no store in a provider of type vault"),
    ],
)
def test_source_that_does_not_fit_is_told(source: Source, part: str) -> None:
    error = failure(resolver({"a": source}, {"p": ExecProvider(("true",))}).resolve(["a"])["a"], "VL06")
    assert part in error.message
    assert error.where == described(source)


def test_source_names_itself_in_messages() -> None:
    expected: dict[str, Source] = {
        "env A": EnvSource("A"),
        "file f": FileSource("f"),
        "sops s": SopsSource("s"),
        "sops s#/a": SopsSource("s", Form(pointer="/a")),
        "provider p": ProviderSource("p"),
        "provider p app#host": ProviderSource("p", "app", "host"),
        "ref+file://x": RefSource("ref+file://x"),
        "generate hex": GenerateSource("hex"),
    }
    assert {described(source): source for source in expected.values()} == expected


def test_environment_of_children_loses_what_sources_read_at_once() -> None:
    environ = {"A": "canary", "B": "b"}
    Resolver({}, {"a": EnvSource("A")}, environ=environ, root="/")
    assert environ == {"B": "b"}


def test_run_that_tells_nobody_works_too() -> None:
    made = Resolver({}, {"a": EnvSource("A")}, environ={"A": "canary"}, root="/")
    assert text(made.resolve(["a"])["a"]) == "canary"


def test_errors_of_one_run_are_not_the_same_object(tmp_path: Path) -> None:
    values: dict[str, Source] = {"a": SopsSource("x.yaml"), "b": SopsSource("x.yaml")}
    found = resolver(values, root=tmp_path).resolve(values)
    assert [error.file for error in found.values() if isinstance(error, SourceError)] == ["a", "b"]
