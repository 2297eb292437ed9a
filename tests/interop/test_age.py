"""The real age opens what we seal, and the other way round, for every kind of key; and sops, whose files carry what age seals."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

import secrettool
from secrettool.errors import DataKeyError
from secrettool.keys import age_file, bech32
from secrettool.sops.keygroups import KeyFailure, MasterKey
from tests.interop.peers import AgePrograms, age_plugin
from tests.interop.peers.age import LOCKED, PASSPHRASE, UNLOCKED, Bench, Key

pytestmark = pytest.mark.real

PART = bytes(range(32))
PLAIN = b"# head\npassword: word   # beside\nlist:\n    - 1\n    - two\n"
GREASE = re.compile(rb"^-> \S+-grease.*?(?=^->|^---)", re.MULTILINE | re.DOTALL)
KINDS = UNLOCKED + LOCKED
POST_QUANTUM = {"post-quantum", "passphrase-pq"}


@pytest.fixture(scope="module")
def bench(real_age: AgePrograms, real_sops: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(real_age, real_sops, tmp_path_factory.mktemp("age"))


@pytest.fixture(autouse=True)
def plugins_on_path(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our plugins are looked for on the PATH of this process."""
    monkeypatch.setenv("PATH", bench.environ["PATH"])


@pytest.fixture(params=KINDS)
def key(request: pytest.FixtureRequest, bench: Bench) -> Key:
    """A key of each kind."""
    return bench.key(request.param)


@pytest.fixture(params=UNLOCKED)
def unlocked(request: pytest.FixtureRequest, bench: Bench) -> Key:
    """A key of each kind that asks for nothing."""
    return bench.key(request.param)


@pytest.fixture
def other(key: Key, bench: Bench) -> Key:
    """An unprotected key of another kind than `key`."""
    return bench.key("post-quantum" if key is not bench.key("post-quantum") else "x25519")


def encrypted(bench: Bench, *keys: Key) -> bytes:
    """PLAIN as our encrypted file."""
    done = secrettool.encrypt(PLAIN, "yaml", recipients=[key.recipient for key in keys], runtime=bench.runtime())
    assert isinstance(done, bytes)
    return done


def entries(sealed: bytes) -> list[MasterKey]:
    """The age entries in the metadata of an encrypted YAML file."""
    section = yaml.load(sealed, yaml.CSafeLoader)["sops"]
    return [MasterKey("age", {"recipient": entry["recipient"]}, entry["enc"]) for entry in section["age"]]


def entry(key: Key, enc: str) -> MasterKey:
    return MasterKey("age", {"recipient": key.recipient}, enc)


def wrapped(bench: Bench, key: Key) -> str:
    """PART as our backend seals it."""
    return bench.keyring().wrap(entry(key, ""), PART).enc


def swapped(data: bytes, old: bytes, new: bytes) -> bytes:
    """The data with its one `old` exchanged."""
    assert data.count(old) == 1
    return data.replace(old, new)


def in_yaml(enc: str) -> bytes:
    """An armour as it stands in the metadata."""
    return "".join(f"{' ' * 12}{line}\n" for line in enc.splitlines()).encode()


def with_wrong_stanza(armor: str) -> str:
    """The same age file with one bit of the first stanza's body flipped."""
    lines = age_file.dearmor(armor).split(b"\n")
    assert lines[1].startswith(b"-> ") and b"grease" not in lines[1]
    lines[2] = (b"B" if lines[2][:1] == b"A" else b"A") + lines[2][1:]
    return age_file.armor(b"\n".join(lines))


# ---- the data key ----------------------------------------------------------------------------------------------------------------------------------


def test_age_opens_the_data_key_of_our_file(bench: Bench, key: Key) -> None:
    (sealed,) = entries(encrypted(bench, key))
    data_key = bench.age_opens(key, sealed.enc)
    assert len(data_key) == 32
    assert bench.keyring(key).unwrap(sealed) == data_key


def test_we_open_a_data_key_that_age_sealed(bench: Bench, key: Key) -> None:
    assert bench.keyring(key).unwrap(entry(key, bench.age_seals(PART, key.recipient))) == PART


def test_we_open_a_file_whose_data_key_age_sealed_again(bench: Bench, key: Key) -> None:
    sealed = encrypted(bench, bench.key("x25519"))
    (ours,) = entries(sealed)
    again = bench.age_seals(bench.age_opens(bench.key("x25519"), ours.enc), key.recipient)
    assert secrettool.decrypt(swapped(sealed, in_yaml(ours.enc), in_yaml(again)), "yaml", runtime=bench.runtime(key)) == PLAIN


@pytest.mark.parametrize("name", KINDS)
def test_we_open_what_age_sealed_for_several(bench: Bench, name: str) -> None:
    # age seals for post-quantum recipients only among themselves.
    together = [bench.key(other).recipient for other in KINDS if (other in POST_QUANTUM) == (name in POST_QUANTUM)]
    assert bench.keyring(bench.key(name)).unwrap(entry(bench.key(name), bench.age_seals(PART, *together))) == PART


def test_inspection_of_ours_says_what_it_says_of_what_age_sealed(bench: Bench, key: Key) -> None:
    armor = wrapped(bench, key)
    ours, theirs = bench.inspected(armor), bench.inspected(bench.age_seals(PART, key.recipient))
    # The library age for Rust adds a stanza of random words; readers must pass over it.
    grease = GREASE.findall(age_file.dearmor(armor))
    ours["stanza_types"] = [kind for kind in ours["stanza_types"] if not kind.endswith("-grease")]
    ours["sizes"]["header"] -= sum(map(len, grease))
    if grease:
        for report in (ours, theirs):  # the armour grows with what it wraps
            del report["sizes"]["armor"]
    assert ours == theirs


def test_our_armour_is_laid_out_as_age_does_it(bench: Bench, key: Key) -> None:
    for armor in (wrapped(bench, key), bench.age_seals(PART, key.recipient)):
        assert age_file.armor(age_file.dearmor(armor)) == armor


# ---- files -----------------------------------------------------------------------------------------------------------------------------------------


def test_sops_opens_our_file(bench: Bench, key: Key) -> None:
    path = bench.folder / "ours.yaml"
    path.write_bytes(encrypted(bench, key))
    assert bench.sops(key, "decrypt", "--extract", '["password"]', path) == b"word"


def test_we_open_a_file_of_sops(bench: Bench, key: Key) -> None:
    path = bench.folder / "plain.yaml"
    path.write_bytes(PLAIN)
    sealed = bench.output(bench.sops_program, "encrypt", "--age", key.recipient, path)
    assert secrettool.values(sealed, "yaml", runtime=bench.runtime(key)) == [{"password": "word", "list": [1, "two"]}]


def test_sops_and_we_rotate_in_turns(bench: Bench, key: Key) -> None:
    path = bench.folder / "turns.yaml"
    path.write_bytes(encrypted(bench, key))
    bench.sops(key, "rotate", "-i", path)
    data = secrettool.rotate(path.read_bytes(), "yaml", runtime=bench.runtime(key))
    assert isinstance(data, bytes)
    path.write_bytes(data)
    bench.sops(key, "rotate", "-i", path)
    assert secrettool.values(path.read_bytes(), "yaml", runtime=bench.runtime(key)) == [{"password": "word", "list": [1, "two"]}]


def test_a_file_for_all_kinds_opens_with_each(bench: Bench, key: Key) -> None:
    path = bench.folder / "all.yaml"
    path.write_bytes(encrypted(bench, *map(bench.key, KINDS)))
    assert secrettool.decrypt(path.read_bytes(), "yaml", runtime=bench.runtime(key)) == PLAIN
    if not key.passphrase:  # sops would ask for each entry again
        assert bench.sops(key, "decrypt", "--extract", '["password"]', path) == b"word"


def test_our_command_line_asks_for_the_passphrase_as_sops_does(bench: Bench) -> None:
    key = bench.key("passphrase")
    path = bench.folder / "asks.yaml"
    path.write_bytes(encrypted(bench, key))
    root = str(Path(secrettool.__file__).parents[1])
    out = bench.asked(key, Path(sys.executable), "-m", "secrettool", "decrypt", path, environ={**key.environ, "PYTHONPATH": root})
    assert out == PLAIN


def test_a_wrong_passphrase_opens_nothing(bench: Bench) -> None:
    key = bench.key("passphrase")
    with pytest.raises(KeyFailure) as caught:
        bench.keyring(key, passphrase="wrong").unwrap(entry(key, bench.age_seals(PART, key.recipient)))
    assert any("incorrect passphrase" in reason for reason in caught.value.reasons)


# ---- the plugin that comes with age ----------------------------------------------------------------------------------------------------------------

QUICK = {"AGE_PASSPHRASE": PASSPHRASE, "AGE_PASSPHRASE_WORK_FACTOR": "12"}


@pytest.fixture
def batchpass() -> str:
    """The identity of the plugin for passphrases, which is the same for everybody."""
    return bech32.encode("age-plugin-batchpass-", b"").upper()


def test_we_open_what_the_plugin_for_passphrases_sealed(bench: Bench, batchpass: str, monkeypatch: pytest.MonkeyPatch) -> None:
    armor = bench.output(bench.programs.age, "-e", "-j", "batchpass", "-a", stdin=PART, environ=QUICK).decode()
    monkeypatch.setenv("AGE_PASSPHRASE", PASSPHRASE)
    assert bench.keyring(SOPS_AGE_KEY=batchpass).unwrap(MasterKey("age", {"recipient": "age1x"}, armor)) == PART
    monkeypatch.setenv("AGE_PASSPHRASE", "wrong")
    with pytest.raises(KeyFailure) as caught:
        bench.keyring(SOPS_AGE_KEY=batchpass).unwrap(MasterKey("age", {"recipient": "age1x"}, armor))
    assert any("incorrect passphrase" in reason for reason in caught.value.reasons)


def test_sops_and_we_open_a_file_sealed_with_the_plugin_for_passphrases(bench: Bench, batchpass: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = bench.key("x25519")
    sealed = json.loads(bench.output(bench.sops_program, "encrypt", "--age", key.recipient, json_file(bench, "plain.json", {"a": "word"})))
    data_key = bench.age_opens(key, sealed["sops"]["age"][0]["enc"])
    sealed["sops"]["age"][0]["enc"] = bench.output(bench.programs.age, "-e", "-j", "batchpass", "-a", stdin=data_key, environ=QUICK).decode()
    path = json_file(bench, "sealed.json", sealed)
    assert bench.output(bench.sops_program, "decrypt", "--extract", '["a"]', path, environ={"SOPS_AGE_KEY": batchpass, **QUICK}) == b"word"
    monkeypatch.setenv("AGE_PASSPHRASE", PASSPHRASE)
    assert secrettool.values(path.read_bytes(), "json", runtime=bench.runtime(SOPS_AGE_KEY=batchpass)) == [{"a": "word"}]


def json_file(bench: Bench, name: str, document: object) -> Path:
    path = bench.folder / name
    path.write_text(json.dumps(document))
    return path


# ---- what must not open ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["age", "us"])
def test_an_identity_of_another_kind_opens_nothing(bench: Bench, key: Key, other: Key, by: str) -> None:
    armor = wrapped(bench, key) if by == "us" else bench.age_seals(PART, key.recipient)
    done = bench.run(bench.programs.age, "-d", "-i", other.identity, stdin=armor.encode())
    assert done.returncode != 0 and b"no identity matched" in done.stderr
    with pytest.raises(KeyFailure) as caught:
        bench.keyring(other).unwrap(entry(key, armor))
    assert "did not match" in caught.value.reasons[0]


@pytest.mark.parametrize("by", ["age", "us"])
def test_a_damaged_stanza_opens_nothing(bench: Bench, unlocked: Key, by: str) -> None:
    armor = with_wrong_stanza(wrapped(bench, unlocked) if by == "us" else bench.age_seals(PART, unlocked.recipient))
    assert bench.run(bench.programs.age, "-d", "-i", unlocked.identity, stdin=armor.encode()).returncode != 0
    with pytest.raises(KeyFailure):
        bench.keyring(unlocked).unwrap(entry(unlocked, armor))


def test_a_damaged_entry_is_refused_by_sops_and_us(bench: Bench, unlocked: Key) -> None:
    sealed = encrypted(bench, unlocked)
    (ours,) = entries(sealed)
    path = bench.folder / "damaged.yaml"
    path.write_bytes(swapped(sealed, in_yaml(ours.enc), in_yaml(with_wrong_stanza(ours.enc))))
    done = bench.run(bench.sops_program, "decrypt", path, environ=unlocked.environ)
    with pytest.raises(DataKeyError) as caught:
        secrettool.decrypt(path.read_bytes(), "yaml", runtime=bench.runtime(unlocked))
    assert done.returncode == caught.value.code


def test_without_the_plugin_nobody_seals_or_opens(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = bench.key("plugin")
    path = bench.folder / "plugin.yaml"
    path.write_bytes(encrypted(bench, key))
    (sealed,) = entries(path.read_bytes())
    nothing = {"PATH": str(tmp_path)}
    assert bench.run(bench.programs.age, "-d", "-i", key.identity, stdin=sealed.enc.encode(), environ=nothing).returncode != 0
    assert bench.run(bench.programs.age, "-r", key.recipient, environ=nothing).returncode != 0
    assert bench.run(bench.sops_program, "decrypt", path, environ=key.environ | nothing).returncode == 128
    monkeypatch.setenv("PATH", nothing["PATH"])
    missing = f"the program age-plugin-{age_plugin.NAME} is not on the PATH"
    with pytest.raises(KeyFailure) as opening:
        bench.keyring(key).unwrap(sealed)
    with pytest.raises(KeyFailure) as sealing:
        bench.keyring().wrap(sealed, PART)
    assert all(missing in "".join(failure.value.reasons) for failure in (opening, sealing))
