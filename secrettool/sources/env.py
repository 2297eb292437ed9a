"""Values from the environment, and what of it programs that we start may see.

Source: section 3 of the patcher's requirements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping

from secrettool.errors import SourceError
from secrettool.sources.model import EnvSource, Source


def take(environ: MutableMapping[str, str], sources: Iterable[Source]) -> dict[str, str]:
    """A copy of the environment; what sources read is removed from the original, which children inherit."""
    whole = dict(environ)
    for source in sources:
        if isinstance(source, EnvSource):
            environ.pop(source.name, None)
    return whole


def fetch(source: EnvSource, environ: Mapping[str, str]) -> bytes:
    """The value of a variable.

    Raises:
        SourceError: It is not set (`VL01`).
    """
    text = environ.get(source.name)
    if text is None:
        raise SourceError("VL01", "the variable is not set")
    return text.encode("utf-8", "surrogateescape")
