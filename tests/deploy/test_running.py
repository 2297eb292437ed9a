"""The program with the configuration and the rights of each overlay, against the real API server: only folders, names and ports are others."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.deploy.installed import Installed, install
from tests.deploy.manifests import CONFIGURATIONS, DEPLOY, ROOT
from tests.interop.gitops import KEY_FILE, sealed
from tests.interop.peers import missing
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import PATIENCE, ApiServer
from tests.interop.peers.process import RUNNING, answers, free_ports, serving
from tests.waiting import wait_for

pytestmark = pytest.mark.real

VALUE: Final = b"marker-of-the-value-7c1e"
LEASES: Final = "coordination.k8s.io/v1"
EVENTS: Final = "events.k8s.io/v1"


def as_a_volume(folder: Path, files: Mapping[str, str]) -> None:
    """Write files as the kubelet lays out a ConfigMap or a Secret; over those that are there, as it does when the object has changed."""
    folder.mkdir(exist_ok=True)
    data = folder / f"..2026_01_01_{len(list(folder.iterdir()))}"
    data.mkdir()
    for name, content in files.items():
        (data / name).write_text(content, encoding="utf-8")
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    before = os.path.realpath(folder / "..data")
    (folder / "..data_tmp").symlink_to(data.name)
    (folder / "..data_tmp").rename(folder / "..data")
    if before != str(folder / "..data"):
        shutil.rmtree(before)


class Place:
    """What a pod of an overlay would have mounted.

    Attributes:
        folder: With everything in it.
        target: For mode render, in memory.
        port: That the program listens on.
    """

    def __init__(self, folder: Path, target: Path, namespace: str) -> None:
        self.folder, self.target = folder, target
        (self.port,) = free_ports(1)
        as_a_volume(folder / "keys", {"test.agekey": KEY_FILE.read_text(encoding="utf-8")})
        values = {"key": VALUE.decode()}
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-webhook", "namespace": namespace}, "stringData": values}
        as_a_volume(folder / "source", {"shop-webhook.yaml": sealed(yaml.safe_dump(manifest))})

    def configuration(self, overlay: str) -> Path:
        """The configuration of an overlay, for this place."""
        content = yaml.safe_load(CONFIGURATIONS[overlay].read_text(encoding="utf-8"))
        (source,) = content["sources"]
        source.pop("flux", None)
        source.pop("path", None)
        source |= {"dir": {"path": str(self.folder / "source")}, "keys": {"folder": str(self.folder / "keys")}}
        if "render" in source:
            source["render"]["target"] = str(self.target)
        content.setdefault("http", {})["port"] = self.port
        file = self.folder / "sidecar.yaml"
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        return file

    def environ(self, **more: str) -> dict[str, str]:
        """The environment of the pod."""
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self.folder), **more}


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    folder = Path("/dev/shm") / f"deploy-test-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        missing("/dev/shm", "mount a memory file system there")
    yield folder
    shutil.rmtree(folder)


def command(*words: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "secrettool", "sidecar", "run", *words]


def pod(account: Installed, place: Place) -> tuple[dict[str, str], Path]:
    """The environment of a pod of the account, and how it reaches the API server."""
    own = account.places["secrettool"]
    kubeconfig = account.cluster.kubeconfig(place.folder / "kubeconfig", account.token, namespace=own)
    return place.environ(POD_NAME="secrettool-0", POD_NAMESPACE=own), kubeconfig


def the_secret(account: Installed) -> Json | None:
    return account.cluster.admin.find("Secret", "shop-webhook", account.places["shop"])


def test_da_53_rights_of_the_job_are_all_that_its_pass_needs(api_server: ApiServer, real_kustomize: Path, tmp_path: Path) -> None:
    account = install(DEPLOY / "overlays/job", api_server, real_kustomize)
    place = Place(tmp_path, tmp_path / "none", account.places["shop"])
    environ, kubeconfig = pod(account, place)
    words = command("--once", f"--config={place.configuration('job')}", f"--kubeconfig={kubeconfig}")
    for _ in range(2):
        run = subprocess.run(words, env=environ, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert run.returncode == 0, run.stdout + run.stderr
        assert VALUE.decode() not in run.stdout + run.stderr
    found = the_secret(account)
    assert found is not None
    assert found["data"] == {"key": base64.b64encode(VALUE).decode()}
    # Another Secret than the named one is beyond the rights, and the pass says so.
    other = (tmp_path / "source/shop-webhook.yaml").read_text("utf-8").replace("name: shop-webhook", "name: another")
    as_a_volume(tmp_path / "source", {"shop-webhook.yaml": other})
    with (tmp_path / "sidecar.yaml").open(encoding="utf-8") as file:
        content = yaml.safe_load(file)
    content["sources"][0]["mac"] = "skip"
    (tmp_path / "sidecar.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    run = subprocess.run(words, env=environ, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.returncode == 8, run.stdout + run.stderr


def test_da_53_rights_of_apply_are_all_that_the_loop_needs(api_server: ApiServer, real_kustomize: Path, tmp_path: Path) -> None:
    account = install(DEPLOY / "overlays/apply", api_server, real_kustomize)
    admin, own = api_server.admin, account.places["secrettool"]
    place = Place(tmp_path, tmp_path / "none", account.places["shop"])
    environ, kubeconfig = pod(account, place)
    words = command(f"--config={place.configuration('apply')}", f"--kubeconfig={kubeconfig}")
    log = tmp_path / "log"

    def holder() -> str:
        lease = admin.find("Lease", "secrettool-shop", own, version=LEASES)
        return str(lease["spec"].get("holderIdentity") or "") if lease else ""

    with serving("sidecar", words, log=log, environ=environ, ready=lambda: answers(place.port, "/readyz")):
        wait_for(lambda: the_secret(account) is not None, seconds=PATIENCE)
        assert holder().startswith("secrettool-0_")
        wait_for(lambda: bool(admin.items("Event", own, version=EVENTS)), seconds=PATIENCE)
        end_in_peace(lambda: holder() == "")
    said = log.read_text(encoding="utf-8")
    assert "orbidden" not in said
    assert VALUE.decode() not in said


def test_da_50_render_waits_at_startupz_and_needs_no_cluster(memory_folder: Path, tmp_path: Path) -> None:
    place = Place(tmp_path, memory_folder, "shop")
    words = command(f"--config={place.configuration('render-sidecar')}")
    with serving("sidecar", words, log=tmp_path / "log", environ=place.environ(), ready=lambda: answers(place.port, "/startupz")):
        rendered = memory_folder / "shop/shop-webhook/key"
        assert rendered.read_bytes() == VALUE
        assert rendered.stat().st_mode & 0o777 == 0o440
        assert (memory_folder / "..data").is_symlink()
        # The kubelet brings another ConfigMap: the files follow.
        text = yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "second", "namespace": "shop"}, "stringData": {"key": "2"}})
        before = (tmp_path / "source/shop-webhook.yaml").read_text("utf-8")
        as_a_volume(tmp_path / "source", {"shop-webhook.yaml": before, "second.yaml": sealed(text)})
        wait_for((memory_folder / "shop/second/key").exists, seconds=PATIENCE)
        assert rendered.read_bytes() == VALUE
        end_in_peace(lambda: True)
    assert VALUE.decode() not in (tmp_path / "log").read_text(encoding="utf-8")


def end_in_peace(done: Callable[[], bool]) -> None:
    """End the last server as the kubelet does, and see that it did what it does at the end."""
    process = RUNNING[-1].process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait(timeout=20)
    wait_for(done, seconds=PATIENCE)
