"""Texts of age identities, clear or sealed with a passphrase: what `SOPS_AGE_KEY`, `SOPS_AGE_KEY_FILE` and `keys.txt` hold.

Source: sops 3.13 age/keysource.go (parseIdentities), age/encrypted_keys.go; age parse.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secrettool.keys import age_file, rage
from secrettool.keys.age_file import AgeFile
from secrettool.keys.age_identity import NO_TERMINAL, HybridIdentity, Identity, PluginIdentity, Refused, X25519Identity
from secrettool.keys.rage import RageError

if TYPE_CHECKING:
    from secrettool.keys import Prompt

_MAX_FILE_SIZE = 1 << 24
_MAGIC_SIZE = 14


class LockedFile(Identity):
    """A file of identities that is itself an age file sealed with a passphrase."""

    __slots__ = ("_failure", "_file", "_inner", "_prompt")
    interactive = True

    def __init__(self, source: str, file: AgeFile, prompt: Prompt | None) -> None:
        super().__init__(source)
        if file.kinds != ("scrypt",) or len(file.stanzas) != 1:
            raise ValueError("it is an age file, but not one sealed with a passphrase")
        self._file = file
        self._prompt = prompt
        self._inner: list[Identity] | None = None
        self._failure: str | None = None

    def _unlock(self) -> list[Identity]:
        question = f"Enter passphrase for identity '{self.source}':"
        passphrase = self._prompt(question) if self._prompt is not None else None
        if passphrase is None:
            raise Refused(NO_TERMINAL)
        try:
            text = rage.decrypt_with_passphrase(self._file.raw, passphrase)
            inner = parse_identities(text, self.source, words=False, prompt=self._prompt)
        except (RageError, ValueError) as error:
            raise Refused(str(error)) from None
        if not inner:
            raise Refused("no identities found in it")
        return inner

    def open(self, file: AgeFile) -> bytes | None:
        """See `Identity.open`."""
        if self._failure is not None:
            raise Refused(self._failure)
        if self._inner is None:
            try:
                self._inner = self._unlock()
            except Refused as refused:
                self._failure = str(refused)
                raise
        why: Refused | None = None
        for identity in self._inner:
            try:
                plain = identity.open(file)
            except Refused as error:
                why = error
                continue
            if plain is not None:
                return plain
        if why is not None:
            raise why
        return None


def _unknown(word: str) -> str:
    if word.startswith(("age1", "ssh-")):
        return "unknown identity type: this is a public key, not a private one"
    if "PRIVATE KEY" in word:
        return "unknown identity type: SSH private keys go into SOPS_AGE_SSH_PRIVATE_KEY_FILE"
    return "unknown identity type"


def parse_identity(word: str, source: str, prompt: Prompt | None) -> Identity:
    """One identity from its text.

    Raises:
        ValueError: Unknown or malformed; the text quotes nothing of it.
    """
    if word.startswith("AGE-PLUGIN-"):
        return PluginIdentity(source, word, prompt)
    if word.startswith("AGE-SECRET-KEY-PQ-1"):
        return HybridIdentity(source, word)
    if word.startswith("AGE-SECRET-KEY-1"):
        return X25519Identity(source, word)
    raise ValueError(_unknown(word))


def parse_identities(data: bytes, source: str, *, words: bool, prompt: Prompt | None) -> list[Identity]:
    """The identities of a text: one on a line, empty lines and lines that start with `#` left out.

    Args:
        data: The text.
        source: Where it came from.
        words: Whether a line may hold several, separated by blanks.
        prompt: How to ask for a passphrase.

    Raises:
        ValueError: One of them is unknown or malformed, which spoils the whole text; the line is named, not quoted.
    """
    found: list[Identity] = []
    for number, ended in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        line = ended.removesuffix("\r")
        if not line or line.startswith("#"):
            continue
        for word in line.split() if words else (line,):
            try:
                found.append(parse_identity(word, source, prompt))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
    return found


def read_identities(data: bytes, source: str, *, words: bool, prompt: Prompt | None) -> list[Identity]:
    """The identities of a source: text, or an age file sealed with a passphrase, armoured or not.

    Raises:
        ValueError: The source cannot be used.
    """
    magic = data[:_MAGIC_SIZE]
    if magic not in (age_file.INTRO[:_MAGIC_SIZE], age_file.ARMOR_BEGIN.encode()[:_MAGIC_SIZE]):
        return parse_identities(data, source, words=words, prompt=prompt)
    if len(data) >= _MAX_FILE_SIZE:
        raise ValueError("file too long")
    raw = data if magic[:1] == b"a" else age_file.dearmor(data.decode("latin-1"))
    return [LockedFile(source, age_file.parse(raw), prompt)]
