"""Templates of a map: Jinja2 in its sandbox, cut down to what always ends.

A template has text, `{{ ... }}` with values, filters, `~`, comparisons and conditions, and `{% if %}`. It has no loops, assignments, macros, calls,
attributes and arithmetic: so its work is bounded by its own length and the limit on each step, whatever it says. What it uses is checked when the map
is read; rendering can only fail for what the values are.

Source: requirement PT-06; Jinja2 3.1 nodes, sandbox.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from secrettool.errors import ConfigError, Outcome, SecrettoolError
from secrettool.yamlfile.validation import choices

if TYPE_CHECKING:
    from types import TracebackType

    from jinja2 import Environment, nodes
    from jinja2 import Template as Compiled

    from secrettool.sources.value import SecretValue

MAX_DEPTH: Final = 40
"""Expressions inside expressions; people write three."""

MAX_PARTS: Final = 5000
"""Expressions of one template."""

MAX_ARGUMENTS: Final = 3
"""What a filter may be given beside its text; no filter takes more."""

RESERVED: Final = frozenset({"true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else", "self"})
"""Names that mean something to the language, so that no value can be called so."""

_FILE: Final = "<template>"
_JOIN: Final = "~"  # the name of a filter that nobody can write
_MARKS: Final = ("{{", "{%", "{#")
_INSIDE: Final = "a template has values, filters, ~, comparisons and if, nothing else"
_PARTS: Final = frozenset(
    {"Template", "Output", "TemplateData", "If", "CondExpr", "Name", "Const", "Filter", "Keyword", "Concat", "Compare", "Operand", "And", "Or", "Not"}
)
_REFUSED: Final = {
    "For": "a template has no loops",
    "Call": "a template calls no functions",
    "Getattr": "a template looks at no attributes",
    "Getitem": "a template looks at no items",
    "Assign": "a template sets no names",
    "AssignBlock": "a template sets no names",
    "Macro": "a template has no macros",
    "CallBlock": "a template has no macros",
}


class TemplateError(ConfigError):
    """A template that cannot be used, whatever the values are.

    Attributes:
        line: In the template, from 1.
    """

    def __init__(self, message: str, line: int, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, where=f"line {line}", code=Outcome.CONFIGURATION)
        self.line = line


class RenderError(SecrettoolError):
    """A template that has no text for these values; names target, key and line, never a value."""

    exit_code = Outcome.SOME_FAILED


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was checked; `parse` makes it.

    Attributes:
        source: Its text.
        names: The values that it uses.
        required: Those of them that it cannot do without.
    """

    source: str
    names: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()

    def render(self, values: Mapping[str, SecretValue], *, target: str, key: str) -> str:
        """The text for these values.

        Args:
            values: Values by name; those that are missing and not required may be left out.
            target: Id of the target, for errors.
            key: Key of the Secret or pointer, for errors.

        Raises:
            RenderError: A filter cannot do its work, a value is missing or no text, or the text is longer than 1 MiB.
        """
        if not _is_template(self.source):
            return self.source
        problem, line = "a value is not UTF-8 text", 1
        context: dict[str, str] = {}
        try:
            context = {name: values[name].text() for name in self.names if name in values}
            return _rendered(self.source, context)
        except SecrettoolError:
            pass
        except Exception as error:
            problem, line = _cause(error), _line_of(error.__traceback__)
        # Outside of the handlers: the other exception would be the context of ours, and its frames hold values.
        failure = RenderError(problem, where=f"{key}: line {line} of the template" if "\n" in self.source.rstrip("\n") else key)
        failure.file = target
        raise failure


def parse(source: str, values: Collection[str]) -> Template:
    """Check a template.

    Args:
        source: Its text.
        values: The names that it may use.

    Raises:
        TemplateError: It does not parse, or uses something that it may not; the text of the template is not quoted.
    """
    if not _is_template(source):
        return Template(source)
    if "\r" in source:
        raise TemplateError("a template holds no carriage returns", 1, hint='write {{ "\\r" }}')
    from jinja2 import nodes

    names: set[str] = set()
    required: set[str] = set()
    for node, is_defaulted in _walk(_tree(source)):
        _check(node, values)
        if isinstance(node, nodes.Name):
            names.add(node.name)
            if not is_defaulted:
                required.add(node.name)
    return Template(source, frozenset(names), frozenset(required))


def _is_template(source: str) -> bool:
    return any(mark in source for mark in _MARKS)


# ---- checking ------------------------------------------------------------------------------------------------------------------------------------


def _tree(source: str) -> nodes.Template:
    from jinja2 import TemplateSyntaxError

    line = 1
    try:
        return _environment().parse(source)
    except TemplateSyntaxError as error:
        message, line = _readable(error.message or ""), error.lineno
    except (RecursionError, MemoryError):
        message = "expressions are nested too deeply"
    except (ValueError, OverflowError):  # a number with thousands of digits
        message = "a number that is none"
    raise TemplateError(message, line)


def _readable(message: str) -> str:
    """What Jinja2 says when it quotes only punctuation and words of its own; otherwise that something is wrong."""
    quoted = message.split("'")[1::2]
    harmless = all(not any(map(str.isalnum, each)) or each.startswith(("end of ", "begin of ", "name", "string")) for each in quoted)
    return f"not a template: {message.rstrip('.')}" if harmless and message.count("'") % 2 == 0 else "not a template: broken syntax"


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, bool]]:
    """Every node, and whether it stands in front of `default`."""
    from jinja2 import nodes

    from secrettool.patcher.filters import DEFAULT

    waiting: list[tuple[nodes.Node, int, bool]] = [(tree, 0, False)]
    parts = 0
    while waiting:
        node, depth, is_defaulted = waiting.pop()
        parts += _kind(node) != "TemplateData"
        if depth > MAX_DEPTH:
            raise TemplateError("expressions are nested too deeply", node.lineno)
        if parts > MAX_PARTS:
            raise TemplateError("too many expressions", node.lineno)
        yield node, is_defaulted
        subject = node.node if isinstance(node, nodes.Filter) and node.name == DEFAULT else None
        waiting += [(child, depth + 1, child is subject) for child in reversed(list(node.iter_child_nodes()))]


def _kind(node: nodes.Node) -> str:
    return type(node).__name__


def _check(node: nodes.Node, values: Collection[str]) -> None:
    from jinja2 import nodes

    line = node.lineno
    if _kind(node) not in _PARTS:
        raise TemplateError(_REFUSED.get(_kind(node), "a template cannot do this"), line, hint=_INSIDE)
    if isinstance(node, nodes.Name) and node.name not in values:
        raise TemplateError("uses a name that is not in values", line, hint=choices(node.name, values, "values"))
    if isinstance(node, nodes.Const) and node.value is None:
        raise TemplateError("none is no text", line)
    if isinstance(node, nodes.Filter):
        _check_filter(node)


def _check_filter(node: nodes.Filter) -> None:
    from secrettool.patcher.filters import FILTERS

    if node.name not in FILTERS:
        raise TemplateError("uses a filter that is not there", node.lineno, hint=choices(node.name, FILTERS, "filters"))
    if node.node is None or node.dyn_args is not None or node.dyn_kwargs is not None or len(node.args) + len(node.kwargs) > MAX_ARGUMENTS:
        raise TemplateError("gives a filter something else than it takes", node.lineno)


# ---- rendering -----------------------------------------------------------------------------------------------------------------------------------


@cache
def _environment() -> Environment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    from secrettool.patcher.filters import FILTERS, join

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, loader=None, keep_trailing_newline=True, optimized=False, cache_size=0
    )
    environment.filters = {**FILTERS, _JOIN: join}
    environment.tests = {}
    environment.globals = {}
    return environment


@lru_cache(maxsize=256)
def _compiled(source: str) -> Compiled:
    from jinja2 import nodes
    from jinja2.visitor import NodeTransformer

    class Joins(NodeTransformer):
        """Puts a filter in the place of `~`, whose result has no limit."""

        def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
            return joined([self.visit(each) for each in node.nodes])

    def joined(parts: list[nodes.Expr]) -> nodes.Expr:
        """Halves of halves, so that the limit is looked at before the rest is made."""
        if len(parts) == 1:
            return parts[0]
        middle = len(parts) // 2
        first, second = joined(parts[:middle]), joined(parts[middle:])
        return nodes.Filter(first, _JOIN, [second], [], None, None, lineno=first.lineno, environment=first.environment)

    environment = _environment()
    tree = Joins().visit(_tree(source))
    return environment.template_class.from_code(environment, environment.compile(tree, None, None), {})


def _rendered(source: str, context: Mapping[str, str]) -> str:
    from secrettool.patcher.filters import LIMIT, within_limit

    parts: list[str] = []
    size = 0
    for part in _compiled(source).generate(context):
        parts.append(within_limit(part))
        size += len(part)
        if size > LIMIT:
            break
    return within_limit("".join(parts))


def _cause(error: Exception) -> str:
    """What is said about an exception; its own text only when it is ours."""
    from jinja2 import UndefinedError

    from secrettool.patcher.filters import FilterError

    if isinstance(error, FilterError):
        return str(error)
    return "a value is missing" if isinstance(error, UndefinedError) else "a filter was given something else than it takes"


def _line_of(trace: TracebackType | None) -> int:
    """The line of the template in which it happened; Jinja2 gives such frames the name of the template."""
    line = 1
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
