"""The age file format: ASCII armour, the header with its stanzas, and the sealed payload.

The header is read here before any library opens the file, since pyrage raises one error for a wrong identity and for a cut file alike.

Source: age-encryption.org/v1 (C2SP age.md); age armor/armor.go, internal/format, internal/stream.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import NamedTuple

INTRO = b"age-encryption.org/v1\n"
ARMOR_BEGIN = "-----BEGIN AGE ENCRYPTED FILE-----"
ARMOR_END = "-----END AGE ENCRYPTED FILE-----"
MAC_SIZE = 32
"""Bytes of the header MAC, HMAC-SHA256."""

_COLUMNS = 64
_LINE_BYTES = 48
_MAX_BLANKS = 1024
_CHUNK_SIZE = 64 * 1024
_TAG_SIZE = 16
_PAYLOAD_NONCE_SIZE = 16


class AgeFileError(ValueError):
    """The bytes are no age file, or a damaged one; the text holds nothing of them."""


class Stanza(NamedTuple):
    """One recipient's part of the header: `-> type args...` and a body of bytes."""

    type: str
    args: tuple[str, ...]
    body: bytes


class AgeFile(NamedTuple):
    """An age file taken apart.

    Attributes:
        stanzas: In file order, grease included.
        signed: The header up to and with `---`, over which the MAC goes.
        mac: 32 bytes.
        payload: 16 bytes of nonce and the sealed chunks.
        raw: All of it, without armour.
    """

    stanzas: tuple[Stanza, ...]
    signed: bytes
    mac: bytes
    payload: bytes
    raw: bytes

    @property
    def kinds(self) -> tuple[str, ...]:
        """The different stanza types, without the grease that some programs add."""
        return tuple(dict.fromkeys(stanza.type for stanza in self.stanzas if not stanza.type.endswith("-grease")))


def encode_base64(data: bytes) -> str:
    """Base64 without padding, as the header has it."""
    return binascii.b2a_base64(data, newline=False).decode().rstrip("=")


def decode_base64(text: str) -> bytes:
    """Strict base64 without padding: one text for each value.

    Raises:
        AgeFileError: Another alphabet, padding, or bits that must be zero.
    """
    try:
        data = binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except (binascii.Error, ValueError):
        raise AgeFileError("malformed base64") from None
    if encode_base64(data) != text:
        raise AgeFileError("malformed base64")
    return data


def armor(raw: bytes) -> str:
    """Wrap bytes in age's ASCII armour; ends with a newline."""
    text = base64.b64encode(raw).decode()
    lines = [text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS)]
    return "\n".join([ARMOR_BEGIN, *lines, ARMOR_END, ""])


def dearmor(text: str) -> bytes:
    """Take age's ASCII armour off. Blank lines before it, blanks after it and CRLF are fine.

    Raises:
        AgeFileError: Anything else that the strict format forbids.
    """
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    start = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    if start == len(lines):
        raise AgeFileError("it is empty")
    if sum(len(line) + 1 for line in lines[:start]) > _MAX_BLANKS:
        raise AgeFileError("too much leading whitespace")
    if lines[start] != ARMOR_BEGIN:
        raise AgeFileError("it does not start with the age armour")
    try:
        end = lines.index(ARMOR_END, start)
    except ValueError:
        raise AgeFileError("the end of the armour is missing") from None
    trailing = "\n".join(lines[end + 1 :])
    if trailing.strip():
        raise AgeFileError("trailing data after armored file")
    if len(trailing) >= _MAX_BLANKS:
        raise AgeFileError("too much trailing whitespace")
    body = lines[start + 1 : end]
    if any(len(line) != _COLUMNS for line in body[:-1]) or (body and not 0 < len(body[-1]) <= _COLUMNS):
        raise AgeFileError("an armoured line has the wrong length")
    try:
        raw = binascii.a2b_base64("".join(body), strict_mode=True)
    except (binascii.Error, ValueError):
        raise AgeFileError("malformed base64 in the armour") from None
    if base64.b64encode(raw).decode() != "".join(body):
        raise AgeFileError("malformed base64 in the armour")
    return raw


def _read_line(raw: bytes, start: int) -> tuple[str, int]:
    end = raw.find(b"\n", start)
    if end < 0:
        raise AgeFileError("the header is cut off")
    return raw[start:end].decode("latin-1"), end + 1


def _read_stanza(raw: bytes, start: int) -> tuple[Stanza, int]:
    line, place = _read_line(raw, start)
    mark, *args = line.split(" ")
    if mark != "->" or not args or not all(arg and all(33 <= ord(letter) <= 126 for letter in arg) for arg in args):
        raise AgeFileError("malformed stanza in the header")
    body: list[bytes] = []
    while True:
        line, place = _read_line(raw, place)
        part = decode_base64(line)
        if len(part) > _LINE_BYTES:
            raise AgeFileError("a line of the header is too long")
        body.append(part)
        if len(part) < _LINE_BYTES:
            return Stanza(args[0], tuple(args[1:]), b"".join(body)), place


def parse(raw: bytes) -> AgeFile:
    """Take an age file, without armour, apart. No key is needed and nothing is authenticated.

    Raises:
        AgeFileError: No age file of version 1, or a malformed or cut header.
    """
    if not raw.startswith(INTRO):
        raise AgeFileError("it does not start with the line of age files of version 1")
    stanzas: list[Stanza] = []
    place = len(INTRO)
    while not raw.startswith(b"---", place):
        stanza, place = _read_stanza(raw, place)
        stanzas.append(stanza)
    signed = raw[: place + 3]
    line, place = _read_line(raw, place)
    mark, *rest = line.split(" ")
    if mark != "---" or len(rest) != 1:
        raise AgeFileError("malformed last line of the header")
    mac = decode_base64(rest[0])
    if len(mac) != MAC_SIZE:
        raise AgeFileError("malformed last line of the header")
    return AgeFile(tuple(stanzas), signed, mac, raw[place:], raw)


def serialise_header(stanzas: Sequence[Stanza]) -> bytes:
    """The header up to and with `---`: what the MAC is computed over."""
    lines: list[str] = []
    for stanza in stanzas:
        lines.append(" ".join(("->", stanza.type, *stanza.args)))
        body = encode_base64(stanza.body)
        lines.extend(body[start : start + _COLUMNS] for start in range(0, len(body) + 1, _COLUMNS))
    return INTRO + "".join(line + "\n" for line in lines).encode() + b"---"


def _derive(secret: bytes, salt: bytes | None, info: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt, info).derive(secret)


def _header_mac(file_key: bytes, signed: bytes) -> bytes:
    import hmac

    return hmac.digest(_derive(file_key, None, b"header"), signed, "sha256")


def _nonces(chunks: int) -> list[bytes]:
    """Nonce of each chunk: an 11-byte counter and one byte that marks the last."""
    return [number.to_bytes(11, "big") + bytes([number == chunks - 1]) for number in range(chunks)]


def seal(stanzas: Sequence[Stanza], file_key: bytes, nonce: bytes, plain: bytes) -> bytes:
    """Build an age file, without armour.

    Args:
        stanzas: Which already hold the file key, sealed.
        file_key: 16 bytes.
        nonce: 16 bytes, fresh for every file.
        plain: What to seal.
    """
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    signed = serialise_header(stanzas)
    cipher = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
    parts = [plain[start : start + _CHUNK_SIZE] for start in range(0, len(plain), _CHUNK_SIZE)] or [b""]
    sealed = b"".join(cipher.encrypt(n, part, None) for n, part in zip(_nonces(len(parts)), parts, strict=True))
    return signed + b" " + encode_base64(_header_mac(file_key, signed)).encode() + b"\n" + nonce + sealed


def unseal(file: AgeFile, file_key: bytes) -> bytes:
    """Check the header MAC, then open the payload.

    Raises:
        AgeFileError: The MAC does not fit, or the payload was changed or cut.
    """
    import hmac

    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    if not hmac.compare_digest(_header_mac(file_key, file.signed), file.mac):
        raise AgeFileError("bad header MAC")
    nonce, sealed = file.payload[:_PAYLOAD_NONCE_SIZE], file.payload[_PAYLOAD_NONCE_SIZE:]
    if len(sealed) < _TAG_SIZE:
        raise AgeFileError("the payload is cut off")
    size = _CHUNK_SIZE + _TAG_SIZE
    parts = [sealed[start : start + size] for start in range(0, len(sealed), size)]
    if len(parts) > 1 and len(parts[-1]) <= _TAG_SIZE:
        raise AgeFileError("the payload ends with an empty chunk")
    cipher = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
    try:
        return b"".join(cipher.decrypt(n, part, None) for n, part in zip(_nonces(len(parts)), parts, strict=True))
    except InvalidTag:
        raise AgeFileError("the payload was changed or cut off") from None
