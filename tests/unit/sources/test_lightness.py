"""What a run loads: libraries of a provider only when the provider is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = {"hvac", "requests", "urllib3", "ssl", "http.client", "subprocess", "jinja2", "kubernetes"}
FOR_VAULT = {"vault", "vaultclient", "vaultlogin", "session", "github"}
FOR_PROGRAMS = {"exec"}
MODULES = {file.stem for file in (ROOT / "secrettool" / "sources").glob("*.py")} - {"__init__"}

REPORT = """
import json, sys
print(json.dumps(sorted(sys.modules)))
"""


def loaded_by(script: str, **environment: str) -> set[str]:
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run([sys.executable, "-c", script + REPORT], env=environ, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1])) & HEAVY


def test_modules_that_load_no_library_can_be_imported_together() -> None:
    light = MODULES - FOR_VAULT - FOR_PROGRAMS
    assert {"resolver", "context", "model", "forms", "ref"} <= light
    assert loaded_by("\n".join(f"import secrettool.sources.{name}" for name in sorted(light))) == set()


def test_modules_for_vault_load_its_client_only_to_connect() -> None:
    assert "hvac" not in loaded_by("\n".join(f"import secrettool.sources.{name}" for name in sorted(FOR_VAULT)))


RUN = """
import os
from secrettool.sources.model import *
from secrettool.sources.resolver import Resolver
providers = {"v": VaultProvider("https://127.0.0.1:1"), "p": ExecProvider(("true",))}
values = {"env": EnvSource("A"), "new": GenerateSource("hex"), "file": FileSource("/absent"), "sops": SopsSource("/absent.yaml"),
          "ref": RefSource("ref+file:///absent"), "vault": ProviderSource("v", "a", "b"), "exec": ProviderSource("p")}
with Resolver(providers, values, environ=os.environ, root="/") as made:
    made.resolve(WANTED)
"""


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [(["env", "new", "file", "sops", "ref"], set()), (["exec"], {"subprocess"})],
    ids=["neither", "a program"],
)
def test_run_loads_what_its_values_need(wanted: list[str], expected: set[str]) -> None:
    assert loaded_by(RUN.replace("WANTED", repr(wanted)), A="x") == expected


def test_run_with_vault_loads_its_client() -> None:
    wanted = 'values["vault"] and ["vault"]'
    assert loaded_by(RUN.replace("WANTED", wanted), A="x") >= {"requests", "ssl"}
