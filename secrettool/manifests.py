"""Streams of Kubernetes manifests: text to objects and back.

Scalars get the types that the API server sees, which are those of YAML 1.1: `yes` and `on` are booleans, a date is a string. What was not changed can
be printed as it was written.

Source: sigs.k8s.io/yaml 1.6 (YAMLToJSON) over go-yaml 2.4 (resolve.go, decode.go); apimachinery pkg/util/yaml (YAMLOrJSONDecoder).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from secrettool.errors import EmitError, FormatError
from secrettool.objects import Object
from secrettool.sops.values import Time, float_text

if TYPE_CHECKING:
    from secrettool.sops.tree import Branch, Node, Sequence
    from secrettool.stores.yaml.nodes import Part, YamlDocument, YamlItem, YamlLeaf

_TRUE = ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "off", "Off", "OFF")
_OLD_BOOLS = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
_MERGE = "<<"
_INDENT = 2
_SEPARATOR = "---\n"


class Manifest(NamedTuple):
    """One object of a stream.

    Attributes:
        text: How it is written, without the line that separates it from the one before; empty when it is to be printed anew.
        obj: The object.
        line: Where it begins in the stream, from 1.
    """

    text: str
    obj: dict[str, Any]
    line: int

    def __repr__(self) -> str:
        return f"<Manifest of line {self.line}>"

    def having(self, obj: Object) -> Manifest:
        """The same place in the stream with another object; the text is kept when it is this one."""
        return self if obj is self.obj else Manifest("", dict(obj), self.line)


def read(text: str, *, file: str | None, old_booleans: bool = True) -> list[Manifest]:
    """The objects of a stream of YAML documents, or of JSON objects; documents that hold nothing are left out.

    Args:
        text: The stream.
        file: Its name, for errors.
        old_booleans: Whether `yes`, `on`, `y` and the like are booleans, as they are for the API server; kustomize takes them for strings.

    Raises:
        FormatError: Broken text, or a document that is no mapping; `where` names line and column, nothing of the text is quoted.
    """
    try:
        if text.lstrip("\ufeff \t\r\n").startswith("{"):
            try:
                return _read_json(text)
            except ValueError:
                pass  # flow style, as likely as broken JSON; the YAML reader says what is wrong
        return _read_yaml(text, _OLD_BOOLS if old_booleans else {})
    except FormatError as error:
        error.file = file
        raise


def flatten_lists(objs: Iterable[Object]) -> list[Object]:
    """The objects with every `List` replaced by its items."""
    flat: list[Object] = []
    waiting = list(objs)[::-1]
    while waiting:
        obj = waiting.pop()
        items = obj.get("items")
        if str(obj.get("kind", "")).endswith("List") and isinstance(items, list) and all(isinstance(item, dict) for item in items):
            waiting += items[::-1]
        else:
            flat.append(obj)
    return flat


def dump(objs: Iterable[Object]) -> str:
    """YAML documents, in the order of the objects and of their keys; a string that reads as another type is quoted.

    Raises:
        EmitError: An object has a key `<<`.
    """
    return _SEPARATOR.join(map(_document, objs))


def dump_stream(manifests: Iterable[Manifest]) -> str:
    """YAML documents: what was read is printed as it was written, all else anew.

    Raises:
        EmitError: As `dump`.
    """
    return _SEPARATOR.join(manifest.text or _document(manifest.obj) for manifest in manifests)


# ---- JSON ----------------------------------------------------------------------------------------------------------------------------------------


def _read_json(text: str) -> list[Manifest]:
    decoder = json.JSONDecoder(parse_constant=_no_number)
    found: list[Manifest] = []
    place = _skip_blanks(text, text.startswith("\ufeff"))
    line, counted = 1, 0
    while place < len(text):
        try:
            obj, end = decoder.raw_decode(text, place)
        except RecursionError:
            raise FormatError("the object is nested too deeply") from None
        line, counted = line + text.count("\n", counted, place), place
        if not isinstance(obj, dict):
            raise ValueError
        found.append(Manifest(text[place:end] + "\n", obj, line))
        place = _skip_blanks(text, end)
    return found


def _no_number(_word: str) -> NoReturn:
    raise ValueError


def _skip_blanks(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    return place


# ---- YAML ----------------------------------------------------------------------------------------------------------------------------------------


def _read_yaml(text: str, bools: Mapping[str, bool]) -> list[Manifest]:
    from secrettool.stores.yaml import YamlStore

    if all(not line.strip() or line.lstrip("\ufeff").startswith("#") for line in text.splitlines()):
        return []
    document = YamlStore().parse(text.encode("utf-8", "surrogateescape"))
    found: list[Manifest] = []
    line, counted = 1, 0
    for part in document.parts:
        if part.node is not part.root:
            continue
        start = part.root.start
        line, counted = line + document.text.count("\n", counted, start), start
        found.append(Manifest(_text(document, part), _Values(document, bools, line).mapping(part.root), line))
    return found


def _text(document: YamlDocument, part: Part) -> str:
    text = document.text[part.start : part.end]
    first, newline, rest = text.partition("\n")
    if newline and not first.strip():
        text = rest
    return text if text.endswith("\n") else text + "\n"


class _Values:
    """The values of one document as Python has them.

    Args:
        document: The stream.
        bools: Words that are booleans although the reader takes them for strings.
        line: Line of the document, for errors.
    """

    def __init__(self, document: YamlDocument, bools: Mapping[str, bool], line: int) -> None:
        self._document = document
        self._bools = bools
        self._where = f"document of line {line}"

    def mapping(self, root: Branch) -> dict[str, Any]:
        """A mapping with all that is in it. The tree may be deep: what is still to be filled waits in a list."""
        from secrettool.sops.tree import Branch, Comment, Leaf, Sequence

        result: dict[str, Any] = {}
        waiting: list[tuple[Node, dict[str, Any] | list[Any]]] = [(root, result)]

        def made(node: Node) -> Any:
            if isinstance(node, Leaf):
                return self._scalar(node)  # type: ignore[arg-type]
            empty: dict[str, Any] | list[Any] = {} if isinstance(node, Branch) else []
            waiting.append((node, empty))
            return empty

        while waiting:
            node, target = waiting.pop()
            if isinstance(target, dict):
                assert isinstance(node, Branch)
                target.update((key, made(value)) for key, value in self._entries(node).items())
            else:
                assert isinstance(node, Sequence)
                target.extend(made(entry) for entry in node.items if not isinstance(entry, Comment))
        return result

    def _entries(self, branch: Branch) -> dict[str, Node]:
        """The entries of a mapping, merge keys followed: what comes later wins, of several merged mappings the first."""
        from secrettool.sops.tree import Branch

        found: dict[str, Node] = {}
        stack: list[Iterator[YamlItem]] = [_items(branch)]
        while stack:
            item = next(stack[-1], None)
            if item is None:
                stack.pop()
            elif item.key == _MERGE and not item.style:
                # The reader has refused everything but a mapping and a list of them.
                merged = [item.value] if isinstance(item.value, Branch) else item.value.items  # type: ignore[union-attr]
                stack += [_items(mapping) for mapping in merged if isinstance(mapping, Branch)]
            else:
                found[self._key(item)] = item.value
        return found

    def _key(self, item: YamlItem) -> str:
        key = item.key
        if isinstance(key, str):
            old = None if item.style or _is_tagged(item) else self._bools.get(key)
            return key if old is None else str(old).lower()
        if isinstance(key, bool):
            return str(key).lower()
        if isinstance(key, Time):
            return self._document.text[item.start : item.end]
        if key is None:
            raise FormatError("a key that is null", where=self._where)
        return str(key) if isinstance(key, int) else float_text(key)

    def _scalar(self, leaf: YamlLeaf) -> Any:
        value = leaf.value
        if isinstance(value, str):
            if not leaf.style and value in self._bools and not _is_tagged(leaf):
                return self._bools[value]
            return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if isinstance(value, Time):
            return self._document.text[leaf.start : leaf.end]
        if isinstance(value, float) and not isfinite(value):
            raise FormatError("a number that JSON cannot express", where=self._where)
        return value


def _items(branch: Branch) -> Iterator[YamlItem]:
    from secrettool.stores.yaml.nodes import YamlItem

    return (item for item in branch.items if isinstance(item, YamlItem))


def _is_tagged(node: YamlItem | YamlLeaf) -> bool:
    return node.properties is not None and node.properties.tag is not None


# ---- printing ------------------------------------------------------------------------------------------------------------------------------------


def _document(obj: Object) -> str:
    from secrettool.stores.yaml.emit import emit

    return emit([_branch(obj)], indent=_INDENT)


def _branch(obj: Object) -> Branch:
    from secrettool.sops.tree import Branch, Item, Leaf, Sequence

    root = Branch()
    waiting: list[tuple[Any, Branch | Sequence]] = [(obj, root)]

    def made(value: Any) -> Node:
        if not isinstance(value, dict | list):
            return Leaf(value)
        node: Branch | Sequence = Branch() if isinstance(value, dict) else Sequence()
        waiting.append((value, node))
        return node

    while waiting:
        value, node = waiting.pop()
        if isinstance(node, Branch):
            if _MERGE in value:
                raise EmitError("a key << cannot be printed: readers of YAML would merge what is behind it", hint="rename the key")
            node.items = [Item(key, made(inner)) for key, inner in value.items()]
        else:
            node.items = [made(inner) for inner in value]
    return root
