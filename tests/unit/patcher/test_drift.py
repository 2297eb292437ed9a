"""What is not as a run would leave it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from secrettool.errors import ClusterError
from secrettool.patcher.drift import drift, has_drift
from secrettool.patcher.plan import SOURCES
from secrettool.patcher.result import Result
from tests.unit.patcher.support import RECONCILE, GivenSources, World, codes, manifest, one_target, secret

OWNED = {"kustomize.toolkit.fluxcd.io/name": "apps"}


def drifted(world: World, keys: str, sources: GivenSources | None, more: str = "", defaults: str = "") -> Result:
    wanted = one_target(keys, "x", "y", more=more, defaults=defaults)
    (result,) = drift(wanted.targets, world.around, sources, world.settings(wanted))
    assert world.cluster.writes == []
    return result


def values(**given: str) -> GivenSources:
    return GivenSources(dict(given))


def test_pt_28_dr01_placeholder_is_still_live(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "REPLACE_ME", "f": '{"k": "REPLACE_ME"}'})])

    result = drifted(world, "{a: x, f: x}", None)

    assert [(finding.code, finding.key) for finding in result.findings] == [("DR01", "a"), ("DR01", "f: /k")]


def test_pt_28_dr02_key_or_object_is_missing(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(name="other")])
    assert codes(drifted(world, "{a: x}", None)) == ["DR02 warning"]
    assert codes(drifted(world, "{a: x}", None, defaults="{onMissing: skip}")) == []

    world = World(tmp_path / "c", [secret({})])
    result = drifted(world, "{a: x, b: {value: y, optional: true}}", None)
    assert [(finding.code, finding.key) for finding in result.findings] == [("DR02", "a")]


def test_pt_28_missing_namespace_is_no_drift_since_a_run_would_not_mend_it(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(name="other", namespace="elsewhere")])

    for sources in (None, values(x="v")):
        result = drifted(world, "{a: x}", sources)
        assert (codes(result), result.has_drift) == (["NS01 warning"], False)


def test_pt_28_dr03_value_differs_from_its_source(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "by hand", "b": "same", "gone": "x"})])

    result = drifted(world, "{a: x, b: y, gone: {absent: true}}", values(x="v", y="same"))

    assert [(finding.code, finding.key) for finding in result.findings] == [("DR03", "a"), ("DR03", "gone")]


def test_pt_28_dr03_is_left_out_without_values(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "by hand"})])

    assert codes(drifted(world, "{a: x}", None)) == []


def test_pt_28_dr04_protection_is_missing(tmp_path: Path) -> None:
    git = {"s.yaml": manifest({"a": "REPLACE_ME"})}
    world = World(tmp_path / "c", [secret({"a": "v"})], git)
    assert codes(drifted(world, "{a: x}", None)) == ["DR04 warning"]
    assert codes(drifted(world, "{a: x}", None, defaults="{annotationPolicy: warn}")) == ["DR04 warning"]
    assert codes(drifted(world, "{a: x}", None, defaults="{annotationPolicy: ignore}")) == []

    world = World(tmp_path / "c", [secret({"a": "v"}, annotations={RECONCILE: "disabled"})], git)
    assert codes(drifted(world, "{a: x}", None)) == []


def test_pt_28_dr05_source_is_newer(tmp_path: Path) -> None:
    recorded = {"a": {"x": 3}, "b": {"y": 3}}
    world = World(tmp_path / "c", [secret({"a": "v", "b": "w"}, annotations={SOURCES: json.dumps(recorded)})])

    result = drifted(world, "{a: x, b: y}", GivenSources({"x": "v", "y": "w"}, {"x": 4, "y": 3}))

    assert [(finding.code, finding.key) for finding in result.findings] == [("DR05", "a")]


def test_pt_28_dr06_restart_is_due(tmp_path: Path) -> None:
    def entry(manager: str, time: str) -> dict[str, Any]:
        return {"manager": manager, "operation": "Update", "time": time, "fieldsType": "FieldsV1", "fieldsV1": {}}

    def app(time: str) -> dict[str, Any]:
        metadata = {"name": "app", "namespace": "ns"}
        template = {"metadata": {"annotations": {"secrettool.dev/restartedAt": time}}, "spec": {}}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}}

    written = secret({"a": "v"}, managedFields=[entry("secrettool-patch", "2026-05-06T07:00:00Z"), entry("kubectl", "2026-06-01T00:00:00Z")])
    found = []
    for time in ("2026-05-06T06:59:59Z", "2026-05-06T07:00:00Z"):
        world = World(tmp_path / time, [secret({"a": "v"}), app(time)])
        get = world.cluster.get

        def with_times(ref: Any, get: Any = get) -> Any:
            return written if ref.kind == "Secret" else get(ref)

        world.cluster.get = with_times  # type: ignore[method-assign]  # a folder writes no times
        found.append(codes(drifted(world, "{a: x}", None, more="restart: [{kind: Deployment, name: app}]")))

    assert found == [["DR06 warning"], []]


def test_pt_28_clean_object_has_no_drift(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "REPLACE_ME"}, labels=OWNED)])
    wanted = one_target("{a: x}", "x")
    assert has_drift(drift(wanted.targets, world.around, values(x="v"), world.settings(wanted)))
    world.run(wanted, {"x": "v"})

    results = drift(wanted.targets, world.around, values(x="v"), world.settings(wanted))

    assert [(row.word, row.annotation, codes(row)) for row in results] == [("unchanged", "present", [])]
    assert not has_drift(results)


def test_pt_28_failures_are_told_as_by_a_run(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "v"})])
    assert codes(drifted(world, "{a: x}", values())) == ["VL01 error"]

    def forbid(request: str) -> None:
        raise ClusterError("403 Forbidden", status=403)

    world.cluster.before = forbid
    assert codes(drifted(world, "{a: x}", values(x="v"))) == ["CL01 error"]
