"""Sources of Flux, beside a real API server and a server of artifacts in the place of source-controller."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from secrettool.errors import Outcome
from tests.interop.gitops import KEY_FILE
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import ApiServer, Rule
from tests.interop.sidecars import CANARY, LEAST, Place, secret
from tests.waiting import PATIENCE, wait_for

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("sidecar")]

EVENTS = Rule(["create", "patch"], ["events"], ("events.k8s.io",))
FLUX = "source.toolkit.fluxcd.io"
WATCHING = (LEAST, EVENTS, Rule(["get", "list", "watch"], ["gitrepositories", "ocirepositories", "buckets", "externalartifacts"], (FLUX,)))
SLOW = "1h"


@pytest.fixture
def place(api_server: ApiServer, tmp_path: Path, namespace: str) -> Place:
    return Place(api_server, tmp_path, namespace)


class Artifacts:
    """A server of artifacts, as source-controller is one."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def put(self, place: Place, revision: str, *, kind: str = "GitRepository", digest: str | None = None, **files: str) -> None:
        """Serve an archive, and let the object say so."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, text in files.items():
                data = text.encode()
                member = tarfile.TarInfo(f"deploy/{name}.yaml")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        data = buffer.getvalue()
        (self.folder / f"{revision}.tar.gz").write_bytes(data)
        found = digest or "sha256:" + hashlib.sha256(data).hexdigest()
        artifact = {"url": f"{self.url}/{revision}.tar.gz", "path": f"{revision}.tar.gz", "revision": f"main@sha1:{revision}", "digest": found}
        status = {"artifact": {**artifact, "lastUpdateTime": "2026-05-01T10:00:00Z", "size": len(data)}}
        place.api.admin.patch(kind, "fleet", place.namespace, {"status": status}, version=f"{FLUX}/v1", part="status")


@pytest.fixture
def artifacts(tmp_path: Path) -> Iterator[Artifacts]:
    folder = tmp_path / "artifacts"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield Artifacts(folder, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


SPECS: dict[str, Json] = {
    "GitRepository": {"interval": "1h", "url": "https://git.example/fleet"},
    "OCIRepository": {"interval": "1h", "url": "oci://oci.example/fleet"},
    "Bucket": {"interval": "1h", "endpoint": "s3.example", "bucketName": "fleet"},
    "ExternalArtifact": {"sourceRef": {"apiVersion": "example.dev/v1", "kind": "Thing", "name": "x"}},
}


def flux_source(place: Place, kind: str = "GitRepository") -> Json:
    place.grant(*WATCHING)
    head = {"name": "fleet", "namespace": place.namespace}
    place.api.admin.create({"apiVersion": f"{FLUX}/v1", "kind": kind, "metadata": head, "spec": SPECS[kind]})
    common: Json = {"path": "deploy", "keys": {"files": [str(KEY_FILE)]}, "apply": {"namespace": place.namespace}}
    return {"id": "main", "flux": {"kind": kind, "name": "fleet"}, **common}


@pytest.mark.parametrize("kind", sorted(SPECS))
def test_artifact_is_downloaded_and_applied(place: Place, artifacts: Artifacts, kind: str) -> None:
    config = place.config(flux_source(place, kind))
    artifacts.put(place, "r1", kind=kind, db=secret("db", password=CANARY))
    with place.running(config, "--once") as program:
        assert program.process.wait(PATIENCE) == Outcome.DONE
        assert program.passes()[0]["revision"] == "main@sha1:r1"
    assert place.value() == CANARY


def test_new_artifact_starts_a_pass_and_a_corrupt_one_changes_nothing(place: Place, artifacts: Artifacts) -> None:
    config = place.config(flux_source(place), interval=SLOW, events=True)
    with place.running(config) as program:
        program.wait_for_pass(cause="source")  # no artifact yet
        artifacts.put(place, "r1", db=secret("db", password="first"))
        wait_for(lambda: place.value() == "first")
        artifacts.put(place, "r2", digest="sha256:" + "0" * 64, db=secret("db", password="evil"))
        wait_for(lambda: any("not the one that its digest names" in line["message"] for line in program.lines()))
        artifacts.put(place, "r3", db=secret("db", password=CANARY))
        wait_for(lambda: place.value() == CANARY)
        wait_for(lambda: place.events("SourceUnavailable"))
        (applied, *_) = place.events("Applied")
        assert applied["regarding"] == {"apiVersion": f"{FLUX}/v1", "kind": "GitRepository", "namespace": place.namespace, "name": "fleet"}
        program.end()
    assert "evil" not in str(place.live())


def test_folder_that_somebody_tidied_away_is_made_again(place: Place, artifacts: Artifacts) -> None:
    config = place.config(flux_source(place))
    artifacts.put(place, "r1", db=secret("db", password=CANARY))
    with place.running(config) as program:
        program.wait_for_pass(result="done")
        (folder,) = (each for each in program.folders() if (each / "deploy" / "db.yaml").exists())
        shutil.rmtree(folder)
        place.api.admin.delete("Secret", "db", place.namespace)
        wait_for(lambda: place.value() == CANARY)


def test_archive_that_leads_out_is_refused(place: Place, artifacts: Artifacts, tmp_path: Path) -> None:
    config = place.config(flux_source(place))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../../evil"), io.BytesIO(b""))
    artifacts.put(place, "r1", digest="sha256:" + hashlib.sha256(buffer.getvalue()).hexdigest())
    (artifacts.folder / "r1.tar.gz").write_bytes(buffer.getvalue())
    with place.running(config, "--once") as program:
        assert program.process.wait(PATIENCE) == Outcome.CONFIGURATION
        assert any("leads out of the archive" in line["message"] for line in program.lines())


def test_da_44_nothing_is_left_in_memory_after_the_end(place: Place, artifacts: Artifacts) -> None:
    config = place.config(flux_source(place))
    artifacts.put(place, "r1", db=secret("db", password=CANARY))
    with place.running(config) as program:
        program.wait_for_pass(result="done")
        held = program.folders()
        assert held
        assert program.end() == Outcome.DONE
    assert not any(folder.exists() for folder in held)
