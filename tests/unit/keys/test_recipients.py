from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import ConfigError, UsageError
from secrettool.keys import bech32, recipients
from secrettool.sops.keygroups import MasterKey

PLUGIN = bech32.encode("age1yubikey", bytes(33))
ARN = "arn:aws:kms:eu-west-1:111122223333:key/abc"
ROLE = "arn:aws:iam::111122223333:role/r"


@pytest.mark.parametrize("name", ["age1", "pq", "ssh_ed25519", "ssh_rsa"])
def test_age_keys_keep_the_recipient_as_it_is(public: Mapping[str, str], name: str) -> None:
    assert recipients.age_keys(f"  {public[name]}\n") == (MasterKey("age", {"recipient": public[name]}),)


def test_age_keys_keep_order_and_duplicates(public: Mapping[str, str]) -> None:
    found = recipients.age_keys(f"{public['age2']}, {PLUGIN},{public['age2']}")
    assert [key.text for key in found] == [public["age2"], PLUGIN, public["age2"]]


def test_age_keys_of_nothing_are_none() -> None:
    assert recipients.age_keys("") == ()


def test_age_keys_refuse_an_empty_part(public: Mapping[str, str]) -> None:
    with pytest.raises(ConfigError, match='failed to parse input, unknown recipient type: ""'):
        recipients.age_keys(f"{public['age1']},")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hello", 'failed to parse input, unknown recipient type: "hello"'),
        ("age1qqqqqqqqqq", "Bech32-encoded age public key: malformed recipient .*invalid checksum"),
        (bech32.encode("age", bytes(31)), "wrong length"),
        (bech32.encode("agex", bytes(32)), "unknown recipient type"),
        (bech32.encode("age1pq", bytes(32)), "Bech32-encoded age public key.*wrong length"),
        ("age1yubikey1qqqqqqqqqq", "age key from age plugin.*invalid checksum"),
        (bech32.encode("age1yubi/key", bytes(3)), "invalid plugin name"),
        ("ssh-dss AAAA", "age-ssh public key"),
        ("ssh-ed25519", "no key found"),
        ("ssh-ed25519 AAA*", "malformed base64"),
        ("ssh-ed25519 AAAAC3Nz", "the key is cut off"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAWE=", "wrong size"),
    ],
)
def test_check_recipient_names_the_fault(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        recipients.check_recipient(text)


def test_check_recipient_refuses_a_short_rsa_key() -> None:
    import base64

    fields = [b"ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xff" * 128]
    blob = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    with pytest.raises(ConfigError, match="RSA key size is too small"):
        recipients.check_recipient(f"ssh-rsa {base64.b64encode(blob).decode()}")


def test_check_recipient_does_not_show_a_private_key(private: Mapping[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        recipients.check_recipient(private["age1"])
    assert private["age1"][20:] not in caught.value.message
    assert "private key" in str(caught.value.hint)


@given(st.text(max_size=60))
def test_check_recipient_returns_or_raises_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert recipients.check_recipient("age1" + text).startswith("age1")


@pytest.mark.parametrize(("text", "name"), [(PLUGIN, "yubikey"), ("age1pq1qqq", None), ("age1qqq", None), ("ssh-rsa x", None)])
def test_plugin_name(text: str, name: str | None) -> None:
    assert recipients.plugin_name(text) == name


def test_pgp_keys_lose_blanks_and_keep_the_mark_of_a_subkey() -> None:
    assert [key.text for key in recipients.pgp_keys("AB CD, EF01!")] == ["ABCD", "EF01!"]


@pytest.mark.parametrize(
    "make",
    [
        recipients.pgp_keys,
        recipients.kms_keys,
        recipients.gcp_kms_keys,
        recipients.hckms_keys,
        recipients.azure_kv_keys,
        recipients.hc_vault_keys,
    ],
)
def test_no_text_gives_no_key(make: Callable[[str], tuple[MasterKey, ...]]) -> None:
    assert make("") == ()


def test_kms_keys_split_off_the_role() -> None:
    key, plain = recipients.kms_keys(f"{ARN}+{ROLE}, {ARN}", {"app": "web"}, "dev")
    assert key == MasterKey("kms", {"arn": ARN, "role": ROLE, "context": {"app": "web"}, "aws_profile": "dev"})
    assert plain.text == f"{ARN}|app:web|dev"


def test_kms_keys_without_context_have_no_context_field() -> None:
    assert recipients.kms_keys(ARN) == (MasterKey("kms", {"arn": ARN, "aws_profile": ""}),)


def test_encryption_context_reads_pairs() -> None:
    assert recipients.encryption_context("a:b,c:") == {"a": "b", "c": ""}
    assert recipients.encryption_context("") == {}


@pytest.mark.parametrize("text", ["a", "a:b,", "a:b:c", ","])
def test_encryption_context_refuses_other_forms(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipients.encryption_context(text)
    assert caught.value.code == 6


def test_gcp_kms_keys_lose_blanks() -> None:
    assert [key.text for key in recipients.gcp_kms_keys("projects/a, projects/b")] == ["projects/a", "projects/b"]


def test_hckms_keys_skip_empty_parts() -> None:
    assert [key.text for key in recipients.hckms_keys(" tr-west-1:abc, ,")] == ["tr-west-1:abc"]


@pytest.mark.parametrize(
    ("text", "problem"), [("abc", "expected 'region:key-uuid'"), (":abc", "region cannot be empty"), ("tr-west-1: ", "UUID cannot be empty")]
)
def test_hckms_keys_name_what_is_missing(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        recipients.hckms_keys(text)


@pytest.mark.parametrize(
    ("url", "version"),
    [("https://v.example/keys/k/1f", "1f"), ("https://v.example/keys/k", ""), (" https://v.example/keys/k/ ", "")],
)
def test_azure_kv_keys_take_the_url_apart(url: str, version: str) -> None:
    assert recipients.azure_kv_keys(url) == (MasterKey("azure_kv", {"vault_url": "https://v.example", "name": "k", "version": version}),)


@pytest.mark.parametrize("url", ["http://v.example/keys/k", "https://v.example/key/k", "https://v.example/keys/k/1/2", "https://a/keys/k,"])
def test_azure_kv_keys_refuse_other_forms(url: str) -> None:
    with pytest.raises(ConfigError, match="valid Azure Key Vault MasterKey"):
        recipients.azure_kv_keys(url)


def test_hc_vault_keys_take_the_uri_apart() -> None:
    (key,) = recipients.hc_vault_keys(",https://vault.example.com:8200/v1/team/transit/keys/k1/")
    assert key == MasterKey("hc_vault", {"vault_address": "https://vault.example.com:8200", "engine_path": "team/transit", "key_name": "k1"})


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("vault.example.com/v1/transit/keys/k", "missing scheme"),
        ("https://vault.example.com/prefix/v1/transit/keys/k", "prefixed URL"),
        ("https://vault.example.com/v1/transit", "formatted correctly"),
        ("https://vault.example.com/v1/transit/keys/k?x=1", "formatted correctly"),
    ],
)
def test_hc_vault_keys_name_the_fault(uri: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        recipients.hc_vault_keys(uri)
