"""The differences that are documented, each by name; whatever no function here knows is a disagreement.

Most are about files that sops damages itself, when it prints the tree that it read. They are recognised by three readings: of the plain text, of what
sops prints for the file of secrettool (which must hold the same), and of what it prints for its own file (which does not).
"""

from __future__ import annotations

import re
from collections import Counter

from secrettool.errors import SecrettoolError
from secrettool.library import StoreName
from secrettool.sops.selection import Selector
from tests.interop.fuzz.edits import Edit
from tests.interop.fuzz.readings import Reading
from tests.interop.fuzz.realsops import Answer

EXPRESSION = "D2 expression"
LIST_COMMENT = "D3 comment in a list"
EMPTY_LIST_COMMENT = "empty comment in a list"
TAB_FIRST = "D4 text of several lines that starts with a tab"
NEGATIVE_ZERO = "D11 negative zero"
COMMENT_KEY = "D12 INI key that is a comment"
VALUE = "value that sops' printing changes"
COMMENT = "comment that sops' printing moves or loses"
INLINE = "inline comment stays inline"
ALIAS_INLINE = "inline comment behind an alias becomes a line"
MOVED = "comment behind the last value moves"
DIGIT = "wrong indentation digit"
STEP = "indentation of a block scalar"
TWO_MARKS = "two byte order marks"
LIBYAML = "YAML that libyaml does not take"
BEHIND = "text behind the JSON object"
NULL = "D5 null"
CLEAR_TYPED = "number or boolean in clear text"
INI_COLLECTION = "collection in INI"
SOPS_REREADS = "sops does not open what it changed"
TAG = "value that does not fit its tag in a later document"
PRINT_CRASH = "sops crashes when it prints"
CRASH = "sops crashes"
SEALED = "sealed comment that sops finds in a part in clear"
MOVED_RULE = "comment behind the last value moves, with a rule that looks at comments"
DEFAULT_HEADER = "header [default] that becomes the first"
POSITION = "position in a list that sops' printing gives to another entry"

MISPRINTED = (VALUE, DIGIT, TAB_FIRST)
"""Differences of printed texts that are none of the values."""


def refused_by_secrettool(store: StoreName, error: SecrettoolError) -> str | None:
    """Why secrettool refuses to encrypt what sops encrypts."""
    if error.code == 8:
        return EXPRESSION
    if store == "yaml" and error.message.startswith("there are two byte order marks"):
        return TWO_MARKS
    if store == "yaml" and error.message.startswith("did not find expected whitespace or line break"):
        return LIBYAML
    if store == "yaml" and error.message.startswith("the value does not fit its tag"):
        return TAG
    if store == "ini" and error.message.startswith("an INI key - "):
        return COMMENT_KEY
    return None


def refused_by_sops(answer: Answer) -> str | None:
    """Why sops refuses to encrypt what secrettool encrypts."""
    if b"cannot encode node with unknown kind 0" in answer.err:
        return TAB_FIRST
    return CRASH if answer.crashed else None


def other_status(error: SecrettoolError) -> str | None:
    """Why both refuse with different exit statuses."""
    if error.code == 8:
        return EXPRESSION
    return TAG if error.message.startswith("the value does not fit its tag") else None


def not_printed(answer: Answer, plain: Reading) -> str | None:
    """Why sops cannot print the plain text of a file that it can read."""
    return TAB_FIRST if plain.has_tab_first and b"cannot encode node with unknown kind 0" in answer.err else None


def own_mac(sealed: bytes) -> str | None:
    """Why secrettool opens a file of sops whose MAC sops does not accept: it holds a comment as an element of a list."""
    return LIST_COMMENT if re.search(rb"- ENC\[AES256_GCM,[^\]]*,type:comment\]", sealed) else None


def not_lossless(store: StoreName, data: bytes, back: bytes) -> str | None:
    """Why the bytes do not come back."""
    if store == "json" and data.startswith(back):
        return BEHIND
    return None


def damaged(plain: Reading, mine: Reading, own: Reading, selector: Selector) -> str | None:
    """What sops did to its own file, when what it prints for the file of secrettool is right and what it prints for its own is not.

    Args:
        plain: The plain text.
        mine: What sops prints for the file of secrettool.
        own: What sops prints for its own file, MAC or not.
        selector: What was to be encrypted.
    """
    if plain.everything != mine.everything and mine.text != plain.printed:
        return _misplaced(plain, mine, selector)
    if plain.everything == own.everything:
        return ALIAS_INLINE if plain.store == "yaml" and mine.comments and mine.bare == own.bare else None
    if plain.store == "yaml" and plain.has_list_comment and "" in plain.comments:
        return EMPTY_LIST_COMMENT
    if plain.has_negative_zero:
        return NEGATIVE_ZERO
    return COMMENT if plain.values == own.values else VALUE


def _misplaced(plain: Reading, mine: Reading, selector: Selector) -> str | None:
    """What is wrong with what sops prints for the file of secrettool: a printing that is not read back, or comments at another place."""
    if plain.store == "ini" and plain.has_comment_key:
        return COMMENT_KEY
    if plain.values != mine.values and plain.has_negative_zero:
        return NEGATIVE_ZERO
    if plain.store != "yaml":
        return None
    if plain.values != mine.values:
        return _misprinted(plain, mine)
    if plain.comments == mine.comments:
        return MOVED
    if plain.has_list_comment and "" in plain.comments:
        return EMPTY_LIST_COMMENT
    written = "" if plain.document is None else plain.document.text
    more = Counter(mine.comments) - Counter(plain.comments)
    unopened = Counter(text for text in more.elements() if "ENC[AES256_GCM" in text and text not in written)
    if not unopened:
        return COMMENT
    return SEALED if more == unopened and _sealed_in_clear_part(plain, mine, unopened, selector) else None


def _sealed_in_clear_part(plain: Reading, mine: Reading, unopened: Counter[str], selector: Selector) -> bool:
    """Whether comments that were to be encrypted, and those that sops drops, are now found where nothing is to be encrypted."""
    lost = Counter(plain.comments) - Counter(mine.comments)
    dropped = unopened.total() - lost.total()
    there, before = mine.comments_where(selector, encrypted=False), plain.comments_where(selector, encrypted=True)
    return not (unopened - there) and not (lost - before) and 0 <= dropped <= plain.dropped


def layout(mine: Reading, theirs: Reading, selector: Selector) -> str | None:
    """What differs between the printings of one file of sops by secrettool and by sops; the selector is that of the file."""
    if mine.values is None or mine.values != theirs.values:
        return _misprinted(mine, theirs) if mine.store == "yaml" else None
    if mine.store == "json":
        return NEGATIVE_ZERO if mine.text.replace(b"-0", b"0") == theirs.text.replace(b"-0", b"0") else None
    if mine.store == "ini":
        return COMMENT
    if mine.comments == theirs.comments and (mine.has_inline_comment or mine.bare == theirs.bare):
        return INLINE
    if mine.everything == theirs.everything and [line.lstrip() for line in mine.bare] == [line.lstrip() for line in theirs.bare]:
        return STEP
    unopened = Counter(theirs.comments) - Counter(mine.comments)
    if not any(unopened):  # sops loses comments when two of them fall together
        return COMMENT
    in_clear_part = not unopened - theirs.comments_where(selector, encrypted=False)
    is_sealed = all("ENC[AES256_GCM" in text for text in unopened) and len(mine.comments) == len(theirs.comments)
    return SEALED if in_clear_part and is_sealed else None


def _misprinted(mine: Reading, theirs: Reading) -> str | None:
    """Why sops prints a value so that it is not read back."""
    if mine.has_indented_text:
        return DIGIT
    if mine.has_list_comment and "" in mine.comments:
        return EMPTY_LIST_COMMENT
    return TAB_FIRST if mine.has_tab_first else None


def edit_refused_by_secrettool(store: StoreName, edit: Edit, error: SecrettoolError) -> str | None:
    """Why secrettool refuses a change that sops makes."""
    if store in ("dotenv", "ini") and edit.value[:1] not in ('"', "{", "n", "") and error.message.startswith("the change cannot be written as"):
        return CLEAR_TYPED
    if error.message.startswith("null cannot stand in an encrypted"):
        return NULL
    if store == "ini" and error.message.startswith("a collection cannot stand in an encrypted"):
        return INI_COLLECTION
    if error.message.startswith("a value that stays in clear would be read back"):
        return CLEAR_TYPED
    if store == "ini" and error.message.startswith("an INI key that starts with"):
        return COMMENT_KEY
    return None


def edit_refused_by_sops(answer: Answer) -> str | None:
    """Why sops refuses a change that secrettool makes."""
    if b"cannot encode node with unknown kind 0" in answer.err:
        return TAB_FIRST
    return CRASH if answer.crashed else None


def edited_differently(plain: Reading, theirs: Reading, mine: Reading, edit: Edit) -> str | None:
    """What differs after both changed the file: the empty name for nothing, None when it has no name.

    Args:
        plain: The plain text before.
        theirs: What secrettool reads in the file that sops changed.
        mine: What sops reads in the file that secrettool changed.
        edit: The change.
    """
    if theirs.text == mine.text or (theirs.everything is not None and theirs.everything == mine.everything):
        return ""
    if theirs.values is not None and theirs.values == mine.values:
        return COMMENT
    if plain.store == "yaml":
        if plain.has_list_comment and "" in plain.comments:
            return EMPTY_LIST_COMMENT
        return _misprinted(theirs, mine) or _misprinted(mine, theirs)
    if plain.store == "ini" and edit == Edit("unset", ("DEFAULT",), edit.value) and plain.sections[1:2] == ["default"]:
        return DEFAULT_HEADER
    return None if plain.survives and theirs.survives and mine.survives else VALUE
