"""Printing INI as the library of sops prints it.

Source: gopkg.in/ini.v1 v1.67 file.go (writeToBuffer); sops 3.13 stores/ini/store.go (encodeTree).
"""

from __future__ import annotations

import re

from secrettool.errors import EmitError
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node
from secrettool.stores.ini.parse import DEFAULT, SPACE, reads_as
from secrettool.stores.scalars import go_text, scalar_text

_NEEDS_TRIPLE = re.compile("[\n`]")
_NEEDS_BACKTICK = re.compile("[#;]")
_KEY_NEEDS_BACKTICK = re.compile('["=:]')


def value_text(value: str) -> str:
    """A value with the quotes that the library gives it."""
    if _NEEDS_TRIPLE.search(value):
        return f'"""{value}"""'
    if _NEEDS_BACKTICK.search(value):
        return f"`{value}`"
    return f'"{value}"' if value.strip(SPACE) != value else value


def readable_text(value: str) -> str:
    """A value with quotes that bring it back: those of the library, or others where it would not read its own.

    Raises:
        EmitError: There are none.
    """
    candidates = (value_text(value), f'"{value}"', f"'{value}'", f"`{value}`", f'"""{value}"""')
    found = next((written for written in candidates if reads_as(written, value)), None)
    if found is None:
        raise EmitError("a value cannot be written into an INI file so that it is read back")
    return found


def key_text(key: str) -> str:
    """A key with the quotes that the library gives it.

    Raises:
        EmitError: An empty key, or one that would be read back as a comment.
    """
    if not key:
        raise EmitError("error creating new key: empty key name")
    if key[0] in "#;":
        raise EmitError("an INI key that starts with # or ; would be read back as a comment", hint="rename the key; `-` is read as #1, #2 and so on")
    if _KEY_NEEDS_BACKTICK.search(key):
        return f"`{key}`"
    return f'"""{key}"""' if "`" in key else key


def comment_text(text: str, *, heading: bool) -> str:
    """A comment as comment lines, without the last line break.

    Args:
        text: Its text; further lines may have markers of their own.
        heading: Whether it belongs to a section: blanks around its lines stay then.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        if line[:1] in ("#", ";"):
            lines.append(f"{line[0]} {line[1:].strip(SPACE)}")
        else:
            lines.append("; " + (line if heading else line.strip(SPACE)))
    return "\n".join(lines)


def _width(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _alignment(keys: list[str]) -> int:
    # The library counts the quotes of a key too low by four where it writes three of them: such keys stand out.
    return max((_width(key) + (2 if _KEY_NEEDS_BACKTICK.search(key) else 6 if "`" in key else 0) for key in keys), default=0)


def entry_lines(entries: list[tuple[str, str, str | None]]) -> str:
    """The entries of a section, aligned.

    Args:
        entries: Key, value, and comment or None.
    """
    width = _alignment([key for key, _, _ in entries])
    lines: list[str] = []
    for key, value, comment in entries:
        if comment:
            lines.append(comment_text(comment, heading=False))
        name = key_text(key)
        lines.append(f"{name}{' ' * (width - _width(name))} = {value_text(value)}")
    return "".join(line + "\n" for line in lines)


def node_text(node: Node | Comment) -> str:
    """The text of a value; collections as Go prints them, which cannot be read back."""
    return scalar_text(node.value) if isinstance(node, Leaf) else go_text(node)


def _section_entries(branch: Branch) -> tuple[str | None, list[tuple[str, str, str | None]]]:
    """Comment of a section, and its entries; of several comments behind one key the last one stays, as in the reference."""
    items = branch.items
    heading = items[0].text if items and isinstance(items[0], Comment) else None
    found: dict[str, tuple[str, str, str | None]] = {}
    last: str | None = None
    for item in items[0 if heading is None else 1 :]:
        if isinstance(item, Comment):
            if last is not None:
                found[last] = (*found[last][:2], item.text)
        else:
            last = str(item.key)
            found[last] = (last, node_text(item.value), found[last][2] if last in found else None)
    return heading, list(found.values())


def print_sections(sections: list[tuple[str, Branch]]) -> str:
    """A whole file.

    Raises:
        EmitError: An empty name, or a key that would be read back as a comment.
    """
    out: list[str] = []
    for number, (name, branch) in enumerate(sections):
        if not name:
            raise EmitError("Error encoding section: empty section name")
        heading, entries = _section_entries(branch)
        if heading:
            out.append(comment_text(heading, heading=True) + "\n")
        if number or name.upper() != DEFAULT:
            out.append(f"[{name}]\n")
        elif not entries:
            continue
        out.append(entry_lines(entries))
        if number + 1 < len(sections):
            out.append("\n")
    return "".join(out)


def sections_of(branches: list[Branch]) -> list[tuple[str, Branch]]:
    """The sections of all documents.

    Raises:
        EmitError: An entry at the top that is not a mapping.
    """
    found: list[tuple[str, Branch]] = []
    for branch in branches:
        for item in branch.items:
            if isinstance(item, Item):
                if not isinstance(item.value, Branch):
                    raise EmitError("Error encoding section: Section values should always be TreeBranches", where=str(item.key))
                found.append((str(item.key), item.value))
    return found
