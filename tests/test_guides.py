"""The guides, followed from an empty folder; what they print is what they show. `tests/interop/test_guides.py` has the parts that need servers."""

from __future__ import annotations

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
