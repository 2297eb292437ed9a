"""Small repositories for the checks."""

from __future__ import annotations

import json
from typing import Any

import secrettool
from secrettool.sops.selection import Selector

Files = dict[str, str]

RECIPIENT = "age1qr5k0h4vsm7pl8d3wdzszd2ngnf3eh0035cwuh6g4l65lppquq8se8l0rz"
DECRYPTION = {"provider": "sops", "secretRef": {"name": "keys"}}


def flux(path: str, name: str = "apps", **spec: Any) -> str:
    """A Flux Kustomization; JSON is YAML too."""
    head = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": name, "namespace": "flux-system"}}
    return json.dumps({**head, "spec": {"path": path, "prune": True, **spec}})


def secret(annotations: dict[str, str] | None = None, name: str = "s", **fields: Any) -> str:
    """A Secret as it stands in a file."""
    metadata: dict[str, Any] = {"name": name, "namespace": "shop"} | ({"annotations": annotations} if annotations else {})
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **fields}, indent=1)


def sealed(manifest: str, expression: str) -> str:
    """A manifest encrypted under the fields that an expression names."""
    text = secrettool.encrypt(manifest, "yaml", recipients=[RECIPIENT], selector=Selector("encrypted_regex", expression))
    assert isinstance(text, str)
    return text
