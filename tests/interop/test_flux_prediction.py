"""What the real Flux does with a Secret is what `what_flux_does` said before, from the live object with its real managed fields.

The steps are drawn: manifests and changes by hand that meet every annotation, several field managers, immutable Secrets and changed types.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from secrettool.flux import Controller, Effect, FluxKustomization, FluxVersion, LiveObject, what_flux_does
from tests.interop.gitops import write_tree
from tests.interop.peers.apiclient import ApiError, Json
from tests.interop.peers.flux import OWN_PREFIX, Flux, Kustomization

pytestmark = pytest.mark.real

CONTROLLER = Controller(FluxVersion(1, 7, 3))
"""What is built by tests/interop/programs."""
SEEDS = [0, 1, 110, 116, 154]
"""The last three meet an empty map of annotations and objects that are lost when they are forced."""
PASSES = 6
BESIDE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: beside}\n"

ANNOTATIONS = [("reconcile", "disabled"), ("ssa", "IfNotPresent"), ("ssa", "Merge"), ("ssa", "ignore"), ("force", "Enabled"), ("prune", "disabled")]
MANAGERS = ["secrettool-patch", "secrettool", "kubectl-patch", "my-tool", "before-first-apply", "kustomize-controller"]
KEYS = ["a", "b", "c"]


class State(NamedTuple):
    """What is compared."""

    log: str | None
    ready: bool
    in_inventory: bool
    obj: Json | None
    owners: dict[str, set[str]]


def drawn_data(draw: random.Random) -> dict[str, str]:
    return {key: base64.b64encode(draw.choice(["one", "two"]).encode()).decode() for key in KEYS if draw.random() < 0.6}


def drawn_annotations(draw: random.Random, share: float) -> dict[str, str]:
    return {OWN_PREFIX + name: value for name, value in draw.sample(ANNOTATIONS, 2) if draw.random() < share}


def drawn_manifest(draw: random.Random, namespace: str) -> Json | None:
    if draw.random() < 0.15:
        return None
    metadata: Json = {"name": "s", "namespace": namespace, "annotations": drawn_annotations(draw, 0.2), "labels": {"l": draw.choice("xy")}}
    fields: Json = {"data": drawn_data(draw)}
    if draw.random() < 0.15:
        fields["immutable"] = True
    if draw.random() < 0.15:
        fields["type"] = "example.invalid/x"
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **fields}


def change_by_hand(draw: random.Random, flux: Flux, namespace: str) -> None:
    """One write by somebody else; what the API server refuses is as good as none."""
    with suppress(ApiError):
        if draw.random() < 0.3:
            manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}, "data": drawn_data(draw)}
            flux.api.admin.apply(manifest, manager=draw.choice(MANAGERS[:4]), force=True)
        elif draw.random() < 0.9:
            gone = {key: None for key in KEYS if draw.random() < 0.2}
            notes = {OWN_PREFIX + name: draw.choice([value, None]) for name, value in draw.sample(ANNOTATIONS, 1) if draw.random() < 0.2}
            change = {"data": drawn_data(draw) | gone, "metadata": {"annotations": notes}}
            flux.api.admin.patch("Secret", "s", namespace, change, manager=draw.choice(MANAGERS))
        else:
            flux.api.admin.delete("Secret", "s", namespace)


def comparable(live: LiveObject | None, log: str | None, ready: bool, in_inventory: bool) -> State:
    if live is None:
        return State(log, ready, in_inventory, None, {})
    metadata = live.obj["metadata"]
    obj = {name: live.obj.get(name) for name in ("type", "immutable")} | {"data": live.obj.get("data") or {}}
    obj |= {part: metadata.get(part) or {} for part in ("labels", "annotations")}
    owned: dict[str, set[str]] = {}
    for manager in live.managers:
        for path in manager.fields:
            if path[0] == "data" and len(path) > 1:
                owned.setdefault(path[1], set()).add(f"{manager.name} {manager.operation}")
    return State(log, ready, in_inventory, obj, owned)


def in_cluster(flux: Flux, namespace: str) -> LiveObject | None:
    found = flux.api.admin.find("Secret", "s", namespace)
    return LiveObject.from_object(found) if found is not None else None


def published(folder: Path, manifests: Iterable[Json]) -> Path:
    return write_tree(folder, {"beside.yaml": BESIDE, "secret.yaml": "---\n".join(json.dumps(each) + "\n" for each in manifests)})


def predicted(kustomization: Kustomization, manifest: Json | None, live: LiveObject | None, in_inventory: bool) -> Effect:
    facts = FluxKustomization(name=kustomization.name, namespace=kustomization.namespace, prune=True)
    return what_flux_does(manifest, live, facts, in_inventory=in_inventory, controller=CONTROLLER)


@pytest.mark.parametrize("seed", SEEDS)
def test_passes_do_what_was_said_before(seed: int, flux: Flux, namespace: str, tmp_path: Path) -> None:
    draw = random.Random(seed)
    kustomization = flux.kustomization(namespace)
    subject = f"Secret/{namespace}/s"
    in_inventory = False
    for number in range(PASSES):
        for _ in range(draw.randrange(3)):
            change_by_hand(draw, flux, namespace)
        manifest = drawn_manifest(draw, namespace)
        effect = predicted(kustomization, manifest, in_cluster(flux, namespace), in_inventory)

        result = kustomization.reconcile(published(tmp_path / str(number), [manifest] if manifest else []))

        in_inventory = subject in result.inventory
        word = result.actions.get(subject) if manifest is not None else None
        expected = comparable(effect.live, effect.log_word, effect.ready, effect.in_inventory)
        assert comparable(in_cluster(flux, namespace), word, result.ready, in_inventory) == expected, (
            f"pass {number}: {effect.action} {effect.reason}"
        )
