"""Templates: what they can say, that they always end, and that nothing of a value is in their errors."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import ConfigError, Outcome
from secrettool.patcher.filters import FILTERS, LIMIT
from secrettool.patcher.templates import RenderError, TemplateError, parse
from secrettool.sources.value import SecretValue

NAMES = ("a", "b", "missing")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)


def rendered(source: str, **values: str | bytes) -> str:
    """The text that a template gives."""
    found = {name: SecretValue(value if isinstance(value, bytes) else value.encode()) for name, value in values.items()}
    return parse(source, NAMES).render(found, target="shop", key="config")


def failure(source: str, **values: str | bytes) -> RenderError:
    """How a template fails."""
    with pytest.raises(RenderError) as raised:
        rendered(source, **values)
    return raised.value


def refusal(source: str) -> TemplateError:
    """Why a template cannot be used."""
    with pytest.raises(TemplateError) as raised:
        parse(source, NAMES)
    return raised.value


# ---- filters -------------------------------------------------------------------------------------------------------------------------------------


def test_pt_06_the_filters_are_those_of_the_requirement() -> None:
    builtin = {"trim", "upper", "lower", "tojson", "urlencode", "indent", "default"}
    assert set(FILTERS) == builtin | {"b64encode", "b64decode", "pointer", "before", "after", "beforelast", "afterlast"}


@pytest.mark.parametrize(
    ("expression", "value", "expected"),
    [
        ("a | trim", "  x \n", "x"),
        ("a | trim('-')", "--x-", "x"),
        ("a | upper", "aß", "ASS"),
        ("a | lower", "AÉ", "aé"),
        ("a | tojson", 'p"\\\n<&é', '"p\\"\\\\\\n<&é"'),
        ("a | urlencode", "a b/é&", "a%20b/%C3%A9%26"),
        ("a | indent(2)", "x\ny\n\nz", "x\n  y\n\n  z"),
        ("a | indent(width=1, first=true)", "x\ny", " x\n y"),
        ("a | default('d')", "x", "x"),
        ("a | default('d', true)", "", "d"),
        ("missing | default('d')", "x", "d"),
        ("missing | default(a)", "x", "x"),
        ("a | b64encode", "aé", "YcOp"),
        ("a | b64decode", "YcOp", "aé"),
        ("a | pointer('/a/b')", '{"a": {"b": "x"}}', "x"),
        ("a | pointer('/a/0')", "a: [1.5]\n", "1.5"),
        ("a | pointer('/a~1b')", '{"a/b": true}', "true"),
        ("a | pointer('/a')", '{"a": {"c": 1}}', '{"c":1}'),
        ("a | before('!')", "user@pam!tok!en", "user@pam"),
        ("a | after('!')", "user@pam!tok!en", "tok!en"),
        ("a | beforelast('!')", "user@pam!tok!en", "user@pam!tok"),
        ("a | afterlast('!')", "user@pam!tok!en", "en"),
        ("a | before('::') | upper", "x::y", "X"),
        ("(a ~ ':' ~ a) | b64encode", "x", "eDp4"),
        ("'yes' if a == 'x' else 'no'", "x", "yes"),
        ("'yes' if not a or a in 'abc' else 'no'", "q", "no"),
    ],
)
def test_pt_06_a_filter_gives(expression: str, value: str, expected: str) -> None:
    assert rendered(f"{{{{ {expression} }}}}", a=value) == expected


@pytest.mark.parametrize("name", ["before", "after", "beforelast", "afterlast"])
def test_pt_06_a_missing_separator_is_an_error(name: str) -> None:
    error = failure(f"{{{{ a | {name}('!') }}}}", a="hunter2")
    assert error.message == f"{name}: the separator is not in the text"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a | b64decode", "hunter2!"),
        ("a | b64decode", "aHVudGVyMg"),
        ("a | b64decode", "aHVudGVyMg==\n"),
        ("a | b64decode", "/w=="),
        ("a | pointer('/hunter2')", '{"a": 1}'),
        ("a | pointer(a)", "hunter2"),
        ("a | pointer('/x')", "\x00hunter2"),
        ("a | before('')", "hunter2"),
        ("a | before(3)", "hunter2"),
        ("a | before", "hunter2"),
        ("a | trim(3)", "hunter2"),
        ("a | indent(999)", "hunter2"),
        ("a | indent(a)", "hunter2" * 99),
        ("a | b64encode(1)", "hunter2"),
        ("a ~ missing", "hunter2"),
        ("missing | upper", "hunter2"),
        ("a if missing", "hunter2"),
    ],
)
def test_pt_06_an_error_names_target_and_key_and_nothing_of_the_value(expression: str, value: str) -> None:
    error = failure(f"{{{{ {expression} }}}}", a=value)
    assert str(error).startswith("shop: config: ")
    assert error.code == Outcome.SOME_FAILED
    assert "hunter2" not in f"{error!r} {error} {error.hint}"
    assert (error.__cause__, error.__context__) == (None, None)


def test_pt_06_an_error_names_the_line_of_the_template() -> None:
    error = failure("one\n{{ a }}\n\n{{ a | before('!') }}\n", a="x")
    assert error.where == "config: line 4 of the template"


def test_pt_06_a_value_that_is_no_text_is_an_error() -> None:
    assert failure("{{ a }}", a=b"\xff").message == "a value is not UTF-8 text"


# ---- what a template may use ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% for i in 'abc' %}{{ i }}{% endfor %}", "a template has no loops"),
        ("{% for i in range(10**9) %}x{% endfor %}", "a template has no loops"),
        ("{{ range(10) }}", "a template calls no functions"),
        ("{{ 'a' * 10**9 }}", "a template cannot do this"),
        ("{{ 9 ** 9 ** 9 }}", "a template cannot do this"),
        ("{{ '%999999999d' % 1 }}", "a template cannot do this"),
        ("{{ 'a'.ljust(10**9) }}", "a template calls no functions"),
        ("{{ '{:>999999999}'.format(1) }}", "a template calls no functions"),
        ("{{ a.__class__ }}", "a template looks at no attributes"),
        ("{{ a['x'] }}", "a template looks at no items"),
        ("{% macro m(x) %}{{ m(x) }}{{ m(x) }}{% endmacro %}{{ m(1) }}", "a template has no macros"),
        ("{% set x = a ~ a %}", "a template sets no names"),
        ("{% set x %}y{% endset %}", "a template sets no names"),
        ("{% include 'x' %}", "a template cannot do this"),
        ("{% import 'x' as y %}", "a template cannot do this"),
        ("{% extends 'x' %}", "a template cannot do this"),
        ("{% block x %}{% endblock %}", "a template cannot do this"),
        ("{% filter upper %}x{% endfilter %}", "a template cannot do this"),
        ("{{ [a] }}", "a template cannot do this"),
        ("{{ {'a': a} }}", "a template cannot do this"),
        ("{{ a is defined }}", "a template cannot do this"),
        ("{{ none }}", "none is no text"),
        ("{{ a | safe }}", "uses a filter that is not there"),
        ("{{ a | replace('a', a) }}", "uses a filter that is not there"),
        ("{{ a | trim(*a) }}", "gives a filter something else than it takes"),
        ("{{ a | trim(a, a, a, a) }}", "gives a filter something else than it takes"),
        ("{{ hunter2 }}", "uses a name that is not in values"),
        ("{{ self }}", "uses a name that is not in values"),
        ("{{ a", "not a template: unexpected end of template, expected 'end of print statement'"),
        ("{{ a hunter2 }}", "not a template: broken syntax"),
        ("{{ 'hunter2 }}", "not a template: broken syntax"),
        ("{% hunter2 %}", "not a template: broken syntax"),
        ("{% if a %}", "not a template: broken syntax"),
        ("{{ " + "9" * 9999 + " }}", "a number that is none"),
        ("a\r\n{{ a }}", "a template holds no carriage returns"),
    ],
)
def test_pt_06_what_a_template_may_not_do_is_found_when_it_is_read(source: str, message: str) -> None:
    error = refusal(source)
    assert error.message == message
    assert "hunter2" not in f"{error} {error.hint} {error.__context__}"


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "(" * 9999 + "a" + ")" * 9999 + " }}",
        "{{ a" + " | upper" * 9999 + " }}",
        "{{ " + "not " * 9999 + "a }}",
        "{{ a" + " and a" * 9999 + " }}",
        "{% if a %}" * 9999 + "{% endif %}" * 9999,
        "{{ a if a else " * 999 + "a" + " }}" * 999,
    ],
)
def test_pt_06_deep_nesting_is_refused(source: str) -> None:
    assert refusal(source).message.startswith(("expressions are nested too deeply", "not a template"))


def test_pt_06_too_many_expressions_are_refused() -> None:
    assert refusal("{{ a }}" * 6000).message == "too many expressions"


def test_pt_06_an_unknown_name_brings_those_that_are_meant() -> None:
    assert refusal("{{ missing_ }}").hint == "did you mean missing?"
    assert refusal("{{ a | b64dcode }}").hint == "did you mean b64decode?"


def test_pt_06_an_error_of_a_template_is_one_of_the_configuration() -> None:
    error = refusal("\n\n{{ nobody }}")
    assert isinstance(error, ConfigError)
    assert (error.line, error.code) == (3, Outcome.CONFIGURATION)


# ---- limits --------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["{{ a }}", "{{ a | tojson | b64encode }}", "{{ a ~ a }}", "{{ a }}{{ a }}"])
def test_pt_06_a_text_up_to_the_limit_is_given(source: str) -> None:
    assert len(rendered(source, a="x" * (LIMIT // 2))) <= LIMIT


@pytest.mark.parametrize(
    "source",
    [
        "{{ a }}{{ a }}{{ a }}",
        "{{ a ~ a ~ a }}",
        "{{ a" + " ~ a" * 4000 + " }}",
        "{{ '\"'" + " | tojson" * 25 + " }}",
        "{{ a | b64encode | b64encode | b64encode }}",
        "{{ b | indent(200) }}",
        "{{ missing | default(a ~ a ~ a) }}",
        "x" * LIMIT + "{{ b }}",
    ],
)
def test_pt_06_a_text_over_the_limit_is_an_error(source: str) -> None:
    assert failure(source, a="x" * (LIMIT // 2), b="\n" * 9000 + "x").message == "the text is longer than 1 MiB"


def test_pt_06_the_limit_counts_bytes() -> None:
    assert failure("{{ a }}", a="é" * (LIMIT // 2 + 1)).message == "the text is longer than 1 MiB"


# ---- properties ----------------------------------------------------------------------------------------------------------------------------------


@given(TEXTS)
def test_pt_06_a_value_is_put_in_as_it_is(text: str) -> None:
    assert rendered("<{{ a }}>\n", a=text) == f"<{text}>\n"


@given(TEXTS)
def test_pt_06_a_text_without_marks_is_its_own_template(text: str) -> None:
    if not any(mark in text for mark in ("{{", "{%", "{#")):
        assert rendered(text) == text


@given(TEXTS)
def test_pt_06_encodings_can_be_undone(text: str) -> None:
    assert json.loads(rendered("{{ a | tojson }}", a=text)) == text
    assert unquote(rendered("{{ a | urlencode }}", a=text)) == text
    assert b64decode(rendered("{{ a | b64encode }}", a=text)).decode() == text
    assert rendered("{{ a | b64decode }}", a=b64encode(text.encode())) == text


@given(TEXTS, st.text(st.characters(codec="utf-8"), min_size=1, max_size=3), TEXTS)
def test_pt_06_a_text_is_the_part_before_and_the_part_after(before: str, separator: str, after: str) -> None:
    text = before + separator + after
    for first, second in (("before", "after"), ("beforelast", "afterlast")):
        source = f"{{{{ a | {first}(b) }}}}{{{{ b }}}}{{{{ a | {second}(b) }}}}"
        assert rendered(source, a=text, b=separator) == text


@given(st.text(alphabet="{}%#ab|~()'\"\\ \n.*[]=-", max_size=40))
def test_pt_06_any_text_is_a_template_or_is_refused(source: str) -> None:
    try:
        template = parse(source, NAMES)
    except TemplateError:
        return
    try:
        template.render({"a": SecretValue(b"x"), "b": SecretValue(b"y")}, target="t", key="k")
    except RenderError as error:
        assert error.__context__ is None


def test_pt_06_no_template_language_is_loaded_for_plain_text() -> None:
    import subprocess
    import sys

    script = (
        "import sys; from secrettool.patcher.templates import parse; "
        "parse('plain', ()).render({}, target='t', key='k'); sys.exit('jinja2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
