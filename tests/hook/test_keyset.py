"""Which keys a pass has, in which order they count, and what is said about those that cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from secrettool.errors import ClusterError, ConfigError, KeyUnavailable
from secrettool.flux import FluxKustomization
from secrettool.hook import Decryptor, HookConfig, KeySecret, KeySet, find_key_secrets, is_decrypting, key_secret
from secrettool.hook.entry import load
from secrettool.keys.gpg_home import GpgHome
from secrettool.sops.keygroups import KeyFailure, MasterKey
from tests.hook import cases
from tests.hook.keys import IDENTITY_A, IDENTITY_B, IDENTITY_C, SUBJECT, keys_of, recipient_of, sealed
from tests.hook.test_objects import FLUX, of

PLAIN = "password: correct-horse\n"
PRIVATE = IDENTITY_A.decode().splitlines()[-1]


def opens(keys: KeySet, identity: bytes) -> bool:
    """Whether a key set opens what is sealed for an identity."""
    _, metadata = load(sealed(PLAIN, identity=identity).encode(), "yaml")
    try:
        return len(keys.data_key(metadata)) == 32
    except KeyUnavailable as error:
        assert error.rule == "HK111"
        return False


def refusal(entries: Mapping[str, bytes]) -> KeyUnavailable:
    with pytest.raises(KeyUnavailable) as caught:
        KeySet(KeySecret(SUBJECT, entries))
    assert caught.value.rule == "HK103"
    return caught.value


# ---- entries -------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [f"  {PRIVATE}\n", f"{PRIVATE}\t\r\r\n", f"\n \t\n{PRIVATE}", f"  # comment\n{PRIVATE}", f"{PRIVATE}\r"],
    ids=["leading", "trailing", "blank-lines", "comment", "no-newline"],
)
def test_da_07_blanks_and_returns_around_lines_are_trimmed(text: str) -> None:
    assert opens(keys_of(text.encode()), IDENTITY_A)


@pytest.mark.parametrize("bad", [recipient_of(IDENTITY_A), PRIVATE[:-1], f"\ufeff{PRIVATE}", "-----BEGIN AGE"])
def test_da_07_a_line_that_is_no_identity_is_named_and_not_quoted(bad: str) -> None:
    error = refusal({"team.agekey": f"# key\n{PRIVATE}\n{bad}\n".encode()})
    assert str(error) == f"HK103 {SUBJECT}: entry team.agekey, line 3: not an age identity"
    assert bad not in f"{error!r}{error.hint}"


def test_da_07_other_names_are_ignored() -> None:
    entries = {"keys.txt": b"nonsense", "age.AGEKEY": b"nonsense", "agekey": b"nonsense", "age.agekey.bak": b"nonsense", ".agekey": IDENTITY_A}
    assert opens(KeySet(KeySecret(SUBJECT, entries), env_keys=False), IDENTITY_A)


@pytest.mark.parametrize("name", ["sops.aws-kms", "sops.azure-kv", "sops.gcp-kms"])
def test_da_08_credentials_of_a_cloud_are_a_warning(name: str) -> None:
    content = {"sops.gcp-kms": b'{"type": "service_account"}', "sops.azure-kv": b"clientId: x\n"}.get(name, b"aws_access_key_id: x\n")
    keys = KeySet(KeySecret(SUBJECT, {name: content, "age.agekey": IDENTITY_A}), env_keys=False)
    assert [(finding.severity, finding.text) for finding in keys.warnings] == [("warning", f"key provider not supported: {name}")]
    assert opens(keys, IDENTITY_A)


def test_da_08_a_file_that_needs_another_provider_is_an_error() -> None:
    _, metadata = load(sealed(PLAIN).encode(), "yaml")
    cloud = MasterKey("gcp_kms", {"resource_id": "projects/p/locations/l/keyRings/r/cryptoKeys/k"}, "c2VhbGVk", "2026-01-01T00:00:00Z")
    with pytest.raises(KeyUnavailable, match=r"HK111 .*Google Cloud KMS"):
        KeySet(KeySecret(SUBJECT, {"sops.gcp-kms": b'{"type": "service_account"}'})).data_key(metadata._replace(groups=((cloud,),)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sops.aws-kms", b"- a\n"),
        ("sops.aws-kms", b"aws_access_key_id: [SECRETCANARY]\n"),
        ("sops.azure-kv", b"SECRETCANARY\n"),
        ("sops.azure-kv", b"{}\n"),
        ("sops.azure-kv", b"tenant: a\nappId: SECRETCANARY\n"),
        ("sops.azure-kv", b"clientId: a\nclientSecret: SECRETCANARY\nclientCertificateSendChain: 1\n"),
        ("sops.gcp-kms", b"SECRETCANARY"),
        ("sops.gcp-kms", b'{"type": "SECRETCANARY"}'),
        ("sops.gcp-kms", b"\xff\xfe"),
    ],
)
def test_credentials_that_cannot_be_read_end_the_pass(name: str, content: bytes) -> None:
    error = refusal({name: content})
    assert f"entry {name}: " in str(error)
    assert "CANARY" not in f"{error}{error!r}{error.hint}"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_credentials_of_azure_may_have_a_byte_order_mark(encoding: str) -> None:
    assert KeySet(KeySecret(SUBJECT, {"sops.azure-kv": "tenant: a\nappId: b\npassword: c\n".encode(encoding)})).warnings


# ---- order ---------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case_id", [case.id for case in cases.of_mode("objects") if case.id.startswith("master-")])
def test_da_09_key_groups_open_as_in_sops(case_id: str) -> None:
    case = cases.all_cases()[case_id]
    results = of(case_id, FLUX)
    assert isinstance(results, list)
    assert [isinstance(result, Mapping) for result in results] == ["object" in accepted[0] for accepted in case.outcomes()]


def test_da_09_a_report_says_how_many_groups_are_needed() -> None:
    case = cases.all_cases()["master-shamir-one-of-three"]
    (error,) = [result for result in of(case.id, FLUX) if isinstance(result, KeyUnavailable)]  # type: ignore[union-attr]
    assert "not enough of the 3 key groups open, 2 are needed: age1" in str(error)


def test_da_10_given_identities_come_before_the_environment() -> None:
    environ = {"SOPS_AGE_KEY": IDENTITY_B.decode()}
    given = KeySet(KeySecret(SUBJECT, {"a.agekey": IDENTITY_A}), environ=environ)
    assert opens(given, IDENTITY_A)
    assert not opens(given, IDENTITY_B)
    assert opens(KeySet(KeySecret(SUBJECT, {"other": b""}), environ=environ), IDENTITY_B)
    assert not opens(KeySet(environ=environ, env_keys=False), IDENTITY_B)


def test_da_10_nothing_of_the_environment_opens_when_it_is_switched_off(tmp_path: Path) -> None:
    file = tmp_path / ".config" / "sops" / "age" / "keys.txt"
    file.parent.mkdir(parents=True)
    file.write_bytes(IDENTITY_A)
    environ = {"HOME": str(tmp_path), "SOPS_AGE_KEY": IDENTITY_A.decode(), "SOPS_AGE_KEY_FILE": str(file), "SOPS_AGE_KEY_CMD": f"cat {file}"}
    assert opens(KeySet(environ=environ), IDENTITY_A)
    _, metadata = load(sealed(PLAIN).encode(), "yaml")
    with pytest.raises(KeyUnavailable, match="those of the environment are switched off"):
        KeySet(environ=environ, env_keys=False).data_key(metadata)


def test_the_global_secret_counts_only_where_nothing_else_was_given() -> None:
    fallback = KeySecret("Secret/flux-system/global-keys", {"a.agekey": IDENTITY_A, "bad.asc": b"nonsense", "sops.gcp-kms": b"nonsense"})
    assert opens(KeySet(age_secret=fallback, env_keys=False), IDENTITY_A)
    assert not opens(KeySet(KeySecret(SUBJECT, {}), age_secret=fallback, env_keys=False), IDENTITY_A)
    assert not opens(KeySet(age_secret=fallback, key_files={"b.txt": IDENTITY_B}, env_keys=False), IDENTITY_A)


def test_key_files_and_the_secret_add_up() -> None:
    keys = KeySet(KeySecret(SUBJECT, {"a.agekey": IDENTITY_A}), key_files={"b.txt": IDENTITY_B}, env_keys=False)
    assert [opens(keys, identity) for identity in (IDENTITY_A, IDENTITY_B, IDENTITY_C)] == [True, True, False]


def test_a_key_file_is_named_as_a_file() -> None:
    with pytest.raises(KeyUnavailable, match=r"^HK103 b\.txt: line 1: not an age identity$"):
        KeySet(key_files={"b.txt": b"nonsense"})


def test_da_11_key_sets_know_nothing_of_each_other() -> None:
    sealed_for_a = sealed(PLAIN)
    _, metadata = load(sealed_for_a.encode(), "yaml")
    first, second = keys_of(IDENTITY_A), keys_of(IDENTITY_B)
    assert first.data_key(metadata)
    with pytest.raises(KeyUnavailable, match="HK111"):
        second.data_key(metadata)


def test_a_closed_key_set_opens_nothing_that_it_opened_before() -> None:
    _, metadata = load(sealed(PLAIN).encode(), "yaml")
    with keys_of(IDENTITY_A) as keys:
        keys.data_key(metadata)
    with pytest.raises(KeyUnavailable, match="HK111"):
        keys.data_key(metadata)


# ---- speed ---------------------------------------------------------------------------------------------------------------------------------------


def test_each_data_key_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from secrettool.keys.age import AgeBackend

    asked: list[str] = []
    unwrap = AgeBackend.unwrap

    def counted(self: AgeBackend, key: MasterKey) -> bytes:
        asked.append(key.enc)
        return unwrap(self, key)

    monkeypatch.setattr(AgeBackend, "unwrap", counted)
    objects = [{"kind": "Secret", "apiVersion": "v1", "stringData": {f"{number}.yaml": sealed(PLAIN)}} for number in range(3)] * 20
    report = Decryptor(HookConfig(), keys_of(IDENTITY_A)).run(objects)
    assert not report.errors
    assert len(report.outcomes) == 60
    assert len(asked) == len(set(asked)) == 3


def test_a_key_that_failed_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from secrettool.keys.age import AgeBackend

    _, metadata = load(sealed(PLAIN).encode(), "yaml")
    keys = keys_of(IDENTITY_A)

    def fails(self: AgeBackend, key: MasterKey) -> bytes:
        raise KeyFailure(["not now"])

    with monkeypatch.context() as patch:
        patch.setattr(AgeBackend, "unwrap", fails)
        with pytest.raises(KeyUnavailable, match="not now"):
            keys.data_key(metadata)
    assert keys.data_key(metadata)


# ---- the Secrets themselves ----------------------------------------------------------------------------------------------------------------------


def kustomization(**decryption: object) -> FluxKustomization:
    spec = {"path": ".", "prune": True, "interval": "1h", "sourceRef": {"kind": "GitRepository", "name": "s"}, "decryption": decryption}
    metadata = {"name": "apps", "namespace": "team"}
    return FluxKustomization.from_object(
        {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": metadata, "spec": spec if decryption else {"path": "."}}
    )


def reader(**secrets: Mapping[str, bytes]) -> Callable[[str, str], Mapping[str, bytes] | None]:
    return lambda namespace, name: secrets.get(f"{namespace}_{name}")


def test_hk101_a_secret_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyUnavailable, match=r"^HK101 Secret/team/absent: "):
        find_key_secrets(kustomization(provider="sops", secretRef={"name": "absent"}), reader())
    with pytest.raises(KeyUnavailable, match=r"^HK101 Secret/flux-system/g: "):
        find_key_secrets(kustomization(provider="sops"), reader(), age_secret=("flux-system", "g"))


def test_hk102_a_secret_that_may_not_be_read_is_named() -> None:
    def forbidden(namespace: str, name: str) -> None:
        raise ClusterError("forbidden", status=403, reason="Forbidden")

    with pytest.raises(KeyUnavailable, match=r"^HK102 Secret/team/k: the Secret with the keys cannot be read: forbidden"):
        find_key_secrets(kustomization(provider="sops", secretRef={"name": "k"}), forbidden)


def test_the_global_secret_is_not_read_where_the_kustomization_names_one() -> None:
    flux = kustomization(provider="sops", secretRef={"name": "k"})
    secret, fallback = find_key_secrets(flux, reader(team_k={"a.agekey": IDENTITY_A}), age_secret=("flux-system", "absent"))
    assert secret is not None and dict(secret.entries) == {"a.agekey": IDENTITY_A}
    assert fallback is None


@pytest.mark.parametrize("decryption", [{}, {"provider": "other", "secretRef": {"name": "absent"}}])
def test_nothing_is_read_where_flux_does_not_decrypt(decryption: Mapping[str, object]) -> None:
    flux = kustomization(**decryption)
    assert not is_decrypting(flux)
    assert find_key_secrets(flux, reader(), age_secret=("flux-system", "absent")) == (None, None)


def test_the_manifest_of_a_secret_gives_its_entries() -> None:
    found = key_secret({"apiVersion": "v1", "kind": "Secret", "data": {"a": "YQ==", "b": None}, "stringData": {"a": "x"}}, subject="s.yaml")
    assert found == KeySecret("s.yaml", {"a": b"x", "b": b""})
    assert "x" not in repr(found).removeprefix("<KeySecret ")


@pytest.mark.parametrize(
    "change",
    [{"kind": "ConfigMap"}, {"sops": {"mac": "ENC[..]"}}, {"data": {"a": "!SECRETCANARY"}}, {"stringData": {"a": ["SECRETCANARY"]}}],
    ids=["kind", "encrypted", "base64", "list"],
)
def test_another_manifest_is_refused(change: Mapping[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"^s\.yaml: ") as caught:
        key_secret({"apiVersion": "v1", "kind": "Secret", **change}, subject="s.yaml")
    assert "CANARY" not in f"{caught.value}{caught.value!r}{caught.value.hint}"


# ---- PGP and Vault -------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[GpgHome]:
    """The homes of gpg that were closed."""
    homes: list[GpgHome] = []
    close = GpgHome.close

    def recorded(home: GpgHome) -> None:
        homes.append(home)
        close(home)

    monkeypatch.setattr(GpgHome, "close", recorded)
    return homes


@pytest.mark.real
def test_pgp_keys_are_there_until_the_set_is_closed(real_gpg: Path, closed: list[GpgHome]) -> None:
    with KeySet(KeySecret(SUBJECT, {"team.asc": cases.key("pgp-a.asc")}), environ={"PATH": os.environ["PATH"]}, env_keys=False) as keys:
        result = Decryptor(HookConfig(), keys).open_object(cases.all_cases()["keys-pgp"].objects[0])
        assert result.action == "decrypted"
        assert not closed
    assert len(closed) == 1


@pytest.mark.real
def test_a_pgp_entry_that_is_no_key_leaves_nothing_behind(real_gpg: Path, closed: list[GpgHome]) -> None:
    error = refusal({"team.asc": b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nSECRETCANARY\n-----END PGP PRIVATE KEY BLOCK-----\n"})
    assert "entry team.asc: not an armoured OpenPGP key" in str(error)
    assert "CANARY" not in f"{error}{error!r}{error.hint}"
    assert len(closed) == 1


def test_without_gpg_a_pgp_entry_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="the program gpg cannot be started") as caught:
        KeySet(KeySecret(SUBJECT, {"team.asc": b"x"}), environ={"PATH": str(tmp_path)})
    assert caught.value.hint is not None


# ---- what is shown -------------------------------------------------------------------------------------------------------------------------------


def test_representations_hold_no_key() -> None:
    secret = KeySecret(SUBJECT, {"a.agekey": IDENTITY_A, "sops.vault-token": b"s.SECRETCANARY"})
    keys = KeySet(secret, key_files={"b.txt": IDENTITY_B})
    shown = f"{secret!r}{keys!r}{keys.warnings!r}"
    assert "AGE-SECRET-KEY" not in shown
    assert "CANARY" not in shown
