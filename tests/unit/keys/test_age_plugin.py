from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from secrettool.keys import LocalKeyring, age_file, age_plugin, bech32
from secrettool.sops.keygroups import KeyFailure, MasterKey
from tests.interop.peers import AgePrograms

PART = bytes(range(32))
IDENTITY = bech32.encode("age-plugin-batchpass-", b"").upper()
MakeKeyring = Callable[..., LocalKeyring]
Lock = Callable[[bytes, str], bytes]

ASKING_PLUGIN = """#!/bin/sh
# Speaks enough of the protocol to ask one question before it gives up.
while read -r line; do case $line in "-> done"*) read -r _; break;; esac; done
printf -- '-> msg\\n%s\\n' "$(printf 'touch it' | base64 | tr -d =)"
read -r _; read -r _
printf -- '-> request-secret\\n%s\\n' "$(printf 'your PIN' | base64 | tr -d =)"
read -r _; read -r _
printf -- '-> done\\n\\n'
"""


@pytest.fixture
def batchpass(real_age: AgePrograms, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin for passphrases on the PATH, and nothing else."""
    monkeypatch.setenv("PATH", str(real_age.folder))


@pytest.mark.real
def test_a_plugin_opens_an_entry(make_keyring: MakeKeyring, batchpass: None, lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGE_PASSPHRASE", "sesame")
    key = MasterKey("age", {"recipient": "age1x"}, age_file.armor(lock(PART, "sesame")))
    assert make_keyring(SOPS_AGE_KEY=IDENTITY).unwrap(key) == PART


@pytest.mark.real
def test_the_words_of_a_plugin_that_refuses_are_shown(
    make_keyring: MakeKeyring, batchpass: None, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGE_PASSPHRASE", "wrong")
    key = MasterKey("age", {"recipient": "age1x"}, age_file.armor(lock(PART, "sesame")))
    with pytest.raises(KeyFailure) as caught:
        make_keyring(SOPS_AGE_KEY=IDENTITY).unwrap(key)
    assert any("batchpass plugin: " in reason and "incorrect passphrase" in reason for reason in caught.value.reasons)


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: Lock) -> MasterKey:
    """A plugin `asks` on the PATH, and an entry with one stanza that it does not open."""
    path = tmp_path / "age-plugin-asks"
    path.write_text(ASKING_PLUGIN)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return MasterKey("age", {"recipient": "age1x"}, age_file.armor(lock(PART, "sesame")))


ASKS = bech32.encode("age-plugin-asks-", b"").upper()


def test_a_plugin_asks_through_the_prompt(make_keyring: MakeKeyring, asking: MasterKey, capsys: pytest.CaptureFixture[str]) -> None:
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        return "1234"

    with pytest.raises(KeyFailure):
        make_keyring(answer, SOPS_AGE_KEY=ASKS).unwrap(asking)
    assert questions == ["asks plugin: your PIN"]
    assert capsys.readouterr().err == "asks plugin: touch it\n"


def test_a_plugin_is_silent_without_a_terminal(make_keyring: MakeKeyring, asking: MasterKey, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyFailure):
        make_keyring(SOPS_AGE_KEY=ASKS).unwrap(asking)
    assert capsys.readouterr().err == ""


def test_an_interrupt_at_the_prompt_of_a_plugin_gets_through(make_keyring: MakeKeyring, asking: MasterKey) -> None:
    def interrupt(question: str) -> str | None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_keyring(interrupt, SOPS_AGE_KEY=ASKS).unwrap(asking)


@pytest.mark.parametrize(("answer", "expected"), [("y", True), ("Sure", True), ("no", False), (None, None)])
def test_confirm_understands_the_first_answer_and_yes(answer: str | None, expected: bool | None) -> None:
    assert age_plugin._Callbacks("x", lambda question: answer).confirm("Really?", "sure", "never") is expected
