"""Where age identities are found: eight sources, in the order of the reference, read once and remembered with what went wrong.

A source that fails never hides one that works. Commands get the recipient in `SOPS_AGE_RECIPIENT`, so their output is kept for each
recipient. Passphrases are asked through `Prompt`; gpg-agent's cache of passphrases, which the reference consults first, is not used.

Source: sops 3.13 age/keysource.go (loadIdentities, loadAgeSSHIdentities).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from secrettool.keys.age_identity import Identity, SshIdentity
from secrettool.keys.identity_text import read_identities

if TYPE_CHECKING:
    from secrettool.keys import Prompt

SSH_FILE = "SOPS_AGE_SSH_PRIVATE_KEY_FILE"
SSH_COMMAND = "SOPS_AGE_SSH_PRIVATE_KEY_CMD"
KEY = "SOPS_AGE_KEY"
KEY_FILE = "SOPS_AGE_KEY_FILE"
KEY_COMMAND = "SOPS_AGE_KEY_CMD"
RECIPIENT = "SOPS_AGE_RECIPIENT"
"""Names of the environment variables; the last is set for commands."""

_SSH_NAMES = ("id_ed25519", "id_rsa")


class Source:
    """One place where identities may be.

    Attributes:
        location: The place in the words of the reference: name of a variable, or a path.
        label: The place as errors name it.
        identities: What was found there.
        problem: Why the source could not be used; None when it could, or when there is nothing.
    """

    __slots__ = ("identities", "label", "location", "problem")

    def __init__(self, location: str, label: str, identities: list[Identity] | None = None, problem: str | None = None) -> None:
        self.location = location
        self.label = label
        self.identities = identities or []
        self.problem = problem

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing: not set, not there, or without an identity."""
        return not self.identities and self.problem is None

    def __repr__(self) -> str:
        return f"<Source {self.label}: {self.problem or f'{len(self.identities)} identities'}>"


class _Unusable(Exception):
    """A source cannot be read; the text says why."""


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise _Unusable(f"failed to open file: {error.strerror}") from None
    except ValueError:
        raise _Unusable("failed to open file: its name cannot be used") from None


def config_directory(environ: Mapping[str, str], platform: str = sys.platform) -> str | None:
    """The user's configuration directory as Go and the reference find it; None when it cannot be told."""
    if platform == "win32":
        return environ.get("AppData") or environ.get("APPDATA") or None
    xdg, home = environ.get("XDG_CONFIG_HOME", ""), environ.get("HOME", "")
    if platform == "darwin":
        return xdg or (os.path.join(home, "Library", "Application Support") if home else None)
    if xdg:
        return xdg if os.path.isabs(xdg) else None
    return os.path.join(home, ".config") if home else None


class Identities:
    """All sources of identities of one process.

    Args:
        environ: The environment that names them.
        prompt: How to ask for a passphrase; None when there is no terminal.
    """

    def __init__(self, environ: Mapping[str, str], prompt: Prompt | None) -> None:
        self._environ = environ
        self._prompt = prompt
        self._fixed: dict[str, Source] = {}
        self._from_commands: dict[tuple[str, str], Source] = {}

    def __repr__(self) -> str:
        return f"<Identities from {len(self._fixed)} sources and {len(self._from_commands)} command results>"

    def fixed(self) -> list[Source]:
        """The sources that need no command, in order."""
        if not self._fixed:
            home = self._environ.get("USERPROFILE" if os.name == "nt" else "HOME", "")
            sources = [self._ssh_file(), *(self._ssh_home(home, name) for name in _SSH_NAMES)]
            sources += [self._key(), self._key_file(), self._config_file()]
            self._fixed = {source.location: source for source in sources}
        return list(self._fixed.values())

    def from_commands(self, recipient: str) -> list[Source]:
        """The sources that are commands, run with this recipient unless they already were."""
        return [self._command(name, recipient) for name in (SSH_COMMAND, KEY_COMMAND)]

    def all(self, recipient: str) -> list[Source]:
        """All sources in the order of the reference."""
        ssh, *fixed = self.fixed()
        ssh_command, key_command = self.from_commands(recipient)
        return [ssh, ssh_command, *fixed[:-1], key_command, fixed[-1]]

    def _load(self, location: str, label: str, load: Callable[[], list[Identity]]) -> Source:
        try:
            return Source(location, label, load())
        except (_Unusable, ValueError) as error:
            return Source(location, label, problem=str(error))

    def _ssh_identities(self, label: str, private: bytes, path: str | None) -> list[Identity]:
        return [SshIdentity(label, private, path, self._prompt)]

    def _ssh_file(self) -> Source:
        path = self._environ.get(SSH_FILE)
        if path is None:
            return Source(SSH_FILE, SSH_FILE)
        label = f"{SSH_FILE} ({path})"
        return self._load(SSH_FILE, label, lambda: self._ssh_identities(label, _read(path), path))

    def _ssh_home(self, home: str, name: str) -> Source:
        label = f"~/.ssh/{name}"
        if not home:
            return Source(label, label, problem="$HOME is not defined")
        path = os.path.join(home, ".ssh", name)
        if not os.path.exists(path):
            return Source(path, label)
        return self._load(path, label, lambda: self._ssh_identities(label, _read(path), path))

    def _key(self) -> Source:
        text = self._environ.get(KEY, "").encode("utf-8", "surrogateescape")
        return self._load(KEY, KEY, lambda: read_identities(text, KEY, words=True, prompt=self._prompt))

    def _key_file(self) -> Source:
        path = self._environ.get(KEY_FILE)
        return Source(KEY_FILE, KEY_FILE) if path is None else self._file(KEY_FILE, f"{KEY_FILE} ({path})", path)

    def _config_file(self) -> Source:
        directory = config_directory(self._environ)
        if directory is None:
            return Source("keys.txt", "keys.txt", problem="user config directory could not be determined")
        path = os.path.join(directory, "sops", "age", "keys.txt")
        return self._file(path, path, path) if os.path.lexists(path) else Source(path, path)

    def _file(self, location: str, label: str, path: str) -> Source:
        return self._load(location, label, lambda: read_identities(_read(path), label, words=False, prompt=self._prompt))

    def _command(self, name: str, recipient: str) -> Source:
        command = self._environ.get(name)
        if command is None:
            return Source(name, name)
        source = self._from_commands.get((name, recipient))
        if source is None:
            source = self._load(name, name, lambda: self._run(name, command, recipient))
            self._from_commands[name, recipient] = source
        return source

    def _run(self, name: str, command: str, recipient: str) -> list[Identity]:
        output = _output(command, {**self._environ, RECIPIENT: recipient})
        if name == SSH_COMMAND:
            return self._ssh_identities(name, output, None)
        return read_identities(output, name, words=False, prompt=self._prompt)


class GivenIdentities(Identities):
    """Identities that someone handed over, such as the entries of a Secret. Nothing else is looked at: no environment, no file, no command.

    Args:
        sources: Where they come from.
    """

    def __init__(self, sources: list[Source]) -> None:
        super().__init__({}, None)
        self._fixed = {source.location: source for source in sources}

    def fixed(self) -> list[Source]:
        """See `Identities.fixed`."""
        return list(self._fixed.values())

    def from_commands(self, recipient: str) -> list[Source]:
        """There are none."""
        return []

    def all(self, recipient: str) -> list[Source]:
        """See `Identities.all`."""
        return self.fixed()


def _output(command: str, environ: Mapping[str, str]) -> bytes:
    """What a command prints. The command itself is never shown: it may hold a key."""
    import shlex
    import subprocess

    try:
        arguments = shlex.split(command, comments=True)
    except ValueError as error:
        raise _Unusable(f"failed to parse command: {str(error).lower()}") from None
    if not arguments:
        raise _Unusable("failed to execute command: it is empty")
    try:
        done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environ, check=False)
    except OSError as error:
        raise _Unusable(f"failed to execute command: {error.strerror}") from None
    except ValueError:
        raise _Unusable("failed to execute command: it cannot be used") from None
    if done.returncode:
        how = f"exited with status {done.returncode}" if done.returncode > 0 else f"was ended by signal {-done.returncode}"
        raise _Unusable(f"failed to execute command: command {how}")
    return done.stdout
