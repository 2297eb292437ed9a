"""Documents for the JSON store: written by hand, since the notation of a value is as much under test as the value."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.interop.fuzz.texts import ASTRAL, BLANKS, BREAKS, LETTERS, MARKS, NAMES, UNICODE, UNPRINTABLE, mutations, strings, weighted

SPACES = st.sampled_from(("", "", " ", "\n", "\n\t", "\r\n  ", "  "))
NUMBERS = st.one_of(
    st.integers().map(str),
    st.integers(-(2**63), 2**63).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(
        ("0", "-0", "0.0", "-0.0", "1.0", "1.50", "1e3", "1E+06", "1e-07", "1e21", "1e400", "1e-400", "9223372036854775807", "-9223372036854775808")
    ),
    st.sampled_from(
        ("9223372036854775808", "18446744073709551615", "123456789.123", "100000000000000000000", "0.1e1", "5e-324", "1.7976931348623157e308")
    ),
)
SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02X}" for place in range(0, len(units), 2))


@st.composite
def _strings(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    text: str = draw(texts)
    style = draw(st.sampled_from(("raw", "raw", "escaped", "mixed")))
    written = []
    for place, character in enumerate(text):
        plain = SHORT.get(character, character if character >= " " else _escaped(character))
        if character == "/" and style == "mixed":
            plain = "\\/"
        written.append(_escaped(character) if style == "escaped" or (style == "mixed" and place % 3 == 0) else plain)
    odd: str = draw(st.sampled_from(("",) * 12 + ("\\ud83d", "\\udE00", "\\uD83D\\uDE00", "\\ud83dx", "\udcff", "\udced\udca0\udc80")))
    return '"' + "".join(written) + odd + '"'


VALUES = _strings(strings(LETTERS, MARKS, BLANKS, BREAKS, UNICODE, ASTRAL, UNPRINTABLE))
KEYS = _strings(
    st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES), st.text("abc", max_size=3), strings(LETTERS, UNICODE, UNPRINTABLE, max_size=3))
)
SCALARS = weighted((4, VALUES), (2, NUMBERS), (1, st.sampled_from(("true", "false", "null", '""', "[]", "{}", "[ ]", "{\n}"))))


@st.composite
def _containers(draw: st.DrawFn, inner: st.SearchStrategy[str], *, mapping: bool) -> str:
    parts = []
    for value in draw(st.lists(inner, max_size=4)):
        spaces = [draw(SPACES) for _ in range(3)]
        parts.append(spaces[0] + (f"{draw(KEYS)}{spaces[1]}:{draw(SPACES)}" if mapping else "") + value + spaces[2])
    return ("{" if mapping else "[") + (",".join(parts) or draw(SPACES)) + ("}" if mapping else "]")


VALUE = st.recursive(SCALARS, lambda inner: _containers(inner, mapping=True) | _containers(inner, mapping=False), max_leaves=10)
DEEP = st.builds(
    lambda depth, opening, closing: '{"deep":' + opening * depth + '"x"' + closing * depth + "}",
    st.sampled_from((5, 40, 200)),
    *([st.just("["), st.just("]")]),
) | st.sampled_from((5, 40, 200)).map(lambda depth: '{"d":' * depth + "1" + "}" * depth)


def documents() -> st.SearchStrategy[bytes]:
    """Objects, seldom something else, with space around them."""
    roots = weighted((40, _containers(VALUE, mapping=True)), (2, DEEP), (1, VALUE))
    texts = st.builds(
        lambda head, root, tail: head + root + tail,
        st.sampled_from(("",) * 20 + (" ", "\n", "\ufeff")),
        roots,
        st.sampled_from(("\n",) * 6 + ("", "", " ", "\r\n", "\n\n", " x", "{}", ",")),
    )
    return weighted((9, texts), (1, texts.flatmap(mutations))).map(lambda text: text.encode("utf-8", "surrogateescape"))
