"""What is wrong with a file: everything at once, each with line, column and field, never with what is written there.

Source: requirement PT-05; JSON Schema draft 2020-12.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from secrettool.errors import ConfigError, Outcome
from secrettool.yamlfile.located import LocatedYaml, Path, field_name

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator, ValidatorMap

_MASK: Final = "the value"
_TYPES: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        line: From 1.
        column: From 1, in characters.
        field: Such as `targets[0].keys.token`; empty for the file as a whole.
        message: What is wrong.
        hint: What to try.
    """

    line: int
    column: int
    field: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}"
        return ": ".join(part for part in (place, self.field, self.message) if part)


class InvalidFileError(ConfigError):
    """A file that cannot be used.

    Args:
        problems: All that is wrong with it, in the order of the file; at least one.
        file: Its name.

    Its text has one line for each problem, after a line that counts them when there are several.
    """

    exit_code = Outcome.CONFIGURATION
    what: ClassVar[str] = "file"
    """What messages call it."""

    def __init__(self, problems: Iterable[Problem], file: str | None = None) -> None:
        self.problems = tuple(sorted(problems))
        lines = [f"{problem} ({problem.hint})" if problem.hint and len(self.problems) > 1 else str(problem) for problem in self.problems]
        several = f"{len(lines)} things are wrong with the {self.what}\n  " if len(lines) > 1 else ""
        super().__init__(several + "\n  ".join(lines), hint=self.problems[0].hint if len(lines) == 1 else None)
        self.file = file


class Findings:
    """Collects what is wrong with a file.

    Args:
        source: The file.
        error: What it ends with.
    """

    def __init__(self, source: LocatedYaml, error: type[InvalidFileError] = InvalidFileError) -> None:
        self._source = source
        self._error = error
        self._problems = [Problem(*oddity.spot, field_name(oddity.path), oddity.message) for oddity in source.oddities]
        self._broken: set[Path] = {oddity.path for oddity in source.oddities}

    def add(self, path: Path, message: str, hint: str | None = None) -> None:
        """Something is wrong with a field."""
        self._problems.append(Problem(*self._source.spot(path), field_name(path), message, hint))
        self._broken.add(path)

    def add_in_text(self, path: Path, line: int, message: str, hint: str | None = None) -> None:
        """Something is wrong with a line of a text, counted from 1."""
        spot = self._source.spot(path)
        number = self._source.line_in(path, line)
        self._problems.append(Problem(number, spot.column if number == spot.line else 1, field_name(path), message, hint))
        self._broken.add(path)

    def is_broken(self, path: Path) -> bool:
        """Whether something is wrong with a field, with a part of it, or with what holds it."""
        return any(each[: len(path)] == path or path[: len(each)] == each for each in self._broken)

    def raise_any(self, file: str | None) -> None:
        """End with what was found, if anything was.

        Raises:
            InvalidFileError: Something was.
        """
        if self._problems:
            raise self._error(set(self._problems), file)


class Schema:
    """A JSON Schema that is shipped with the package.

    Args:
        name: Name of the file in `schemas`.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def text(self) -> str:
        """The schema as it is shipped."""
        from importlib.resources import files

        return files("secrettool").joinpath("schemas", self._name).read_text(encoding="utf-8")

    def check(self, source: LocatedYaml, findings: Findings) -> None:
        """Find what does not fit the schema."""
        for error in self._validator.iter_errors(source.data):
            for path, message, hint in self._read(error):
                findings.add(path, message, hint)

    def fits(self, part: str, value: Any) -> bool:
        """Whether something fits a part of the schema, such as `#/$defs/objectRef`."""
        validator = self._parts.get(part)
        assert validator is not None
        return validator.is_valid(value)

    @cached_property
    def _data(self) -> Any:
        import json

        return json.loads(self.text())

    @cached_property
    def _validator(self) -> Validator:
        import jsonschema_rs

        # Without `offline` it would fetch what a reference names; with `mask` its own messages, which are not shown, quote nothing either.
        return jsonschema_rs.validator_for(self._data, mask=_MASK, offline=True)

    @cached_property
    def _parts(self) -> ValidatorMap:
        import jsonschema_rs

        return jsonschema_rs.validator_map_for(self._data, mask=_MASK, offline=True)

    # ---- errors of the validator, in our words ------------------------------------------------------------------------------------------------

    def _read(self, error: ValidationError) -> Iterator[tuple[Path, str, str | None]]:
        """What an error says, in our words."""
        path, kind = tuple(error.instance_path), error.kind
        match kind.name:
            case "additionalProperties":
                known = self._at(error.schema_path[:-1]).get("properties", {})
                for name in kind.as_dict()["unexpected"]:
                    yield (*path, name), "there is no such field", choices(name, known, "fields")
            case "falseSchema":
                yield path, "does not belong here", None
            case "required":
                name = kind.as_dict()["property"]
                yield path, f"lacks {name}", None
            case "propertyNames":
                yield from _of_name(path, kind.as_dict()["error"])
            case "oneOf":
                yield from self._of_choice(path, error)
            case "not":
                names = self._at(error.schema_path)["required"]
                yield path, f"has both {' and '.join(names)}", "leave one out"
            case _:
                yield path, _simple(kind.name, kind.as_dict()), None

    def _of_choice(self, path: Path, error: ValidationError) -> Iterator[tuple[Path, str, str | None]]:
        """One of several forms: the errors of the form that is meant, or how to choose."""
        forms = [self._resolved(form) for form in self._at(error.schema_path)]
        if all(list(form) == ["required"] for form in forms):
            if isinstance(error.instance, dict):
                yield path, f"needs exactly one of {', '.join(form['required'][0] for form in forms)}", None
            return
        branches = error.kind.as_dict()["context"]
        meant = [errors for errors in branches if not any(_rules_out(each, path) for each in errors)]
        if len(meant) == 1:
            for each in meant[0]:
                yield from self._read(each)
            return
        words = [form.get("properties", {}).get("type", {}).get("const") for form in forms]
        if isinstance(error.instance, dict) and all(words):
            yield (*path, "type"), f"must be {_either(words)}", None
        else:
            yield path, f"must be {_either(_literal(form['const']) if 'const' in form else _TYPES[form['type']] for form in forms)}", None

    def _at(self, path: Sequence[str | int]) -> Any:
        """The part of the schema at a path."""
        node = self._data
        for step in path:
            node = node[step]
        return node

    def _resolved(self, form: dict[str, Any]) -> dict[str, Any]:
        reference = form.get("$ref")
        return self._at(reference.removeprefix("#/").split("/")) if isinstance(reference, str) else form


def choices(word: str, names: Iterable[str], what: str) -> str:
    """A hint for a name that is not there: the one that is most like it, or those that are."""
    from difflib import get_close_matches

    known = sorted(names)
    near = get_close_matches(word, known, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"{what}: {', '.join(known[:20])}{', ...' if len(known) > 20 else ''}" if known else f"there are no {what}"


def _simple(name: str, facts: dict[str, Any]) -> str:
    match name:
        case "type":
            return "must be " + _either(_TYPES[each] for each in facts["types"])
        case "enum":
            return "must be " + _either(str(each) for each in facts["options"])
        case "const":
            return f"must be {_literal(facts['expected_value'])}"
        case "pattern":
            return f"does not match {facts['pattern']}"
        case "minimum" | "maximum":
            return f"must be at {'least' if name == 'minimum' else 'most'} {facts['limit']}"
        case "exclusiveMinimum":
            return f"must be more than {facts['limit']}"
        case "minLength" | "minItems" | "minProperties":
            return "must not be empty"
        case "maxLength":
            return f"must have at most {facts['limit']} characters"
        case "uniqueItems":
            return "has an entry twice"
    return "is not as the schema wants it"


def _of_name(path: Path, error: ValidationError) -> Iterator[tuple[Path, str, str | None]]:
    """A key that cannot be one."""
    yield (*path, str(error.instance)), f"cannot be a name here: it {_simple(error.kind.name, error.kind.as_dict())}", None


def _rules_out(error: ValidationError, path: Path) -> bool:
    """Whether an error says that another form is meant: the type of the whole, a fixed word instead of it, or its field `type`."""
    place = tuple(error.instance_path)
    return (place == path and error.kind.name in ("type", "const")) or (place == (*path, "type") and error.kind.name == "const")


def _either(words: Iterable[str]) -> str:
    *first, last = dict.fromkeys(words)
    return f"{', '.join(first)} or {last}" if first else last


def _literal(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
