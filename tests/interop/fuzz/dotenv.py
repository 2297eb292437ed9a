"""Documents for the dotenv store."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.interop.fuzz.texts import ASTRAL, BLANKS, LETTERS, MARKS, NAMES, UNICODE, UNPRINTABLE, mutations, strings, weighted

VALUES = strings(LETTERS, MARKS, BLANKS + "\r\x85\u2028", UNICODE, ASTRAL, UNPRINTABLE, "\\n").map(lambda text: text.replace("\n", "\\n"))
KEYS = st.one_of(
    st.sampled_from([name.replace("=", "") for name in NAMES if name != "sops_x"]),
    st.text("ABC_1 .#é", max_size=5),
    st.sampled_from((*["export X"] * 3, "sops_age", "sops", "SOPS_", " sops_x")),
)
QUOTED = st.builds(lambda value, quote: quote + value + quote, VALUES, st.sampled_from(("'", '"', "`")))
LINES = weighted(
    (10, st.builds("{}={}".format, KEYS, VALUES | QUOTED)),
    (10, st.builds("{}={}".format, st.text("ABCDEF_", min_size=1, max_size=8), VALUES)),
    (8, VALUES.map("#{}".format)),
    (10, st.sampled_from(("", "# secret", "#", "A=1\r", "#x\r", "A==", "A=\\", "A=\\\\n", "A=x\\ny\\n", "A=x # y", "export A=b", "B=1", "B=2"))),
    (1, st.sampled_from(("word", " ", " #x", "é", "\r"))),
)


def documents() -> st.SearchStrategy[bytes]:
    """Lines of every kind, some of them broken."""
    texts = st.builds(
        lambda head, lines, ending, end: head + ending.join(lines) + end,
        st.sampled_from(("", "", "", "", "", "\ufeff")),
        st.lists(LINES, max_size=8),
        st.sampled_from(("\n", "\n", "\n", "\r\n")),
        st.sampled_from(("\n", "\n", "", "\n\n")),
    )
    return weighted((7, texts), (1, texts.flatmap(mutations))).map(lambda text: text.encode("utf-8", "surrogateescape"))
