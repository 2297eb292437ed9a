"""What the commands for a cluster read: text in UTF-8. What they cannot read ends with the code of a configuration that cannot be used."""

from __future__ import annotations

from secrettool import fs
from secrettool.errors import FormatError, InputError, Outcome


def read_bytes(path: str, *, limit: int | None = None) -> bytes:
    """A whole file of at most so many bytes.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return fs.read(path, limit=limit)[0]
    except InputError as error:
        error.code = Outcome.CONFIGURATION
        raise


def text_of(data: bytes, name: str) -> str:
    """The text of bytes that were read from a file or stream.

    Raises:
        FormatError: They are no UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        error = FormatError("not UTF-8 text", code=Outcome.CONFIGURATION)
        error.file = name
        raise error from None


def read_text(path: str, *, limit: int | None = None) -> str:
    """The text of a file of at most so many bytes.

    Raises:
        InputError: It cannot be read.
        FormatError: It is no UTF-8.
    """
    return text_of(read_bytes(path, limit=limit), path)
