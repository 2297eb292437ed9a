"""Runs the steps of a composite action as the runner of GitHub Actions does: bash, environment files, outputs, and masks in the log.

Source: GitHub's documentation of composite actions, workflow commands and environment files; actions/runner src/Runner.Worker.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ACTION = Path(__file__).parents[2] / "action.yml"
FILES = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")
_EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")
_COMMAND = re.compile(r"::(add-mask)::(.*)")


class Outcome(NamedTuple):
    """How the action ended.

    Attributes:
        code: Exit code of the step that failed; 0 when none did.
        raw: What the steps printed.
        log: The same as people see it: masks applied.
        outputs: Outputs of the action.
        files: Texts of the environment files of all steps, by name.
    """

    code: int
    raw: str
    log: str
    outputs: dict[str, str]
    files: dict[str, str]


def run(inputs: Mapping[str, str], env: Mapping[str, str], workspace: Path, temporary: Path) -> Outcome:
    """Run the action.

    Args:
        inputs: What stands under `with`; anything that the action does not declare is an error.
        env: The environment of the job.
        workspace: Where the repository is checked out.
        temporary: `RUNNER_TEMP`.
    """
    action = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    assert not inputs.keys() - action["inputs"].keys()
    context = {f"inputs.{name}": inputs.get(name, declared["default"]) for name, declared in action["inputs"].items()}
    context["github.action_path"] = str(ACTION.parent)
    raw, code, files = "", 0, dict.fromkeys(FILES, "")
    for number, step in enumerate(action["runs"]["steps"]):
        done, written = _step(step, number, context, env, workspace, temporary)
        raw += done.stdout
        files = {name: files[name] + written[name] for name in FILES}
        for name, value in _assignments(written["GITHUB_OUTPUT"]).items():
            context[f"steps.{step.get('id', number)}.outputs.{name}"] = value
        code = done.returncode
        if code:
            break
    outputs = {name: _filled(declared["value"], context) for name, declared in action["outputs"].items()}
    return Outcome(code, raw, _log(raw), outputs, files)


def _step(
    step: Mapping[str, Any], number: int, context: Mapping[str, str], env: Mapping[str, str], workspace: Path, temporary: Path
) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """One step, and what it wrote to its environment files."""
    assert step["shell"] == "bash"
    script = temporary / f"script-{number}.sh"
    script.write_text(_filled(step["run"], context), encoding="utf-8")
    paths = {name: temporary / f"{name}-{number}" for name in FILES}
    for path in paths.values():
        path.touch()
    whole = {**env, "GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(temporary), **{name: str(path) for name, path in paths.items()}}
    whole |= {name: _filled(value, context) for name, value in step.get("env", {}).items()}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    done = subprocess.run(
        command, cwd=workspace, env=whole, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    written = {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
    for path in (script, *paths.values()):
        path.unlink()
    return done, written


def _filled(text: str, context: Mapping[str, str]) -> str:
    """A text with its expressions replaced; what is not known is empty, as on the runner."""
    return _EXPRESSION.sub(lambda found: context.get(found[1], ""), text)


def _assignments(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def _log(raw: str) -> str:
    """What people see: a mask hides its value from its line on."""
    hidden: list[str] = []
    shown: list[str] = []
    for line in raw.splitlines():
        found = _COMMAND.fullmatch(line)
        if found is not None:
            hidden.append(found[2].replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%"))
            continue
        for value in sorted(hidden, key=len, reverse=True):
            line = line.replace(value, "***")
        shown.append(line)
    return "\n".join(shown)


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a job."""
    return {"PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8", **more}
