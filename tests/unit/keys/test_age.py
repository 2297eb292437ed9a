from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from secrettool.keys import LocalKeyring, age, age_file, bech32
from secrettool.sops.envelope import Cipher, DataKey
from secrettool.sops.keygroups import KeyFailure, MasterKey

VECTORS = Path(__file__).parents[2] / "vectors"
PART = bytes(range(32))
MakeKeyring = Callable[..., LocalKeyring]
SshKeygen = Callable[..., Path]
Lock = Callable[[bytes, str], bytes]
needs_bcrypt = pytest.mark.skipif(find_spec("bcrypt") is None, reason="the Python package bcrypt is not installed")


def age_key(recipient: str, enc: str = "") -> MasterKey:
    return MasterKey("age", {"recipient": recipient}, enc)


def failure(keyring: LocalKeyring, key: MasterKey) -> KeyFailure:
    with pytest.raises(KeyFailure) as caught:
        keyring.unwrap(key)
    return caught.value


class Asked:
    """A user who gives the same answer to every question and remembers what was asked."""

    def __init__(self, answer: str | None) -> None:
        self.answer = answer
        self.questions: list[str] = []

    def __call__(self, question: str) -> str | None:
        self.questions.append(question)
        return self.answer


def variables(name: str, private: Mapping[str, str]) -> dict[str, str]:
    if name.startswith("ssh"):
        return {"SOPS_AGE_SSH_PRIVATE_KEY_FILE": str(VECTORS / "keys" / name)}
    return {"SOPS_AGE_KEY": private[name]}


@pytest.mark.parametrize("name", ["age1", "pq", "ssh_ed25519", "ssh_rsa"])
def test_unwrap_opens_what_wrap_sealed(make_keyring: MakeKeyring, public: Mapping[str, str], private: Mapping[str, str], name: str) -> None:
    sealed = make_keyring().wrap(age_key(public[name]), PART)
    assert sealed.enc.startswith(age_file.ARMOR_BEGIN)
    assert sealed.enc.endswith("\n")
    assert (sealed.fields, sealed.created_at) == ({"recipient": public[name]}, "")
    assert make_keyring(**variables(name, private)).unwrap(sealed) == PART


@pytest.mark.parametrize(
    ("vector", "name"),
    [("age-two-recipients", "age2"), ("age-ssh-ed25519", "ssh_ed25519"), ("age-ssh-rsa", "ssh_rsa"), ("age-post-quantum", "pq")],
)
def test_unwrap_opens_what_sops_sealed(
    index: Any, make_keyring: MakeKeyring, public: Mapping[str, str], private: Mapping[str, str], vector: str, name: str
) -> None:
    entry = next(item for item in index["vectors"] if item["name"] == vector)
    document = yaml.load((VECTORS / entry["encrypted"]).read_text(), yaml.CSafeLoader)
    enc = next(item["enc"] for item in document["sops"]["age"] if item["recipient"] == public[name])
    data_key = make_keyring(**variables(name, private)).unwrap(age_key(public[name], enc))
    assert data_key.hex() == entry.get("data_key", data_key.hex())
    digest = Cipher(DataKey(data_key)).open(document["sops"]["mac"], aad=document["sops"]["lastmodified"].encode()).text
    assert digest == entry.get("mac", digest)


def test_the_recipient_of_an_entry_is_only_a_label(make_keyring: MakeKeyring, public: Mapping[str, str], private: Mapping[str, str]) -> None:
    enc = make_keyring().wrap(age_key(public["age1"]), PART).enc
    assert make_keyring(SOPS_AGE_KEY=private["age1"]).unwrap(age_key("", enc)) == PART


@pytest.mark.parametrize("plugin", ["tag", "tagpq"])
def test_wrap_needs_no_plugin_for_tag_recipients(make_keyring: MakeKeyring, plugin: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, mlkem
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    if plugin == "tag":
        data = curve.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    else:
        data = mlkem.MLKEM768PrivateKey.generate().public_key().public_bytes_raw() + curve.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    sealed = make_keyring().wrap(age_key(bech32.encode(f"age1{plugin}", data)), PART)
    (kind,) = age_file.parse(age_file.dearmor(sealed.enc)).kinds
    assert kind == {"tag": "p256tag", "tagpq": "mlkem768p256tag"}[plugin]


@pytest.mark.parametrize(
    ("recipient", "problem"),
    [
        ("", "unknown recipient type"),
        ("age1qqqqqqqqqq", "invalid checksum"),
        (bech32.encode("age1pq", bytes(1216)), "failed to encrypt sops data key with age"),
        (bech32.encode("age1tag", bytes(33)), "public key of this recipient is not valid"),
        (bech32.encode("age1nowhere", bytes(8)), "the program age-plugin-nowhere is not on the PATH"),
    ],
)
def test_wrap_refuses_a_recipient_it_cannot_use(make_keyring: MakeKeyring, recipient: str, problem: str) -> None:
    with pytest.raises(KeyFailure, match=problem):
        make_keyring().wrap(age_key(recipient), PART)


@pytest.fixture
def sealed(make_keyring: MakeKeyring, public: Mapping[str, str]) -> MasterKey:
    return make_keyring().wrap(age_key(public["age1"]), PART)


def test_failure_without_identities_lists_the_empty_places(make_keyring: MakeKeyring, sealed: MasterKey, tmp_path: Path) -> None:
    found = failure(make_keyring(), sealed)
    assert found.reasons == (
        "failed to load age identities; this entry is sealed for an X25519 key",
        "Did not find keys in locations 'SOPS_AGE_SSH_PRIVATE_KEY_FILE', 'SOPS_AGE_SSH_PRIVATE_KEY_CMD', "
        f"'{tmp_path}/.ssh/id_ed25519', '{tmp_path}/.ssh/id_rsa', 'SOPS_AGE_KEY', 'SOPS_AGE_KEY_FILE', 'SOPS_AGE_KEY_CMD', "
        f"and '{tmp_path}/.config/sops/age/keys.txt'.",
    )
    assert found.hint is not None
    assert "SOPS_AGE_KEY_FILE" in found.hint


def test_failure_names_every_source_and_why_it_did_not_open(
    make_keyring: MakeKeyring, sealed: MasterKey, private: Mapping[str, str], tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"{private['age2']}\n{private['pq']}\n")
    ssh = VECTORS / "keys" / "ssh_ed25519"
    keyring = make_keyring(
        SOPS_AGE_KEY_FILE=str(keys),
        SOPS_AGE_SSH_PRIVATE_KEY_FILE=str(ssh),
        SOPS_AGE_KEY_CMD="sh -c 'exit 3'",
        SOPS_AGE_KEY="junk",
    )
    reasons = failure(keyring, sealed).reasons
    assert reasons[:-1] == (
        "no identity matched any of the recipients; this entry is sealed for an X25519 key",
        f"SOPS_AGE_SSH_PRIVATE_KEY_FILE ({ssh}): 1 identity, which does not match this recipient",
        "SOPS_AGE_KEY: line 1: unknown identity type",
        f"SOPS_AGE_KEY_FILE ({keys}): 2 identities, none matches this recipient",
        "SOPS_AGE_KEY_CMD: failed to execute command: command exited with status 3",
    )


def test_failure_never_holds_a_key(make_keyring: MakeKeyring, sealed: MasterKey, private: Mapping[str, str]) -> None:
    keyring = make_keyring(SOPS_AGE_KEY=f"{private['age2']} {private['age3']}x", SOPS_AGE_KEY_CMD=f"echo {private['age4']}")
    assert "SECRET-KEY" not in "".join(failure(keyring, sealed).reasons)


def test_failure_tells_a_changed_entry_from_a_wrong_key(
    make_keyring: MakeKeyring, public: Mapping[str, str], private: Mapping[str, str], sealed: MasterKey
) -> None:
    other = make_keyring().wrap(age_key(public["age2"]), PART)
    found = failure(make_keyring(SOPS_AGE_KEY=private["age1"]), age_key(public["age1"], other.enc))
    assert "SOPS_AGE_KEY: 1 identity, with the key of this recipient, but the entry is sealed for another key or was changed" in found.reasons


@pytest.mark.parametrize("name", ["age1", "pq", "ssh_ed25519"])
def test_failure_says_that_the_payload_was_changed(
    make_keyring: MakeKeyring, public: Mapping[str, str], private: Mapping[str, str], name: str
) -> None:
    raw = age_file.dearmor(make_keyring().wrap(age_key(public[name]), PART).enc)
    found = failure(make_keyring(**variables(name, private)), age_key(public[name], age_file.armor(raw[:-1])))
    assert any("it fits, but the age file of this entry" in reason for reason in found.reasons)


@pytest.mark.parametrize("enc", ["hello", "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n"])
def test_failure_says_that_the_entry_is_damaged(make_keyring: MakeKeyring, private: Mapping[str, str], enc: str) -> None:
    (reason,) = failure(make_keyring(SOPS_AGE_KEY=private["age1"]), age_key("age1x", enc)).reasons
    assert reason.startswith("failed to read header: the age file of this entry is damaged: ")


@pytest.mark.parametrize(
    ("name", "kind", "hint"),
    [
        ("ssh_rsa", "a key of type ssh-rsa", "SOPS_AGE_SSH_PRIVATE_KEY_FILE"),
        ("pq", "a post-quantum key", "AGE-SECRET-KEY-PQ-1"),
    ],
)
def test_failure_hints_at_the_kind_of_key(make_keyring: MakeKeyring, public: Mapping[str, str], name: str, kind: str, hint: str) -> None:
    found = failure(make_keyring(), make_keyring().wrap(age_key(public[name]), PART))
    assert kind in found.reasons[0]
    assert hint in str(found.hint)


def test_a_broken_source_does_not_hide_a_good_one(make_keyring: MakeKeyring, private: Mapping[str, str], sealed: MasterKey) -> None:
    keyring = make_keyring(SOPS_AGE_KEY_FILE="nowhere", SOPS_AGE_SSH_PRIVATE_KEY_FILE="nowhere", SOPS_AGE_KEY=private["age1"])
    assert keyring.unwrap(sealed) == PART


def test_commands_are_not_run_when_a_file_opens_the_entry(
    make_keyring: MakeKeyring, private: Mapping[str, str], sealed: MasterKey, tmp_path: Path
) -> None:
    keyring = make_keyring(SOPS_AGE_KEY=private["age1"], SOPS_AGE_KEY_CMD=f"touch {tmp_path / 'ran'}")
    assert keyring.unwrap(sealed) == PART
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("armored", [True, False])
def test_a_locked_file_is_opened_with_one_question(
    make_keyring: MakeKeyring, private: Mapping[str, str], sealed: MasterKey, tmp_path: Path, lock: Lock, armored: bool
) -> None:
    keys = tmp_path / "keys"
    locked = lock(f"# mine\n{private['age2']}\n{private['age1']}\n".encode(), "sesame")
    keys.write_bytes(age_file.armor(locked).encode() if armored else locked)
    user = Asked("sesame")
    keyring = make_keyring(user, SOPS_AGE_KEY_FILE=str(keys))
    assert [keyring.unwrap(sealed), keyring.unwrap(sealed)] == [PART, PART]
    assert user.questions == [f"Enter passphrase for identity 'SOPS_AGE_KEY_FILE ({keys})':"]


@pytest.mark.parametrize(
    ("answer", "text", "problem"),
    [
        ("wrong", "", "incorrect passphrase, or a damaged file"),
        (None, "", "it needs a passphrase, and there is no terminal to ask for it"),
        ("sesame", "# nothing", "no identities found in it"),
        ("sesame", "junk", "line 1: unknown identity type"),
    ],
)
def test_a_locked_file_that_stays_shut_says_why_and_asks_once(
    make_keyring: MakeKeyring, sealed: MasterKey, tmp_path: Path, lock: Lock, answer: str | None, text: str, problem: str
) -> None:
    keys = tmp_path / "keys"
    keys.write_bytes(lock(text.encode(), "sesame"))
    user = Asked(answer)
    keyring = make_keyring(user, SOPS_AGE_KEY_FILE=str(keys))
    for _ in range(2):
        assert f"SOPS_AGE_KEY_FILE ({keys}): {problem}" in failure(keyring, sealed).reasons
    assert len(user.questions) == 1


def test_a_locked_file_is_not_asked_for_when_another_identity_opens(
    make_keyring: MakeKeyring, private: Mapping[str, str], sealed: MasterKey, tmp_path: Path, lock: Lock
) -> None:
    keys = tmp_path / "keys"
    keys.write_bytes(lock(private["age2"].encode(), "sesame"))
    user = Asked("sesame")
    assert make_keyring(user, SOPS_AGE_KEY_FILE=str(keys), SOPS_AGE_KEY=private["age1"]).unwrap(sealed) == PART
    assert user.questions == []


def test_a_broken_identity_of_a_locked_file_does_not_hide_a_good_one(
    make_keyring: MakeKeyring, private: Mapping[str, str], sealed: MasterKey, tmp_path: Path, lock: Lock
) -> None:
    keys = tmp_path / "keys"
    plugin = bech32.encode("age-plugin-nowhere-", b"").upper()
    keys.write_bytes(lock(f"{plugin}\n{private['age1']}\n".encode(), "sesame"))
    assert make_keyring(Asked("sesame"), SOPS_AGE_KEY_FILE=str(keys)).unwrap(sealed) == PART


def test_an_age_file_for_a_key_is_no_identity_file(make_keyring: MakeKeyring, sealed: MasterKey, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(sealed.enc)
    reasons = failure(make_keyring(SOPS_AGE_KEY_FILE=str(keys)), sealed).reasons
    assert f"SOPS_AGE_KEY_FILE ({keys}): it is an age file, but not one sealed with a passphrase" in reasons


def test_a_damaged_locked_file_is_a_problem(make_keyring: MakeKeyring, sealed: MasterKey, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("-----BEGIN AGE ENCRYPTED FILE-----\n")
    assert any("the end of the armour is missing" in reason for reason in failure(make_keyring(SOPS_AGE_KEY_FILE=str(keys)), sealed).reasons)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
@needs_bcrypt
def test_a_protected_ssh_key_is_opened_with_one_question(make_keyring: MakeKeyring, ssh_keygen: SshKeygen, kind: str) -> None:
    path = ssh_keygen(kind, passphrase="open sesame")
    key = make_keyring().wrap(age_key(Path(f"{path}.pub").read_text().strip()), PART)
    user = Asked("open sesame")
    keyring = make_keyring(user, SOPS_AGE_SSH_PRIVATE_KEY_FILE=str(path))
    assert [keyring.unwrap(key), keyring.unwrap(key)] == [PART, PART]
    assert user.questions == [f'Enter passphrase for "{path}":']


@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
@pytest.mark.parametrize("passphrase", ["", "open sesame"])
def test_an_ssh_key_of_an_older_form_is_opened(make_keyring: MakeKeyring, ssh_keygen: SshKeygen, form: str, passphrase: str) -> None:
    path = ssh_keygen("rsa", passphrase=passphrase, form=form)
    key = make_keyring().wrap(age_key(Path(f"{path}.pub").read_text().strip()), PART)
    assert make_keyring(Asked(passphrase), SOPS_AGE_SSH_PRIVATE_KEY_FILE=str(path)).unwrap(key) == PART


def test_a_protected_key_of_an_older_form_needs_its_public_key(make_keyring: MakeKeyring, ssh_keygen: SshKeygen, sealed: MasterKey) -> None:
    path = ssh_keygen("rsa", passphrase="open sesame", form="PEM")
    os.unlink(f"{path}.pub")
    reasons = failure(make_keyring(SOPS_AGE_SSH_PRIVATE_KEY_FILE=str(path)), sealed).reasons
    assert any("its public key cannot be read" in reason for reason in reasons)


def test_a_protected_ssh_key_is_not_asked_for_when_the_entry_is_for_another(
    make_keyring: MakeKeyring, ssh_keygen: SshKeygen, public: Mapping[str, str]
) -> None:
    user = Asked("open sesame")
    key = make_keyring().wrap(age_key(public["ssh_ed25519"]), PART)
    path = ssh_keygen("ed25519", passphrase="open sesame")
    failure(make_keyring(user, SOPS_AGE_SSH_PRIVATE_KEY_FILE=str(path)), key)
    assert user.questions == []


def test_a_protected_ssh_key_without_a_terminal_says_so(make_keyring: MakeKeyring, ssh_keygen: SshKeygen) -> None:
    path = ssh_keygen("ed25519", passphrase="open sesame")
    key = make_keyring().wrap(age_key(Path(f"{path}.pub").read_text().strip()), PART)
    reasons = failure(make_keyring(SOPS_AGE_SSH_PRIVATE_KEY_FILE=str(path)), key).reasons
    assert f"SOPS_AGE_SSH_PRIVATE_KEY_FILE ({path}): it needs a passphrase, and there is no terminal to ask for it" in reasons


def test_an_ssh_key_of_another_kind_is_a_problem(make_keyring: MakeKeyring, ssh_keygen: SshKeygen, sealed: MasterKey) -> None:
    path = ssh_keygen("ecdsa")
    reasons = failure(make_keyring(SOPS_AGE_SSH_PRIVATE_KEY_FILE=str(path)), sealed).reasons
    assert any("unsupported SSH key type" in reason for reason in reasons)


def test_a_missing_plugin_is_named_and_asked_last(
    make_keyring: MakeKeyring, private: Mapping[str, str], public: Mapping[str, str], sealed: MasterKey
) -> None:
    plugin = bech32.encode("age-plugin-nowhere-", b"").upper()
    assert make_keyring(SOPS_AGE_KEY=f"{plugin} {private['age1']}").unwrap(sealed) == PART
    reasons = failure(make_keyring(SOPS_AGE_KEY=plugin), sealed).reasons
    assert "SOPS_AGE_KEY: the program age-plugin-nowhere is not on the PATH" in reasons


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["'A'"], " 'A'"), (["'A'", "'B'"], "s 'A' and 'B'"), (["'A'", "'B'", "'C'"], "s 'A', 'B', and 'C'")],
)
def test_empty_places_are_listed_in_the_words_of_the_reference(names: list[str], expected: str) -> None:
    assert age._listed(names) == expected


def test_failure_hints_at_the_plugin_of_the_recipient(make_keyring: MakeKeyring, sealed: MasterKey) -> None:
    found = failure(make_keyring(), age_key(bech32.encode("age1yubikey", bytes(33)), sealed.enc))
    assert "AGE-PLUGIN-YUBIKEY-1" in str(found.hint)


def test_a_locked_identity_that_matches_nothing_says_so(
    make_keyring: MakeKeyring, private: Mapping[str, str], sealed: MasterKey, tmp_path: Path, lock: Lock
) -> None:
    keys = tmp_path / "keys"
    keys.write_bytes(lock(private["age2"].encode(), "sesame"))
    reasons = failure(make_keyring(Asked("sesame"), SOPS_AGE_KEY_FILE=str(keys)), sealed).reasons
    assert f"SOPS_AGE_KEY_FILE ({keys}): 1 identity, which does not match this recipient" in reasons


def test_a_stanza_of_a_post_quantum_entry_that_is_damaged_says_so(
    make_keyring: MakeKeyring, public: Mapping[str, str], private: Mapping[str, str]
) -> None:
    file = age_file.parse(age_file.dearmor(make_keyring().wrap(age_key(public["pq"]), PART).enc))
    damaged = age_file.seal([file.stanzas[0]._replace(args=())], bytes(16), bytes(16), PART)
    reasons = failure(make_keyring(SOPS_AGE_KEY=private["pq"]), age_key(public["pq"], age_file.armor(damaged))).reasons
    assert "SOPS_AGE_KEY: it fits, but the age file of this entry is damaged: malformed mlkem768x25519 stanza" in reasons


def test_a_protected_key_beside_a_public_key_that_is_none_is_a_problem(make_keyring: MakeKeyring, ssh_keygen: SshKeygen, sealed: MasterKey) -> None:
    path = ssh_keygen("rsa", passphrase="open sesame", form="PEM")
    Path(f"{path}.pub").write_text("hello")
    assert any("is no usable public key" in reason for reason in failure(make_keyring(SOPS_AGE_SSH_PRIVATE_KEY_FILE=str(path)), sealed).reasons)


def test_a_protected_key_of_a_command_cannot_be_used(make_keyring: MakeKeyring, ssh_keygen: SshKeygen, sealed: MasterKey) -> None:
    for form in (None, "PEM"):
        path = ssh_keygen("rsa", passphrase="open sesame", form=form)
        reasons = failure(make_keyring(Asked("open sesame"), SOPS_AGE_SSH_PRIVATE_KEY_CMD=f"cat {path}"), sealed).reasons
        assert "SOPS_AGE_SSH_PRIVATE_KEY_CMD: the key is protected by a passphrase, which is not supported for commands" in reasons
