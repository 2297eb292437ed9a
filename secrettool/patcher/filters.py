"""What may stand behind `|` in a template: text in, text out, never longer than the limit.

`trim`, `upper`, `lower`, `urlencode`, `indent` and `default` are those of Jinja2. `tojson` writes JSON as it is, not JSON for a page of HTML.

Source: requirement PT-06; RFC 4648 (base64), RFC 6901 (JSON pointer).
"""

from __future__ import annotations

import json
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from jinja2 import filters as builtin
from jinja2.runtime import Undefined

LIMIT: Final = 1 << 20
"""Bytes of UTF-8 that a template, and every step of it, may give: what a Secret can hold."""

MAX_INDENT: Final = 256

Filter = Callable[..., str]


class FilterError(Exception):
    """A filter cannot do its work; the text says why, without the text that it was given."""


def within_limit(text: str) -> str:
    """The text.

    Raises:
        FilterError: It is longer than the limit.
    """
    if len(text) > LIMIT or (len(text) > LIMIT // 4 and len(text.encode("utf-8", "surrogatepass")) > LIMIT):
        raise FilterError("the text is longer than 1 MiB")
    return text


def join(first: object, second: object) -> str:
    """What `~` does."""
    return within_limit(_text(first) + _text(second))


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)


# ---- filters -------------------------------------------------------------------------------------------------------------------------------------


def _trim(text: str, chars: str | None = None) -> str:
    return text.strip(chars)


def _upper(text: str) -> str:
    return text.upper()


def _lower(text: str) -> str:
    return text.lower()


def _tojson(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _urlencode(text: str) -> str:
    return str(builtin.do_urlencode(text))


def _indent(text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    size = len(width) if isinstance(width, str) else width
    if not 0 <= size <= MAX_INDENT:
        raise FilterError(f"indent takes a width up to {MAX_INDENT}")
    if len(text) + size * (text.count("\n") + 1) > LIMIT:
        raise FilterError("the text is longer than 1 MiB")
    return str(builtin.do_indent(text, width, first, blank))


def _b64encode(text: str) -> str:
    return b64encode(text.encode("utf-8")).decode("ascii")


def _b64decode(text: str) -> str:
    plain = _decoded(text)
    if plain is None:
        raise FilterError("b64decode: the text is not base64 of UTF-8 text")
    return plain


def _decoded(text: str) -> str | None:
    """Error objects of the decoders hold the text, so they end here."""
    try:
        return a2b_base64(text.encode("ascii"), strict_mode=True).decode("utf-8")
    except ValueError:
        return None


def _pointer(text: str, path: str) -> str:
    found = _part(text, path)
    if found is None:
        raise FilterError("pointer: the text is neither JSON nor YAML, or has no value there")
    return found


def _part(text: str, path: str) -> str | None:
    """The error of the source may quote the pointer, which may be a value."""
    from secrettool.errors import SourceError
    from secrettool.sources.forms import as_bytes, part_of

    try:
        return as_bytes(part_of(text, path)).decode("utf-8")
    except (SourceError, ValueError):
        return None


def _before(text: str, separator: str) -> str:
    return _split(text.partition, "before", separator)[0]


def _after(text: str, separator: str) -> str:
    return _split(text.partition, "after", separator)[2]


def _before_last(text: str, separator: str) -> str:
    return _split(text.rpartition, "beforelast", separator)[0]


def _after_last(text: str, separator: str) -> str:
    return _split(text.rpartition, "afterlast", separator)[2]


def _split(part: Callable[[str], tuple[str, str, str]], name: str, separator: str) -> tuple[str, str, str]:
    if not isinstance(separator, str) or not separator:
        raise FilterError(f"{name} takes a separator")
    found = part(separator)
    if not found[1]:
        raise FilterError(f"{name}: the separator is not in the text")
    return found


def _default(value: object, default: object = "", boolean: bool = False) -> str:
    return within_limit(_text(builtin.do_default(value, default, boolean)))


# ---- the table -----------------------------------------------------------------------------------------------------------------------------------


def _limited(work: Filter) -> Filter:
    """The filter, given text and giving no more than the limit."""

    @wraps(work)
    def limited(value: Any, *args: Any, **options: Any) -> str:
        if isinstance(value, Undefined):
            str(value)  # raises what says so
        return within_limit(work(within_limit(_text(value)), *args, **options))

    return limited


DEFAULT: Final = "default"

FILTERS: Final[dict[str, Filter]] = {
    DEFAULT: _default,
    "trim": _limited(_trim),
    "upper": _limited(_upper),
    "lower": _limited(_lower),
    "tojson": _limited(_tojson),
    "urlencode": _limited(_urlencode),
    "indent": _limited(_indent),
    "b64encode": _limited(_b64encode),
    "b64decode": _limited(_b64decode),
    "pointer": _limited(_pointer),
    "before": _limited(_before),
    "after": _limited(_after),
    "beforelast": _limited(_before_last),
    "afterlast": _limited(_after_last),
}
"""Every filter that a template may name."""
