"""The document that `edit` starts a new file with, for each format.

Source: sops 3.13 stores/stores.go (ExampleComplexTree, ExampleSimpleTree, ExampleFlatTree), stores/*/store.go (EmitExample).
"""

from __future__ import annotations

from secrettool.sops.store import Store
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Sequence

_WELCOME = Item("hello", Leaf("Welcome to SOPS! Edit this file as you please!"))
_VALUE = Item("example_key", Leaf("example_value"))
_ABOUT = "This is an example file."


def _rich() -> Branch:
    return Branch(
        [
            _WELCOME,
            _VALUE,
            Comment(" Example comment"),
            Item("example_array", Sequence([Leaf("example_value1"), Leaf("example_value2")])),
            Item("example_number", Leaf(1234.56789)),
            Item("example_booleans", Sequence([Leaf(True), Leaf(False)])),
        ]
    )


def example(store: Store, indent: int | None = None) -> bytes:
    """The example document.

    Args:
        store: The format.
        indent: Indentation, as the store takes it.
    """
    match store.name:
        case "binary":
            tree = Branch([Item("data", _WELCOME.value)])
        case "dotenv":
            tree = Branch([Comment(" " + _ABOUT), _WELCOME, _VALUE, Item("example_multiline", Leaf("foo\nbar\nbaz"))])
        case "ini":
            # Reading this format drops the blank in front of a comment's text, and printing adds one.
            tree = Branch([Item("Welcome!", Branch([Comment(_ABOUT), _WELCOME, _VALUE]))])
        case _:
            tree = _rich()
    return store.emit([tree], indent=indent)
