"""Changing keys of hostile YAML: nothing but envelopes and section may change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from secrettool.sops import rekeying
from secrettool.sops.document import EncryptionPlan, Runtime, encrypt, load, plain_bytes
from secrettool.sops.keygroups import MasterKey
from secrettool.stores import by_name

CASES = sorted(path for path in (Path(__file__).parents[2] / "lossless-cases").glob("*.yaml") if "refused" not in path.name)
ENVELOPE = re.compile(rb"ENC\[AES256_GCM,[^\]]*\]")


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_rotating_a_hostile_file_keeps_its_text(path: Path, plan: EncryptionPlan, runtime: Runtime) -> None:
    store, text = by_name("yaml"), path.read_bytes()
    file = load(store, encrypt(store, text, plan, runtime).data)
    done = load(store, rekeying.rotate(file, file.open(runtime), runtime))
    assert plain_bytes(done, done.open(runtime)) == text
    assert not set(ENVELOPE.findall(done.data)) & set(ENVELOPE.findall(file.data))


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_changing_recipients_of_a_hostile_file_keeps_its_text(path: Path, plan: EncryptionPlan, runtime: Runtime) -> None:
    store, text = by_name("yaml"), path.read_bytes()
    file = load(store, encrypt(store, text, plan, runtime).data)
    groups = ((*plan.groups[0], MasterKey("age", {"recipient": "age1two"})),)
    done = load(store, rekeying.change_groups(file, file.unlock(runtime), groups, 0, runtime))
    assert plain_bytes(done, done.open(runtime)) == text
    assert ENVELOPE.findall(done.data) == ENVELOPE.findall(file.data)


def sealed(text: bytes, plan: EncryptionPlan, runtime: Runtime) -> bytes:
    return encrypt(by_name("yaml"), text, plan, runtime).data


def test_rotating_replaces_an_envelope_that_is_written_with_escapes(plan: EncryptionPlan, runtime: Runtime) -> None:
    data = sealed(b'a: "word"\n', plan, runtime).replace(b'"ENC[', b'"\\x45NC[', 1)
    file = load(by_name("yaml"), data)
    done = load(by_name("yaml"), rekeying.rotate(file, file.open(runtime), runtime))
    assert b"\\x45" not in done.data
    assert plain_bytes(done, done.open(runtime)) == b'a: "word"\n'


def test_rotating_gives_every_document_its_section(plan: EncryptionPlan, runtime: Runtime) -> None:
    data = sealed(b"a: 1\n---\nb: 2\n", plan, runtime)
    head, tail = data.split(b"---\n")
    without = head + b"---\n" + tail[: tail.index(b"sops:")]
    file = load(by_name("yaml"), without)
    done = rekeying.rotate(file, file.open(runtime), runtime)
    assert done.count(b"\nsops:\n") == 2
    again = load(by_name("yaml"), done)
    assert plain_bytes(again, again.open(runtime)) == b"a: 1\n---\nb: 2\n"
