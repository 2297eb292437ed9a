"""Sources written as URLs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import SourceError
from secrettool.sources import ref
from secrettool.sources.model import ExecProvider, Provider, RefSource, VaultProvider
from secrettool.sources.ref import ExecRef, FileRef, Ref, SopsRef, VaultRef
from tests.interop.peers.faults import FaultyServer
from tests.unit.sources.support import engine, failure, kv2, resolver, text, vault_at


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ref+vault://kv/proxmox#/host", Ref(VaultRef("kv", "proxmox", None, None), "/host")),
        ("ref+vault://kv/a/b/?version=7&namespace=team%2Fa#/x~1y", Ref(VaultRef("kv", "a/b", 7, "team/a"), "/x~1y")),
        ("ref+openbao://team%2Fkv/a%20b", Ref(VaultRef("team/kv", "a b", None, None), None)),
        ("ref+file://secrets/token", Ref(FileRef("secrets/token"), None)),
        ("ref+file:///run/secrets/app.json#/a/b", Ref(FileRef("/run/secrets/app.json"), "/a/b")),
        ("ref+sops://secrets/app.enc.yaml#/stringData/key", Ref(SopsRef("secrets/app.enc.yaml"), "/stringData/key")),
        ("ref+exec://bws/secret/get/a%2Fb#/value", Ref(ExecRef(ExecProvider(("bws", "secret", "get", "a/b"))), "/value")),
        ("ref+exec://tofu", Ref(ExecRef(ExecProvider(("tofu",))), None)),
        ("ref+exec://%2Fusr%2Fbin%2Fenv/", Ref(ExecRef(ExecProvider(("/usr/bin/env", ""))), None)),
    ],
)
def test_url_names(url: str, expected: Ref) -> None:
    assert ref.read(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "vault://kv/a",
        "ref+vault:kv/a",
        "ref+vault:///a#/b",
        "ref+vault://kv#/b",
        "ref+vault://kv/#/b",
        "ref+vault://kv/a?version=0",
        "ref+vault://kv/a?version=x",
        "ref+vault://kv/a?version=",
        "ref+vault://kv/a?version=²",
        "ref+vault://kv/a?version=" + "9" * 5000,
        "ref+vault://kv/a?proto=http",
        "ref+vault://kv/a#key",
        "ref+vault://[kv/a",
        "ref+awssecrets://a/b",
        "ref+file://",
        "ref+file://a?x=1",
        "ref+sops://#/a",
        "ref+exec:///bin/true",
        "REF+VAULT://kv/a",
    ],
)
def test_url_that_names_nothing_is_refused(url: str) -> None:
    with pytest.raises(SourceError) as refused:
        ref.read(url)
    failure(refused.value, "VL06")


@given(st.text(max_size=40) | st.text("ref+vaultfilesopsexec:/#?&=%[]@.~", max_size=40).map(lambda text: f"ref+{text}"))
def test_any_text_is_read_or_refused(url: str) -> None:
    try:
        assert isinstance(ref.read(url), Ref)
    except SourceError as error:
        assert error.rule == "VL06"


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10).filter(lambda text: text.strip("/"))


@given(NAMES, NAMES, NAMES)
def test_percent_encoding_keeps_every_name(mount: str, path: str, key: str) -> None:
    found = ref.read(f"ref+vault://{quote(mount, safe='')}/{quote(path, safe='')}#/{quote(key, safe='')}")
    assert found == Ref(VaultRef(mount, path.strip("/"), None, None), f"/{key}")


# --- what they give ---


def test_file_gives_its_text_or_a_part(tmp_path: Path) -> None:
    (tmp_path / "app.json").write_text(json.dumps({"a": "canary"}) + "\n")
    (tmp_path / "app.json").chmod(0o600)
    values = {"all": RefSource("ref+file://app.json"), "part": RefSource("ref+file://app.json#/a")}
    found = resolver(values, root=tmp_path).resolve(values)
    assert [text(value) for value in found.values()] == ['{"a": "canary"}', "canary"]


def test_program_runs_only_when_it_is_allowed(tmp_path: Path) -> None:
    values = {"a": RefSource("ref+exec://printf/told"), "b": RefSource("ref+exec://echo/%7B%22k%22: 1%7D#/k")}
    environ = {"PATH": os.environ["PATH"]}
    refused = failure(resolver(values, environ=environ).resolve(["a"])["a"], "VL06")
    assert "--allow-exec-ref" in str(refused.hint)
    allowed = resolver(values, environ=environ, allow_exec_ref=True).resolve(values)
    assert [text(value) for value in allowed.values()] == ["told", "1"]


def test_url_means_the_only_vault(server: FaultyServer) -> None:
    server.faults.extend([kv2({"host": "canary"}), kv2({"host": "older"})])
    values = {"a": RefSource("ref+vault://kv/app#/host"), "b": RefSource("ref+openbao://kv/app?version=3&namespace=other#/host")}
    providers: dict[str, Provider] = {"p": vault_at(server.url), "q": ExecProvider(("true",))}
    found = resolver(values, providers, environ={"VAULT_TOKEN": "t"}).resolve(values)
    assert [text(value) for value in found.values()] == ["canary", "older"]
    assert server.paths() == ["GET /v1/kv/data/app", "GET /v1/kv/data/app?version=3"]
    assert [asked.headers.get("x-vault-namespace") for asked in server.asked] == [None, "other"]


def test_url_means_the_vault_of_the_environment_when_the_map_has_none(server: FaultyServer) -> None:
    server.faults.extend([engine("2"), kv2({"host": "canary"})])
    environ = {"VAULT_ADDR": server.url, "VAULT_TOKEN": "t"}
    assert text(resolver({"a": RefSource("ref+vault://kv/app#/host")}, environ=environ).resolve(["a"])["a"]) == "canary"


def test_url_means_no_vault_when_there_are_several() -> None:
    providers = {"p": VaultProvider("https://a.example"), "q": VaultProvider("https://b.example")}
    error = failure(resolver({"a": RefSource("ref+vault://kv/app#/host")}, providers).resolve(["a"])["a"], "VL06")
    assert "several" in error.message
