"""Choosing a store."""

from __future__ import annotations

import subprocess
import sys

import pytest

from secrettool.errors import UsageError
from secrettool.stores import STORE_NAMES, by_name, for_path


@pytest.mark.parametrize("name", STORE_NAMES)
def test_by_name_gives_the_store_of_that_name(name: str) -> None:
    assert by_name(name).name == name


def test_by_name_refuses_an_unknown_format() -> None:
    with pytest.raises(UsageError, match="toml"):
        by_name("toml")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.yaml", "yaml"),
        ("a.yml", "yaml"),
        ("dir.json/a.json", "json"),
        (".env", "dotenv"),
        ("prod.env", "dotenv"),
        ("a.ini", "ini"),
        (".env.local", "binary"),
        ("a.YAML", "binary"),
        ("a", "binary"),
    ],
)
def test_for_path_goes_by_the_end_of_the_name(path: str, name: str) -> None:
    assert for_path(path).name == name


@pytest.mark.parametrize("name", ["json", "dotenv", "ini", "binary"])
def test_other_stores_do_not_load_yaml(name: str) -> None:
    code = f"import sys; from secrettool.stores import by_name; by_name({name!r}); print('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
