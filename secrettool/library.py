"""The verbs for Python programs: text in, text out, with the keys of this machine.

    import secrettool

    sealed = secrettool.encrypt(text, "yaml", recipients=["age1..."])
    plain = secrettool.decrypt(sealed, "yaml")
    sealed = secrettool.set_value(sealed, "yaml", ["data", "password"], "new")

Nothing here reads or writes the file that is worked on. Keys come from where sops looks for them (`SOPS_AGE_KEY_FILE`, `~/.config/sops/age/keys.txt`,
ssh keys, gpg); a `Runtime` of your own replaces them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Seq
from typing import TYPE_CHECKING, Literal, TypeAlias

from secrettool.errors import MetadataNotFound
from secrettool.sops import document as verbs
from secrettool.sops.document import EncryptionPlan, Runtime, SealedFile
from secrettool.sops.keygroups import DEFAULT_DECRYPTION_ORDER
from secrettool.sops.selection import Selector
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence
from secrettool.sops.values import Time, Value
from secrettool.stores import by_name

if TYPE_CHECKING:
    from secrettool.keys import Prompt
    from secrettool.sops.keygroups import KeyGroup

StoreName: TypeAlias = Literal["yaml", "json", "dotenv", "ini", "binary"]
Text: TypeAlias = str | bytes
Plain: TypeAlias = Value | Mapping[str, "Plain"] | Seq["Plain"]
"""A value as Python has it: mappings, sequences and scalars; `secrettool.Time` for points in time."""


def now() -> str:
    """The time as the format writes it: RFC 3339, UTC, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def local_runtime(
    environ: Mapping[str, str] | None = None, *, prompt: Prompt | None = None, decryption_order: tuple[str, ...] | None = None
) -> Runtime:
    """A runtime with the keys and the clock of this machine. Make one and use it for many files: it unlocks each identity once.

    Args:
        environ: Environment to look for identities in; the process's own when None.
        prompt: Asks a person for a passphrase; None means that nobody can be asked.
        decryption_order: Kinds of master keys to try first; sops' default when None.
    """
    from secrettool.keys import LocalKeyring

    keyring = LocalKeyring(os.environ if environ is None else environ, now=now, prompt=prompt)
    order = DEFAULT_DECRYPTION_ORDER if decryption_order is None else decryption_order
    return Runtime(keyring, os.urandom, now, order)


def _data(text: Text) -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


def _like(data: bytes, text: Text) -> Text:
    return data.decode("utf-8", "surrogateescape") if isinstance(text, str) else data


def load(text: Text, store: StoreName) -> SealedFile:
    """Parse an encrypted file without opening it: recipients, selector and times are in its `metadata`.

    Raises:
        FormatError: The text is broken.
        MetadataNotFound: It is not encrypted.
        MetadataError: Its section is damaged.
    """
    return verbs.load(by_name(store), _data(text))


def is_encrypted(text: Text, store: StoreName) -> bool:
    """Whether a text has a readable `sops` section.

    Raises:
        FormatError: The text is broken.
        MetadataError: There is a section, but a damaged one.
    """
    try:
        load(text, store)
    except MetadataNotFound:
        return False
    return True


def encrypt(
    text: Text,
    store: StoreName,
    *,
    recipients: Iterable[str] = (),
    groups: Iterable[KeyGroup] = (),
    selector: Selector | None = None,
    shamir_threshold: int = 0,
    mac_only_encrypted: bool = False,
    old: Text | None = None,
    strict: bool = False,
    runtime: Runtime | None = None,
) -> Text:
    """Encrypt a text; only secret values change and the `sops` section is added.

    Args:
        text: The plain text, `str` or `bytes`; the result is of the same type.
        store: Its format.
        recipients: age recipients (`age1...`, `age1pq1...`, `ssh-ed25519 ...`): one key group, any one of them opens the file.
        groups: Key groups, when recipients of one group are not enough.
        selector: What is encrypted; everything but keys that end in `_unencrypted` when None.
        shamir_threshold: Groups needed to open; 0 means all.
        mac_only_encrypted: Leave clear values out of the MAC.
        old: An encrypted version of the same text: what is unchanged keeps its ciphertext.
        strict: Refuse when nothing was encrypted although there are values.
        runtime: Keys, randomness and clock; this machine's when None.

    Raises:
        SecrettoolError: One of its subclasses, by cause; see `secrettool.errors`.
    """
    from secrettool.keys.recipients import age_keys

    own = tuple(key for recipient in recipients for key in age_keys(recipient))
    plan = EncryptionPlan(tuple(groups) or (own,), selector or Selector(), shamir_threshold, mac_only_encrypted)
    sealed = None if old is None else load(old, store)
    done = verbs.encrypt(by_name(store), _data(text), plan, runtime or local_runtime(), old=sealed, strict=strict)
    return _like(done.data, text)


def decrypt(text: Text, store: StoreName, *, target: StoreName | None = None, ignore_mac: bool = False, runtime: Runtime | None = None) -> Text:
    """Decrypt a text; what `encrypt` was given comes back byte for byte.

    Args:
        text: The encrypted text, `str` or `bytes`; the result is of the same type.
        store: Its format.
        target: Another format to print the values in; None keeps format and layout.
        ignore_mac: Do not compare the MAC.
        runtime: Keys; this machine's when None.

    Raises:
        DataKeyError: No key opens the file.
        TreeDecryptError: A value does not open.
        MacError: The file was changed after it was encrypted.
    """
    file = load(text, store)
    opened = file.open(runtime or local_runtime(), ignore_mac=ignore_mac)
    return _like(verbs.plain_bytes(file, opened, target=by_name(target) if target else None), text)


def values(text: Text, store: StoreName, *, runtime: Runtime | None = None) -> list[Plain]:
    """Decrypt a text to Python values: one mapping per document, comments left out.

    Raises:
        SecrettoolError: As `decrypt`.
    """
    return [_python(branch) for branch in load(text, store).open(runtime or local_runtime()).tree]


def set_value(text: Text, store: StoreName, path: Seq[str | int], value: Plain, *, runtime: Runtime | None = None) -> Text:
    """Set one value of an encrypted text; every other value keeps its ciphertext.

    Args:
        text: The encrypted text.
        store: Its format.
        path: Mapping keys and list positions in the first document; what is missing is made, a position beyond the end appends.
        value: The new value.
        runtime: Keys, randomness and clock; this machine's when None.

    Raises:
        TreePathError: The path cannot be followed.
        SecrettoolError: As `decrypt`.
    """
    from secrettool.sops import changing

    runtime = runtime or local_runtime()
    file = load(text, store)
    return _like(changing.set_value(file, file.open(runtime), tuple(path), _node(value), runtime), text)


def unset_value(text: Text, store: StoreName, path: Seq[str | int], *, runtime: Runtime | None = None) -> Text:
    """Remove one entry of an encrypted text; every other value keeps its ciphertext.

    Raises:
        TreePathError: There is no such entry.
        SecrettoolError: As `decrypt`.
    """
    from secrettool.sops import changing

    runtime = runtime or local_runtime()
    file = load(text, store)
    return _like(changing.unset_value(file, file.open(runtime), tuple(path), runtime), text)


def replace_text(text: Text, store: StoreName, plain: Text, *, runtime: Runtime | None = None) -> Text:
    """Put a new plain text in the place of the one that an encrypted text holds; unchanged values keep their ciphertext.

    Raises:
        SecrettoolError: As `decrypt` and `encrypt`.
    """
    from secrettool.sops import changing

    runtime = runtime or local_runtime()
    file = load(text, store)
    return _like(changing.replace_text(file, file.open(runtime), _data(plain), runtime), text)


def rotate(text: Text, store: StoreName, *, runtime: Runtime | None = None) -> Text:
    """Encrypt every value under a new data key, for the same master keys.

    Raises:
        SecrettoolError: As `decrypt` and `encrypt`.
    """
    from secrettool.sops import rekeying

    runtime = runtime or local_runtime()
    file = load(text, store)
    return _like(rekeying.rotate(file, file.open(runtime), runtime), text)


def change_recipients(text: Text, store: StoreName, recipients: Iterable[str], *, runtime: Runtime | None = None) -> Text:
    """Seal the data key for other age recipients; values, MAC and time stay. Who could open the file before may have kept the data key: rotate then.

    Raises:
        ConfigError: No recipient, or one that is malformed.
        DataKeyError: No key opens the file.
    """
    from secrettool.keys.recipients import age_keys
    from secrettool.sops import rekeying

    runtime = runtime or local_runtime()
    file = load(text, store)
    group = tuple(key for recipient in recipients for key in age_keys(recipient))
    return _like(rekeying.change_groups(file, file.unlock(runtime), (group,), file.metadata.shamir_threshold, runtime), text)


def _node(value: Plain) -> Node:
    if isinstance(value, Mapping):
        return Branch([Item(key, _node(inner)) for key, inner in value.items()])
    if value is None or isinstance(value, str | int | float | Time):
        return Leaf(value)
    return Sequence([_node(inner) for inner in value])


def _python(node: Node) -> Plain:
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Branch):
        return {str(item.key): _python(item.value) for item in node.items if isinstance(item, Item)}
    return [_python(inner) for inner in node.items if not isinstance(inner, Comment)]
