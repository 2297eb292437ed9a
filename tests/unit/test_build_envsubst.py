"""The dialect of variables. Every expected text was printed by github.com/fluxcd/pkg/envsubst 1.5.0 for the same template and variables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.build.envsubst import SubstitutionError, substitute

VARIABLES = {"A": "abcabc", "EMPTY": "", "P": "a/b/c.txt", "U": "Über", "N": "1", "NEG": "-2", "W": "hello world"}

CASES = [
    ("plain", "plain"),
    ("${A}", "abcabc"),
    ("a${A}b", "aabcabcb"),
    ("$A", "$A"),
    ("$$A", "$A"),
    ("$${A}", "${A}"),
    ("$", "$"),
    ("a$", "a$"),
    ("${MISSING}", ""),
    ("${MISSING:=x}", "x"),
    ("${MISSING:-x}", "x"),
    ("${MISSING=x}", "x"),
    ("${MISSING-x}", None),
    ("${MISSING:?x}", "x"),
    ("${MISSING:+x}", "x"),
    ("${A:+x}", "abcabc"),
    ("${EMPTY:=x}", "x"),
    ("${A:=x}", "abcabc"),
    ("${MISSING:=${A}}", "abcabc"),
    ("${MISSING:=a${A}b${N}c}", "aabcabcb1c"),
    ("${MISSING:=}", ""),
    ("${#A}", "6"),
    ("${#U}", "5"),
    ("${#MISSING}", "0"),
    ("${A:1}", "bcabc"),
    ("${A:1:2}", "bc"),
    ("${A:${N}}", "bcabc"),
    ("${A:${NEG}}", "bc"),
    ("${A:-2}", "abcabc"),
    ("${A: -2}", "abcabc"),
    ("${A:0:-1}", None),
    ("${A:9}", ""),
    ("${A:2:99}", "cabc"),
    ("${A:x}", "abcabc"),
    ("${A:1:x}", "abcabc"),
    ("${U:0:2}", "Ü"),
    ("${A^}", "Abcabc"),
    ("${A^^}", "ABCABC"),
    ("${U,}", "über"),
    ("${U,,}", "über"),
    ("${A,^}", "abcabc"),
    ("${A#a}", "bcabc"),
    ("${P#*/}", "b/c.txt"),
    ("${P##*/}", "c.txt"),
    ("${P%/*}", "a/b"),
    ("${P%%/*}", "a"),
    ("${A#[a-b]}", "bcabc"),
    ("${A##[!a]}", "bcabc"),
    ("${A%c}", "abcab"),
    ("${A#[}", "abcabc"),
    ("${A/b/X}", "aXcabc"),
    ("${A//b/X}", "aXcaXc"),
    ("${A//b/}", "acac"),
    ("${A/#a/X}", "Xbcabc"),
    ("${A/%c/X}", "abcabX"),
    ("${A/#x/X}", "abcabc"),
    ("${P/\\//-}", "a-b/c.txt"),
    ("${P//\\//-}", "a-b-c.txt"),
    ("${A/b}", None),
    ("${A/b/${N}}", "a1cabc"),
    ("${A", None),
    ("${A:", None),
    ("${A:=x", None),
    ("${}", None),
    ("${ A}", None),
    ("${A }", None),
    ("${a-b}", None),
    ("${A:1:2:3}", "abcabc"),
    ("${A::2}", None),
    ("${ü}", ""),
    ("a}b", "a}b"),
    ("{}", "{}"),
    ("\\${A}", "\\abcabc"),
    ("${W/ /\\\\}", "hello\\world"),
]
"""Template and result; None for a template that is refused."""


@pytest.mark.parametrize(("template", "result"), CASES)
def test_a_template_gives_what_flux_gives(template: str, result: str | None) -> None:
    if result is None:
        with pytest.raises(SubstitutionError):
            substitute(template, VARIABLES, strict=False)
    else:
        assert substitute(template, VARIABLES, strict=False) == result


@pytest.mark.parametrize(("template", "result"), [("${A}", "abcabc"), ("${MISSING:-x}", "x"), ("${MISSING^}", ""), ("${#MISSING}", "0")])
def test_strictly_a_function_makes_an_unknown_variable_empty(template: str, result: str) -> None:
    assert substitute(template, VARIABLES, strict=True) == result


@pytest.mark.parametrize("template", ["${MISSING}", "${A:=${MISSING}}"])
def test_strictly_an_unknown_variable_without_a_function_is_refused_by_name(template: str) -> None:
    with pytest.raises(SubstitutionError, match="the variable MISSING is not set"):
        substitute(template, VARIABLES, strict=True)


def test_expressions_that_are_nested_too_deeply_are_refused() -> None:
    with pytest.raises(SubstitutionError, match="too deeply"):
        substitute("${A:=" * 5000, VARIABLES, strict=False)


@given(st.text(st.characters(exclude_characters="$", exclude_categories=["Cs"])))
def test_a_text_without_dollars_stays(text: str) -> None:
    assert substitute(text, {}, strict=True) == text


@given(st.text(alphabet="${}:=-#%/^,\\ab1*?[] \n", max_size=60))
def test_a_refusal_quotes_nothing(template: str) -> None:
    try:
        substitute("canary" + template, {"a": "canary"}, strict=False)
    except SubstitutionError as error:
        assert "canary" not in str(error)


@given(st.text(alphabet="$ab{}", max_size=30))
def test_doubled_dollars_bring_any_text_back(text: str) -> None:
    assert substitute(text.replace("$", "$$"), {}, strict=True) == text
