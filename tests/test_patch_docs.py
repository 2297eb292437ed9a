"""What the documentation says about patch maps: its tables are those of the code, its examples load, its examples' commands run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from secrettool.patcher import mapping
from secrettool.patcher.filters import FILTERS
from secrettool.patcher.loading import load
from secrettool.patcher.mapping import PatchMap
from secrettool.patcher.result import Result
from secrettool.patcher.validation import schema_text
from secrettool.sources import model
from tests import guides
from tests.cli.sandbox import Sandbox
from tests.doctables import action_table, policy_table

REFERENCE = guides.ROOT / "docs" / "reference"
PATCH = REFERENCE / "patch.md"
EXAMPLE = guides.ROOT / "examples" / "patch" / "patch.yaml"
HEAD: dict[str, Any] = {"apiVersion": "secrettool.dev/v1alpha1", "kind": "PatchMap"}
VALUES = {name: {"env": "X"} for name in ("smtp", "pmTokenId", "cookie")}
PROVIDERS = {
    "kv": {"type": "vault"},
    "bws": {"type": "exec", "command": ["bws", "{id}"]},
    "tofu": {"type": "exec", "command": ["tofu", "{name}"]},
}
TARGET = {"id": "t", "ref": {"kind": "Secret", "namespace": "n", "name": "s"}, "keys": {"k": {"template": "text"}}}


# ---- tables --------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [policy_table(), action_table()], ids=["policy", "action"])
def test_pt_21_table_of_the_reference_is_that_of_the_code(table: str) -> None:
    assert f"\n\n{table}\n" in PATCH.read_text()


def test_pt_05_reference_has_every_field_of_targets_and_policies() -> None:
    text = PATCH.read_text()
    definitions = json.loads(schema_text())["$defs"]
    fields = {*definitions["target"]["properties"], *definitions["policy"]["properties"], *definitions["keyRule"]["properties"]}
    fields |= {f"ref.{name}" for name in definitions["objectRef"]["properties"]} - {"ref"}

    missing = {field for field in fields - {"ref", "verify"} if f"`{field}" not in text}
    assert not missing


def test_pt_05_sources_have_every_field_of_providers_and_values() -> None:
    text = (REFERENCE / "sources.md").read_text()
    definitions = json.loads(schema_text())["$defs"]
    fields = {name for part in ("vault", "vaultAuth", "exec", "source") for name in definitions[part]["properties"]}

    assert not {field for field in fields - {"type"} if not re.search(rf"\b{field}\b", text)}


def test_pt_06_reference_has_every_filter() -> None:
    text = PATCH.read_text()

    assert not {name for name in FILTERS if not re.search(rf"`{name}[`(]", text)}


def test_pt_29_reference_has_the_fields_of_the_report() -> None:
    (shown,) = (json.loads(block.text) for block in guides.blocks(PATCH) if block.language == "json")
    from secrettool.errors import Outcome
    from secrettool.objects import Ref
    from secrettool.patcher.report import Report

    row = Result(id="db", ref=Ref("v1", "Secret", "shop", "db"), word="changed")
    made = json.loads(Report((row,), "apply", Outcome.DONE).text("json"))

    assert shown.keys() == made.keys()
    assert shown["totals"].keys() == made["totals"].keys()
    assert shown["targets"][0].keys() == made["targets"][0].keys()


# ---- examples ------------------------------------------------------------------------------------------------------------------------------------


def parts_of_maps() -> Iterator[Any]:
    """Every block of the references that is a part of a map."""
    for page in (PATCH, REFERENCE / "sources.md"):
        for block in guides.blocks(page):
            if block.language == "yaml" and re.match(r"providers:|values:|targets:|defaults:", block.text):
                yield pytest.param(block.text, id=f"{page.name}:{block.line}")


@pytest.mark.parametrize("text", list(parts_of_maps()))
def test_example_of_the_reference_is_part_of_a_map(text: str) -> None:
    part = yaml.safe_load(text)
    whole = {"targets": [TARGET], **HEAD, **part, "values": VALUES | part.get("values", {}), "providers": PROVIDERS | part.get("providers", {})}

    assert load(yaml.safe_dump(whole)).values.keys() >= part.get("values", {}).keys()


@pytest.fixture(scope="module")
def example() -> PatchMap:
    return load(EXAMPLE.read_text())


def test_pt_04_example_uses_every_feature(example: PatchMap) -> None:
    sources = {type(source) for source in example.values.values()}
    forms = {type(rule.form) for target in example.targets for rule in target.rules.values()}

    assert sources == {model.EnvSource, model.FileSource, model.SopsSource, model.ProviderSource, model.RefSource, model.GenerateSource}
    assert forms == {mapping.ValueForm, mapping.TemplateForm, mapping.JsonForm, mapping.FillForm, mapping.AbsentForm}
    assert {target.create if isinstance(target.create, str) else type(target.create) for target in example.targets} == {
        type(None),
        "from-manifest",
        mapping.NewSecret,
    }


def test_commands_of_the_example_run(tmp_path: Path) -> None:
    commands = re.findall(r"^secrettool (patch (?:role|vault-setup) .*?) +#", (EXAMPLE.parent / "README.md").read_text(), re.MULTILINE)
    (tmp_path / "examples").symlink_to(EXAMPLE.parents[1])
    sandbox = Sandbox(tmp_path)

    role, vault_setup = (sandbox.call(*command.split()) for command in commands)

    assert (role.returncode, vault_setup.returncode) == (0, 0), role.stderr + vault_setup.stderr
    assert 'path "kv/data/chatto"' in vault_setup.stdout
    assert len(list(yaml.safe_load_all(role.stdout))) == 7  # six namespaces, and what lies in none
