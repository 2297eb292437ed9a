"""The verbs: encrypt, open, set, unset, edit, rotate, change keys.

Each takes bytes or parsed documents and gives bytes; nothing is read or written. What the verbs need from outside comes in a `Runtime`.

Source: sops 3.13 cmd/sops/{encrypt,decrypt,edit,set,unset,rotate}.go, cmd/sops/subcommand/{updatekeys,groups}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from secrettool.errors import AlreadyEncryptedError, EmitError, ExitCode, FormatError, SecrettoolError, TreeEncryptError
from secrettool.sops.editing import alike
from secrettool.sops.envelope import DATA_KEY_SIZE, Cipher, DataKey
from secrettool.sops.keygroups import (
    DEFAULT_DECRYPTION_ORDER,
    KeyGroup,
    KeyGroups,
    Keyring,
    rewrap_data_key,
    stated_threshold,
    unwrap_data_key,
    wrap_data_key,
)
from secrettool.sops.metadata import Metadata, read_metadata
from secrettool.sops.opening import OpenedFile
from secrettool.sops.selection import DEFAULT_SELECTOR, Selector
from secrettool.sops.store import Document, Store
from secrettool.sops.tree import Comment, Tree

if TYPE_CHECKING:
    from secrettool.sops.sealing import TreeSealer


class Runtime(NamedTuple):
    """What the format needs from the world.

    Attributes:
        keyring: The master key backends.
        entropy: Returns that many random bytes.
        now: Returns the time as RFC 3339, UTC, whole seconds.
        decryption_order: Kinds of master keys to try first.
    """

    keyring: Keyring
    entropy: Callable[[int], bytes]
    now: Callable[[], str]
    decryption_order: tuple[str, ...] = DEFAULT_DECRYPTION_ORDER


class EncryptionPlan(NamedTuple):
    """How a new file is encrypted: what a creation rule or the flags say.

    Attributes:
        groups: Key groups, without sealed parts.
        selector: What is encrypted.
        shamir_threshold: Groups needed to open; 0 means all.
        mac_only_encrypted: Whether the MAC leaves clear values out.
    """

    groups: tuple[KeyGroup, ...]
    selector: Selector = DEFAULT_SELECTOR
    shamir_threshold: int = 0
    mac_only_encrypted: bool = False


class Encrypted(NamedTuple):
    """The outcome of an encryption.

    Attributes:
        data: The encrypted file.
        matched: How many leaves were encrypted.
        visited: How many leaves there are that could have been.
        changed: False when `data` is the old file, unchanged.
        warnings: What a person should be told. Never holds a value.
    """

    data: bytes
    matched: int
    visited: int
    changed: bool = True
    warnings: tuple[str, ...] = ()


class SealedFile(NamedTuple):
    """An encrypted file whose section was read; nothing is opened yet.

    Attributes:
        data: The bytes it was read from.
        store: The store that parsed it.
        document: The parsed text.
        metadata: What the section says.
    """

    data: bytes
    store: Store
    document: Document
    metadata: Metadata

    def unlock(self, runtime: Runtime) -> DataKey:
        """Get the data key from the master keys.

        Raises:
            DataKeyError: With a report of every key that was tried.
        """
        return unwrap_data_key(self.metadata.groups, self.metadata.shamir_threshold, runtime.keyring, runtime.decryption_order)

    def open(self, runtime: Runtime, *, ignore_mac: bool = False) -> OpenedFile:
        """Unlock and decrypt.

        Raises:
            DataKeyError: No master key opens.
            TreeDecryptError: A value does not open.
            MacError: The file was changed.
        """
        return OpenedFile(self.document, self.metadata, self.unlock(runtime), ignore_mac=ignore_mac)


# ---- reading -------------------------------------------------------------------------------------------------------------------------------------


def parse_plain(store: Store, data: bytes) -> Document:
    """Parse plain text that is to be encrypted.

    Raises:
        FormatError: Broken text; exit code 2, as for any plain input that cannot be read.
    """
    try:
        return store.parse(data)
    except FormatError as error:
        if error.code == ExitCode.GENERIC:
            error.code = ExitCode.INPUT_UNREADABLE
        raise


def load(store: Store, data: bytes) -> SealedFile:
    """Parse an encrypted file and read its section.

    Raises:
        FormatError: Broken text; exit code 1.
        MetadataNotFound: The file is not encrypted.
        MetadataError: The section cannot be used.
    """
    try:
        document = store.parse_sealed(data)
    except FormatError as error:
        error.code = ExitCode.GENERIC
        raise
    assert document.section is not None
    return SealedFile(data, store, document, read_metadata(document.section))


def rewrap(old: Metadata, groups: tuple[KeyGroup, ...], threshold: int, data_key: DataKey, runtime: Runtime) -> tuple[KeyGroup, ...]:
    """Key groups that hold the data key of an existing file; what need not be sealed again stays as it is."""
    before = KeyGroups(old.groups, old.shamir_threshold)
    return rewrap_data_key(before, KeyGroups(groups, threshold), data_key, runtime.keyring, runtime.entropy)


# ---- encrypting ----------------------------------------------------------------------------------------------------------------------------------


def check_reserved(tree: Tree, target: Store) -> None:
    """Refuse documents that hold the key that the section needs.

    Raises:
        AlreadyEncryptedError: In the first document.
        EmitError: In a later one.
    """
    for number, branch in enumerate(tree):
        for item in branch.items:
            if isinstance(item, Comment) or not isinstance(item.key, str) or not target.reserved(item.key):
                continue
            if number:
                raise EmitError(f'Found key "{item.key}" in encrypted data, which is reserved', where=f"document {number + 1}")
            raise AlreadyEncryptedError(
                f"The file you have provided contains a top-level entry called '{item.key}'. It is encrypted already, or the name is in the way",
                hint="change an encrypted file with `edit`, `set` or `rotate`; rename the entry if the file is plain text",
            )


def check_selector(store: Store, plan: EncryptionPlan) -> None:
    """Refuse an expression that does not compile; a binary file has no use for one.

    Raises:
        UsageError: With exit code 8.
    """
    if store.name != "binary":
        plan.selector.check()


def new_metadata(store: Store, plan: EncryptionPlan, groups: tuple[KeyGroup, ...], runtime: Runtime) -> Metadata:
    """The section of a new file, without its MAC. Binary files have one value: selection does not apply to them."""
    binary = store.name == "binary"
    threshold = stated_threshold(plan.shamir_threshold, len(groups))
    return Metadata(groups, runtime.now(), "", None if binary else plan.selector, threshold, plan.mac_only_encrypted and not binary)


def encrypt(
    store: Store,
    data: bytes,
    plan: EncryptionPlan,
    runtime: Runtime,
    *,
    target: Store | None = None,
    indent: int | None = None,
    old: SealedFile | None = None,
    strict: bool = False,
) -> Encrypted:
    """Encrypt plain text.

    Args:
        store: Store of the input.
        data: The plain text.
        plan: Keys and selection.
        runtime: Backends, randomness, clock.
        target: Store of the output when it is another format; the text is printed anew then.
        indent: Indentation of text that is printed anew.
        old: An encrypted version of the same file: its data key and the envelopes of unchanged values are kept.
        strict: Refuse when there are values and the selection matches none of them.

    Raises:
        FormatError: Broken input; 2, or 92 for an empty YAML file.
        AlreadyEncryptedError: The reserved key is there.
        UsageError: The selector's expression does not compile; 8.
        TreeEncryptError: Something in the tree cannot be encrypted.
        ConfigError: No key, or a threshold that does not fit.
        EmitError: The output format cannot express the tree.
    """
    # Decrypting does not wait for what only encrypting needs.
    from secrettool.sops.reuse import Reuse
    from secrettool.sops.sealing import TreeSealer

    document = parse_plain(store, data)
    target = target if target is not None else store
    check_reserved(document.tree, target)
    check_selector(store, plan)
    if old is None:
        data_key = DataKey(runtime.entropy(DATA_KEY_SIZE))
        opened, reuse = None, None
        groups = wrap_data_key(plan.groups, plan.shamir_threshold, data_key, runtime.keyring, runtime.entropy)
    else:
        opened = old.open(runtime)
        data_key = opened.data_key
        groups = rewrap(old.metadata, plan.groups, plan.shamir_threshold, data_key, runtime)
        reuse = Reuse(opened, plain_document(old.store, opened)) if old.store.name == target.name else None
    metadata = new_metadata(store, plan, groups, runtime)
    if old is not None and opened is not None and _unchanged(old, opened, metadata, data, target, store):
        return Encrypted(old.data, 0, 0, changed=False)
    sealer = TreeSealer(document, metadata, Cipher(data_key), runtime.entropy, reuse)
    warnings = list(document.warnings)
    if sealer.visited and not sealer.matched:
        said = f"no value was encrypted: nothing matches {plan.selector.kind} {plan.selector.text!r}"
        if strict:
            raise SecrettoolError(said, hint="look at the rule with `config explain`, or leave out --strict to write the file in clear")
        warnings.append(said)
    if target.name == store.name:
        sealed = sealed_text(store, document, sealer, data_key)
    else:
        sealed = target.emit_sealed(sealer.sealed_tree(), sealer.section, indent=indent)
    return Encrypted(sealed, sealer.matched, sealer.visited, warnings=tuple(warnings))


def _unchanged(old: SealedFile, opened: OpenedFile, metadata: Metadata, data: bytes, target: Store, store: Store) -> bool:
    was = old.metadata
    return (
        target.name == store.name == old.store.name
        and was.groups == metadata.groups
        and (was.selector == metadata.selector or store.name == "binary")
        and was.shamir_threshold == metadata.shamir_threshold
        and was.mac_only_encrypted == metadata.mac_only_encrypted
        and old.store.open(old.document, opened) == data
    )


def sealed_text(store: Store, document: Document, sealer: TreeSealer, data_key: DataKey) -> bytes:
    """The encrypted text of a document. A fragile one is opened again before anybody relies on it.

    Raises:
        TreeEncryptError: What was sealed would not open.
    """
    data = store.seal(document, sealer)
    if not document.fragile:
        return data
    try:
        file = load(store, data)
        back = store.parse(store.open(file.document, OpenedFile(file.document, file.metadata, data_key))).tree
    except SecrettoolError:
        back = []
    if len(back) != len(document.tree) or not all(map(alike, back, document.tree)):
        raise TreeEncryptError(
            "the encrypted file could not be opened again",
            hint="a comment beside an unusual break (a lone CR, NEL, U+2028 or U+2029) or behind the last value can be read in two ways: move it",
        )
    return data


# ---- decrypting ----------------------------------------------------------------------------------------------------------------------------------


def plain_bytes(file: SealedFile, opened: OpenedFile, *, target: Store | None = None, indent: int | None = None) -> bytes:
    """The plain text of an opened file.

    Args:
        file: The encrypted file.
        opened: The same file, opened.
        target: Store of the output when it is another format.
        indent: Indentation of text that is printed anew.

    Raises:
        EmitError: The output format cannot express the tree.
    """
    if target is None or target.name == file.store.name:
        return file.store.open(file.document, opened)
    return target.emit(opened.tree, indent=indent)


def plain_document(store: Store, opened: OpenedFile) -> Document | None:
    """The plain text of an opened file, parsed; None where sops' printing cannot be read (an INI value that ends with a backslash)."""
    try:
        return store.parse(store.open(opened.document, opened))
    except FormatError:
        return None
