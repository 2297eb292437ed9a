"""The account of an overlay with its rights, in a real API server."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.deploy.manifests import built, moved
from tests.interop.peers.apiclient import APPLY, ApiError, Client, Json
from tests.interop.peers.apiserver import PATIENCE, ApiServer
from tests.waiting import wait_for

PLACES: Final = ("secrettool", "shop", "flux-system", "monitoring")
"""The namespaces that the manifests name. Each test has its own, since the server is shared."""
SECRET: Final = "shop-webhook"
"""The Secret that the rights are for."""
REAL: Final = base64.b64encode(b"a real value").decode()
PLACEHOLDER: Final = base64.b64encode(b"REPLACE_ME").decode()


def store(client: Client, manifest: Json, query: str = "?fieldManager=test&force=true") -> Json:
    """Send an object by server-side apply."""
    head = manifest["metadata"]
    path = client.path(manifest["kind"], head["name"], head.get("namespace"), version=manifest["apiVersion"])
    return client.ask("PATCH", path + query, manifest, media=APPLY)


def refusal(act: Callable[[], object]) -> ApiError:
    """What the API server says to something that it must refuse."""
    with pytest.raises(ApiError) as caught:
        act()
    return caught.value


class Installed(NamedTuple):
    """The account of an overlay, with the rights that its manifests give it.

    Attributes:
        cluster: Where.
        token: Of the account.
        client: That asks with the token.
        places: The namespace that stands for each one of the manifests.
    """

    cluster: ApiServer
    token: str
    client: Client
    places: dict[str, str]

    def secret(self, name: str = SECRET, place: str = "shop", value: str = REAL) -> Json:
        """A Secret."""
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": self.places[place]}, "data": {"key": value}}


def install(folder: Path, cluster: ApiServer, kustomize: Path) -> Installed:
    """Apply the account and the rights of an overlay, and wait until they are known."""
    places = {name: cluster.namespace() for name in PLACES}
    wanted = {"ServiceAccount", "Role", "RoleBinding"}
    for each in moved(built(kustomize, folder), places):
        if each["kind"] in wanted:
            store(cluster.admin, each)
    token = cluster.token(places["secrettool"], "secrettool")
    installed = Installed(cluster, token, cluster.client(token), places)

    def is_known() -> bool:
        with suppress(ApiError):
            store(installed.client, installed.secret(), "?dryRun=All&fieldManager=test")
            return True
        return False

    wait_for(is_known, seconds=PATIENCE)
    return installed
