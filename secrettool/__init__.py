"""The toolkit for secrets in a GitOps repository: the SOPS file format, lossless, as a library and a command line.

    import secrettool

    sealed = secrettool.encrypt(text, "yaml", recipients=["age1..."])
    assert secrettool.decrypt(sealed, "yaml") == text

The names below are the library; they are loaded when they are first used, so that the command line starts without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from secrettool.errors import SecrettoolError as SecrettoolError
    from secrettool.library import (
        change_recipients as change_recipients,
    )
    from secrettool.library import (
        decrypt as decrypt,
    )
    from secrettool.library import (
        encrypt as encrypt,
    )
    from secrettool.library import (
        is_encrypted as is_encrypted,
    )
    from secrettool.library import (
        load as load,
    )
    from secrettool.library import (
        local_runtime as local_runtime,
    )
    from secrettool.library import (
        replace_text as replace_text,
    )
    from secrettool.library import (
        rotate as rotate,
    )
    from secrettool.library import (
        set_value as set_value,
    )
    from secrettool.library import (
        unset_value as unset_value,
    )
    from secrettool.library import (
        values as values,
    )
    from secrettool.sops.document import Runtime as Runtime
    from secrettool.sops.document import SealedFile as SealedFile
    from secrettool.sops.selection import Selector as Selector
    from secrettool.sops.store import Document as Document
    from secrettool.sops.values import Time as Time

_HOMES = {
    "SecrettoolError": "secrettool.errors",
    "Document": "secrettool.sops.store",
    "Runtime": "secrettool.sops.document",
    "SealedFile": "secrettool.sops.document",
    "Selector": "secrettool.sops.selection",
    "Time": "secrettool.sops.values",
} | dict.fromkeys(
    (
        "change_recipients",
        "decrypt",
        "encrypt",
        "is_encrypted",
        "load",
        "local_runtime",
        "replace_text",
        "rotate",
        "set_value",
        "unset_value",
        "values",
    ),
    "secrettool.library",
)

__all__ = ["__version__", *sorted(_HOMES)]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
