"""What a command may import before it does its work: the start is what people wait for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
ROOT = TESTS.parent
VECTORS = TESTS / "vectors"

# Runs a command line, then writes the names of all loaded modules to the descriptor given first.
SPY = """
import os, sys
present = set(sys.modules)
from secrettool.__main__ import main
code = main(sys.argv[2:])
import json
os.write(int(sys.argv[1]), json.dumps([code, sorted(set(sys.modules) - present)]).encode())
"""

# Each of these costs 5 to 70 ms, and none is needed to open a file.
NEVER = {
    "asyncio",
    "concurrent",
    "email",
    "hashlib",
    "http",
    "importlib.metadata",
    "logging",
    "multiprocessing",
    "pathlib",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "unittest",
    "urllib.request",
    "jinja2",
    "rich",
    "ruamel",
    "kubernetes",
    "hvac",
    "pathspec",
    "re2",
}
COMMAND_LINE = {"secrettool.__main__", "secrettool.cli", "secrettool.cli.app", "secrettool.cli.options", "secrettool.cli.output", "secrettool.errors"}
AES = {"cryptography", "_cffi_backend", "_openssl"}
SAMPLES = {
    "yaml": "yaml-basic.enc.yaml",
    "json": "json-basic.enc.json",
    "dotenv": "dotenv-basic.enc.env",
    "ini": "ini-basic.enc.ini",
    "binary": "binary-text.enc.bin",
}
# sops keeps binary files in JSON.
STORES = {store: {store} for store in SAMPLES} | {"binary": {"binary", "json"}}


def loaded_by(*arguments: str, **environment: str) -> set[str]:
    """Names of the modules that a command line loads."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    base = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SPY, str(writer), *arguments]
    done = subprocess.run(command, env=base | environment, capture_output=True, close_fds=False, check=False)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    assert text, done.stderr.decode()
    code, modules = json.loads(text)
    assert code == 0, done.stderr.decode()
    return set(modules)


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.startswith("secrettool.")}


def is_loaded(name: str, modules: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for module in modules)


def foreign(modules: set[str]) -> set[str]:
    """Top-level packages that are neither ours nor of the standard library."""
    tops = {name.partition(".")[0] for name in modules}
    return {top for top in tops if top not in sys.stdlib_module_names and top != "secrettool"}


@pytest.fixture(scope="module")
def decrypt_modules() -> dict[str, set[str]]:
    """Modules that `decrypt` loads, by store."""
    key = str(VECTORS / "keys" / "age1.txt")
    return {store: loaded_by("decrypt", str(VECTORS / "pos" / name), SOPS_AGE_KEY_FILE=key) for store, name in SAMPLES.items()}


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"]])
def test_help_and_version_load_the_table_of_commands_only(words: list[str]) -> None:
    modules = loaded_by(*words)
    assert ours(modules) == COMMAND_LINE
    assert foreign(modules) <= {"click"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_loads_no_format(shell: str) -> None:
    modules = loaded_by("completion", shell)
    assert ours(modules) == COMMAND_LINE | {"secrettool.cli.completion"}
    assert foreign(modules) <= {"click"}


@pytest.mark.parametrize("command", ["encrypt", "decrypt", "set", "unset", "rotate", "updatekeys", "groups", "verify"])
def test_help_of_a_command_loads_no_backend(command: str) -> None:
    modules = loaded_by(command, "--help")
    tables = {"secrettool.keys", "secrettool.stores"}
    assert {name for name in ours(modules) - tables if name.startswith(tuple(tables))} == set()
    assert foreign(modules) <= {"click"} | AES
    assert {heavy for heavy in NEVER if is_loaded(heavy, modules)} == set()


@pytest.mark.parametrize("store", sorted(SAMPLES))
def test_decrypt_loads_only_its_own_store(store: str, decrypt_modules: dict[str, set[str]]) -> None:
    modules = decrypt_modules[store]
    assert {name for name in SAMPLES if is_loaded(f"secrettool.stores.{name}", modules)} == STORES[store]
    assert is_loaded("yaml", modules) == (store == "yaml")


@pytest.mark.parametrize("store", sorted(SAMPLES))
def test_decrypt_loads_nothing_heavy(store: str, decrypt_modules: dict[str, set[str]]) -> None:
    assert {heavy for heavy in NEVER if is_loaded(heavy, decrypt_modules[store])} == set()


@pytest.mark.parametrize("store", sorted(SAMPLES))
def test_decrypt_loads_few_packages(store: str, decrypt_modules: dict[str, set[str]]) -> None:
    known = {"click", "pyrage"} | AES | ({"yaml", "_yaml"} if store == "yaml" else set())
    found = {name for name in foreign(decrypt_modules[store]) if not name.startswith(("cython_runtime", "_cython_"))}
    assert found <= known


@pytest.mark.parametrize("store", sorted(SAMPLES))
def test_decrypt_loads_one_kind_of_key(store: str, decrypt_modules: dict[str, set[str]]) -> None:
    assert not is_loaded("secrettool.keys.pgp", decrypt_modules[store])
    assert not is_loaded("cryptography.hazmat.primitives.hpke", decrypt_modules[store])
