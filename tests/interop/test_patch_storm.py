"""Many writers at once, and runs that fail in part, with the real API server."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier
from typing import Any, NamedTuple

import pytest
import yaml

from secrettool.cluster.connection import Access, connect
from secrettool.cluster.model import Cluster
from secrettool.objects import Object, Ref
from secrettool.patcher.case import Surroundings
from secrettool.patcher.loading import load
from secrettool.patcher.mapping import PatchMap
from secrettool.patcher.result import Result
from secrettool.patcher.run import Settings, run
from tests.cli.running import program
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import ApiServer, Rule
from tests.unit.patcher.support import GivenSources

pytestmark = pytest.mark.real

WRITERS = 20
TRIES = 5
OWNER = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class AtOnce:
    """A cluster that lets nobody write before everybody has read: the first write of all but one meets a conflict."""

    def __init__(self, cluster: Cluster, barrier: Barrier) -> None:
        self._cluster = cluster
        self._barrier = barrier
        self._is_first = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def patch(self, ref: Ref, body: Object | Sequence[Object], **more: Any) -> Any:
        if self._is_first:
            self._is_first = False
            self._barrier.wait(timeout=60)
        return self._cluster.patch(ref, body, **more)


class Storm(NamedTuple):
    """What came of writers at the same object.

    Attributes:
        results: Of each writer.
        again: Of those whose tries were used up, when they run once more.
        data: What the Secret has afterwards.
        notes: Its annotations.
    """

    results: list[Result]
    again: list[Result]
    data: dict[str, str]
    notes: dict[str, str]


def storm(api: ApiServer, folder: Path, keys: Sequence[Mapping[str, str]], *, verify: bool) -> Storm:
    """Let writers fill one Secret at once.

    Args:
        api: The server.
        folder: For a kubeconfig.
        keys: What each writer sets: values by key.
        verify: Whether they read back what they wrote.
    """
    namespace = api.namespace()
    metadata = {"name": "s", "namespace": namespace, "labels": OWNER}
    api.admin.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"mine": b64("kept"), "k0": b64("REPLACE_ME")}})
    access = Access(str(api.kubeconfig(folder / "kubeconfig", api.admin_token)))
    barrier = Barrier(len(keys))

    def write(values: Mapping[str, str], cluster: Cluster) -> Result:
        given = GivenSources({f"v_{key}": text for key, text in values.items()})
        (result,) = run(a_map(namespace, values).targets, Surroundings(cluster), given, Settings(verify=verify))
        return result

    with ExitStack() as stack, ThreadPoolExecutor(len(keys)) as pool:
        clusters = [stack.enter_context(connect(access, os.environ)) for _ in keys]
        results = list(pool.map(write, keys, [AtOnce(cluster, barrier) for cluster in clusters]))
        again = [write(values, cluster) for values, cluster, result in zip(keys, clusters, results, strict=True) if not result.is_good]
    live = api.admin.get("Secret", "s", namespace)
    data = {key: base64.b64decode(text).decode() for key, text in live["data"].items()}
    return Storm(results, again, data, live["metadata"].get("annotations", {}))


def gave_up(ended: Storm) -> int:
    """How many writers used up their tries: each says so, and its second run does its work. On a machine with nothing else to do there is none."""
    failed = [row for row in ended.results if row.word != "changed"]
    for row in failed:
        assert (row.word, row.attempts, [finding.code for finding in row.findings]) == ("failed", TRIES, ["CL01"])
        assert row.findings[0].text.startswith("409 Conflict")
    assert [row.word for row in ended.again] == ["changed"] * len(failed)
    return len(failed)


def a_map(namespace: str, keys: Iterable[str]) -> PatchMap:
    """A map that fills these keys of the Secret `s`."""
    target = {"id": "s", "ref": {"kind": "Secret", "namespace": namespace, "name": "s"}, "keys": {key: f"v_{key}" for key in keys}}
    return load(as_text([target], {f"v_{key}": {"env": key} for key in keys}))


def as_text(targets: list[Json], values: Json) -> str:
    """The text of a map."""
    head = {"apiVersion": "secrettool.dev/v1alpha1", "kind": "PatchMap"}
    return yaml.safe_dump({**head, "values": values, "targets": targets}, sort_keys=False)


@pytest.fixture(autouse=True)
def quick_switches() -> Iterator[None]:
    """Writers are threads here: let none of them wait long for its turn between its read and its write."""
    former = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    yield
    sys.setswitchinterval(former)


def test_pt_25_storm_of_writers_loses_no_key(api_server: ApiServer, tmp_path: Path) -> None:
    keys = [{f"k{number}": f"value {number}", f"l{number}": f"more {number}"} for number in range(WRITERS)]

    ended = storm(api_server, tmp_path, keys, verify=True)

    assert gave_up(ended) <= 1
    assert ended.data == {"mine": "kept", **{key: text for each in keys for key, text in each.items()}}
    assert ended.notes == {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}
    attempts = sorted(row.attempts for row in ended.results)
    assert attempts[0] == 1
    assert attempts[1] >= 2  # all but the first met a conflict
    assert attempts[-1] <= TRIES


def test_pt_25_storm_at_the_same_keys_ends_with_the_set_of_one_writer(api_server: ApiServer, tmp_path: Path) -> None:
    keys = [{key: f"{key} of {number}" for key in ("k0", "k1", "k2")} for number in range(WRITERS)]

    ended = storm(api_server, tmp_path, keys, verify=False)

    assert gave_up(ended) <= 1
    assert {key: text for key, text in ended.data.items() if key != "mine"} in keys
    assert max(row.attempts for row in ended.results) <= TRIES


def test_pt_33_what_fails_stops_nothing_else(api_server: ApiServer, tmp_path: Path) -> None:
    open_, closed = api_server.namespace(), api_server.namespace()
    for namespace, name in ((open_, "first"), (open_, "last"), (open_, "lost"), (closed, "shut")):
        metadata = {"name": name, "namespace": namespace}
        api_server.admin.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"a": b64("REPLACE_ME"), "b": b64("kept")}})
    account = api_server.account(open_, [Rule(["get", "patch"], ["secrets"])])
    places = {"first": open_, "lost": open_, "shut": closed, "last": open_}
    refs = {name: {"kind": "Secret", "namespace": namespace, "name": name} for name, namespace in places.items()}
    targets = [{"id": name, "ref": ref, "keys": {"a": "missing" if name == "lost" else "value", "b": "value"}} for name, ref in refs.items()]
    (tmp_path / "patch.yaml").write_text(as_text(targets, {"value": {"env": "VALUE"}, "missing": {"env": "MISSING"}}), encoding="utf-8")
    kubeconfig = api_server.kubeconfig(tmp_path / "kubeconfig", account.token)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(kubeconfig), "VALUE": "canary-4711"}

    done = program(["patch", "--map", "patch.yaml", "--all", "--output", "json"], tmp_path, environ)

    told = {row["id"]: (row["result"], [finding["code"] for finding in row["findings"]]) for row in json.loads(done.out)["targets"]}
    assert done.code == 3
    assert told == {"first": ("changed", []), "last": ("changed", []), "lost": ("failed", ["VL01"]), "shut": ("failed", ["CL01"])}
    for name, namespace in places.items():
        expected = ["canary-4711"] * 2 if told[name][0] == "changed" else ["REPLACE_ME", "kept"]
        live = api_server.admin.get("Secret", name, namespace)
        assert [base64.b64decode(live["data"][key]).decode() for key in ("a", "b")] == expected
    assert "canary" not in done.out.decode() + done.err
    assert b64("canary-4711") not in done.out.decode() + done.err
