"""Giving objects back to Flux."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from secrettool.errors import ClusterError, Outcome
from secrettool.patcher.release import release
from tests.unit.patcher.support import RECONCILE, REF, World, codes, manifest, secret

OWNED: dict[str, Any] = {"kustomize.toolkit.fluxcd.io/name": "apps"}
KEPT = {RECONCILE: "disabled", "other": "x"}


def world_of(tmp_path: Path, git: dict[str, str] | None = None, **metadata: Any) -> World:
    return World(tmp_path / "c", [secret({"a": "v"}, annotations=KEPT, **metadata)], git)


def test_pt_22_release_takes_the_annotation_away(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"s.yaml": manifest({"other": "x"})}, labels=OWNED)
    assert world.manifests is not None

    result = release(REF, world.manifests.find(REF), world.cluster)

    assert (result.word, world.notes(), world.data()) == ("changed", {"other": "x"}, {"a": b"v"})
    assert release(REF, world.manifests.find(REF), world.cluster).word == "unchanged"


def test_pt_22_release_is_refused_while_git_has_placeholders(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"s.yaml": manifest({"a": "REPLACE_ME"})})
    assert world.manifests is not None

    result = release(REF, world.manifests.find(REF), world.cluster)

    assert (result.word, codes(result), result.code, world.cluster.writes) == ("refused", ["PH003 error"], Outcome.REFUSED, [])
    assert (result.findings[0].file, result.findings[0].key) == ("s.yaml", "a")


def test_pt_22_release_is_refused_when_flux_would_delete_the_object(tmp_path: Path) -> None:
    assert codes(release(REF, None, world_of(tmp_path, labels=OWNED).cluster)) == ["AN04 error"]
    assert release(REF, None, world_of(tmp_path).cluster).word == "changed"


def test_pt_22_release_of_a_missing_object(tmp_path: Path) -> None:
    assert codes(release(REF._replace(name="none"), None, world_of(tmp_path).cluster)) == ["OB01 error"]


def test_pt_22_release_tries_again_after_a_conflict(tmp_path: Path) -> None:
    world = world_of(tmp_path)

    def once(request: str) -> None:
        if request.startswith("merge"):
            world.cluster.before = lambda _: None
            raise ClusterError("409 Conflict", status=409)

    world.cluster.before = once

    assert release(REF, None, world.cluster).word == "changed"
    assert world.notes() == {"other": "x"}
