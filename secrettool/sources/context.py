"""What sources may know of the world outside, and whom they tell about secrets and doubts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from secrettool.errors import InputError, SourceError
from secrettool.sources.value import SecretValue

_LIMIT = 1 << 20  # bytes of a file with a token or a certificate


class Context(NamedTuple):
    """The surroundings of a run.

    Attributes:
        environ: The environment, also with what children do not get.
        root: Folder that relative paths begin at.
        allow_http: Whether providers may be asked without TLS beyond this machine.
        allow_exec_ref: Whether `ref+exec://` may run programs.
        check_login: Whether a token that was given is looked at before its first use.
        may_write: Whether generated values may be stored.
        on_secret: Told of every credential and value as soon as it is here; masks it in logs.
        on_warning: Told of what may be a mistake, in one line.
    """

    environ: Mapping[str, str]
    root: str
    allow_http: bool
    allow_exec_ref: bool
    check_login: bool
    may_write: bool
    on_secret: Callable[[SecretValue], None]
    on_warning: Callable[[str], None]

    def __repr__(self) -> str:
        return f"<Context of {self.root}>"

    def path(self, path: str) -> str:
        """A path as the system finds it."""
        return os.path.join(self.root, path)

    def first(self, *names: str) -> str | None:
        """The first of these variables that is set to something."""
        return next((text for name in names if (text := self.environ.get(name))), None)

    def credential(self, what: str, *, variable: str | None, file: str | None) -> str | None:
        """A token or the like, without white space around it; None when neither a variable nor a file is named.

        Raises:
            SourceError: What is named is not there, empty, or no text (`VL09`).
        """
        if variable is not None:
            text, place = self.environ.get(variable, ""), f"variable {variable}"
        elif file is not None:
            text, place = self._text_of(what, file), f"file {file}"
        else:
            return None
        text = text.strip()
        if not text:
            raise SourceError("VL09", f"there is no {what} in {place}")
        if not text.isascii() or not text.isprintable():
            raise SourceError("VL09", f"what is in {place} cannot be a {what}")
        self.on_secret(SecretValue(text.encode("ascii")))
        return text

    def _text_of(self, what: str, file: str) -> str:
        from secrettool import fs

        cause = "is not text"
        try:
            return fs.read(self.path(file), limit=_LIMIT)[0].decode("utf-8")
        except UnicodeDecodeError:
            pass
        except InputError as error:
            cause = error.message
        raise SourceError("VL09", f"the file {file} with the {what} {cause}")
