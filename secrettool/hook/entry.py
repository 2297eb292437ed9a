"""Opening one encrypted document: a file of the source, an entry of a Secret, or a whole object as JSON.

What goes wrong leaves as a `HookError` without subject, whose `where` is the place in the document; whoever knows the file or the object fills in the
rest.

Source: kustomize-controller internal/decryptor/decryptor.go (SopsDecryptWithFormat).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from secrettool.errors import FormatError, HookError, IntegrityError, MacError, MetadataError, NotSealedError, SecrettoolError, TreeDecryptError
from secrettool.hook.marker import StoreName, marked_formats
from secrettool.hook.withoutkeys import MarkedFile, NoKeys
from secrettool.sops.metadata import Metadata, read_metadata
from secrettool.sops.opening import OpenedFile
from secrettool.stores import by_name

if TYPE_CHECKING:
    from secrettool.hook.model import KeyRing
    from secrettool.sops.store import Document

MacCheck = Literal["require", "try", "skip"]
"""What happens to a MAC that does not fit: it is an error, it is told, or nobody looks."""

MacPolicy: TypeAlias = Callable[[str], MacCheck]
"""What happens to the MAC of a document, by its `sops.mac` text."""

_TITLES = {"yaml": "YAML", "json": "JSON", "ini": "INI", "dotenv": "dotenv", "binary": "binary"}


class PlainText(NamedTuple):
    """A document that was opened.

    Attributes:
        data: The plain text.
        mac: The `sops.mac` text that it had.
        verified: False when the MAC was compared and does not fit.
    """

    data: bytes
    mac: str
    verified: bool

    def __repr__(self) -> str:
        return f"<PlainText of {len(self.data)} bytes>"


def open_text(data: bytes, source: StoreName | None, target: StoreName, keys: KeyRing, *, macs: MacPolicy) -> PlainText:
    """Decrypt one text, printed as sops prints it.

    Args:
        data: The encrypted text.
        source: Its format; None to find it by its markers.
        target: The format to print.
        keys: What opens the data key.
        macs: What happens to its MAC.

    Raises:
        HookError: `HK110`: no SOPS document of that format; `HK112`, `HK113`: a value does not open; `HK115`: the other format cannot hold it.
        KeyUnavailable: `HK111`.
        IntegrityError: `HK114`, with `require`.
    """
    document, metadata = load(data, source) if source is not None else _load_marked(data)
    opened, verified = open_document(document, metadata, keys, mac=macs(metadata.mac))
    try:
        plain = by_name(target).emit(opened.tree)
    except SecrettoolError as error:
        text = f"what is in it cannot be printed as {_TITLES[target]}: {error.message}"
        raise HookError("HK115", text, hint="the end of the key's or file's name decides the format: .yaml, .json, .env, .ini, else binary") from None
    return PlainText(plain, metadata.mac, verified)


def open_document(document: Document, metadata: Metadata, keys: KeyRing, *, mac: MacCheck) -> tuple[OpenedFile | MarkedFile, bool]:
    """Decrypt a parsed document; without keys its values become markers.

    Returns:
        The opened document, and whether its MAC fits, or was not to be compared.

    Raises:
        HookError: `HK112`, `HK113`.
        KeyUnavailable: `HK111`.
        IntegrityError: `HK114`, with `require`.
    """
    if isinstance(keys, NoKeys):
        return MarkedFile(document), True
    data_key = keys.data_key(metadata)
    try:
        opened = OpenedFile(document, metadata, data_key, ignore_mac=True)
    except NotSealedError as error:
        hint = (
            "something put plain text where the rule of the file asks for ciphertext, such as a patch; encrypt it, or leave its key out of the rule"
        )
        raise HookError("HK113", "a value that should be encrypted is not", key=error.where, hint=hint) from None
    except TreeDecryptError as error:
        raise HookError("HK112", error.message.removeprefix("Could not decrypt value: "), key=error.where, hint=error.hint) from None
    if mac == "skip":
        return opened, True
    try:
        opened.check_mac()
    except MacError as error:
        if mac == "require":
            hint = "the file was changed after it was encrypted: look at its history; --mac=skip opens it all the same, as Flux does"
            raise IntegrityError("HK114", error.message, hint=hint) from None
        return opened, False
    return opened, True


def load(data: bytes, store: StoreName) -> tuple[Document, Metadata]:
    """Parse an encrypted text and read its section; as in Flux, its version may be missing.

    Raises:
        HookError: `HK110`.
    """
    try:
        document = by_name(store).parse_sealed(data)
        assert document.section is not None
        return document, read_metadata(document.section, check_version=False)
    except (FormatError, MetadataError) as error:
        place = f"{error.where}: " if error.where else ""
        hint = error.hint or "it was encrypted as another format, or was changed"
        raise HookError("HK110", f"not an encrypted document in {_TITLES[store]}: {place}{error.message}", hint=hint) from None


def _load_marked(data: bytes) -> tuple[Document, Metadata]:
    """Load a text whose format only its markers tell; with several of them the first format whose structure holds a usable section."""
    found = marked_formats(data)
    for store in found[:-1]:
        try:
            return load(data, store)
        except HookError:
            continue
    if not found:
        raise HookError("HK110", "not an encrypted document: no marker of a format in it")
    return load(data, found[-1])
