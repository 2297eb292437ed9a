"""Documents for the INI store."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.interop.fuzz.texts import ASTRAL, BLANKS, LETTERS, MARKS, NAMES, UNICODE, UNPRINTABLE, mutations, strings, weighted

TEXTS = strings(LETTERS, MARKS, BLANKS + "\x85\u2028", UNICODE, ASTRAL, UNPRINTABLE, "`\"'\\;#")
VALUES = st.one_of(
    TEXTS.map(lambda text: text.replace("\n", " ")),
    st.builds(lambda text, quote: quote + text + quote, TEXTS, st.sampled_from(('"', "'", "`", '"""'))),
    st.builds(lambda text, quote, more: f"{quote}{text}\n{more}\n{quote}", TEXTS, st.sampled_from(("`", '"""')), TEXTS),
    st.builds("{} {} {}".format, TEXTS, st.sampled_from((";", "#", " ; ", "\t#")), TEXTS),
    st.builds("{}\\\n  {}".format, st.text("ab ", max_size=3), st.text("cd\\ ", max_size=3)),
)
KEYS = st.one_of(
    st.sampled_from([name for name in NAMES if name]),
    st.text("abc_1 .-", min_size=1, max_size=5),
    st.builds(lambda text, quote: quote + text + quote, st.text("ab=: #;", min_size=1, max_size=4), st.sampled_from(('"', "`", '"""'))),
    st.sampled_from(("x", "x", "-", "#1")),
)
ENTRIES = st.builds("{}{}{}{}".format, st.sampled_from(("", "", "  ")), KEYS, st.sampled_from((" = ", "=", ":", " :\t", "=  ")), VALUES)
COMMENTS = st.builds("{}{}".format, st.sampled_from(("; ", "# ", ";", "#", ";; ", "  # ", "#;")), TEXTS | st.sampled_from(("secret", "c", "")))
SECTIONS = st.builds(
    "{}[{}]{}".format,
    st.sampled_from(("", "", " ")),
    st.sampled_from(NAMES[:-1]) | st.sampled_from(("DEFAULT", "default", "a", "a", "sops", "x]y")),
    st.sampled_from(("", "", "", " ; c", " junk", "  ")),
)
LINES = weighted((6, ENTRIES), (2, COMMENTS), (2, SECTIONS), (1, st.sampled_from(("", "", " ", "k =", "k=v", "k = v ; c"))))


def documents() -> st.SearchStrategy[bytes]:
    """Lines of every kind, some of them broken."""
    texts = st.builds(
        lambda head, lines, end: head + "\n".join(lines) + end,
        st.sampled_from(("", "", "", "", "", "\ufeff")),
        st.lists(LINES, max_size=9),
        st.sampled_from(("\n", "\n", "", "\n\n", "\n; tail\n")),
    )
    carriage = st.sampled_from((False, False, False, True))
    ended = st.builds(lambda text, crlf: text.replace("\n", "\r\n") if crlf else text, texts, carriage)
    return weighted((7, ended), (1, ended.flatmap(mutations))).map(lambda text: text.encode("utf-8", "surrogateescape"))
