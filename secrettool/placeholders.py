"""Placeholders: what one is, and where it stands in an object.

Pure. A placeholder is a token such as `REPLACE_ME` that a person wrote where a secret belongs; the live cluster gets the value from elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from secrettool.errors import FormatError
from secrettool.objects import Object, Place, decode_base64, is_secret, pointer, section, texts

DEFAULT_TOKENS = ("REPLACE_ME",)

TOKEN = re.compile(r"[A-Z0-9_<>-]{4,64}")
"""What a token may be."""

PlaceholderClass = Literal["exact", "tagged", "embedded"]
"""`exact`: the whole value is the token; `tagged`: one line that starts with it, the rest is a note for people; `embedded`: part of a longer text."""

_SEALED = "ENC["
_REGISTRY_LOGINS = ".dockerconfigjson"
_MAX_DEPTH = 1000  # of YAML inside a value; libyaml's time grows with the square of the depth


class PlaceholderPolicy(NamedTuple):
    """What is done about placeholders.

    Attributes:
        refuse: Whether an object that holds one is refused.
        tokens: The tokens, case-sensitive.
    """

    refuse: bool
    tokens: tuple[str, ...] = DEFAULT_TOKENS


REFUSE = PlaceholderPolicy(True)
ALLOW = PlaceholderPolicy(False)


class InnerHit(NamedTuple):
    """A placeholder inside a value that is JSON or YAML itself.

    Attributes:
        pointer: JSON pointer into that JSON or YAML.
        kind: What kind of placeholder the leaf there is.
    """

    pointer: str
    kind: PlaceholderClass


class Hit(NamedTuple):
    """A leaf of an object that is a placeholder or holds one.

    Attributes:
        pointer: JSON pointer to the leaf, such as `/stringData/config.json`.
        kind: What kind of placeholder the leaf is.
        key: The entry of a Secret; None in other objects.
        raw: Whether it stands in `data` of a Secret as it is, where base64 belongs.
        inner: The placeholders inside the leaf; empty when it is neither JSON nor YAML, or `kind` is another than `embedded`.
    """

    pointer: str
    kind: PlaceholderClass
    key: str | None = None
    raw: bool = False
    inner: tuple[InnerHit, ...] = ()


def classify(text: str, tokens: tuple[str, ...] = DEFAULT_TOKENS) -> PlaceholderClass | None:
    """What kind of placeholder a text is; None for a text without one. White space around it does not count."""
    if not any(token in text for token in tokens):
        return None
    stripped = text.strip()
    if stripped in tokens:
        return "exact"
    if any(_is_tagged(stripped, token) for token in tokens):
        return "tagged"
    return "embedded" if _embedded(tokens).search(text) else None


def find(obj: Object, tokens: tuple[str, ...] = DEFAULT_TOKENS) -> list[Hit]:
    """The leaves of an object that are placeholders or hold one, in document order.

    Looked at are the entries of a Secret (`data` decoded), of other kinds all strings but those in `status` and `metadata.managedFields`. Ciphertext
    holds no placeholder.

    Args:
        obj: The object, as it is written in a manifest or as the API server has it.
        tokens: The tokens.
    """
    if is_secret(obj):
        found = [*_data_hits(obj, tokens), *_string_data_hits(obj, tokens)]
    else:
        found = [_hit(place, text, tokens) for place, text in texts(_own(obj))]
    return [hit for hit in found if hit is not None]


# ---- one text ------------------------------------------------------------------------------------------------------------------------------------


def _is_tagged(stripped: str, token: str) -> bool:
    behind = stripped[len(token) : len(token) + 1]
    return stripped.startswith(token) and not behind.isalnum() and len(stripped.splitlines()) == 1


@lru_cache(maxsize=64)
def _embedded(tokens: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(map(re.escape, tokens))})(?![A-Za-z0-9])")


def _hit(place: Place, text: str, tokens: tuple[str, ...], key: str | None = None) -> Hit | None:
    if text.startswith(_SEALED):
        return None
    kind = classify(text, tokens)
    inner: tuple[InnerHit, ...] = ()
    if key == _REGISTRY_LOGINS:
        inner = tuple(_inner(_registry_texts(text), tokens))
    elif kind == "embedded":
        inner = tuple(_inner(document_texts(text), tokens))
    if kind is None and not inner:
        return None
    return Hit(pointer(place), kind or "embedded", key, inner=inner)


def _inner(leaves: Iterable[tuple[Place, str]], tokens: tuple[str, ...]) -> Iterator[InnerHit]:
    for place, text in leaves:
        kind = classify(text, tokens)
        if kind is not None:
            yield InnerHit(pointer(place), kind)


# ---- objects -------------------------------------------------------------------------------------------------------------------------------------


def _own(obj: Object) -> dict[str, Any]:
    """An object without what the cluster writes into it."""
    own = {name: value for name, value in obj.items() if name != "status"}
    meta = own.get("metadata")
    if isinstance(meta, Mapping):
        own["metadata"] = {name: value for name, value in meta.items() if name != "managedFields"}
    return own


def _data_hits(obj: Object, tokens: tuple[str, ...]) -> Iterator[Hit | None]:
    for key, text in _entries(obj, "data"):
        place = ((None, "data"), key)
        plain = decode_base64(text)
        if plain is not None and text.strip() not in tokens:  # a token without a special character is base64 too, and means itself
            yield _hit(place, plain.decode("utf-8", "surrogateescape"), tokens, key)
        elif not text.startswith(_SEALED):
            kind = classify(text, tokens)
            yield None if kind is None else Hit(pointer(place), kind, key, raw=True)


def _string_data_hits(obj: Object, tokens: tuple[str, ...]) -> Iterator[Hit | None]:
    for key, text in _entries(obj, "stringData"):
        yield _hit(((None, "stringData"), key), text, tokens, key)


def _entries(obj: Object, field: str) -> list[tuple[str, str]]:
    return [(str(key), text) for key, text in section(obj, field).items() if isinstance(text, str)]


# ---- documents inside a value --------------------------------------------------------------------------------------------------------------------


def document_texts(text: str) -> Iterable[tuple[Place, str]]:
    """The string leaves of JSON or of one YAML document; none when the text is neither, or a lone scalar."""
    try:
        return texts(json.loads(text)) if text.lstrip()[:1] in ("{", "[") else _yaml_texts(text)
    except (ValueError, RecursionError):  # flow style of YAML looks like JSON
        return _yaml_texts(text)


def _registry_texts(text: str) -> Iterator[tuple[Place, str]]:
    """The string leaves of a file with logins of registries, `user:password` of each login decoded."""
    for place, leaf in document_texts(text):
        is_login = place is not None and place[1] == "auth" and pointer(place).startswith("/auths/")
        plain = decode_base64(leaf) if is_login else None
        yield place, leaf if plain is None else plain.decode("utf-8", "surrogateescape")


class _Holder:
    """An open mapping or list of YAML: its place, and the key or index of what comes next, None where a key is to come."""

    __slots__ = ("key", "place")

    def __init__(self, place: Place, key: int | None) -> None:
        self.place = place
        self.key: str | int | None = key

    def step(self) -> Place:
        """The place of what comes next, which is then behind us."""
        key = self.key
        assert key is not None
        self.key = key + 1 if isinstance(key, int) else None
        return (self.place, key)


def _yaml_texts(text: str) -> list[tuple[Place, str]]:
    """The scalars of one YAML document that is a mapping or a list, without keys and aliases; none of any other text."""
    from secrettool.stores.yaml.scan import events

    try:
        return _scalars(events(text))
    except (FormatError, UnicodeEncodeError):
        return []


def _scalars(stream: Iterable[Any]) -> list[tuple[Place, str]]:
    from yaml.events import AliasEvent, CollectionEndEvent, DocumentStartEvent, MappingStartEvent, NodeEvent, ScalarEvent

    found: list[tuple[Place, str]] = []
    holders: list[_Holder] = []
    documents = 0
    for event in stream:
        if isinstance(event, CollectionEndEvent):
            holders.pop()
        elif isinstance(event, DocumentStartEvent):
            documents += 1
        elif isinstance(event, NodeEvent):
            awaits_key = bool(holders) and holders[-1].key is None
            if awaits_key and isinstance(event, ScalarEvent):
                holders[-1].key = str(event.value)
                continue
            if awaits_key or len(holders) == _MAX_DEPTH:
                return []  # no pointer leads past a key that is a mapping, a list or an alias
            place = holders[-1].step() if holders else None
            if isinstance(event, ScalarEvent):
                found.append((place, event.value))
            elif not isinstance(event, AliasEvent):
                holders.append(_Holder(place, None if isinstance(event, MappingStartEvent) else 0))
    return found if documents == 1 and all(place is not None for place, _ in found) else []
