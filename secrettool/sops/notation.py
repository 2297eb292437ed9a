"""The notation entry: original spellings that the canonical form of a value cannot give back.

One sealed blob in the metadata; it belongs to exactly one version of the file, because the MAC's envelope is its additional data. Readers that do
not know it skip it.

Rules: decisions/0002 (lossless documents).
"""

from __future__ import annotations

from collections.abc import Iterable

from secrettool.sops.envelope import Cipher, EnvelopeError
from secrettool.sops.store import NotationEntry

NONCE_SIZE = 12  # bytes
MAX_PLAIN = 1 << 28  # bytes; a blob that inflates beyond is ignored


def _aad(mac: str) -> bytes:
    return b"notation:" + mac.encode("ascii", "replace")


def seal_notation(entries: Iterable[NotationEntry], cipher: Cipher, mac: str, nonce: bytes) -> str | None:
    """Seal the entries of a file.

    Args:
        entries: Number of the visit and original text, in any order.
        cipher: Cipher of the file.
        mac: Envelope of the MAC of this version of the file.
        nonce: 12 fresh bytes.

    Returns:
        Base64, or None when there are no entries.
    """
    import json
    import zlib
    from base64 import b64encode

    listed = [list(entry) for entry in entries]
    if not listed:
        return None
    text = json.dumps(listed, ensure_ascii=True, separators=(",", ":"))
    deflate = zlib.compressobj(9, wbits=-15)
    plain = deflate.compress(text.encode("ascii")) + deflate.flush()
    return b64encode(nonce + cipher.seal_bytes(plain, aad=_aad(mac), nonce=nonce)).decode("ascii")


def open_notation(sealed: str | None, cipher: Cipher, mac: str) -> dict[int, str | None]:
    """Open a notation entry.

    Returns:
        Original text by number of the visit; empty when there is no entry, or one that does not open or is not well formed: it is a convenience
        and must never keep anybody from the values.
    """
    if not sealed:
        return {}
    import json
    import zlib
    from base64 import b64decode

    try:
        blob = b64decode(sealed, validate=True)
        packed = cipher.open_bytes(blob[NONCE_SIZE:], aad=_aad(mac), nonce=blob[:NONCE_SIZE])
        text = zlib.decompressobj(wbits=-15).decompress(packed, MAX_PLAIN)
        entries = json.loads(text)
        return {int(number): original for number, original in entries if original is None or isinstance(original, str)}
    except (EnvelopeError, ValueError, TypeError, zlib.error):
        return {}
