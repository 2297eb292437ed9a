"""The real programs as fixtures, each found or started once per run.

Tests that share a server run in one worker (`--dist loadgroup`), so that it is started once.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import yaml

from tests.interop import programs
from tests.interop.peers import AgePrograms, apiserver, missing, oidc
from tests.interop.peers import vault as vault_server
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import ApiServer
from tests.interop.peers.flux import Flux, running_flux
from tests.interop.peers.oidc import OidcIssuer
from tests.interop.peers.process import RUNNING, workspace
from tests.interop.peers.vault import Vault

# Groups of xdist in the order in which they win: a test that uses two servers runs where the one that starts slower is.
GROUPS = {"cluster": frozenset({"api_server", "flux"}), "vault": frozenset({"vault"})}


# Nobody's keys and settings: kustomize-controller opens secrets with what it finds in its environment.
PLAIN_ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in its own hook of this name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that share a server into one group of xdist; a module may name a group of its own, with a server of its own."""
    for item in items:
        if item.get_closest_marker("xdist_group") is not None:
            continue
        used = frozenset(getattr(item, "fixturenames", ()))
        for group, fixtures in GROUPS.items():
            if used & fixtures:
                item.add_marker(pytest.mark.xdist_group(group))
                break


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the log of every server that ran while a test failed, and where all of it is kept."""
    report = yield
    if report.failed:
        report.sections += [(f"{server.name}: the end of {server.log}", server.tail()) for server in RUNNING]
    return report


def required(name: str) -> Path:
    """A program of the recipes; skips (in CI: fails) the test when it was not built and is not on PATH."""
    return programs.find(name) or missing(name)


# --- programs that are run once per call ---


@pytest.fixture(scope="session")
def real_sops() -> Path:
    """The real sops."""
    return required("sops")


@pytest.fixture(scope="session")
def real_age() -> AgePrograms:
    """The real age with its key generator, inspector and the plugin for passphrases."""
    return AgePrograms(*(required(name) for name in ("age", "age-keygen", "age-inspect", "age-plugin-batchpass")))


@pytest.fixture(scope="session")
def real_kustomize() -> Path:
    """The real kustomize."""
    return required("kustomize")


@pytest.fixture(scope="session")
def real_gpg() -> Path:
    """The real GnuPG, which comes from the system."""
    found = shutil.which("gpg")
    return Path(found) if found else missing("gpg", "install GnuPG (Debian and Ubuntu: gnupg)")


# --- servers ---


@pytest.fixture(scope="session")
def oidc_issuer() -> Iterator[OidcIssuer]:
    """An OIDC issuer that plays GitHub Actions."""
    with oidc.running() as issuer:
        yield issuer


@pytest.fixture(scope="session")
def vault(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, oidc_issuer: OidcIssuer) -> Iterator[Vault]:
    """Vault in development mode, whose mount `jwt` trusts `oidc_issuer`."""
    program = required("vault")
    with (
        workspace(tmp_path_factory.mktemp("vault"), lambda: request.session.testsfailed) as folder,
        vault_server.running(program, folder, oidc_issuer) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def api_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A Kubernetes API server on etcd with the kinds of Flux and ClusterIssuer; `api_server.admin` may do everything in it."""
    needed = apiserver.Programs(required("etcd"), required("kube-apiserver"))
    kinds = [kind for recipe in ("kustomize-controller", "source-controller") for kind in definitions(recipe)]
    with (
        workspace(tmp_path_factory.mktemp("api-server"), lambda: request.session.testsfailed) as folder,
        apiserver.running_api_server(needed, folder, kinds, PLAIN_ENVIRONMENT) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def flux(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, api_server: ApiServer) -> Iterator[Flux]:
    """Flux's kustomize-controller on the API server; `flux.reconcile(tree, namespace)` says what it makes of a folder."""
    program = required("kustomize-controller")
    with (
        workspace(tmp_path_factory.mktemp("flux"), lambda: request.session.testsfailed) as folder,
        running_flux(program, api_server, folder, PLAIN_ENVIRONMENT) as running,
    ):
        yield running


@pytest.fixture
def namespace(api_server: ApiServer) -> str:
    """A new namespace in the API server."""
    return api_server.namespace()


def definitions(recipe: str) -> list[Json]:
    """The CustomResourceDefinitions that were built with a recipe."""
    folder = programs.find_folder(recipe, "crds") or missing(f"the definitions of {recipe}'s kinds")
    return [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.yaml"))]


@pytest.fixture(scope="session")
def cluster_vault(vault: Vault, api_server: ApiServer) -> Vault:
    """The same Vault, whose mount `kubernetes` trusts the API server; `admit` a service account to get its role."""
    vault.trust_cluster(api_server.url, api_server.ca.read_text(encoding="utf-8"))
    return vault
