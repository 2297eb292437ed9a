"""Documents for the YAML store: written by hand, since the notation of a value is as much under test as the value."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from tests.interop.fuzz.texts import NAMES, mutations, weighted
from tests.interop.fuzz.yamlscalars import BLOCKS, COMMENTS, DOUBLE, FLOW_WORDS, PLAIN_WORDS, SINGLE

COIN = st.booleans()
DICE = st.integers(0, 11)
STEPS = st.sampled_from((2, 2, 4, 1, 3))
LIST_STEPS = st.sampled_from((0, 2, 4, 1))
COUNTS = st.sampled_from((1, 2, 2, 3, 4, 0))
BLANK_LINES = st.sampled_from(("\n", "\n", "  \n", "\n\n"))
SHIFTS = st.sampled_from((0, 0, 0, 2, -2, 1, -1, 5))
BESIDE = st.sampled_from((" ", " ", "  ", "\t", "        "))
PLAIN_NAMES = st.sampled_from([name for name in NAMES if name and name[0] not in "-" and "\t" not in name and "\u00a0" not in name])
TAGS = st.sampled_from(("!!str ", "!x ", "! ", "!!str ", "!<tag:example.org,2031:x> "))
TYPED = st.sampled_from(
    (
        *(
            '!!int "5"',
            "!!int 0x1f",
            "!!float 5",
            '!!float "1.50"',
            "!!bool true",
            "!!null ''",
            "!!null",
            "!!timestamp 2031-07-09",
            "!!binary aGk=",
            "!!int",
        ),
        *("!!binary |\n{}  aGk=\n", "!!str", "!!str 5", "!x", "!!int 1_0", "!!float .inf", "!!bool TRUE", "!!timestamp '2031-07-09 01:02:03'"),
    )
)
HEADS = st.sampled_from(
    ("",) * 8 + ("---\n", "---\n", "# secret\n", "# h\n\n", "--- # c\n", "%YAML 1.1\n---\n", "\n\n", "# h\n---\n# k\n", "#h\n\n#i\n")
)
BETWEEN = st.sampled_from(("---\n", "---\n", "---\n", "...\n---\n", "--- # c\n", "# t\n---\n", "\n---\n\n", "... # e\n# f\n---\n"))
TAILS: st.SearchStrategy[str] = st.sampled_from(("",) * 8 + ("...\n", "\n", "\n\n", "# t\n", "\n# t\n", "  # t\n", "...\n# t\n", "---\n"))
ROOTS = st.sampled_from(
    ("", "null\n", "{}\n", "# only\n", "{a: x, b: [y, 1]} # c\n", "{\n  a: x, # c\n  b: {c: 1}\n}\n", "- a\n- b: 1\n", "word\n", "[]\n")
)


class _Writer:
    """Writes one stream. `draw` decides everything, so that hypothesis can make it simpler."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.scalars: list[str] = []  # names of anchors on scalars and lists
        self.mappings: list[str] = []

    # ---- scalars and flow style: text without the line break at its end ----

    def scalar(self, column: int, *, flow: bool) -> str:
        """A scalar on one line, or on several with the later ones at the column or deeper."""
        kind = self.draw(DICE)
        if kind < 5:
            return self.draw(FLOW_WORDS if flow else PLAIN_WORDS)
        if kind < 7:
            return self._indented(self.draw(DOUBLE), column)
        if kind < 9:
            return self._indented(self.draw(SINGLE), column)
        if kind == 9:
            return self.draw(TAGS) + self._indented(self.draw(SINGLE), column)
        if kind == 10 and not flow:
            return self.draw(TYPED).replace("{}", " " * column)
        return self._indented(self.draw(st.sampled_from(("x\ny", "two\n\nlines", "a b\n c", "x\n\n\ny z"))), column)

    def _indented(self, text: str, column: int) -> str:
        return text.replace("\n", "\n" + " " * column)

    def flow(self, column: int, depth: int) -> str:
        """A list or mapping in brackets."""
        draw = self.draw
        is_mapping = draw(COIN)
        lines = draw(DICE) < 3
        parts = []
        for number in range(draw(COUNTS)):
            value = self.flow(column, depth + 1) if depth < 3 and draw(DICE) < 2 else self.reference() or self.scalar(column, flow=True)
            if is_mapping or draw(DICE) == 0:
                value = f"{self.key(number, flow=True)}: {value}"
            beside = f" {draw(COMMENTS)}" if lines and draw(DICE) < 3 else ""
            parts.append((value, beside))
        gap = "\n" + " " * column
        body = ""
        for number, (value, beside) in enumerate(parts):
            comma = "," if number + 1 < len(parts) or draw(DICE) == 0 else ""
            body += (gap if lines or beside else " " * bool(number)) + value + comma + beside
        close = gap if lines or "#" in body.rpartition("\n")[2] else ""
        return ("{" if is_mapping else "[") + body + close + ("}" if is_mapping else "]")

    def reference(self) -> str | None:
        """An alias, now and then, when there is something to point at."""
        names = self.scalars + self.mappings
        if not names or self.draw(DICE) > 2:
            return None
        return "*" + self.draw(st.sampled_from(names))

    def anchored(self, names: list[str], write: Callable[[], str], *, line: bool = False) -> str:
        """A value, now and then with an anchor in front of it, which may be used behind it.

        Args:
            names: Where the anchor is noted.
            write: Writes the value.
            line: Whether the value is a collection that starts on the next line.
        """
        if self.draw(DICE) > 1:
            return (self.beside() + "\n" if line else "") + write()
        name = self.draw(st.sampled_from(("x", "y", "base", "B_2", "a-1")))
        text = f"&{name}{self.beside()}\n{write()}" if line else f"&{name} {write()}"
        names.append(name)
        return (" " if line else "") + text

    def key(self, number: int, *, flow: bool) -> str:
        """A key that is not often the same as another one of its mapping."""
        kind = self.draw(DICE)
        if kind < 6:
            return f"k{number}" + ("_unencrypted" if kind == 0 else "_secret" if kind == 1 else "")
        if kind < 9:
            return self.draw(PLAIN_NAMES)
        if kind == 9:
            return self.draw(st.sampled_from(("'q k'", '"q\\tk"', '"é\\x41"', "''", '"a:b"', "!!str 7", "&k ak", "'it''s'", '"😀"', "<<x", "x#y")))
        if kind == 10 and not flow:
            return self.draw(st.sampled_from(("a b", "http://x", "k\tt", "-x", "?x", "é日", "7a", "z", "7" if self.draw(DICE) == 0 else "8b")))
        return f"k{number}"

    # ---- block style: whole lines ----

    def between(self, column: int) -> str:
        """Blank lines and comments, some of them at odd columns."""
        draw = self.draw
        if draw(DICE) < 8:
            return ""
        out = ""
        for _ in range(draw(st.integers(1, 3))):
            out += draw(BLANK_LINES) if draw(DICE) < 3 else " " * max(column + draw(SHIFTS), 0) + draw(COMMENTS) + "\n"
        return out

    def beside(self) -> str:
        """A comment behind something."""
        return self.draw(BESIDE) + self.draw(COMMENTS) if self.draw(DICE) < 2 else " " * (self.draw(DICE) == 0)

    def value(self, column: int, depth: int, *, item: bool) -> str:
        """What follows `key:` or `-` at this column, with its line end."""
        draw = self.draw
        kind = draw(DICE)
        if kind == 0:
            return " " + self.anchored(self.scalars, lambda: self.block(column))
        if kind == 1:
            return f" {self.anchored(self.scalars, lambda: self.flow(column + 2, 0))}{self.beside()}\n"
        if (kind == 2 and depth < 4) or (kind == 3 and depth == 0):
            if item and draw(COIN):
                return " " + self.mapping(column + 2, depth + 1).lstrip(" ")
            step = draw(STEPS)
            return self.anchored(self.mappings, lambda: self.mapping(column + step, depth + 1), line=True)
        if kind == 4 and depth < 4:
            step = draw(STEPS if item else LIST_STEPS)
            return self.anchored(self.scalars, lambda: self.sequence(column + step, depth + 1), line=True)
        if kind == 5:
            found = self.reference()
            if found is not None:
                return f" {found}{self.beside()}\n"
        text = self.anchored(self.scalars, lambda: self.scalar(column + 2, flow=False))
        return f" {text}" if text.endswith("\n") else f" {text}{self.beside()}\n"

    def block(self, column: int) -> str:
        """A literal or folded scalar."""
        header, lines = self.draw(BLOCKS)
        deep = " " * (column + 2)
        return header + "\n" + "".join((deep + line if line.strip(" ") or "\t" in line else line) + "\n" for line in lines)

    def mapping(self, column: int, depth: int) -> str:
        """Entries."""
        draw = self.draw
        out = ""
        for number in range(max(draw(COUNTS), 1)):
            if number:
                out += self.between(column)
            out += " " * column
            if self.mappings and draw(DICE) == 0:
                names = self.mappings
                merged = draw(st.sampled_from([f"*{name}" for name in names] + [f"[*{names[0]}, *{names[-1]}]", "{m: 1}"]))
                out += f"<<: {merged}{self.beside()}\n"
            elif draw(st.integers(0, 40)) == 40:
                out += f"? {self.key(number, flow=False)}\n{' ' * column}:{self.value(column, depth, item=False)}"
            else:
                out += f"{self.key(number, flow=False)}:{self.value(column, depth, item=False)}"
        return out + self.between(column)

    def sequence(self, column: int, depth: int) -> str:
        """Items."""
        draw = self.draw
        out = ""
        for number in range(max(draw(COUNTS), 1)):
            if number:
                out += self.between(column)
            if depth < 4 and draw(DICE) == 0:
                out += " " * column + "- " + self.sequence(column + 2, depth + 1).lstrip(" ")
            else:
                out += f"{' ' * column}-{self.value(column, depth, item=True)}"
        return out + self.between(column)

    def stream(self) -> str:
        """Documents."""
        draw = self.draw
        text: str = draw(HEADS)
        for number in range(draw(st.sampled_from((1, 1, 1, 1, 2, 3)))):
            if number:
                text += draw(BETWEEN)
            if draw(st.integers(0, 60)) == 60:
                text += draw(ROOTS)
            elif draw(st.integers(0, 30)) == 30:
                text += self.mapping(2, 0)
            else:
                text += self.between(0) + self.mapping(0, 0)
        return text + draw(TAILS)


@st.composite
def _texts(draw: st.DrawFn) -> str:
    return _Writer(draw).stream()


def _finished(text: str, ending: str, end: str, head: str) -> str:
    if end == "cut":
        text = text.rstrip("\n")
    elif end == "blank":
        text = text.rstrip("\n") + "  "
    return head + text.replace("\n", ending)


DEEP = st.builds(
    lambda depth, flow: (
        "".join(" " * level + "k:\n" for level in range(depth)) + " " * depth + "- x # c\n"
        if flow
        else "k: " + "[" * depth + "x" + "]" * depth + "\n"
    ),
    st.sampled_from((10, 60)),
    COIN,
)


def documents() -> st.SearchStrategy[bytes]:
    """Streams of every kind, some of them broken, some in other encodings."""
    texts = st.builds(
        _finished,
        weighted((30, _texts()), (1, DEEP)),
        st.sampled_from(("\n",) * 9 + ("\r\n",)),
        st.sampled_from(("",) * 8 + ("cut", "blank")),
        st.sampled_from(("",) * 15 + ("\ufeff",)),
    )
    encoded = texts.map(lambda text: text.encode("utf-8", "surrogatepass"))
    mutated = texts.flatmap(mutations).map(lambda text: text.encode("utf-8", "surrogatepass"))
    wide = texts.map(lambda text: text.removeprefix("\ufeff").encode("utf-16", "surrogatepass"))
    return weighted((30, encoded), (1, mutated), (1, wide))
