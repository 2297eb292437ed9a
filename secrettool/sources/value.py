"""A plaintext on its way from its source to the cluster."""

from __future__ import annotations

from hmac import compare_digest
from typing import Any, Final

from secrettool.errors import SourceError

MASK: Final = "***"


class SecretValue(str):
    """Bytes that show nothing of themselves: for whoever prints, formats, logs, pickles or encodes it, this is the text `***`.

    It is a string because the encoder of JSON, among others, asks no object what it wants to show. Its length is that of the mask. Two values are
    equal when their bytes are, compared in constant time; no value equals a plain string.

    Args:
        data: The plaintext.
    """

    __slots__ = ("_data",)
    _data: bytes

    def __new__(cls, data: bytes) -> SecretValue:  # noqa: D102 (the class says it)
        value = super().__new__(cls, MASK)
        value._data = bytes(data)
        return value

    def reveal(self) -> bytes:
        """The plaintext."""
        return self._data

    def text(self) -> str:
        """The plaintext as text.

        Raises:
            SourceError: It is not UTF-8 (`VL05`).
        """
        try:
            return self._data.decode("utf-8")
        except UnicodeDecodeError:
            pass  # that error holds the bytes, so it must not become the context of ours
        raise SourceError("VL05", "the value is not UTF-8 text")

    @property
    def is_empty(self) -> bool:
        """Whether the plaintext has no bytes."""
        return not self._data

    def __repr__(self) -> str:
        return MASK

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretValue) and compare_digest(self._data, other._data)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]  # a hash would be a digest

    def __reduce_ex__(self, _protocol: Any) -> tuple[type[str], tuple[str]]:
        return str, (MASK,)

    def __copy__(self) -> SecretValue:
        return self

    def __deepcopy__(self, _memo: object) -> SecretValue:
        return self
