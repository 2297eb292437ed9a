"""The differences that are documented, each by name; whatever no function here knows is a disagreement.

Most are about files that sops damages itself, when it prints the tree that it read. They are recognised by three readings: of the plain text, of what
sops prints for the file of secrettool (which must hold the same), and of what it prints for its own file (which does not).
"""

from __future__ import annotations

from secrettool.errors import SecrettoolError
from secrettool.library import StoreName
from secrettool.stores import by_name
from tests.interop.fuzz.readings import Reading
from tests.interop.fuzz.realsops import Answer

LIST_COMMENT = "D3 comment in a list"
EMPTY_LIST_COMMENT = "empty comment in a list"
TAB_FIRST = "D4 text of several lines that starts with a tab"
NEGATIVE_ZERO = "D11 negative zero"
VALUE = "value that sops' printing changes"
COMMENT = "comment that sops' printing moves or loses"
INLINE = "inline comment stays inline"
MOVED = "comment behind the last value moves"
DIGIT = "wrong indentation digit"
STEP = "indentation of a block scalar"
CRASH = "sops crashes"


def refused_by_secrettool(store: StoreName, error: SecrettoolError) -> str | None:
    """Why secrettool refuses to encrypt what sops encrypts."""
    if error.code == 8:
        return "D2 expression"
    if store == "ini" and error.message.startswith("an INI key - "):
        return "D12 INI key that is a comment"
    return None


def refused_by_sops(answer: Answer) -> str | None:
    """Why sops refuses to encrypt what secrettool encrypts."""
    return CRASH if answer.crashed else None


def other_status(error: SecrettoolError) -> str | None:
    """Why both refuse with different exit statuses."""
    return "D2 expression" if error.code == 8 else None


def own_mac(plain: Reading) -> str | None:
    """Why secrettool opens a file of sops whose MAC sops does not accept."""
    return LIST_COMMENT if plain.has_list_comment else None


def not_lossless(store: StoreName, data: bytes, back: bytes) -> str | None:
    """Why the bytes do not come back."""
    if store == "json" and data.startswith(back):
        return "text behind the JSON object"
    return None


def damaged(plain: Reading, mine: Reading, own: Reading) -> str | None:
    """What sops did to its own file, when what it prints for the file of secrettool is right and what it prints for its own is not.

    Args:
        plain: The plain text.
        mine: What sops prints for the file of secrettool.
        own: What sops prints for its own file, MAC or not.
    """
    right = plain.everything == mine.everything or mine.text == by_name(plain.store).emit(plain.tree)
    if not right:
        return MOVED if plain.store == "yaml" and plain.values == mine.values and plain.comments == mine.comments else None
    if plain.everything == own.everything:
        return None
    if plain.store == "yaml" and plain.has_list_comment and "" in plain.comments:
        return EMPTY_LIST_COMMENT
    if plain.has_negative_zero:
        return NEGATIVE_ZERO
    return COMMENT if plain.values == own.values else VALUE


def layout(mine: Reading, theirs: Reading) -> str | None:
    """What differs between the printings of one file of sops by secrettool and by sops."""
    if mine.store != "yaml" or mine.document is None:
        return None
    if mine.everything == theirs.everything:
        if mine.bare == theirs.bare or mine.has_inline_comment:
            return INLINE
        return STEP if [line.lstrip() for line in mine.bare] == [line.lstrip() for line in theirs.bare] else None
    return _misprinted(mine, theirs)


def _misprinted(mine: Reading, theirs: Reading) -> str | None:
    """Why sops prints a value so that it is not read back."""
    if theirs.document is None and mine.has_indented_text:
        return DIGIT
    return TAB_FIRST if mine.has_tab_first else None


def edit_refused_by_secrettool(store: StoreName, error: SecrettoolError) -> str | None:
    """Why secrettool refuses a change that sops makes."""
    if error.message.startswith("null cannot stand in an encrypted"):
        return "D5 null"
    if store == "ini" and error.message.startswith("a collection cannot stand in an encrypted"):
        return "INI collection"
    if store == "ini" and error.message.startswith("an INI key that starts with"):
        return "D12 INI key that is a comment"
    return None


def edit_refused_by_sops(answer: Answer) -> str | None:
    """Why sops refuses a change that secrettool makes."""
    return CRASH if answer.crashed else None


def edited_differently(plain: Reading, theirs: Reading, mine: Reading) -> str | None:
    """What differs after both changed the file: the empty name for nothing, None when it has no name.

    Args:
        plain: The plain text before.
        theirs: What secrettool reads in the file that sops changed.
        mine: What sops reads in the file that secrettool changed.
    """
    if theirs.text == mine.text or (theirs.everything is not None and theirs.everything == mine.everything):
        return ""
    if theirs.values is not None and theirs.values == mine.values:
        return COMMENT
    if plain.store != "yaml":
        return None
    if plain.has_list_comment and "" in plain.comments:
        return EMPTY_LIST_COMMENT
    return _misprinted(theirs, mine) or _misprinted(mine, theirs)
