"""What two real controllers did to a Secret in a real API server (tests/hook-vectors/apply.yaml), computed step by step by `what_flux_does`.

Each `git` and `delete` step of each case is one test for each version. What a manifest is after decryption comes from secrettool itself: the vectors
say what was encrypted, not the ciphertext.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import pytest
import yaml

import secrettool
from secrettool.errors import SecrettoolError
from secrettool.flux import NEWEST, Controller, Effect, FluxKustomization, FluxVersion, LiveObject, build_failed, what_deletion_does, what_flux_does
from secrettool.flux.live import applied, patched
from secrettool.flux.selectors import OWNER_NAME, OWNER_NAMESPACE, is_decryption_disabled
from secrettool.manifests import read
from secrettool.sops.selection import Selector
from tests.hook.cases import FOLDER, key

Json = dict[str, Any]

NAMESPACE = "ns"
HEAD: Json = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": NAMESPACE}}
OWNERS = {OWNER_NAME: "case", OWNER_NAMESPACE: "team"}
VERSIONS = {"1.7.3": FluxVersion(1, 7, 3), "newer": NEWEST}
RECIPIENT = "age1qr5k0h4vsm7pl8d3wdzszd2ngnf3eh0035cwuh6g4l65lppquq8se8l0rz"


class Run(NamedTuple):
    """One case with one version."""

    case: Json
    version: str

    @property
    def expected(self) -> list[Json]:
        results = self.case["results"]
        found = results[self.version]
        return list(results["1.7.3"] if found == "same" else found)

    @property
    def was_run(self) -> bool:
        return not str(self.case["results"][self.version]).startswith("not run")


@cache
def all_runs() -> list[Run]:
    document = yaml.load((FOLDER / "apply.yaml").read_bytes(), yaml.CSafeLoader)
    return [Run(case, version) for case in document["cases"] for version in VERSIONS]


def steps() -> Iterator[Any]:
    for run in all_runs():
        if run.was_run:
            for number in range(len(run.expected)):
                yield pytest.param(run, number, id=f"{run.case['id']}-{run.version}-{number}")


# --- the inputs of a case ---


def kustomization_of(case: Json) -> FluxKustomization:
    settings = dict(case.get("settings", {}))
    if settings.pop("decryption", False):
        settings["decryption"] = {"provider": "sops", "secretRef": {"name": "sops-keys"}}
    metadata = {"name": "case", "namespace": "team"}
    spec = {"path": ".", "prune": True, **settings}
    obj = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": metadata, "spec": spec}
    return FluxKustomization.from_object(obj)


def encoded(data: Mapping[str, str | None]) -> dict[str, str | None]:
    return {name: None if text is None else b64encode(text.encode()).decode() for name, text in data.items()}


def with_fields(fields: Json) -> Json:
    """A Secret with the fields of a manifest or of a live step."""
    metadata = {name: fields[name] for name in ("labels", "annotations") if name in fields}
    obj: Json = {**HEAD, "metadata": {**HEAD["metadata"], **metadata}}
    obj.update({name: fields[name] for name in ("stringData", "type", "immutable") if name in fields})
    if "data" in fields:
        obj["data"] = encoded(fields["data"])
    return obj


def manifest_in_git(fields: Json) -> Json:
    """The manifest as it lies in git, encrypted where the case says so."""
    text = fields["text"].replace("NAMESPACE", NAMESPACE) if "text" in fields else yaml.safe_dump(with_fields(fields), sort_keys=False)
    selector = Selector("encrypted_regex", fields["encrypt"]) if "encrypt" in fields else None
    if "rule" in fields:
        ((kind, expression),) = fields["rule"].items()
        selector = Selector(kind, expression)
    if selector is not None:
        text = secrettool.encrypt(text, "yaml", recipients=[RECIPIENT], selector=selector)
    if "replace" in fields:
        text = re.sub(fields["replace"]["pattern"], fields["replace"]["by"], text)
    (found,) = read(text, file=None)
    return found.obj


def opened(obj: Json) -> Json:
    """What the resource stage makes of an encrypted object: JSON to JSON, the MAC not checked."""
    if not obj.get("sops", {}).get("mac"):
        return obj
    runtime = secrettool.local_runtime({"SOPS_AGE_KEY": key("age-a.txt").decode()})
    return dict(json.loads(secrettool.decrypt(json.dumps(obj), "json", ignore_mac=True, runtime=runtime)))


# --- one case ---


class Replay:
    """A case as it goes on: the cluster, the inventory, and what is in git."""

    def __init__(self, run: Run) -> None:
        self.kustomization = kustomization_of(run.case)
        self.controller = Controller(VERSIONS[run.version])
        self.live: LiveObject | None = None
        self.in_inventory = False
        self.manifest: Json | None = None

    def change(self, fields: Json) -> None:
        """Change the cluster by hand."""
        if fields.get("delete"):
            self.live = None
            return
        write = applied if fields.get("operation") == "Apply" else patched
        self.live = write(self.live, fields["manager"], with_fields(fields))

    def publish(self, manifests: Any) -> Effect:
        """Put a revision into git and let a pass run over it."""
        if manifests != "same":
            self.manifest = manifest_in_git(manifests[0]) if manifests else None
        return self._done(self._pass())

    def delete(self) -> Effect:
        """Delete the Kustomization."""
        return self._done(what_deletion_does(self.live, self.kustomization, in_inventory=self.in_inventory, controller=self.controller))

    def _pass(self) -> Effect:
        obj = self.manifest
        if obj is not None and self.kustomization.decryption is not None and not is_decryption_disabled(obj, self.controller.version):
            try:
                obj = opened(obj)
            except SecrettoolError:
                return build_failed(self.live, in_inventory=self.in_inventory, reason="decryption failed")
        return what_flux_does(obj, self.live, self.kustomization, in_inventory=self.in_inventory, controller=self.controller)

    def _done(self, effect: Effect) -> Effect:
        self.live, self.in_inventory = effect.live, effect.in_inventory
        return effect


def word_for(effect: Effect, before: Json | None, after: Json | None) -> str:
    """The word that the vectors have for a change of the cluster."""
    if before is None or after is None:
        return {(True, True): "absent", (True, False): "created", (False, True): "deleted"}[before is None, after is None]
    if effect.action == "recreated":
        return "recreated"
    if before["data"] != after["data"]:
        return "data changed"
    return "untouched" if before == after else "metadata changed"


def seen(live: LiveObject | None) -> Json | None:
    """The object as the vectors show it."""
    if live is None:
        return None
    metadata = live.obj["metadata"]
    notes = {part: {name: text for name, text in metadata.get(part, {}).items() if name not in OWNERS} for part in ("labels", "annotations")}
    data = {name: b64decode(value).decode() for name, value in live.obj.get("data", {}).items()}
    return {
        **{part: found for part, found in notes.items() if found},
        "ownerLabels": OWNERS.items() <= metadata.get("labels", {}).items(),
        "type": live.obj["type"],
        "data": {name: "ENC[...]" if text.startswith("ENC[") else text for name, text in data.items()},
    }


def observed(run: Run) -> list[Json]:
    """What the vectors would say about each step, computed."""
    replay, found = Replay(run), []
    for step in run.case["steps"]:
        if "live" in step:
            replay.change(step["live"])
            continue
        before = seen(replay.live)
        effect = replay.publish(step["git"]) if "git" in step else replay.delete()
        after = seen(effect.live)
        about: Json = {"effect": word_for(effect, before, after), "live": after}
        if "git" in step:
            about |= {"ready": effect.ready, "inventory": effect.in_inventory}
            about |= {"log": [effect.log_word]} if effect.log_word else {}
            about |= {} if effect.ready else {"reason": effect.condition}
        else:
            about["kustomization"] = "deleted"
        found.append(about)
    return found


@pytest.mark.parametrize(("run", "number"), list(steps()))
def test_step_is_computed_as_the_real_controller_did_it(run: Run, number: int) -> None:
    expected = {name: value for name, value in run.expected[number].items() if name != "message"}

    assert observed(run)[number] == expected


def test_only_ignore_rules_before_they_existed_have_no_result() -> None:
    """1.7.3 does not know `spec.ignore`, so the API server dropped the field and nothing was run; there is nothing to compare with."""
    left_out = {(run.case["id"], run.version) for run in all_runs() if not run.was_run}

    assert left_out == {("ignore-rule", "1.7.3"), ("ignore-rule-apply-manager", "1.7.3")}
    assert len({run.case["id"] for run in all_runs()}) == 92
