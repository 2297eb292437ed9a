"""Age identities: what opens an age file, each with the source that it came from.

Parsing is cheap and asks nothing; keys are expanded, unlocked and handed to pyrage when a stanza calls for them, and then kept.

Source: sops 3.13 age/ssh_parse.go; age x25519.go, pq.go, plugin/client.go, agessh/encrypted_keys.go.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING

from secrettool.keys import age_hybrid, bech32, rage, ssh_key
from secrettool.keys.age_file import AgeFile, AgeFileError
from secrettool.keys.rage import RageError, RageIdentity

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hpke

    from secrettool.keys import Prompt
    from secrettool.keys.age_plugin import OpenPlugin

NO_TERMINAL = "it needs a passphrase, and there is no terminal to ask for it"

_SEED_SIZE = 32


class Refused(Exception):
    """An identity that should open the file does not; the text says why and holds no key."""


class Identity(ABC):
    """One private key, or a locked set of them.

    Attributes:
        source: Where it came from, as errors name it.
        interactive: Whether it may ask the user or run a program; such identities are tried last.
    """

    __slots__ = ("source",)
    interactive = False

    def __init__(self, source: str) -> None:
        self.source = source

    def __repr__(self) -> str:
        return f"<{type(self).__name__} from {self.source}>"

    @abstractmethod
    def open(self, file: AgeFile) -> bytes | None:
        """The plain bytes of a file, or None when no stanza is for this identity.

        Raises:
            Refused: It is for this identity, but does not open.
        """

    def belongs_to(self, recipient: str) -> bool:
        """Whether the recipient is known to be this identity's public key."""
        return False


def _decrypt(file: AgeFile, key: RageIdentity) -> bytes | None:
    try:
        return rage.decrypt(file.raw, key)
    except RageError as error:
        raise Refused(str(error)) from None


class X25519Identity(Identity):
    """`AGE-SECRET-KEY-1...`."""

    __slots__ = ("_key", "_text")

    def __init__(self, source: str, text: str) -> None:
        super().__init__(source)
        try:
            self._key = rage.x25519_identity(text)
        except RageError as error:
            raise ValueError(str(error)) from None
        self._text = text

    def open(self, file: AgeFile) -> bytes | None:
        """See `Identity.open`."""
        return _decrypt(file, self._key) if "X25519" in file.kinds else None

    def belongs_to(self, recipient: str) -> bool:
        """See `Identity.belongs_to`."""
        return rage.x25519_recipient(self._text) == recipient


class HybridIdentity(Identity):
    """`AGE-SECRET-KEY-PQ-1...`."""

    __slots__ = ("_key", "_text")

    def __init__(self, source: str, text: str) -> None:
        super().__init__(source)
        try:
            prefix, seed = bech32.decode(text)
        except ValueError as error:
            raise ValueError(f"malformed secret key: {error}") from None
        if prefix != age_hybrid.IDENTITY_PREFIX or len(seed) != _SEED_SIZE:
            raise ValueError("malformed secret key")
        self._text = text
        self._key: hpke.MLKEM768X25519PrivateKey | None = None

    def open(self, file: AgeFile) -> bytes | None:
        """See `Identity.open`."""
        if age_hybrid.STANZA_TYPE not in file.kinds:
            return None
        from cryptography.exceptions import UnsupportedAlgorithm

        try:
            if self._key is None:
                self._key = age_hybrid.parse_identity(self._text)
            return age_hybrid.decrypt(file, self._key)
        except AgeFileError as error:
            raise Refused(f"it fits, but the age file of this entry is damaged: {error}") from None
        except (UnsupportedAlgorithm, ValueError):
            raise Refused("the installed cryptography package has no ML-KEM-768; its own wheels have it") from None


class PluginIdentity(Identity):
    """`AGE-PLUGIN-<NAME>-1...`, opened by the program `age-plugin-<name>`."""

    __slots__ = ("_prompt", "_running", "_text", "name")
    interactive = True

    def __init__(self, source: str, text: str, prompt: Prompt | None) -> None:
        super().__init__(source)
        try:
            prefix, _ = bech32.decode(text)
        except ValueError as error:
            raise ValueError(f"invalid identity encoding: {error}") from None
        if not prefix.startswith("age-plugin-") or not prefix.endswith("-"):
            raise ValueError("not a plugin identity")
        self.name = prefix[len("age-plugin-") : -1]
        self._text = text
        self._prompt = prompt
        self._running: OpenPlugin | None = None

    def open(self, file: AgeFile) -> bytes | None:
        """See `Identity.open`."""
        from secrettool.keys import age_plugin

        try:
            if self._running is None:
                self._running = age_plugin.identity(self.name, self._text, self._prompt)
            return self._running(file.raw)
        except age_plugin.PluginError as error:
            raise Refused(str(error)) from None


class SshIdentity(Identity):
    """An SSH private key, protected by a passphrase or not; unlocked when a stanza carries its tag."""

    __slots__ = ("_blob", "_failure", "_key", "_private", "_prompt", "interactive", "path")

    def __init__(self, source: str, private: bytes, path: str | None, prompt: Prompt | None) -> None:
        super().__init__(source)
        if b"PRIVATE KEY-----" not in private:
            raise ValueError("malformed SSH identity")
        self.path = path
        self.interactive = ssh_key.is_protected(private)
        if self.interactive and path is None:
            raise ValueError("the key is protected by a passphrase, which is not supported for commands")
        self._blob = ssh_key.public_blob(private) or (self._public_beside() if self.interactive else None)
        if self._blob is not None and ssh_key.blob_type(self._blob) not in ssh_key.KEY_TYPES:
            raise ValueError("unsupported SSH key type; age knows ssh-ed25519 and ssh-rsa")
        self._private = private
        self._prompt = prompt
        self._key: RageIdentity | None = None
        self._failure: str | None = None

    def _public_beside(self) -> bytes:
        try:
            with open(f"{self.path}.pub", encoding="utf-8", errors="replace") as file:
                return ssh_key.parse_public(file.read())
        except OSError as error:
            raise ValueError(f"the key is protected, and its public key cannot be read from {self.path}.pub: {error.strerror}") from None
        except ssh_key.SshKeyError as error:
            raise ValueError(f"the key is protected, and {self.path}.pub is no usable public key: {error}") from None

    def _fits(self, file: AgeFile) -> bool:
        if self._blob is None:
            return any(kind in ssh_key.KEY_TYPES for kind in file.kinds)
        kind, tag = ssh_key.blob_type(self._blob), ssh_key.tag(self._blob)
        return any(stanza.type == kind and stanza.args[:1] == (tag,) for stanza in file.stanzas)

    def _unlock(self) -> RageIdentity:
        passphrase: bytes | None = None
        if not self.interactive:
            # Most keys; the detour through `unprotected` is for PKCS#8 and for a better reason when even that fails.
            with suppress(RageError):
                return rage.ssh_identity(self._private)
        else:
            answer = self._prompt(f'Enter passphrase for "{self.path}":') if self._prompt is not None else None
            if answer is None:
                raise Refused(NO_TERMINAL)
            passphrase = answer.encode()
        try:
            return rage.ssh_identity(ssh_key.unprotected(self._private, passphrase))
        except (ssh_key.SshKeyError, RageError) as error:
            raise Refused(str(error)) from None

    def open(self, file: AgeFile) -> bytes | None:
        """See `Identity.open`."""
        if not self._fits(file):
            return None
        if self._failure is not None:
            raise Refused(self._failure)
        if self._key is None:
            try:
                self._key = self._unlock()
            except Refused as refused:
                self._failure = str(refused)
                raise
        return _decrypt(file, self._key)
