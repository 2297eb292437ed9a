"""Sources written as URLs, a part of what the tool vals reads.

    ref+vault://MOUNT/PATH[?version=N&namespace=NS]#/key     ref+openbao:// is the same
    ref+file://PATH[#/pointer]                               a third slash makes it absolute
    ref+sops://PATH[#/pointer]
    ref+exec://PROGRAM[/ARGUMENT...][#/pointer]              parts may hold %2F

Source: section 3 of the patcher's requirements; vals (helmfile/vals) README, expression syntax.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from secrettool.errors import SourceError
from secrettool.sources.model import ExecProvider

_VERSION: Final = re.compile(r"[1-9][0-9]{0,17}")


class VaultRef(NamedTuple):
    """A secret of the map's only Vault, or of the one that the environment names."""

    mount: str
    path: str
    version: int | None
    namespace: str | None


class FileRef(NamedTuple):
    """A file."""

    path: str


class SopsRef(NamedTuple):
    """An encrypted file."""

    path: str


class ExecRef(NamedTuple):
    """A program."""

    provider: ExecProvider


class Ref(NamedTuple):
    """A URL that was read.

    Attributes:
        target: What it names.
        pointer: Which part of that is meant; None for all of it.
    """

    target: VaultRef | FileRef | SopsRef | ExecRef
    pointer: str | None


def read(url: str) -> Ref:
    """What a URL names.

    Raises:
        SourceError: It is none of these (`VL06`).
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _bad("it is no URL") from None
    kind = parts.scheme.removeprefix("ref+")
    if kind == parts.scheme or not url.startswith(f"ref+{kind}://"):
        raise _bad("it does not begin with ref+ and the name of a source")
    pointer = unquote(parts.fragment) or None
    if pointer is not None and not pointer.startswith("/"):
        raise _bad("what is behind # is no JSON pointer: it begins with a slash")
    whole = unquote(parts.netloc + parts.path)
    if kind in ("vault", "openbao"):
        return Ref(_vault(parts), pointer)
    _options(parts, ())
    match kind:
        case "file" if whole:
            return Ref(FileRef(whole), pointer)
        case "sops" if whole:
            return Ref(SopsRef(whole), pointer)
        case "exec" if parts.netloc:
            arguments = parts.path.split("/")[1:]
            return Ref(ExecRef(ExecProvider(tuple(unquote(part) for part in (parts.netloc, *arguments)))), pointer)
    raise _bad("its source is not known, or it names nothing there")


def _vault(parts: SplitResult) -> VaultRef:
    options = _options(parts, ("version", "namespace"))
    mount, path = unquote(parts.netloc), unquote(parts.path).strip("/")
    if not mount or not path:
        raise _bad("a mount and a path are needed: ref+vault://MOUNT/PATH#/key")
    version = options.get("version")
    if version is not None and not _VERSION.fullmatch(version):
        raise _bad("its version is no number from 1 on")
    return VaultRef(mount, path, int(version) if version else None, options.get("namespace"))


def _options(parts: SplitResult, known: tuple[str, ...]) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - set(known)):
        raise _bad(f"it has options that are not known here: {', '.join(unknown)}")
    return options


def _bad(cause: str) -> SourceError:
    return SourceError("VL06", cause, hint="ref+vault://MOUNT/PATH#/key, ref+file://PATH, ref+sops://PATH#/pointer")
