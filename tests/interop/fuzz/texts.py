"""Strings that are hard to keep: what every store's documents are made of."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

# Each list is one kind; the first one is what hypothesis shrinks to.
LETTERS = "abcxyzABZ019_-./"
MARKS = "#:;=,'\"`\\|>&*!%@?[]{}<~$^()+ "
BLANKS = " \t\u00a0\u2003\u3000"
BREAKS = "\n\r\x85\u2028\u2029"
UNICODE = "é日\u0301\u200d\u202e\u05d0ﬀ"
ASTRAL = "😀𝔸\U000e0001\U0010fffd"
UNPRINTABLE = "\x00\x01\x07\x1b\x7f\x80\x9f\ufeff\ufffe\uffff"

WORDS = (
    *("x", "hidden", "two words", "true", "TRUE", "null", "~", "yes", "n", "on", "0", "7", "-1", "+5", "0755", "0o17", "0x1F", "0b101", "1_000"),
    *("08", "1.50", "1e3", "1E+06", ".5", "5.", "-0.0", "-0", ".inf", "-.INF", ".nan", "9223372036854775807", "9223372036854775808", "1e400"),
    *("18446744073709551616", "2031-07-09", "2031-7-9 1:2:3", "2031-07-09T08:07:06.5+02:00", "1:30", "190:20:30", "=", "<<", "<nil>", "-", "--"),
    *("http://x:80/#a", "a=b", "it's", 'say "x"', "a # b", "a;b", "ENC[AES256_GCM]", "ENC[AES256_GCM,data:,iv:,tag:,type:str]", "$HOME", "%d", "\\n"),
    *("\\", "C:\\new", "{{ x }}", "[x", "sops", "''", '""', "- x", "? x", ": x", "---", "...", "|", ">", "é", "😀", "-----BEGIN X-----"),
)
NAMES = (
    *("a", "b", "data", "l", "key", "secret", "k_unencrypted", "s_secret", "two words", "é", "日本", "😀", "a.b", "a:b", "a/b", "-k", "UPPER"),
    *("x" * 130, "sops_x", "true", "7", "", "k'k", 'k"k', "a]b", "<", "y", "null", "a b", "\u00a0", "tab\tkey"),
)

LENGTHS = st.sampled_from((60, 127, 129, 1000, 1024, 5000))


@st.composite
def weighted(draw: st.DrawFn, *choices: tuple[int, st.SearchStrategy[T]]) -> T:
    """One of the strategies, each as often as its number says; `st.one_of` counts the same strategy once, however often it is named."""
    place = draw(st.integers(0, sum(weight for weight, _ in choices) - 1))
    for weight, strategy in choices:
        place -= weight
        if place < 0:
            return draw(strategy)
    raise AssertionError("the weights were counted")


def characters(*kinds: str) -> st.SearchStrategy[str]:
    """Single characters, each kind as likely as the others."""
    return st.sampled_from(kinds).flatmap(st.sampled_from)


def strings(*kinds: str, max_size: int = 12) -> st.SearchStrategy[str]:
    """Short and long strings of these kinds of characters, and the words above."""
    short = st.text(characters(*kinds), max_size=max_size)
    long = st.builds(lambda part, length: (part or "x") * (length // max(len(part), 1)), short, LENGTHS)
    return weighted((4, st.sampled_from(WORDS)), (4, short), (3, st.text(characters(LETTERS, LETTERS, " "), max_size=max_size)), (1, long))


def mutations(text: str) -> st.SearchStrategy[str]:
    """The text with a few characters removed, repeated or put in."""
    places = st.lists(
        st.tuples(st.integers(0, max(len(text) - 1, 0)), st.sampled_from(("drop", "double", *"\n\t #'\"[]{}:,=;-\\&*!|>\ré`"))),
        min_size=1,
        max_size=3,
    )

    def mutated(changes: list[tuple[int, str]]) -> str:
        found = text
        for place, what in changes:
            place = min(place, len(found))
            head, at, tail = found[:place], found[place : place + 1], found[place + 1 :]
            found = head + {"drop": "", "double": at + at}.get(what, what + at) + tail
        return found

    return places.map(mutated)
