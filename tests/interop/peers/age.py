"""A workplace with the real age and sops, and a key of every kind in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import secrettool
from secrettool.keys import bech32
from secrettool.sops.keygroups import Keyring
from tests.interop.peers import AgePrograms, age_plugin, terminal

KEYS: Final = Path(__file__).parents[2] / "vectors" / "keys"
PASSPHRASE: Final = "sesame open"
UNLOCKED: Final = ("x25519", "post-quantum", "ssh-ed25519", "ssh-rsa", "plugin")
"""Kinds of keys that ask for nothing."""
LOCKED: Final = ("passphrase", "passphrase-pq")
"""Kinds whose identity file is sealed with PASSPHRASE."""


class Key(NamedTuple):
    """A key of some kind.

    Attributes:
        recipient: Whom files are encrypted for.
        identity: The file that `age -i` reads.
        variable: Which variable tells sops and secrettool of that file.
        passphrase: Whether the file is sealed with PASSPHRASE.
    """

    recipient: str
    identity: Path
    variable: str = "SOPS_AGE_KEY_FILE"
    passphrase: bool = False

    @property
    def environ(self) -> dict[str, str]:
        """The variable with its value."""
        return {self.variable: str(self.identity)}


class Bench:
    """The real age and sops with the keys of one folder."""

    def __init__(self, age: AgePrograms, sops: Path, folder: Path) -> None:
        self.programs = age
        self.sops_program = sops
        self.folder = folder
        plugins = folder / "bin"
        plugins.mkdir()
        (plugins / age.batchpass.name).symlink_to(age.batchpass)
        ours = plugins / f"age-plugin-{age_plugin.NAME}"
        ours.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{age_plugin.__file__}" "$@"\n')
        ours.chmod(0o755)
        # The plugins are all that is looked for on PATH.
        self.environ = {"PATH": str(plugins), "HOME": str(folder), "SOPS_DISABLE_VERSION_CHECK": "true"}
        self._keys: dict[str, Key] = {}

    # ---- keys ------------------------------------------------------------------------------------------------------------------------------------

    def key(self, name: str) -> Key:
        """The key of this kind; made when it is first needed."""
        if name not in self._keys:
            self._keys[name] = self._make(name)
        return self._keys[name]

    def _make(self, name: str) -> Key:
        if name.startswith("ssh"):
            kind = name.replace("-", "_")
            path = self._file(name, (KEYS / kind).read_bytes())
            return Key((KEYS / f"{kind}.pub").read_text().strip(), path, "SOPS_AGE_SSH_PRIVATE_KEY_FILE")
        if name == "plugin":
            data = os.urandom(16)
            identity = bech32.encode(f"age-plugin-{age_plugin.NAME}-", data).upper()
            return Key(bech32.encode(f"age1{age_plugin.NAME}", data), self._file(name, identity.encode()))
        identity_text = self.output(self.programs.keygen, *(["-pq"] if name.endswith("pq") or name == "post-quantum" else []))
        clear = self._file(name, identity_text)
        recipient = self.output(self.programs.keygen, "-y", clear).decode().strip()
        if not name.startswith("passphrase"):
            return Key(recipient, clear)
        locked = self.folder / f"{name}.age"
        asked = [terminal.Answer("Enter passphrase", PASSPHRASE), terminal.Answer("Confirm passphrase", PASSPHRASE)]
        done = terminal.run([self.programs.age, "-p", "-a", "-o", locked, clear], asked, cwd=self.folder, environ=self.environ)
        assert done.code == 0, done.shown
        clear.unlink()
        return Key(recipient, locked, passphrase=True)

    def _file(self, name: str, data: bytes) -> Path:
        path = self.folder / f"{name}.key"
        path.write_bytes(data)
        path.chmod(0o600)
        return path

    # ---- the real programs -----------------------------------------------------------------------------------------------------------------------

    def output(self, program: Path, *words: str | Path, stdin: bytes = b"", environ: Mapping[str, str] | None = None) -> bytes:
        """What a program prints; it must succeed."""
        done = self.run(program, *words, stdin=stdin, environ=environ)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def run(
        self, program: Path, *words: str | Path, stdin: bytes = b"", environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program that asks nothing; it leads a session without a terminal."""
        return subprocess.run(
            [program, *words],
            cwd=self.folder,
            env={**self.environ, **(environ or {})},
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
            start_new_session=True,
        )

    def asked(self, key: Key, program: Path, *words: str | Path, environ: Mapping[str, str] | None = None) -> bytes:
        """What a program prints that may ask for the passphrase of the key; it must succeed."""
        if not key.passphrase:
            return self.output(program, *words, environ=environ)
        answers = [terminal.Answer("Enter passphrase for identity", PASSPHRASE)]
        done = terminal.run([program, *words], answers, cwd=self.folder, environ={**self.environ, **(environ or {})})
        assert done.code == 0, done.shown
        return done.out

    def age_opens(self, key: Key, armor: str) -> bytes:
        """What `age -d` makes of an armoured file."""
        path = self.folder / "sealed.age"
        path.write_text(armor)
        return self.asked(key, self.programs.age, "-d", "-i", key.identity, path)

    def age_seals(self, plain: bytes, *recipients: str) -> str:
        """An armoured file that `age` makes."""
        return self.output(self.programs.age, "-a", *(word for recipient in recipients for word in ("-r", recipient)), stdin=plain).decode()

    def inspected(self, armor: str) -> Any:
        """What `age-inspect` says about an armoured file."""
        return json.loads(self.output(self.programs.inspect, "--json", stdin=armor.encode()))

    def sops(self, key: Key, *words: str | Path) -> bytes:
        """What sops prints, with this key."""
        return self.asked(key, self.sops_program, *words, environ=key.environ)

    # ---- secrettool ------------------------------------------------------------------------------------------------------------------------------

    def runtime(self, *keys: Key, passphrase: str = PASSPHRASE, **environ: str) -> secrettool.Runtime:
        """What secrettool has: nothing but these keys, and somebody at the terminal who knows the passphrase."""
        known = {name: path for key in keys for name, path in key.environ.items()}
        return secrettool.local_runtime(self.environ | known | environ, prompt=lambda question: passphrase)

    def keyring(self, *keys: Key, passphrase: str = PASSPHRASE, **environ: str) -> Keyring:
        """The keyring of such a runtime."""
        return self.runtime(*keys, passphrase=passphrase, **environ).keyring
