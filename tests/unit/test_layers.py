"""What the import contracts of pyproject.toml cannot see: built-in functions, modules imported by name, and sizes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "secrettool"
MODULES = sorted(PACKAGE.rglob("*.py"))
FORMAT = sorted((PACKAGE / "sops").glob("*.py"))
MOST_LINES = 400


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def called_names(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def dotted_texts(path: Path) -> set[str]:
    """Texts such as "secrettool.keys.age", by which modules are imported late."""
    tree = ast.parse(path.read_text())
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if text.startswith("secrettool.") and all(part.isidentifier() for part in text.split("."))}


def test_the_package_was_found() -> None:
    assert PACKAGE / "errors.py" in MODULES
    assert len(FORMAT) > 10


@pytest.mark.parametrize("path", FORMAT, ids=name_of)
def test_the_format_opens_no_file_and_talks_to_nobody(path: Path) -> None:
    assert called_names(path).isdisjoint({"open", "input", "print", "exec", "eval", "breakpoint", "__import__", "import_module"})


@pytest.mark.parametrize("path", FORMAT, ids=name_of)
def test_the_format_names_no_outer_module(path: Path) -> None:
    assert all(text.startswith("secrettool.sops") for text in dotted_texts(path))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_imported_by_name_exist(path: Path) -> None:
    for text in dotted_texts(path):
        place = PACKAGE.parent / text.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__init__.py").exists(), text


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_one_concept(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES
