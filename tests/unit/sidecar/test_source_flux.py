"""An object of Flux as a source: which artifacts are taken, and which are not."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secrettool.cluster.apiserver import ApiServer
from secrettool.errors import Outcome
from secrettool.objects import Ref
from secrettool.sidecar import source_flux
from secrettool.sidecar.config import FluxSource
from secrettool.sidecar.origin import SourceUnavailable
from secrettool.sidecar.source_flux import FluxOrigin
from tests.unit.cluster.apiserving import FolderServer, Json, serving
from tests.unit.sidecar.artifacts import KIND, V1, Artifacts, Page, digest, packed, repository, serving_artifacts
from tests.waiting import wait_for

V1BETA2 = "source.toolkit.fluxcd.io/v1beta2"


class Stage:
    """An API server, a server of artifacts, and the source."""

    def __init__(self, server: FolderServer, cluster: ApiServer, artifacts: Artifacts) -> None:
        self.server = server
        self.artifacts = artifacts
        self.origin = FluxOrigin(FluxSource(KIND, "default", "fleet"), cluster, allow_disk=True)

    def publish(self, revision: str = "main@sha1-1", **files: str) -> Json:
        artifact = self.artifacts.publish(revision, {f"{name}.yaml": text for name, text in files.items()})
        self.server.put(repository(artifact))
        return artifact

    def files(self) -> dict[str, str]:
        with self.origin.checkout() as checkout:
            return {file.name: file.read_text(encoding="utf-8") for file in Path(checkout.root).iterdir()}

    def refused(self) -> SourceUnavailable:
        with pytest.raises(SourceUnavailable) as caught, self.origin.checkout():
            pass
        for text in (self.artifacts.url, "canary"):
            assert text not in f"{caught.value}{caught.value.hint}{caught.value.__cause__}"
        return caught.value


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with serving(tmp_path / "cluster") as server, server.client() as cluster, serving_artifacts() as artifacts:
        server.define(V1, KIND)
        monkeypatch.setattr(source_flux, "WATCH_GAP", 0.01)
        made = Stage(server, cluster, artifacts)
        yield made
        made.origin.close()


# ---- what is taken -------------------------------------------------------------------------------------------------------------------------------


def test_artifact_is_unpacked_and_named_by_its_revision(stage: Stage) -> None:
    artifact = stage.publish(a="a: 1\n", b="b: 2\n")
    with stage.origin.checkout() as checkout:
        root = Path(checkout.root)
        assert checkout.revision == "main@sha1-1"
        assert checkout.mark == stage.origin.look() == f"main@sha1-1@{artifact['digest']}"
        assert (root / "a.yaml").read_text(encoding="utf-8") == "a: 1\n"
        assert root.stat().st_mode & 0o077 == 0
    assert stage.origin.subject == Ref(V1, KIND, "default", "fleet")
    assert not stage.origin.looks
    stage.origin.close()
    assert not root.exists()


def test_artifact_is_downloaded_once(stage: Stage) -> None:
    stage.publish(a="a: 1\n")
    assert stage.files() == stage.files() == {"a.yaml": "a: 1\n"}
    stage.origin.look()
    assert stage.artifacts.asked == ["/main@sha1-1.tar.gz"]


def test_artifact_whose_folder_was_tidied_away_is_downloaded_again(stage: Stage) -> None:
    stage.publish(a="a: 1\n")
    with stage.origin.checkout() as checkout:
        shutil.rmtree(checkout.root)
    assert stage.files() == {"a.yaml": "a: 1\n"}


def test_another_artifact_takes_the_place_of_the_first(stage: Stage) -> None:
    stage.publish(a="a: 1\n")
    with stage.origin.checkout() as checkout:
        first = Path(checkout.root)
    stage.publish("main@sha1-2", b="b: 2\n")
    assert stage.files() == {"b.yaml": "b: 2\n"}
    assert not first.exists()


def test_what_was_good_last_is_there_again_after_a_bad_artifact(stage: Stage) -> None:
    good = stage.publish(a="a: 1\n")
    stage.files()
    stage.server.put(repository({**good, "digest": digest(b"other"), "revision": "bad"}))
    stage.refused()
    stage.server.put(repository(good))
    assert stage.files() == {"a.yaml": "a: 1\n"}
    assert len(stage.artifacts.asked) == 2


def test_older_version_of_the_api_is_used_where_there_is_no_newer_one(tmp_path: Path) -> None:
    with serving(tmp_path / "cluster") as server, server.client() as cluster, serving_artifacts() as artifacts:
        server.define(V1BETA2, KIND)
        stage = Stage(server, cluster, artifacts)
        server.put(repository(artifacts.publish("one", {"a.yaml": "a: 1\n"}), api_version=V1BETA2))
        assert stage.files() == {"a.yaml": "a: 1\n"}
        assert stage.origin.subject == Ref(V1BETA2, KIND, "default", "fleet")
        stage.origin.close()


# ---- what is not taken ---------------------------------------------------------------------------------------------------------------------------


def test_cluster_without_flux_is_told(tmp_path: Path) -> None:
    with serving(tmp_path / "cluster") as server, server.client() as cluster, serving_artifacts() as artifacts:
        error = Stage(server, cluster, artifacts).refused()
    assert (error.code, error.message) == (Outcome.CLUSTER, f"the API server knows no {KIND}")
    assert "source-controller" in str(error.hint)


def test_object_that_is_not_there_is_told(stage: Stage) -> None:
    assert str(stage.refused()) == f"{KIND}/default/fleet: does not exist"


@pytest.mark.parametrize("missing", ["url", "revision", "digest", None])
def test_object_without_a_whole_artifact_is_told(stage: Stage, missing: str | None) -> None:
    artifact = stage.publish(a="a: 1\n")
    stage.server.put(repository({name: text for name, text in artifact.items() if name != missing} if missing else None))
    assert stage.refused().message == "has no artifact yet"
    assert stage.artifacts.asked == []


def test_object_that_may_not_be_read_is_told(stage: Stage) -> None:
    stage.server.refuse = lambda asked: 403 if "fleet" in asked.path else None
    error = stage.refused()
    assert (error.code, error.message) == (Outcome.CLUSTER, "403 Forbidden")


@pytest.mark.parametrize("change", [{"digest": digest(b"other")}, {"digest": "sha1:abc"}, {"digest": "sha256:"}])
def test_artifact_that_is_another_one_than_announced_is_refused(stage: Stage, change: Json) -> None:
    stage.server.put(repository({**stage.publish(a="canary: 1\n"), **change}))
    error = stage.refused()
    assert error.file == f"{KIND}/default/fleet"
    assert "digest" in error.message


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_not_followed(stage: Stage, status: int) -> None:
    artifact = stage.publish(a="a: 1\n")
    stage.artifacts.pages["/moved"] = Page(status, headers={"Location": artifact["url"]})
    stage.server.put(repository({**artifact, "url": f"{stage.artifacts.url}/moved"}))
    assert f"HTTP {status}" in stage.refused().message
    assert stage.artifacts.asked == ["/moved"]


@pytest.mark.parametrize("status", [404, 403, 500, 204])
def test_artifact_that_is_not_served_is_told_by_its_status(stage: Stage, status: int) -> None:
    stage.publish(a="a: 1\n")
    stage.artifacts.pages["/main@sha1-1.tar.gz"] = Page(status, b"" if status == 204 else b"canary")
    assert stage.refused().message == f"its artifact cannot be downloaded: HTTP {status}"


def test_artifact_that_is_too_large_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.publish(a="a: 1\n")
    data = stage.artifacts.pages["/main@sha1-1.tar.gz"].body
    monkeypatch.setattr(source_flux, "MAX_DOWNLOAD", len(data) - 1)
    assert stage.refused().message == f"its artifact has more than {len(data) - 1} bytes"
    monkeypatch.setattr(source_flux, "MAX_DOWNLOAD", len(data))
    assert stage.files() == {"a.yaml": "a: 1\n"}


def test_artifact_that_is_cut_off_is_refused(stage: Stage) -> None:
    artifact = stage.publish(a="a: 1\n")
    stage.artifacts.pages["/main@sha1-1.tar.gz"] = Page(200, packed({"a.yaml": "a: 1\n"})[:20], length=1000)
    error = stage.refused()
    assert "downloaded" in error.message or "digest" in error.message
    assert artifact["digest"] not in str(error)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/etc/passwd", "http//x"])
def test_url_that_is_not_one_of_http_is_refused(stage: Stage, url: str) -> None:
    stage.server.put(repository({**stage.publish(a="a: 1\n"), "url": url}))
    assert stage.refused().message == "the URL of its artifact is not one of HTTP"


def test_server_that_is_not_there_is_told(stage: Stage) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/x"
        stage.server.put(repository({**stage.publish(a="a: 1\n"), "url": url}))
        assert stage.refused().message == "its artifact cannot be downloaded: no connection, or it broke"


@pytest.mark.parametrize("url", ["http://", "http://127.0.0.1:99999/x", "http://[::1/x", "http://host name/x"])
def test_url_that_cannot_be_read_is_told(stage: Stage, url: str) -> None:
    stage.server.put(repository({**stage.publish(a="a: 1\n"), "url": url}))
    assert "downloaded" in stage.refused().message


@pytest.mark.parametrize("name", ["../out.yaml", "/etc/out.yaml"])
def test_archive_that_writes_elsewhere_is_refused(stage: Stage, name: str) -> None:
    artifact = stage.artifacts.publish("bad", {name: "canary"})
    stage.server.put(repository(artifact))
    assert stage.refused().file is not None
    assert stage.artifacts.asked == ["/bad.tar.gz"]


# ---- the watch -----------------------------------------------------------------------------------------------------------------------------------


def test_watch_wakes_for_each_artifact_and_for_nothing_else(stage: Stage) -> None:
    woken: list[int] = []
    artifact = stage.publish(a="a: 1\n")
    stage.origin.watch(lambda: woken.append(1))
    wait_for(lambda: len(woken) == 1)
    stage.server.put(repository(artifact, labels={"other": "label"}))
    stage.server.put(repository(None))
    stage.publish("main@sha1-2", b="b: 2\n")
    wait_for(lambda: len(woken) == 2)
    stage.origin.close()
    seen = len(stage.server.asked)
    stage.publish("main@sha1-3", c="c: 3\n")
    assert len(woken) == 2
    assert len(stage.server.asked) == seen


def test_watch_goes_on_after_a_failure(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_flux, "WATCH_PAUSE", 0.01)
    woken: list[int] = []
    refused: list[str] = []

    def refuse(asked: Any) -> int | None:
        if "watch" in asked.query and not refused:
            refused.append(str(asked))
            return 403
        return None

    stage.server.refuse = refuse
    stage.publish(a="a: 1\n")
    stage.origin.watch(lambda: woken.append(1))
    wait_for(lambda: woken == [1])
    assert len(refused) == 1


def test_watch_of_an_object_that_is_deleted_begins_again(stage: Stage) -> None:
    woken: list[int] = []
    stage.publish(a="a: 1\n")
    stage.origin.watch(lambda: woken.append(1))
    wait_for(lambda: woken == [1])
    (file,) = stage.server.path.rglob("*fleet*")
    file.unlink()
    wait_for(lambda: sum("watch" in each.query for each in stage.server.asked) > 1)
    stage.publish("main@sha1-2", a="a: 2\n")
    wait_for(lambda: woken == [1, 1])
