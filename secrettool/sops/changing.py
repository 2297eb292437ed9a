"""Changing values: set, unset, and a whole new plain text in the place of the old one.

Every change goes through the plain text: it is changed there as little as possible and encrypted again; a value that stayed keeps its envelope.

Source: sops 3.13 cmd/sops/{edit,set,unset}.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from secrettool.errors import EmitError, ExitCode, FormatError, MacError, SecrettoolError
from secrettool.sops.document import (
    EncryptionPlan,
    Runtime,
    SealedFile,
    check_reserved,
    check_selector,
    load,
    new_metadata,
    parse_plain,
    plain_document,
    rewrap,
    sealed_text,
)
from secrettool.sops.editing import Steps, alike, with_value, without_value
from secrettool.sops.envelope import DATA_KEY_SIZE, Cipher, DataKey
from secrettool.sops.keygroups import wrap_data_key
from secrettool.sops.metadata import FORMAT_VERSION, Metadata
from secrettool.sops.opening import OpenedFile
from secrettool.sops.reuse import Reuse
from secrettool.sops.sealing import TreeSealer
from secrettool.sops.store import Document, Store
from secrettool.sops.tree import Branch, Leaf, Node, Tree, walk


def _adopt_types(document: Document, typed: Tree) -> bool:
    """Give the leaves of a parsed text the types of another tree of the same shape (a float that is written `7` is a float).

    Returns:
        False, with nothing changed, when the trees differ in more than types and the places of comments.
    """
    if len(document.tree) != len(typed) or not all(map(alike, document.tree, typed)):
        return False
    for mine, theirs in zip(_leaves(document.tree), _leaves(typed), strict=True):
        if type(mine.value) is not type(theirs.value):
            mine.value = theirs.value
            mine.plain = None
    return True


def _leaves(tree: Tree) -> Iterator[Leaf]:
    return (visit.node for visit in walk(tree) if isinstance(visit.node, Leaf))


def _reseal_text(file: SealedFile, opened: OpenedFile, reuse: Reuse, document: Document, metadata: Metadata, runtime: Runtime) -> bytes:
    check_reserved(document.tree, file.store)
    sealer = TreeSealer(document, _renewed(metadata, runtime), opened.cipher, runtime.entropy, reuse)
    return sealed_text(file.store, document, sealer, opened.data_key)


def _renewed(metadata: Metadata, runtime: Runtime) -> Metadata:
    return metadata._replace(lastmodified=runtime.now(), version=newer(metadata.version, FORMAT_VERSION))


def newer(one: str, other: str) -> str:
    """The newer of two versions `X.Y.Z`; the version of a file is only ever raised."""

    def numbers(version: str) -> list[int]:
        return [int(part) if part.isdecimal() else 0 for part in version.removeprefix("v").split("-")[0].split(".")]

    return one if numbers(one) >= numbers(other) else other


def draft(store: Store, data: bytes, plan: EncryptionPlan, runtime: Runtime) -> tuple[SealedFile, OpenedFile]:
    """A new encrypted file that was not written yet, opened: what `replace_text` takes. The data key is sealed before anybody starts to type.

    Args:
        store: Its format.
        data: The plain text that it starts with.
        plan: Keys and selection.
        runtime: Backends, randomness, clock.

    Raises:
        UsageError: The selector's expression does not compile; 8.
        SecrettoolError: 128, unlike `encrypt`, when a master key cannot seal the data key, or there is none.
    """
    check_selector(store, plan)
    data_key = DataKey(runtime.entropy(DATA_KEY_SIZE))
    try:
        groups = wrap_data_key(plan.groups, plan.shamir_threshold, data_key, runtime.keyring, runtime.entropy)
    except SecrettoolError as error:
        error.code = ExitCode.DATA_KEY_UNAVAILABLE
        raise
    document, metadata = parse_plain(store, data), new_metadata(store, plan, groups, runtime)
    file = load(store, store.seal(document, TreeSealer(document, metadata, Cipher(data_key), runtime.entropy)))
    return file, OpenedFile(file.document, file.metadata, data_key)


def replace_text(file: SealedFile, opened: OpenedFile, data: bytes, runtime: Runtime, *, metadata: Metadata | None = None) -> bytes:
    """Encrypt an edited plain text in the place of the old one; unchanged values keep their envelopes.

    Args:
        file: The encrypted file.
        opened: The same file, opened.
        data: The new plain text.
        runtime: Backends, randomness, clock.
        metadata: Metadata to write instead of the file's own; keys in it that hold nothing yet are wrapped.

    Returns:
        The new encrypted file; the old bytes when neither text nor metadata changed.

    Raises:
        FormatError: The text is broken; 2.
        AlreadyEncryptedError: It holds the reserved key.
    """
    document = parse_plain(file.store, data)
    wanted = metadata if metadata is not None else file.metadata
    if not same_metadata(wanted, file.metadata):
        wanted = wanted._replace(groups=rewrap(file.metadata, wanted.groups, wanted.shamir_threshold, opened.data_key, runtime))
    elif file.store.open(file.document, opened) == data:
        return file.data
    return _reseal_text(file, opened, Reuse(opened, plain_document(file.store, opened)), document, wanted, runtime)


def same_metadata(one: Metadata, other: Metadata) -> bool:
    """Whether two sections agree in keys, selection and MAC rule; time, MAC and version aside."""
    return one._replace(lastmodified="", mac="", version="") == other._replace(lastmodified="", mac="", version="")


def _change_first(file: SealedFile, opened: OpenedFile, change: Callable[[Branch], Branch], runtime: Runtime) -> bytes:
    """Change the first document's tree and write it back into the text."""
    plain = plain_document(file.store, opened)
    if plain is None or not _adopt_types(plain, opened.tree):
        # sops' own printing of a file can lose a value (INI takes the quotes off `'x'`): the text is no ground to stand on, the values are.
        return _printed_anew(file, opened, [change(opened.tree[0]), *opened.tree[1:]], runtime)
    tree = [change(plain.tree[0]), *plain.tree[1:]]
    check_reserved(tree, file.store)
    document = _amended(file.store, plain, tree)
    if document is None:
        return _printed_anew(file, opened, tree, runtime)
    return _reseal_text(file, opened, Reuse(opened, plain, typed=True), document, file.metadata, runtime)


def _amended(store: Store, plain: Document, tree: Tree) -> Document | None:
    """The document with the smallest change of the text that gives the tree; None where there is none."""
    try:
        document = store.parse(store.amend(plain, tree))
    except (EmitError, FormatError):
        return None
    return document if _adopt_types(document, tree) else None


def _printed_anew(file: SealedFile, opened: OpenedFile, tree: Tree, runtime: Runtime) -> bytes:
    """The encrypted file in its store's own layout, for a tree that the text cannot be changed into.

    Raises:
        EmitError: Not even that holds the values.
    """
    check_reserved(tree, file.store)
    metadata = _renewed(file.metadata, runtime)
    sealer = TreeSealer(Document("", tree), metadata, opened.cipher, runtime.entropy, Reuse(opened, None))
    data = file.store.emit_sealed(sealer.sealed_tree(), sealer.section)
    written = load(file.store, data)
    try:
        values = OpenedFile(written.document, written.metadata, opened.data_key).tree
    except MacError:
        raise EmitError(
            f"a value that stays in clear would be read back from the {file.store.name} file as another one",
            hint="this format holds only text: set the value as a string, in quotes",
        ) from None
    if len(values) != len(tree) or not all(map(alike, values, tree)):
        raise EmitError(
            f"the change cannot be written as {file.store.name} without changing other values",
            hint="decrypt with --output-type json, change that, and encrypt it again",
        )
    return data


def set_value(file: SealedFile, opened: OpenedFile, steps: Steps, value: Node, runtime: Runtime) -> bytes:
    """Set a value in the first document.

    Returns:
        The new encrypted file; the old bytes when the typed value was there already.

    Raises:
        TreePathError: The path cannot be followed.
        AlreadyEncryptedError: The path names the reserved key.
    """
    _, changed = with_value(opened.tree[0], steps, value)
    if not changed:
        return file.data
    return _change_first(file, opened, lambda branch: with_value(branch, steps, value)[0], runtime)


def unset_value(file: SealedFile, opened: OpenedFile, steps: Steps, runtime: Runtime) -> bytes:
    """Remove an entry from the first document.

    Raises:
        TreePathError: It is not there.
    """

    def change(branch: Branch) -> Branch:
        if file.store.name == "ini" and steps == ("DEFAULT",):
            return with_value(branch, steps, Branch())[0]  # the section of the keys above any header is always there: it can only be emptied
        return without_value(branch, steps)

    change(opened.tree[0])
    return _change_first(file, opened, change, runtime)
