"""The smallest change of an INI text that makes it hold another tree: values replaced, lines and sections removed or added."""

from __future__ import annotations

import re

from secrettool.errors import EmitError
from secrettool.sops.tree import Branch, Comment, Item, Node
from secrettool.stores.ini.emit import key_text, node_text, readable_text
from secrettool.stores.ini.nodes import IniComment, IniLeaf, Section
from secrettool.stores.splice import Edit

_BLANKS = re.compile(r"[ \t]*")


def changes(text: str, old: Branch, sections: list[Section], wanted: Branch) -> list[Edit]:
    """The edits of the text.

    Args:
        text: The plain text.
        old: Its tree.
        sections: Its sections, one for each item of `old`.
        wanted: The tree that it is to hold; nodes that stay are those of `old`.

    Raises:
        EmitError: INI cannot express something new.
    """
    edits: list[Edit] = []
    known = {id(item.value): number for number, item in enumerate(old.items) if isinstance(item, Item)}
    staying = {id(item.value) for item in wanted.items if isinstance(item, Item)}
    by_name: dict[str, list[int]] = {}
    for number, section in enumerate(sections):
        if id(old.items[number].value) not in staying:  # type: ignore[union-attr]
            by_name.setdefault(section.name, []).append(number)
    kept: set[int] = set()
    for item in wanted.items:
        if not isinstance(item, Item):
            continue
        if not isinstance(item.value, Branch):
            raise EmitError("Error encoding section: Section values should always be TreeBranches", where=str(item.key))
        same = known.get(id(item.value))
        if same is None:
            changed = by_name.get(str(item.key))
            same = changed.pop(0) if changed else None
            if same is None:
                edits.append((len(text), len(text), _separator(text) + _new_section(str(item.key), item.value)))
            else:
                edits += _section_changes(text, sections[same], item.value)
        if same is not None:
            kept.add(same)
    for number, section in enumerate(sections):
        if number not in kept:
            edits.append((section.top, sections[number + 1].top if number + 1 < len(sections) else section.end, ""))
    return edits


def _separator(text: str) -> str:
    """What comes between the text and a section behind it."""
    if not text:
        return ""
    return "\n" if text.endswith("\n") else "\n\n"


def _new_section(name: str, branch: Branch) -> str:
    if not name:
        raise EmitError("Error encoding section: empty section name")
    return f"[{name}]\n" + "".join(_new_line(str(item.key), item.value) for item in branch.items if isinstance(item, Item))


def _new_line(key: str, value: Node | Comment) -> str:
    return f"{key_text(key)} = {readable_text(node_text(value))}\n"


def _section_changes(text: str, section: Section, wanted: Branch) -> list[Edit]:
    edits: list[Edit] = []
    staying = {id(item) for item in wanted.items} | {id(item.value) for item in wanted.items if isinstance(item, Item)}
    seen: set[str] = set()
    at = section.body
    for item in wanted.items:
        if not isinstance(item, Item):
            continue
        name = str(item.key)
        key = section.keys.get(name)
        seen.add(name)
        if key is None:
            start = "" if at == 0 or text[at - 1] == "\n" else "\n"
            edits.append((at, at, start + _new_line(name, item.value)))
            continue
        at = key.end
        if key.leaf is not item.value:
            edits.append(_value_change(text, key.leaf, item.value))
    for key in section.keys.values():
        if key.name not in seen:
            edits.append((key.start, key.end, ""))
            if key.comment is not None and id(key.comment) not in staying and key.comment.block is not None:
                edits.append((key.comment.block[0], key.start, ""))
        elif key.comment is not None and id(key.comment) not in staying:
            edits += _comment_removal(key.comment, key.start)
    return edits


def _value_change(text: str, leaf: IniLeaf, value: Node | Comment) -> Edit:
    written = readable_text(node_text(value))
    if leaf.start < leaf.end:
        return leaf.start, leaf.end, written
    blanks = _BLANKS.match(text, leaf.start)
    assert blanks is not None
    spaced = blanks.end() > leaf.start or text[leaf.start - 2 : leaf.start - 1] == " "
    end = leaf.start if text[blanks.end() : blanks.end() + 1] in ("#", ";") else blanks.end()
    return leaf.start, end, " " * spaced + written


def _comment_removal(comment: IniComment, key_start: int) -> list[Edit]:
    edits: list[Edit] = []
    if comment.block is not None:
        edits.append((comment.block[0], key_start, ""))
    if comment.behind is not None:
        edits.append((comment.anchor, comment.behind[1], ""))
    return edits
