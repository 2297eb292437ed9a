"""Metadata: the `sops` section of a file.

Reading is as lenient as the reference: names in any case, numbers and booleans as text, one mapping for a list of one, unknown fields dropped.

Source: sops 3.13 stores/stores.go, stores/metadata.go, stores/flatten.go; mapstructure (weakly typed input).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from collections.abc import Sequence as Seq
from typing import NamedTuple

from secrettool.errors import MetadataError
from secrettool.sops.keygroups import KEY_TYPES, KeyGroup, KeyType, MasterKey
from secrettool.sops.selection import DEFAULT_SELECTOR, SELECTOR_KINDS, Selector
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence
from secrettool.sops.values import Time, Value, parse_bool, parse_time, plain_text, whole_seconds

FORMAT_VERSION = "3.13.2"
"""`version` of new files: the level of the format that secrettool writes, which is this release of sops."""

NOTATION_FIELD = "secrettool_notation"
"""Field that holds the notation entry in stores whose section has no comments; sops skips fields that it does not know."""

_VERSION = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+([-+].*)?\Z")


class Metadata(NamedTuple):
    """What the section says.

    Attributes:
        groups: Key groups with their sealed parts of the data key.
        shamir_threshold: 0 when the file does not say.
        lastmodified: RFC 3339 without fraction; authenticates the MAC.
        mac: The envelope of the MAC; empty when the file has none.
        selector: The one selector; the default one when the file names none, None for new binary files, which write none.
        mac_only_encrypted: Whether clear leaves are left out of the MAC.
        version: Program version that wrote the file.
    """

    groups: tuple[KeyGroup, ...]
    lastmodified: str
    mac: str
    selector: Selector | None = DEFAULT_SELECTOR
    shamir_threshold: int = 0
    mac_only_encrypted: bool = False
    version: str = FORMAT_VERSION


# ---- reading -------------------------------------------------------------------------------------------------------------------------------------


def _fields(branch: Branch, where: str) -> dict[str, Node]:
    """Entries by lower-case name; a name in exact case beats another spelling of it."""
    found: dict[str, Node] = {}
    for item in branch.items:
        if isinstance(item, Comment):
            continue
        if not isinstance(item.key, str):
            raise MetadataError(f"Unexpected key type {type(item.key).__name__}", where=where)
        name = item.key.lower()
        if name not in found or name == item.key:
            found[name] = item.value
    return found


def _weak_scalar(node: Node | None, where: str, wanted: str) -> Value:
    if node is None:
        return None
    if not isinstance(node, Leaf) or (isinstance(node.value, Time) and wanted == "string"):
        raise MetadataError(f"expected type '{wanted}', got unconvertible type", where=where)
    return node.value


def _text(fields: dict[str, Node], name: str, where: str) -> str:
    value = _weak_scalar(fields.get(name), f"{where}.{name}", "string")
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return plain_text(value)


def _number(fields: dict[str, Node], name: str, where: str) -> int:
    value = _weak_scalar(fields.get(name), f"{where}.{name}", "int")
    if isinstance(value, str):
        try:
            return int(value.replace("_", ""), 0) if value else 0
        except ValueError:
            raise MetadataError("cannot parse as int", where=f"{where}.{name}") from None
    return int(value) if isinstance(value, int | float) else 0


def _flag(fields: dict[str, Node], name: str, where: str) -> bool:
    value = _weak_scalar(fields.get(name), f"{where}.{name}", "bool")
    if isinstance(value, str):
        try:
            return parse_bool(value) if value else False
        except ValueError:
            raise MetadataError("cannot parse as bool", where=f"{where}.{name}") from None
    return bool(value) if isinstance(value, int | float) else False


def _entries(fields: dict[str, Node], name: str, where: str) -> Iterator[Branch]:
    """The mappings of a list; one mapping stands for a list of one, nothing and null for an empty list."""
    node = fields.get(name)
    if node is None or (isinstance(node, Leaf) and node.value in (None, "")):
        return
    if isinstance(node, Branch):
        if node.items:
            yield node
        return
    entries: Seq[Node | Comment] = node.items if isinstance(node, Sequence) else [node]
    for number, entry in enumerate(entry for entry in entries if not isinstance(entry, Comment)):
        if isinstance(entry, Leaf) and entry.value is None:
            yield Branch()
        elif isinstance(entry, Branch):
            yield entry
        else:
            raise MetadataError("expected a map", where=f"{where}.{name}[{number}]")


def _date(text: str, where: str) -> str:
    try:
        return whole_seconds(parse_time(text))
    except ValueError:
        raise MetadataError("parsing time failed: not a time in RFC 3339", where=where, hint="it looks like 2031-07-09T08:07:06Z") from None


def _master_key(kind: KeyType, branch: Branch, where: str) -> MasterKey:
    fields = _fields(branch, where)
    values: dict[str, str | dict[str, str]] = {name: _text(fields, name, where) for name in kind.required}
    for name in kind.optional:
        node = fields.get(name)
        if isinstance(node, Branch):
            inner = _fields_as_written(node, f"{where}.{name}")
            values[name] = {key: _text(inner, key, f"{where}.{name}") for key in inner}
        elif name == "context" and not (isinstance(node, Leaf) and node.value in (None, "")) and node is not None:
            raise MetadataError("expected type 'map', got unconvertible type", where=f"{where}.{name}")
        elif name != "context":
            values[name] = _text(fields, name, where)
    created = _date(_text(fields, "created_at", where), f"{where}.created_at") if kind.dated else ""
    return MasterKey(kind.name, values, _text(fields, "enc", where), created)


def _fields_as_written(branch: Branch, where: str) -> dict[str, Node]:
    return {str(item.key): item.value for item in branch.items if isinstance(item, Item)}


def _group(fields: dict[str, Node], where: str) -> KeyGroup:
    return tuple(
        _master_key(kind, entry, f"{where}.{name}[{number}]")
        for name, kind in KEY_TYPES.items()
        for number, entry in enumerate(_entries(fields, name, where))
    )


def _groups(fields: dict[str, Node]) -> tuple[KeyGroup, ...]:
    # All fields of the section are read before any rule is applied, so that a broken list is reported even when key_groups are there.
    only = _group(fields, "sops")
    several = tuple(
        _group(_fields(entry, f"sops.key_groups[{number}]"), f"sops.key_groups[{number}]")
        for number, entry in enumerate(_entries(fields, "key_groups", "sops"))
    )
    if only:
        return (only,)
    if not several:
        raise MetadataError("No keys found in file", where="sops", hint="the section lists no age, pgp or other master key")
    return several


def _selector(fields: dict[str, Node]) -> Selector:
    given = [(kind, text) for kind in SELECTOR_KINDS if (text := _text(fields, kind, "sops"))]
    if len(given) > 1:
        names = " and ".join(kind for kind, _ in given)
        raise MetadataError(f"Cannot use more than one selector in the same file: {names}", where="sops")
    return Selector(*given[0]) if given else DEFAULT_SELECTOR


def read_metadata(section: Branch, *, check_version: bool = True) -> Metadata:
    """Read a section as a store found it.

    Args:
        section: The section.
        check_version: Whether the version has to be one. The commands of sops insist on it, programs that use its stores do not.

    Raises:
        MetadataError: A field is missing or has a value that it cannot have; `where` names it.
    """
    fields = _fields(section, "sops")
    threshold = _number(fields, "shamir_threshold", "sops")
    lastmodified = _text(fields, "lastmodified", "sops")
    mac = _text(fields, "mac", "sops")
    version = _text(fields, "version", "sops")
    only_encrypted = _flag(fields, "mac_only_encrypted", "sops")
    groups = _groups(fields)
    modified = _date(lastmodified, "sops.lastmodified")
    selector = _selector(fields)
    if check_version and not version:
        raise MetadataError("Version string empty", where="sops.version")
    if check_version and not version.startswith("1.") and not _VERSION.match(version):
        raise MetadataError("No Major.Minor.Patch elements found", where="sops.version")
    return Metadata(groups, modified, mac, selector, threshold, only_encrypted, version)


# ---- writing -------------------------------------------------------------------------------------------------------------------------------------


def _branch(entries: dict[str, Node]) -> Branch:
    return Branch([Item(name, entries[name]) for name in sorted(entries)])


def _key_branch(key: MasterKey) -> Branch:
    kind = KEY_TYPES[key.kind]
    entries: dict[str, Node] = {"enc": Leaf(key.enc)}
    if kind.dated:
        entries["created_at"] = Leaf(key.created_at)
    for name in (*kind.required, *kind.optional):
        value = key.fields.get(name, "")
        if isinstance(value, str):
            if value or name in kind.required:
                entries[name] = Leaf(value)
        elif value:
            entries[name] = _branch({inner: Leaf(text) for inner, text in value.items()})
    return _branch(entries)


def _key_lists(group: KeyGroup, always: tuple[str, ...]) -> dict[str, Node]:
    lists: dict[str, Node] = {name: Sequence() for name in always}
    for key in group:
        entry = lists.setdefault(key.kind, Sequence())
        if isinstance(entry, Sequence):
            entry.items.append(_key_branch(key))
    return lists


def section_of(metadata: Metadata) -> Branch:
    """The section as sops writes it: names sorted, empty fields left out."""
    entries: dict[str, Node] = {
        "lastmodified": Leaf(metadata.lastmodified),
        "mac": Leaf(metadata.mac),
        "version": Leaf(metadata.version),
    }
    if len(metadata.groups) == 1:
        entries |= _key_lists(metadata.groups[0], ())
    else:
        # Inside key groups the reference writes these two lists even when they are empty.
        entries["key_groups"] = Sequence([_branch(_key_lists(group, ("age", "hc_vault"))) for group in metadata.groups])
    if metadata.shamir_threshold:
        entries["shamir_threshold"] = Leaf(metadata.shamir_threshold)
    if metadata.selector is not None:
        entries[metadata.selector.kind] = Leaf(metadata.selector.text)
    if metadata.mac_only_encrypted:
        entries["mac_only_encrypted"] = Leaf(True)
    return _branch(entries)


# ---- flat form (dotenv, INI) ---------------------------------------------------------------------------------------------------------------------

_MAP, _LIST = "__map_", "__list_"


def flatten(section: Branch) -> list[tuple[str, Value]]:
    """The section as (name, scalar) pairs; empty lists and mappings vanish."""
    flat: list[tuple[str, Value]] = []

    def add(name: str, node: Node) -> None:
        if isinstance(node, Leaf):
            flat.append((name, node.value))
        elif isinstance(node, Branch):
            for item in node.items:
                if isinstance(item, Item):
                    add(f"{name}{_MAP}{item.key}", item.value)
        else:
            for number, entry in enumerate(entry for entry in node.items if not isinstance(entry, Comment)):
                add(f"{name}{_LIST}{number}", entry)

    for item in section.items:
        if isinstance(item, Item):
            add(str(item.key), item.value)
    return flat


_SEPARATOR = f"{_MAP}|{_LIST}"


def unflatten(flat: Seq[tuple[str, Value]]) -> Branch:
    """The section from its flat form.

    Raises:
        MetadataError: The same place twice, a place that is both scalar and collection, or list numbers with gaps.
    """
    root: dict[object, object] = {}
    for name, value in flat:
        parts = re.compile(_SEPARATOR).split(name)
        steps: list[str | int] = [parts[0]]
        position = len(parts[0])
        for part in parts[1:]:
            is_list = name.startswith(_LIST, position)
            position += len(_LIST if is_list else _MAP) + len(part)
            if is_list and not part.isdecimal():
                raise MetadataError(f"not a list index: {part}", where=name)
            steps.append(int(part) if is_list else part)
        _insert(root, steps, value, name)
    branch = _build(root, "")
    assert isinstance(branch, Branch)
    return branch


def _insert(root: dict[object, object], steps: list[str | int], value: Value, name: str) -> None:
    place = root
    for step, following in itertools.pairwise(steps):
        child = place.setdefault(step, _ListPart() if isinstance(following, int) else {})
        if not isinstance(child, dict) or isinstance(child, _ListPart) != isinstance(following, int):
            raise MetadataError("Type mismatch", where=name)
        place = child
    last = steps[-1]
    if last in place:
        raise MetadataError("Type mismatch" if isinstance(place[last], dict) else "Duplicate entry", where=name)
    place[last] = Leaf(value)


class _ListPart(dict[object, object]):
    """A list under construction, by index."""


def _build(part: object, name: str) -> Node:
    if isinstance(part, Leaf):
        return part
    if isinstance(part, _ListPart):
        if set(part) != set(range(len(part))):
            raise MetadataError("Incomplete list", where=name)
        return Sequence([_build(part[number], f"{name}{_LIST}{number}") for number in range(len(part))])
    assert isinstance(part, dict)
    return Branch([Item(key, _build(value, f"{name}{_MAP}{key}" if name else str(key))) for key, value in part.items()])
