"""Values from encrypted files, opened in memory; the MAC of each is checked.

Source: section 3 of the patcher's requirements.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from secrettool.errors import FormatError, InputError, MetadataNotFound, Outcome, SecrettoolError, SourceError

if TYPE_CHECKING:
    from secrettool.sops.document import Runtime
    from secrettool.sources.forms import Found

LIMIT: Final = 1 << 26
"""Bytes of an encrypted file."""


class _Opened(NamedTuple):
    text: bytes
    document: Found
    """Its first document; the text again where the format has no values."""

    def __repr__(self) -> str:
        return "<an opened file>"


class SopsFiles:
    """Encrypted files, each opened once.

    Args:
        environ: Where keys are looked for.
        runtime: Keys to use instead.
    """

    def __init__(self, environ: Mapping[str, str], runtime: Runtime | None = None) -> None:
        self._environ = environ
        self._runtime = runtime
        self._opened: dict[str, _Opened | SourceError] = {}

    def fetch(self, path: str, *, whole: bool) -> Found:
        """The plain text of a file as it was before it was encrypted, or the values of its first document.

        Args:
            path: Where it is; the end of its name says its format.
            whole: Whether the text is wanted.

        Raises:
            SourceError: It is not there (`VL01`), not readable (`VL04`), no encrypted file (`VL05`), or does not open (`VL08`).
        """
        if path not in self._opened:
            self._opened[path] = self._open(path)
        opened = self._opened[path]
        if isinstance(opened, SourceError):
            raise opened
        return opened.text if whole else opened.document

    def _open(self, path: str) -> _Opened | SourceError:
        import os

        from secrettool import fs

        try:
            data = fs.read(path, limit=LIMIT)[0]
        except InputError as error:
            return SourceError("VL04" if os.path.lexists(path) else "VL01", f"the file {error.message}")
        try:
            return self._decrypt(path, data)
        except FormatError as error:
            place = f" at {error.where}" if error.where else ""
            return SourceError("VL05", f"the file cannot be parsed{place}: {error.message}", hint=error.hint)
        except MetadataNotFound:
            return SourceError("VL05", "the file is not encrypted", hint="secrettool encrypt does that; a file that stays plain is a source `file`")
        except SecrettoolError as error:
            message = f"{error.where}: {error.message}" if error.where else error.message
            return SourceError("VL08", message, hint=error.hint, code=Outcome.DECRYPTION)

    def _decrypt(self, path: str, data: bytes) -> _Opened:
        from secrettool import library
        from secrettool.sops import document
        from secrettool.sources.forms import tree_of
        from secrettool.stores import for_path

        self._runtime = self._runtime or library.local_runtime(self._environ)
        store = for_path(path)
        file = document.load(store, data)
        opened = file.open(self._runtime)
        text = document.plain_bytes(file, opened)
        return _Opened(text, text if store.name == "binary" else tree_of(opened.tree[0]))
