"""The guides, followed from an empty folder; what they print is what they show. `tests/interop/test_guides.py` has the parts that need servers."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from secrettool.patcher.loading import load
from tests import guides

PATCHING = guides.GUIDES / "patching.md"
ACTION = guides.ROOT / "action.yml"


@pytest.mark.parametrize("name", ["patching", "annotations"])
def test_guide_shows_what_its_commands_print(tmp_path: Path, name: str) -> None:
    done = list(guides.follow(guides.GUIDES / f"{name}.md", guides.Reader(tmp_path), real=False))

    assert len(done) > 5
    for block, command, printed in done:
        assert guides.fits(printed, command.printed), f"{name}.md:{block.line}: $ {command.words}\n{printed}"


def test_guide_has_values_in_no_output(tmp_path: Path) -> None:
    done = [(command, printed) for _, command, printed in guides.follow(PATCHING, guides.Reader(tmp_path), real=False)]

    for command, printed in done:
        assert command.words.startswith("tail") or not any(value in printed for value in ("fj_1234", "7b1d", "bot@pam")), command.words


def steps(document: Any) -> list[dict[str, Any]]:
    """The steps of a workflow, or of a list of steps, that use the action."""
    found = document if isinstance(document, list) else [step for job in document["jobs"].values() for step in job["steps"]]
    return [step for step in found if step["uses"].startswith("OWNER/secrettool@")]


@pytest.mark.parametrize(("file", "count"), [("five-lines.yaml", 1), (".github/workflows/patch-secrets.yml", 3)])
def test_guide_gives_the_action_inputs_that_it_has(file: str, count: int) -> None:
    (block,) = [block for block in guides.blocks(PATCHING) if block.argument == file]
    known = yaml.safe_load(ACTION.read_text())["inputs"]
    used = steps(yaml.safe_load(block.text))

    assert len(used) == count
    assert all(step["with"].keys() <= known.keys() for step in used)


def test_workflow_of_the_guide_offers_the_targets_of_its_map() -> None:
    files = {block.argument: block.text for block in guides.blocks(PATCHING)}  # the last one of each name
    inputs = yaml.load(files[".github/workflows/patch-secrets.yml"], yaml.BaseLoader)["on"]["workflow_dispatch"]["inputs"]

    assert inputs["target"]["options"] == ["all", *(target.id for target in load(files[".secrettool/patch.yaml"]).targets)]


def test_five_lines_are_five() -> None:
    (block,) = [block for block in guides.blocks(PATCHING) if block.argument == "five-lines.yaml"]

    assert len(block.text.splitlines()) == 5


# ---- README --------------------------------------------------------------------------------------------------------------------------------------

README = guides.ROOT / "README.md"
EXAMPLE = guides.ROOT / "keys-example"
PAYMENT = "apps/overlays/production/payment-placeholder.yaml"
KUSTOMIZATION = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: shop, namespace: flux-system}
spec: {interval: 10m, path: ./clusters/production, prune: true, sourceRef: {kind: GitRepository, name: shop}}
"""


def shown(heading: str) -> list[guides.Command]:
    """The commands of a section of the README, whose blocks are indented."""
    section = README.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    text = "".join(line[4:] if line.startswith("    ") else "\n" for line in section.splitlines(keepends=True))
    parts = re.split(r"\n\n+", re.sub(r"(?m)^(?=\$ )", "\n\n", text))
    blocks = [guides.Block("", "", "console", f"{part.strip()}\n", 0) for part in parts if part.strip().startswith("$ ")]
    return [command for block in blocks for command in guides.commands(block)]


@pytest.fixture
def shop(tmp_path: Path) -> guides.Reader:
    """Somebody in a copy of keys-example/."""
    reader = guides.Reader(tmp_path)
    shutil.copytree(EXAMPLE, reader.place, dirs_exist_ok=True)
    reader.type("git init --quiet")
    return reader


def test_readme_shows_what_patch_prints(shop: guides.Reader) -> None:
    cluster = shop.place.parent / "cluster"
    cluster.mkdir()
    shutil.copy(shop.place / PAYMENT, cluster)
    deployment = (shop.place / "apps/base/deployment.yaml").read_text()
    (cluster / "shop.yaml").write_text(deployment.replace("  name: shop\n", "  name: shop\n  namespace: shop\n", 1))
    shop.type("export PAYMENT_TOKEN=one SEARCH_API_KEY=two")
    commands = shown("Fill placeholders")

    assert [command.words.split()[-1] for command in commands] == ["--plan", "--all", "--all", "--all"]
    for command in commands:
        if "drift" in command.words:
            (cluster / "payment-placeholder.yaml").write_text((cluster / "payment-placeholder.yaml").read_text().replace("one", "by-hand"))
        assert shop.type(f"{command.words} --folder ../cluster") == command.printed


def test_readme_shows_what_check_prints(shop: guides.Reader) -> None:
    shop.write("flux/shop.yaml", KUSTOMIZATION)
    kept = [line for line in (shop.place / PAYMENT).read_text().splitlines() if "annotations:" not in line and "ssa:" not in line]
    shop.write(PAYMENT, "\n".join([*kept, "  webhook-key: REPLACE_ME", ""]))
    (command,) = shown("Check a repository")

    assert shop.type(command.words) == command.printed


# ---- annotations ---------------------------------------------------------------------------------------------------------------------------------

MAP_FOR_GOOD = """\
apiVersion: secrettool.dev/v1alpha1
kind: PatchMap
values: {password: {env: DB_PASSWORD}}
targets: [{id: good, ref: {kind: Secret, namespace: shop, name: good}, keys: {password: password}}]
"""


def test_pt_24_recommended_manifests_have_no_finding(tmp_path: Path) -> None:
    recommended = [block.text for block in guides.blocks(guides.GUIDES / "annotations.md") if "name: good" in block.text]
    assert len(recommended) == 3
    once, without_key, rule = recommended
    kustomization = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "apps", "namespace": "flux-system"},
    }
    spec = {"path": "./apps", "interval": "10m", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "x"}}
    open_manifest = once.replace("ssa: IfNotPresent", "ssa: Override")
    reader = guides.Reader(tmp_path)
    reader.write(".secrettool/patch.yaml", MAP_FOR_GOOD)

    for manifest, more in ((once, {}), (without_key, {}), (open_manifest, yaml.safe_load(rule)["spec"])):
        reader.write("apps/good.yaml", manifest)
        reader.write("clusters/apps.yaml", yaml.safe_dump({**kustomization, "spec": spec | more}))
        assert reader.type("secrettool check --strict > /dev/null 2>&1; echo $?") == "0\n", manifest
    reader.write("clusters/apps.yaml", yaml.safe_dump({**kustomization, "spec": spec}))
    assert "PH003" in reader.type("secrettool check")
