"""The age backend: seals the data key in one armoured age file for each recipient, and opens it with whatever identity fits.

Source: sops 3.13 age/keysource.go (Encrypt, Decrypt).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from secrettool.errors import ConfigError
from secrettool.keys import age_file, age_hybrid, rage, ssh_key
from secrettool.keys.age_file import AgeFile, AgeFileError
from secrettool.keys.age_identity import Identity, Refused
from secrettool.keys.identities import KEY_FILE, SSH_FILE, Identities, Source
from secrettool.keys.rage import RageError
from secrettool.keys.recipients import check_recipient, plugin_name
from secrettool.sops.keygroups import KeyFailure, MasterKey

if TYPE_CHECKING:
    from secrettool.keys import Prompt, Surroundings

_KIND_NAMES = {"X25519": "an X25519 key", age_hybrid.STANZA_TYPE: "a post-quantum key", "scrypt": "a passphrase"}


class AgeBackend:
    """Wraps and unwraps for master keys of kind `age`.

    Args:
        surroundings: Where identities are looked for.
        identities: The only ones to use; None for those that are found.
    """

    def __init__(self, surroundings: Surroundings, identities: Identities | None = None) -> None:
        self._prompt = surroundings.prompt
        self.identities = Identities(surroundings.environ, surroundings.prompt) if identities is None else identities
        self._opener: dict[str, Identity] = {}

    def wrap(self, key: MasterKey, part: bytes) -> MasterKey:
        """See `Keyring.wrap`."""
        return MasterKey(key.kind, key.fields, encrypt(part, key.text, self._prompt), key.created_at)

    def unwrap(self, key: MasterKey) -> bytes:
        """See `Keyring.unwrap`."""
        recipient = key.text
        try:
            file = age_file.parse(age_file.dearmor(key.enc))
        except AgeFileError as error:
            raise KeyFailure(
                [f"failed to read header: the age file of this entry is damaged: {error}"], hint="restore the file from version control"
            ) from None
        refused: dict[Identity, str] = {}
        for identity in self._candidates(recipient):
            try:
                plain = identity.open(file)
            except Refused as error:
                refused[identity] = str(error)
                continue
            if plain is not None:
                self._opener[recipient] = identity
                return plain
        raise _failure(file, recipient, self.identities.all(recipient), refused)

    def _candidates(self, recipient: str) -> Iterator[Identity]:
        """Every identity: first the one that opened this recipient before, then silent ones, commands, and those that may ask."""
        first = self._opener.get(recipient)
        if first is not None:
            yield first
        for find in (self.identities.fixed, lambda: self.identities.from_commands(recipient)):
            for source in find():
                yield from (identity for identity in source.identities if not identity.interactive and identity is not first)
        for source in self.identities.all(recipient):
            yield from (identity for identity in source.identities if identity.interactive and identity is not first)


def open_backend(surroundings: Surroundings) -> AgeBackend:
    """The backend with nothing read yet."""
    return AgeBackend(surroundings)


def encrypt(plain: bytes, recipient: str, prompt: Prompt | None) -> str:
    """Seal bytes for one recipient: an armoured age file that ends with a newline.

    Args:
        plain: A data key or a share of one.
        recipient: Any form that `recipients.check_recipient` accepts.
        prompt: For plugins that ask.

    Raises:
        KeyFailure: The recipient is malformed, or its plugin is missing or refused.
    """
    from cryptography.exceptions import UnsupportedAlgorithm

    from secrettool.keys import age_plugin

    try:
        recipient = check_recipient(recipient)
    except ConfigError as error:
        raise KeyFailure([error.message], hint=error.hint) from None
    name = plugin_name(recipient)
    try:
        if recipient.startswith("age1pq1"):
            return age_file.armor(age_hybrid.encrypt(plain, recipient))
        if name not in (None, "tag", "tagpq"):
            return age_plugin.encrypt(plain, str(name), recipient, prompt)
        if recipient.startswith("ssh-"):
            recipient = ssh_key.public_line(ssh_key.parse_public(recipient))
        return rage.encrypt(plain, recipient, name)
    except age_plugin.PluginError as error:
        raise KeyFailure([str(error)], hint=f"install the program age-plugin-{name} and put it on the PATH") from None
    except UnsupportedAlgorithm:
        raise KeyFailure(
            ["the installed cryptography package has no ML-KEM-768"], hint="install its wheel instead of the distribution's package"
        ) from None
    except (RageError, ValueError) as error:
        raise KeyFailure([f"failed to encrypt sops data key with age: {error}"]) from None


def _failure(file: AgeFile, recipient: str, sources: list[Source], refused: dict[Identity, str]) -> KeyFailure:
    """One line for the whole, one for each source that had something, and one for the places where nothing was."""
    count = sum(len(source.identities) for source in sources)
    sealed_for = " and ".join(_KIND_NAMES.get(kind, f"a key of type {kind}") for kind in file.kinds) or "nobody"
    if not count:
        reasons = [f"failed to load age identities; this entry is sealed for {sealed_for}"]
    else:
        who = "identity did not match" if count == 1 else "no identity matched"
        reasons = [f"{who} any of the recipients; this entry is sealed for {sealed_for}"]
    for source in sources:
        if source.problem is not None:
            reasons.append(f"{source.label}: {source.problem}")
        elif source.identities:
            reasons.append(f"{source.label}: {_why_not(source, recipient, refused)}")
    empty = [f"'{source.location}'" for source in sources if source.is_empty]
    if empty:
        reasons.append(f"Did not find keys in location{_listed(empty)}.")
    return KeyFailure(reasons, hint=_hint(file, recipient))


def _why_not(source: Source, recipient: str, refused: dict[Identity, str]) -> str:
    told = list(dict.fromkeys(refused[identity] for identity in source.identities if identity in refused))
    if told:
        return "; ".join(told)
    count = len(source.identities)
    counted = "1 identity" if count == 1 else f"{count} identities"
    if any(identity.belongs_to(recipient) for identity in source.identities):
        return f"{counted}, with the key of this recipient, but the entry is sealed for another key or was changed"
    return f"{counted}, which does not match this recipient" if count == 1 else f"{counted}, none matches this recipient"


def _listed(names: list[str]) -> str:
    if len(names) == 1:
        return f" {names[0]}"
    if len(names) == 2:
        return f"s {names[0]} and {names[1]}"
    return f"s {', '.join(names[:-1])}, and {names[-1]}"


def _hint(file: AgeFile, recipient: str) -> str:
    name = plugin_name(recipient)
    if any(kind in ssh_key.KEY_TYPES for kind in file.kinds):
        return f"set {SSH_FILE} to the SSH private key that belongs to this recipient"
    if name is not None:
        return f"put the identity AGE-PLUGIN-{name.upper()}-1... into the file that {KEY_FILE} names, and age-plugin-{name} on the PATH"
    prefix = "AGE-SECRET-KEY-PQ-1..." if age_hybrid.STANZA_TYPE in file.kinds else "AGE-SECRET-KEY-1..."
    return f"set {KEY_FILE} to a file with the private key ({prefix}) that belongs to this recipient"
