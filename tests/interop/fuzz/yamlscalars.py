"""Scalars and comments of YAML in every notation."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.interop.fuzz.texts import ASTRAL, BLANKS, LETTERS, MARKS, UNICODE, WORDS, characters

DIGITS = st.text("0123456789_.eE+-xobXOBTZ: ", min_size=1, max_size=14).map(str.strip).filter(bool)
"""What may be a number, a time or neither."""

_TIMES = st.builds(
    lambda year, month, day, rest: f"{year:04}-{month:02}-{day:02}{rest}",
    st.integers(0, 9999),
    st.integers(1, 13),
    st.integers(1, 31),
    st.sampled_from(
        ("", "T01:02:03Z", " 1:2:3", "t01:02:03.123456789+05:30", " 23:59:59.5", "T01:02:03", "T24:00:00Z", " 01:02:03 Z", "T01:02:03-24:00")
    ),
)
_FLOATS = st.floats().map(repr)
_INTS = st.integers(-(2**66), 2**66).map(str)
_TEXTS = st.builds(
    lambda head, body, tail: f"{head}{body}{tail}",
    st.text("abcxyzABé日", min_size=1, max_size=2),
    st.text(characters(LETTERS, "#:;='\"`\\|>&*!%@?~$^()+ ", BLANKS[2:], UNICODE), max_size=8),
    st.text("abcxyz019é.", min_size=1, max_size=2),
).map(lambda text: text.replace(": ", ":x").replace(" #", "x#"))


def _plain(word: str) -> bool:
    """Whether a word is fit to stand plain in block style; a colon or number sign in the wrong place would make another document of it."""
    return (
        bool(word.strip())
        and word == word.strip()
        and word[0] not in "[]{},&*!|>%@`#'\""
        and word[:1] not in "\t"
        and not word.startswith(("- ", "? ", ": ", "---", "..."))
        and word not in "-?:"
        and ": " not in word
        and not word.endswith(":")
        and " #" not in word
    )


_WORDS = st.sampled_from([word for word in WORDS if _plain(word)])
PLAIN_WORDS: st.SearchStrategy[str] = st.one_of(
    _WORDS, _WORDS, DIGITS.filter(_plain), _TIMES, _FLOATS, _INTS, _TEXTS.filter(_plain), st.sampled_from(("", "~", "x" * 300))
)
FLOW_WORDS: st.SearchStrategy[str] = PLAIN_WORDS.map(lambda word: "".join(letter for letter in word if letter not in ",[]{}?:").strip("- ") or "x")

SINGLE: st.SearchStrategy[str] = st.text(characters(LETTERS, LETTERS, MARKS, BLANKS, UNICODE + ASTRAL + "\u2028\x85", "\n '"), max_size=10).map(
    lambda text: "'" + _folded(text).replace("'", "''") + "'"
)
"""In single quotes; the column of later lines is left to who writes them."""

ESCAPES = (
    "\\0",
    "\\a",
    "\\b",
    "\\t",
    "\\n",
    "\\v",
    "\\f",
    "\\r",
    "\\e",
    "\\ ",
    '\\"',
    "\\\\",
    "\\N",
    "\\_",
    "\\L",
    "\\P",
    "\\x41",
    "\\u00e9",
    "\\U0001F600",
)
_DOUBLE_PARTS = st.one_of(
    characters(LETTERS, LETTERS, MARKS, BLANKS, UNICODE + ASTRAL + "\u2028\x85", " ").map(
        lambda letter: {'"': '\\"', "\\": "\\\\"}.get(letter, letter)
    ),
    st.sampled_from(ESCAPES),
    st.sampled_from(("\\\n", "\n", "\n\n", "\\\n\\ ", "\\x7f", "\\uFEFF", "\\xe9", "x", "\\t")),
)
DOUBLE: st.SearchStrategy[str] = st.lists(_DOUBLE_PARTS, max_size=8).map(lambda parts: '"' + _folded("".join(parts)) + '"')
"""In double quotes, with escapes and folds."""


def _folded(text: str) -> str:
    """The text with nothing in its later lines that would end the document or stand where only a blank may."""
    lines = text.split("\n")
    return "\n".join([lines[0], *(line.lstrip("\t").replace("---", "").replace("...", "") for line in lines[1:])])


COMMENTS: st.SearchStrategy[str] = st.one_of(
    st.sampled_from(
        (
            "# c",
            "# c",
            "# secret",
            "#",
            "#x: y",
            "# ENC[foo]",
            "#\t# t",
            "# - a",
            "#!x",
            "## two",
            "# trailing  ",
            "# é😀",
            "#ENC[AES256_GCM,data:x,iv:x,tag:x,type:comment]",
        )
    ),
    st.text(characters(LETTERS, MARKS, " \t", UNICODE), max_size=8).map("#".__add__),
)
"""From the number sign to the end of the line."""

_HEADERS = st.builds(
    lambda style, signs, beside: style + signs + beside,
    st.sampled_from(("|", "|", ">")),
    st.sampled_from(("", "", "-", "+", "2", "2-", "+2", "1", "4")),
    st.sampled_from(("", "", "", " ", " # c", " #")),
)
_LINES = st.one_of(
    st.sampled_from(
        (
            "x",
            "two words",
            "",
            "",
            "  deep",
            " one",
            "\ttab",
            "trail  ",
            "# no comment",
            "key: value",
            "- item",
            "é😀",
            "   ",
            "'q' \"d\"",
            "x" * 200,
            "\u2028",
            "\x85",
        )
    ),
    st.text(characters(LETTERS, MARKS, BLANKS, UNICODE, ASTRAL), max_size=10),
)
BLOCKS: st.SearchStrategy[tuple[str, list[str]]] = st.tuples(
    _HEADERS, st.one_of(st.just(["x", "y"]), st.lists(_LINES, min_size=1, max_size=5), st.just([]), st.just(["", ""]))
)
"""A header and the lines below it, without their indentation."""
