"""Shamir's secret sharing over GF(2^8), polynomial x^8+x^4+x^3+x+1.

A share is one byte per byte of the secret, followed by its x coordinate.

Source: sops 3.13 shamir/shamir.go (after HashiCorp Vault).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Seq


def _tables() -> tuple[list[int], list[int]]:
    exponents, logarithms, value = [0] * 255, [0] * 256, 1
    for power in range(255):
        exponents[power] = value
        logarithms[value] = power
        doubled = value << 1
        value ^= doubled ^ (0x11B if doubled & 0x100 else 0)  # times the generator 3
    return exponents, logarithms


_EXP, _LOG = _tables()


def _multiply(a: int, b: int) -> int:
    return _EXP[(_LOG[a] + _LOG[b]) % 255] if a and b else 0


def _divide(a: int, b: int) -> int:
    return _EXP[(_LOG[a] - _LOG[b]) % 255] if a else 0


def split(secret: bytes, parts: int, threshold: int, entropy: Callable[[int], bytes]) -> list[bytes]:
    """Split a secret so that any `threshold` of `parts` shares give it back.

    Args:
        secret: At least one byte.
        parts: Number of shares, at most 255.
        threshold: Shares needed, at least 2 and at most `parts`.
        entropy: Returns that many random bytes.

    Raises:
        ValueError: A number is out of its range.
    """
    if not secret:
        raise ValueError("cannot split an empty secret")
    if threshold > parts:
        raise ValueError("parts cannot be less than threshold")
    if parts > 255:
        raise ValueError("parts cannot exceed 255")
    if threshold < 2:
        raise ValueError("threshold must be at least 2")
    shares = [bytearray() for _ in range(parts)]
    for byte in secret:
        coefficients = bytes((byte,)) + entropy(threshold - 1)
        for x, share in enumerate(shares, start=1):
            y = 0
            for coefficient in reversed(coefficients):
                y = _multiply(y, x) ^ coefficient
            share.append(y)
    return [bytes(share) + bytes((x,)) for x, share in enumerate(shares, start=1)]


def combine(shares: Seq[bytes]) -> bytes:
    """Interpolate the secret from shares; every share counts, a wrong one spoils the result.

    Raises:
        ValueError: Fewer than two shares, different lengths, or the same x coordinate twice.
    """
    if len(shares) < 2:
        raise ValueError("less than two parts cannot be used to reconstruct the secret")
    length = len(shares[0])
    if length < 2 or any(len(share) != length for share in shares):
        raise ValueError("all parts must be the same length")
    xs = [share[-1] for share in shares]
    if len(set(xs)) != len(xs):
        raise ValueError("duplicate part detected")
    weights = []
    for i, own in enumerate(xs):
        weight = 1
        for j, other in enumerate(xs):
            if i != j:
                weight = _multiply(weight, _divide(other, own ^ other))
        weights.append(weight)
    secret = bytearray()
    for position in range(length - 1):
        byte = 0
        for share, weight in zip(shares, weights, strict=True):
            byte ^= _multiply(share[position], weight)
        secret.append(byte)
    return bytes(secret)
