"""Values of encrypted files, made by the library and opened in memory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import secrettool
from secrettool.errors import Outcome
from secrettool.library import StoreName
from secrettool.sources.model import EnvSource, Form, RefSource, SopsSource, Source
from secrettool.sources.resolver import Resolver
from secrettool.sources.sopsfile import SopsFiles
from secrettool.sources.value import SecretValue
from tests.unit.sources.support import failure, resolver, text

KEYS = Path(__file__).parents[2] / "vectors" / "keys"
IDENTITY = (KEYS / "age1.txt").read_text(encoding="utf-8")
OTHER = (KEYS / "age2.txt").read_text(encoding="utf-8")
ENVIRON = {"SOPS_AGE_KEY": IDENTITY}

YAML = """\
# of the tree house
kind: Secret
stringData:
  key: canary-one # note
  port: 8080
  ratio: 1.5
  on: true
  none: null
  since: 2026-05-06T07:08:09Z
  list: [canary-two, {deep: canary-three}]
"""


def sealed(path: Path, plain: str, store: StoreName) -> Path:
    """An encrypted file that `IDENTITY` opens."""
    recipient = IDENTITY.partition("public key: ")[2].split()[0]
    path.write_bytes(bytes_of(secrettool.encrypt(plain.encode(), store, recipients=[recipient])))
    return path


def bytes_of(text: bytes | str) -> bytes:
    assert isinstance(text, bytes)
    return text


def pointed(path: str, pointer: str) -> SopsSource:
    return SopsSource(path, Form(pointer=pointer))


def test_value_stands_at_its_pointer(tmp_path: Path) -> None:
    sealed(tmp_path / "a.enc.yaml", YAML, "yaml")
    expected = {
        "/stringData/key": "canary-one",
        "/stringData/port": "8080",
        "/stringData/ratio": "1.5",
        "/stringData/on": "true",
        "/stringData/since": "2026-05-06T07:08:09Z",
        "/stringData/list": '["canary-two",{"deep":"canary-three"}]',
        "/stringData/list/1/deep": "canary-three",
    }
    values = {pointer: pointed("a.enc.yaml", pointer) for pointer in expected}
    found = resolver(values, environ=ENVIRON, root=tmp_path).resolve(values)
    assert {pointer: text(value) for pointer, value in found.items()} == expected


def test_null_and_what_is_absent_are_missing(tmp_path: Path) -> None:
    sealed(tmp_path / "a.enc.yaml", YAML, "yaml")
    values = {pointer: pointed("a.enc.yaml", pointer) for pointer in ("/stringData/none", "/stringData/absent", "/sops")}
    for error in resolver(values, environ=ENVIRON, root=tmp_path).resolve(values).values():
        assert failure(error, "VL01").is_missing


def test_whole_file_is_the_text_as_it_was(tmp_path: Path) -> None:
    sealed(tmp_path / "a.enc.yaml", YAML, "yaml")
    values: dict[str, Source] = {"a": SopsSource("a.enc.yaml"), "b": RefSource("ref+sops://a.enc.yaml")}
    found = resolver(values, environ=ENVIRON, root=tmp_path).resolve(values)
    assert [text(value) for value in found.values()] == [YAML, YAML]


@pytest.mark.parametrize(
    ("name", "store", "plain", "pointer"),
    [
        ("a.json", "json", '{"a": {"b": "canary"}}', "/a/b"),
        ("a.env", "dotenv", "# note\nA=canary\n", "/A"),
        ("a.ini", "ini", "[a]\nb = canary\n", "/a/b"),
        ("a.bin", "binary", '{"a": "canary"}', "/a"),
    ],
)
def test_every_format_has_values(name: str, store: StoreName, plain: str, pointer: str, tmp_path: Path) -> None:
    sealed(tmp_path / name, plain, store)
    values: dict[str, Source] = {"a": pointed(name, pointer), "b": RefSource(f"ref+sops://{name}#{pointer}")}
    found = resolver(values, environ=ENVIRON, root=tmp_path).resolve(values)
    assert [text(value) for value in found.values()] == ["canary", "canary"]


def test_binary_file_is_a_value_to_the_last_byte(tmp_path: Path) -> None:
    recipient = IDENTITY.partition("public key: ")[2].split()[0]
    (tmp_path / "a.bin").write_bytes(bytes_of(secrettool.encrypt(b"canary\x00\xff\n", "binary", recipients=[recipient])))
    found = resolver({"a": SopsSource("a.bin")}, environ=ENVIRON, root=tmp_path).resolve(["a"])["a"]
    assert isinstance(found, SecretValue)
    assert found.reveal() == b"canary\x00\xff\n"


def test_key_may_be_wanted_as_a_value_too(tmp_path: Path) -> None:
    sealed(tmp_path / "a.enc.yaml", YAML, "yaml")
    values: dict[str, Source] = {"key": EnvSource("SOPS_AGE_KEY"), "a": pointed("a.enc.yaml", "/stringData/key")}
    environ = dict(ENVIRON)
    made = Resolver({}, values, environ=environ, root=str(tmp_path))
    assert environ == {}
    assert text(made.resolve(["a"])["a"]) == "canary-one"


def test_given_runtime_has_the_keys(tmp_path: Path) -> None:
    sealed(tmp_path / "a.enc.yaml", YAML, "yaml")
    runtime = secrettool.local_runtime(ENVIRON)
    made = Resolver({}, {"a": pointed("a.enc.yaml", "/stringData/key")}, environ={}, root=str(tmp_path), runtime=runtime)
    assert text(made.resolve(["a"])["a"]) == "canary-one"


def test_file_that_was_opened_shows_nothing(tmp_path: Path) -> None:
    sealed(tmp_path / "a.enc.yaml", YAML, "yaml")
    files = SopsFiles(ENVIRON)
    files.fetch(str(tmp_path / "a.enc.yaml"), whole=True)
    assert "canary" not in repr(vars(files))


def test_file_is_opened_once(tmp_path: Path) -> None:
    file = sealed(tmp_path / "a.enc.yaml", YAML, "yaml")
    values = {"a": pointed("a.enc.yaml", "/stringData/key"), "b": pointed("a.enc.yaml", "/stringData/port")}
    made = resolver(values, environ=ENVIRON, root=tmp_path)
    assert text(made.resolve(["a"])["a"]) == "canary-one"
    file.unlink()
    assert text(made.resolve(["b"])["b"]) == "8080"


@pytest.mark.parametrize("environ", [{}, {"SOPS_AGE_KEY": OTHER}], ids=["no key", "other key"])
def test_file_that_no_key_opens_is_a_failed_decryption(environ: dict[str, str], tmp_path: Path) -> None:
    sealed(tmp_path / "a.enc.yaml", YAML, "yaml")
    values = {"a": pointed("a.enc.yaml", "/stringData/key"), "b": SopsSource("a.enc.yaml")}
    for error in resolver(values, environ=environ, root=tmp_path).resolve(values).values():
        assert failure(error, "VL08").code == Outcome.DECRYPTION


def test_mac_is_always_checked(tmp_path: Path) -> None:
    file = sealed(tmp_path / "a.enc.yaml", YAML, "yaml")
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if "port:" in line)
    file.write_text("".join(lines[:place] + lines[place + 1 :]), encoding="utf-8")
    found = resolver({"a": pointed("a.enc.yaml", "/stringData/key")}, environ=ENVIRON, root=tmp_path).resolve(["a"])["a"]
    assert failure(found, "VL08").code == Outcome.DECRYPTION


def test_changed_value_does_not_open(tmp_path: Path) -> None:
    file = sealed(tmp_path / "a.enc.yaml", YAML, "yaml")
    changed = re.sub(r"(key: ENC\[AES256_GCM,data:)(....)", r"\1AAAA", file.read_text(encoding="utf-8"), count=1)
    file.write_text(changed, encoding="utf-8")
    error = failure(resolver({"a": pointed("a.enc.yaml", "/kind")}, environ=ENVIRON, root=tmp_path).resolve(["a"])["a"], "VL08")
    assert "stringData" in error.message


def test_plain_file_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(YAML, encoding="utf-8")
    failure(resolver({"a": pointed("a.yaml", "/stringData/key")}, environ=ENVIRON, root=tmp_path).resolve(["a"])["a"], "VL05")


@pytest.mark.parametrize("broken", ["canary: [", "[" * 100_000])
def test_broken_file_is_not_quoted(broken: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(broken, encoding="utf-8")
    failure(resolver({"a": SopsSource("a.json")}, environ=ENVIRON, root=tmp_path).resolve(["a"])["a"], "VL05")


def test_file_may_be_as_deep_as_it_likes(tmp_path: Path) -> None:
    depth = 3000
    sealed(tmp_path / "a.json", '{"a":' * depth + '"canary"' + "}" * depth, "json")
    found = resolver({"a": pointed("a.json", "/a" * depth)}, environ=ENVIRON, root=tmp_path).resolve(["a"])["a"]
    assert text(found) == "canary"


def test_file_that_is_absent_is_missing_and_a_folder_is_not(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").mkdir()
    values = {"a": SopsSource("a.yaml"), "b": SopsSource("b.yaml")}
    found = resolver(values, environ=ENVIRON, root=tmp_path).resolve(values)
    assert failure(found["a"], "VL01").is_missing
    assert not failure(found["b"], "VL04").is_missing
