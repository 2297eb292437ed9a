"""What a pass of kustomize-controller leaves behind: conditions, inventory, and lines in the log."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.interop.peers.apiclient import Json


class Condition(NamedTuple):
    """One condition of a Kustomization: its status (`True`, `False`, `Unknown`), a reason as one word, and a text."""

    status: str
    reason: str
    message: str


class Pass(NamedTuple):
    """How a pass ended.

    Attributes:
        revision: What was reconciled.
        conditions: By type.
        inventory: Objects that Flux keeps for its own, such as `Secret/shop/database`.
        actions: What the controller logged for an object, named in the same way: `created`, `configured`, `unchanged`, `skipped` or `deleted`.
    """

    revision: str
    conditions: Mapping[str, Condition]
    inventory: frozenset[str]
    actions: Mapping[str, str]

    @property
    def ready(self) -> bool:
        """Whether everything was applied."""
        return self.conditions["Ready"].status == "True"

    @property
    def reason(self) -> str:
        """Of the condition Ready, such as `BuildFailed`."""
        return self.conditions["Ready"].reason

    @property
    def message(self) -> str:
        """Of the condition Ready."""
        return self.conditions["Ready"].message


class PassLog:
    """What the controller logs about one Kustomization from now on."""

    def __init__(self, file: Path, namespace: str, name: str) -> None:
        self.file = file
        self._start = file.stat().st_size
        self._name = {"namespace": namespace, "name": name}

    def entries(self) -> list[Json]:
        """All of it, in order."""
        with self.file.open("rb") as log:
            log.seek(self._start)
            lines = log.read().split(b"\n")[:-1]  # the last line may not be complete
        parsed = (json.loads(line) for line in lines if line.startswith(b"{"))
        return [entry for entry in parsed if entry.get("Kustomization") == self._name]

    def failed(self, revision: str) -> bool:
        """Whether a pass over a revision failed."""
        return any(entry["level"] == "error" and entry.get("revision") == revision for entry in self.entries())

    def actions(self) -> dict[str, str]:
        """What was done to each object first."""
        done: dict[str, str] = {}
        for entry in self.entries():
            pruned = re.findall(r"(\S+) (deleted|skipped)$", entry["msg"], re.MULTILINE) if entry["msg"].startswith("garbage collection") else ()
            for name, action in (*entry.get("output", {}).items(), *pruned):
                done.setdefault(name, action)
        return done

    def tail(self) -> str:
        """The last of it as text."""
        return "\n".join(json.dumps(entry) for entry in self.entries()[-20:])


def conditions(found: Json) -> dict[str, Condition]:
    """The conditions of a Kustomization, by type."""
    listed = found.get("status", {}).get("conditions", ())
    return {entry["type"]: Condition(entry["status"], entry["reason"], entry["message"]) for entry in listed}


def object_name(identity: str) -> str:
    """`namespace_name_group_kind`, as the inventory has it, in the form of the log."""
    namespace, rest = identity.split("_", 1)
    name, _, kind = rest.rsplit("_", 2)
    return "/".join(part for part in (kind, namespace, name.replace("__", ":")) if part)  # colons, of RBAC's names, are written so
