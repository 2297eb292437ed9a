"""Bech32 of any length, as age writes its recipients and identities.

The limit of 90 characters of BIP 173 does not hold here: a post-quantum recipient has 1,959.

Source: BIP 173; age internal/bech32.
"""

from __future__ import annotations

_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES = {letter: value for value, letter in enumerate(_LETTERS)}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_SIZE = 6


def _step(checksum: int) -> int:
    """The checksum after five more bits, before they are added."""
    top = checksum >> 25
    checksum = (checksum & 0x1FFFFFF) << 5
    for bit, term in enumerate(_GENERATOR):
        if top >> bit & 1:
            checksum ^= term
    return checksum


_STEPS = tuple(_step(top << 25) for top in range(32))


def _checksum(prefix: str, values: list[int]) -> int:
    codes = prefix.encode()
    checksum = 1
    for value in (*(code >> 5 for code in codes), 0, *(code & 31 for code in codes), *values):
        checksum = ((checksum & 0x1FFFFFF) << 5) ^ _STEPS[checksum >> 25] ^ value
    return checksum


def encode(prefix: str, data: bytes) -> str:
    """Write bytes as Bech32 text in lower case.

    Args:
        prefix: The human-readable part, lower case, without the separating `1`.
        data: Any number of bytes.
    """
    bits = len(data) * 8
    padding = -bits % 5
    number = int.from_bytes(data, "big") << padding
    values = [number >> shift & 31 for shift in range(bits + padding - 5, -1, -5)]
    check = _checksum(prefix, [*values, *([0] * _CHECKSUM_SIZE)]) ^ 1
    values += [check >> shift & 31 for shift in range(25, -1, -5)]
    return prefix + "1" + "".join(_LETTERS[value] for value in values)


def decode(text: str) -> tuple[str, bytes]:
    """Read Bech32 text.

    Returns:
        The prefix in lower case and the bytes.

    Raises:
        ValueError: Saying what is wrong in words that hold nothing of the text, which may be a private key.
    """
    lower = text.lower()
    if text not in (lower, text.upper()):
        raise ValueError("mixed case")
    prefix, separator, rest = lower.rpartition("1")
    if not separator or not prefix or len(rest) < _CHECKSUM_SIZE:
        raise ValueError(f"separator '1' at invalid position: pos={len(prefix) if separator else -1}, len={len(text)}")
    if not all(33 <= ord(letter) <= 126 for letter in prefix):
        raise ValueError("invalid character in the human-readable part")
    try:
        values = [_VALUES[letter] for letter in rest]
    except KeyError:
        raise ValueError("invalid character in the data part") from None
    if _checksum(prefix, values) != 1:
        raise ValueError("invalid checksum")
    return prefix, _whole_bytes(values[:-_CHECKSUM_SIZE])


def _whole_bytes(values: list[int]) -> bytes:
    padding = len(values) * 5 % 8
    number = int("".join(f"{value:05b}" for value in values) or "0", 2)
    if padding >= 5:
        raise ValueError("illegal zero padding")
    if number & ((1 << padding) - 1):
        raise ValueError("non-zero padding")
    return (number >> padding).to_bytes(len(values) * 5 // 8, "big")
