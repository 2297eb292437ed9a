"""Where leaves are written."""

from __future__ import annotations

import pytest

from secrettool.check.lines import Lines
from secrettool.manifests import read

TEXT = """\
# note
a: 1
b:
  c: [x,
      y]
  "d/e": |
    text
---
b: {c: 2,
    d~: 3}
"""


@pytest.mark.parametrize(
    ("document", "pointer", "line"),
    [
        (2, "/a", 2),
        (2, "/b/c/0", 4),
        (2, "/b/c/1", 5),
        (2, "/b/d~1e", 6),
        (2, "/b/missing", 3),
        (2, "", 2),
        (9, "/b/c", 9),
        (9, "/b/d~0", 10),
    ],
)
def test_line_of_a_leaf(document: int, pointer: str, line: int) -> None:
    assert Lines({"f": TEXT}).of("f", document, pointer) == line


def test_documents_are_known_by_the_lines_that_the_reader_of_manifests_gives() -> None:
    text = "\ufeff---\n# note\n\na:\n  b: 1\n...\n---\nc: 2\n"

    assert [Lines({"f": text}).of("f", each.line, pointer) for each, pointer in zip(read(text, file="f"), ("/a/b", "/c"), strict=True)] == [5, 8]


def test_json_has_lines_too() -> None:
    text = '{\n "a": {\n  "b": [\n   1,\n   2]}}\n'

    assert Lines({"f": text}).of("f", 1, "/a/b/1") == 5


@pytest.mark.parametrize("text", ["a: [", "[1]", ""])
def test_unreadable_text_has_the_line_of_its_document(text: str) -> None:
    assert Lines({"f": text}).of("f", 3, "/a") == 3
    assert Lines({}).of("f", 3, "/a") == 3
