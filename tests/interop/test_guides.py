"""The guide of the patcher followed to its end: with a real API server, a real Vault, and an issuer that plays GitHub."""

from __future__ import annotations

import os
from base64 import b64decode
from pathlib import Path

import pytest
import yaml

from tests import guides
from tests.interop.fixtures import required
from tests.interop.peers.apiserver import ApiServer
from tests.interop.peers.oidc import OidcIssuer
from tests.interop.peers.vault import Vault

pytestmark = pytest.mark.real

FLUX = "kustomize-controller"
LAST_VALUE = guides.STDIN


class Administrator:
    """Who does what the guide leaves to Flux and to kubectl."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self._server = server
        self._folder = folder

    def apply(self, *files: Path) -> None:
        """What Flux, or `kubectl apply`, does with files."""
        for file in files:
            for manifest in yaml.safe_load_all(file.read_text()):
                namespace = manifest["metadata"].get("namespace")
                if namespace is not None:
                    self._server.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
                self._server.admin.apply(manifest, manager=FLUX, force=True)

    def kubeconfig(self, token: str) -> str:
        """Path of a kubeconfig for a token."""
        return str(self._server.kubeconfig(self._folder / "kubeconfig", token))


def test_guide_of_the_patcher_is_true_to_its_end(tmp_path: Path, api_server: ApiServer, vault: Vault, oidc_issuer: OidcIssuer) -> None:
    administrator = Administrator(api_server, tmp_path)
    place = {"PATH": f"{tmp_path / 'programs'}{os.pathsep}{required('vault').parent}{os.pathsep}{os.environ['PATH']}"}
    fixed = {**place, **oidc_issuer.environ(), "VAULT_ADDR": vault.url, "VAULT_TOKEN": vault.root_token}
    fixed["KUBECONFIG"] = administrator.kubeconfig(api_server.admin_token)
    reader = guides.Reader(tmp_path, fixed)

    for block, command, printed in guides.follow(guides.GUIDES / "patching.md", reader, real=True):
        assert guides.fits(printed, command.printed), f"line {block.line}: $ {command.words}\n{printed}"
        assert LAST_VALUE not in printed
        if command.words.startswith("export KUBECONFIG"):  # Flux has created both Secrets by now
            administrator.apply(*sorted((reader.place / "apps").glob("*/*.yaml")))
        if command.words.startswith("export VAULT_ADDR"):  # from here on it is the account of the pipeline
            administrator.apply(reader.place / "clusters/home/patch-account.yaml", reader.place / "clusters/home/patch-role.yaml")
            administrator.kubeconfig(api_server.token("ci", "patch-secrets"))

    secret = api_server.admin.get("Secret", "forgejo-mailer", "forgejo")
    assert b64decode(secret["data"]["smtp-password"]).decode().strip() == LAST_VALUE
    assert secret["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/reconcile"] == "disabled"
