"""The command line in this process, and clusters, for the tests with a cluster."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from secrettool.cli.app import run
from secrettool.cluster.connection import Access, connect
from secrettool.cluster.folder import FolderCluster
from tests.cluster.scene import Scene
from tests.interop.peers import apiserver
from tests.interop.peers.apiserver import ApiServer
from tests.said import Said

Secrettool = Callable[..., Said]


@pytest.fixture
def secrettool(capfd: pytest.CaptureFixture[str]) -> Secrettool:
    """Runs a command line in this process: the package `kubernetes` takes a second to load."""

    def call(*words: object) -> Said:
        capfd.readouterr()
        code = run([str(word) for word in words])
        return Said(code, *capfd.readouterr())

    return call


@pytest.fixture
def kubeconfig(api_server: ApiServer, tmp_path: Path) -> Path:
    """A kubeconfig of somebody who may do everything."""
    return api_server.kubeconfig(tmp_path / "kubeconfig", api_server.admin_token)


@pytest.fixture(params=["folder", pytest.param("server", marks=[pytest.mark.real, pytest.mark.xdist_group("cluster")])])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    if request.param == "folder":
        folder = tmp_path / "manifests"
        folder.mkdir()
        shutil.copy(apiserver.CLUSTER_ISSUER, folder)
        cluster = FolderCluster(str(folder))
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}, manager="test")
        yield Scene(cluster, "shop")
        return
    kubeconfig, namespace = request.getfixturevalue("kubeconfig"), request.getfixturevalue("namespace")
    with connect(Access(str(kubeconfig)), {}) as server:
        yield Scene(server, namespace)
