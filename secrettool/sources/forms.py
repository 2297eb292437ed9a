"""From what a source gave to the bytes that are meant: a part of it, without what stands around it, decoded.

Source: PT-05 (`pointer`, `trim`, `encoding`), PT-07; RFC 6901.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from secrettool.errors import FormatError, SourceError
from secrettool.objects import decode_base64
from secrettool.placeholders import classify
from secrettool.sops.tree import Branch, Item, Leaf, Node
from secrettool.sops.tree import Sequence as Items
from secrettool.sops.values import Time, plain_text
from secrettool.sources.model import Form, Parse, Trim
from secrettool.sources.value import SecretValue

Tree: TypeAlias = str | int | float | bool | Mapping[str, "Tree"] | Sequence["Tree"] | None
"""What JSON can say."""
Found: TypeAlias = bytes | Tree
"""What a source gave: bytes as they are, or a tree."""

_INDEX: Final = re.compile(r"0|[1-9][0-9]*")
_ESCAPE: Final = re.compile(r"~([01])")
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})*")
_WHAT: Final = {"json": "it is not JSON", "yaml": "it is no mapping of YAML", "text": "it is neither JSON nor a mapping of YAML"}


def shaped(found: Found, form: Form, trim: Trim, tokens: tuple[str, ...]) -> SecretValue:
    """The value that is meant.

    Args:
        found: What the source gave.
        form: What to make of it.
        trim: What goes from its ends when the form says nothing, and it is the whole that is meant.
        tokens: Placeholders, which are no values.

    Raises:
        SourceError: There is nothing at the pointer (`VL01`), nothing in it (`VL02`), a placeholder (`VL03`), or it is not of the form (`VL05`).
    """
    usual = trim if form.pointer is None else "none"
    data = _decoded(_trimmed(as_bytes(part_of(found, form.pointer)), form.trim or usual), form)
    if not data and not form.allow_empty:
        raise SourceError("VL02", "the value is empty", hint="set it, or allow empty text with allowEmpty")
    if classify(data.decode("utf-8", "surrogateescape"), tokens) in ("exact", "tagged"):
        raise SourceError("VL03", "the value is a placeholder itself", hint="put the real value where it comes from")
    return SecretValue(data)


def part_of(found: Found, pointer: str | None, parse: Parse = "text") -> Found:
    """What a pointer leads to; what was found when there is none.

    Args:
        found: Text is parsed.
        pointer: JSON pointer.
        parse: As what text is parsed; `text` tries JSON, then YAML.

    Raises:
        SourceError: It leads nowhere (`VL01`), is no pointer (`VL06`), or the text cannot be parsed (`VL05`).
    """
    if pointer is None:
        return found
    node: Any = parsed(as_bytes(found), parse) if isinstance(found, bytes | str) else found
    for step in steps(pointer):
        if isinstance(node, Mapping) and step in node:
            node = node[step]
        elif isinstance(node, list) and _INDEX.fullmatch(step) and int(step) < len(node):
            node = node[int(step)]
        else:
            raise SourceError("VL01", f"there is nothing at {pointer}")
    return node  # type: ignore[no-any-return]


def steps(pointer: str) -> list[str]:
    """The keys and indexes of a JSON pointer.

    Raises:
        SourceError: It is none (`VL06`).
    """
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise SourceError("VL06", f"{pointer!r} is no JSON pointer", hint="it begins with a slash, such as /data/password")
    return [_ESCAPE.sub(lambda found: "~/"[int(found[1])], step) for step in pointer[1:].split("/")]


def parsed(data: bytes, parse: Parse) -> Tree:
    """A text as a tree; of several YAML documents the first, which must be a mapping. JSON is YAML too.

    Raises:
        SourceError: It is not what it should be (`VL05`); nothing of it is quoted.
    """
    try:
        return json.loads(data)  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        pass
    if parse != "json":
        try:
            return _yaml(data)
        except (FormatError, UnicodeDecodeError, RecursionError):
            pass
    # Raised here, so that no error of a parser, which holds the text, is its context.
    raise SourceError("VL05", _WHAT[parse])


def as_bytes(found: Found) -> bytes:
    """The bytes of a scalar: a text in UTF-8, others as JSON writes them; a mapping or list as compact JSON.

    Raises:
        SourceError: It is null (`VL01`), or too deep for JSON (`VL05`).
    """
    if isinstance(found, bytes):
        return found
    if found is None:
        raise SourceError("VL01", "the value is null")
    if isinstance(found, str | int | float):
        return plain_text(found).encode("utf-8", "surrogatepass") if not isinstance(found, bool) else json.dumps(found).encode()
    try:
        return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    except RecursionError:
        pass
    raise SourceError("VL05", "it is nested too deeply")


def _trimmed(data: bytes, trim: Trim) -> bytes:
    if trim == "space":
        return data.strip()
    if trim == "newline":
        return data.removesuffix(b"\n").removesuffix(b"\r") if data.endswith(b"\n") else data
    return data


def _decoded(data: bytes, form: Form) -> bytes:
    if form.encoding == "text":
        return data
    text = data.decode("ascii", "replace").strip()
    plain = decode_base64(text) if form.encoding == "base64" else _unhexed(text)
    if plain is None:
        raise SourceError("VL05", f"it is not {form.encoding}")
    return plain


def _unhexed(text: str) -> bytes | None:
    return bytes.fromhex(text) if _HEX.fullmatch(text) else None


def _yaml(data: bytes) -> Tree:
    from secrettool import manifests

    documents = manifests.read(data.decode("utf-8"), file=None, old_booleans=False)
    return documents[0].obj if documents else {}


def tree_of(root: Node) -> Tree:
    """A node of an opened file as JSON can say it; comments are left out, and a point in time is its text. Depth is bounded by memory alone."""
    waiting: list[tuple[Node, Any]] = []

    def made(node: Node) -> Any:
        if isinstance(node, Leaf):
            return node.value.text if isinstance(node.value, Time) else node.value
        waiting.append((node, {} if isinstance(node, Branch) else []))
        return waiting[-1][1]

    result: Tree = made(root)
    while waiting:
        node, target = waiting.pop()
        if isinstance(node, Branch):
            target.update((str(item.key), made(item.value)) for item in node.items if isinstance(item, Item))
        else:
            assert isinstance(node, Items)
            target.extend(made(inner) for inner in node.items if isinstance(inner, Leaf | Branch | Items))
    return result
