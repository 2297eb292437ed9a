"""Print trees and values as sops prints YAML: go-yaml's block layout with sops' placement of comments.

Source: go-yaml v3.0.4 emitterc.go, encode.go; sops 3.13 stores/yaml/store.go (appendTreeBranch, appendSequence, EmitPlainFile, EmitValue). Deliberate
differences: multi-line text that starts with a tab is double-quoted (the reference writes null), -0.0 keeps its point, and the indentation digit of a
literal block is the true one (the reference writes its step even where the block stands at another distance from its parent).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from secrettool.errors import EmitError
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence, Tree
from secrettool.sops.values import Value
from secrettool.stores.yaml.printer import Printer, comment_fields, inner_column
from secrettool.stores.yaml.styles import BREAKS, double_quoted, flow_scalar, one_line, scalar_text

DEFAULT_INDENT = 4
FLOW_KEY_LIMIT = 1000
"""Characters of a key in a flow mapping beyond which it is written behind a `?`; readers give up on simple keys of more than 1,024 bytes."""

_LINE_STARTS = re.compile("(?:(?<=[\n\u2028\u2029])|\\A)(?=[^\n\u2028\u2029])")


def emit(tree: Tree, *, indent: int | None) -> str:
    """Whole documents, `---` between them, with their comments.

    Args:
        tree: The documents.
        indent: Blanks per level; None and 0 stand for 4, what is below 2 or above 9 for 2.

    Raises:
        EmitError: The indentation is negative.
    """
    printer = Printer(_step(indent))
    for number, root in enumerate(tree):
        printer.document(root, separator=number > 0)
    return "".join(printer.out)


def emit_section(section: Branch, *, column: int, indent: int = DEFAULT_INDENT, newline: str = "\n") -> str:
    """The metadata block: `sops:` and its lines, all of them moved to a column; ends with a line ending."""
    return _moved(emit([Branch([Item("sops", section)])], indent=indent), column, newline)


def emit_pair(item: Item, *, column: int, indent: int = DEFAULT_INDENT, newline: str = "\n") -> str:
    """The lines of a pair whose key stands at a column; ends with a line ending."""
    return _moved(emit([Branch([item])], indent=indent), column, newline)


def emit_element(node: Node, *, column: int, indent: int = DEFAULT_INDENT, newline: str = "\n") -> str:
    """The lines of a list item whose dash stands at a column; ends with a line ending."""
    printer = Printer(_step(indent))
    printer.document(Sequence([node]), separator=False)
    return _moved("".join(printer.out), column, newline)


def emit_value(node: Node | Comment) -> str:
    """A part of a tree on its own; a comment as the pair of its fields, as sops prints it."""
    if isinstance(node, Comment):
        node = comment_fields(node)
    printer = Printer(DEFAULT_INDENT)
    printer.document(node, separator=False)
    return "".join(printer.out)


def scalar(value: Value, *, column: int, indent: int = DEFAULT_INDENT, item: bool = False) -> str:
    """A scalar as it is printed behind `key: ` or `- `, without a final line ending.

    Args:
        value: The value.
        column: Column of the key or of the dash.
        indent: Blanks per level, 2 to 9.
        item: Whether it stands behind a dash.

    Returns:
        One line, or a literal block with all its lines indented.
    """
    text = scalar_text(value, inner_column(column, indent, item), column, indent)
    if text[-1] in BREAKS[1:] and isinstance(value, str):
        return double_quoted(value)  # such a block ends its line by itself
    return text.removesuffix("\n")


def key(text: str) -> str:
    """A string as a key, on one line."""
    return one_line(text)


def flow(node: Node) -> str:
    """A node in flow style on one line, without its comments; strings that cannot stand plain there are double-quoted."""
    out: list[str] = []
    stack: list[tuple[Iterator[Item | Node | Comment], str]] = []
    first = True
    current: Node | None = node
    while True:
        if isinstance(current, Leaf):
            out.append(flow_scalar(current.value))
        elif current is not None:
            out.append("{" if isinstance(current, Branch) else "[")
            stack.append((iter(current.items), "}" if isinstance(current, Branch) else "]"))
            first = True
        if not stack:
            return "".join(out)
        entries, closer = stack[-1]
        entry = next((entry for entry in entries if not isinstance(entry, Comment)), None)
        if entry is None:
            out.append(closer)
            stack.pop()
            current, first = None, False
            continue
        if not first:
            out.append(", ")
        first = False
        if isinstance(entry, Item):
            text = flow_scalar(entry.key)
            out.append(text + ": " if len(text) < FLOW_KEY_LIMIT else f"? {text} : ")
            current = entry.value
        else:
            current = entry


def _moved(text: str, column: int, newline: str) -> str:
    if column:
        text = _LINE_STARTS.sub(" " * column, text)
    return text if newline == "\n" else text.replace("\n", newline)


def _step(indent: int | None) -> int:
    if indent is not None and indent < 0:
        raise EmitError("YAML Negative indentation not accepted", hint="give 0 or more blanks per level")
    step = indent or DEFAULT_INDENT
    return step if 2 <= step <= 9 else 2
