"""A small repository with placeholders, a map for it, and a folder that stands for a cluster."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

from secrettool.cluster.folder import FolderCluster
from secrettool.objects import Ref

MAIL = Ref("v1", "Secret", "authentik", "authentik-credentials")
CHAT = Ref("v1", "Secret", "chatto", "chatto-config")
PROXMOX = Ref("v1", "Secret", "mcp-proxmox", "mcp-proxmox-secrets")
ISSUER = Ref("cert-manager.io/v1", "ClusterIssuer", "", "letsencrypt")
RECONCILE = "kustomize.toolkit.fluxcd.io/reconcile"

SMTP, NATS, USER, EMAIL = "marker-smtp-3f9c", "marker-nats-81ab", "marker-user-77de", "marker-email@example.net"
VALUES = {"SMTP_PASSWORD": SMTP, "NATS_TOKEN": NATS, "PROXMOX_USER": f"{USER}!token", "ADMIN_EMAIL": EMAIL}

MANIFESTS = {
    "k3s/authentik.yaml": """\
apiVersion: v1
kind: Secret
metadata: {name: authentik-credentials, namespace: authentik, annotations: {kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}}
stringData: {smtp-password: REPLACE_ME_resend_key, user: me}
""",
    "k3s/chatto.yaml": """\
apiVersion: v1
kind: Secret
metadata: {name: chatto-config, namespace: chatto, annotations: {kustomize.toolkit.fluxcd.io/reconcile: disabled}}
stringData: {NATS_TOKEN: REPLACE_ME, LEVEL: info}
""",
    "k3s/proxmox.yaml": """\
apiVersion: v1
kind: Secret
metadata: {name: mcp-proxmox-secrets, namespace: mcp-proxmox}
stringData:
  config.json: '{"auth": {"user": "REPLACE_ME_user@pam"}, "port": 8006}'
""",
    "k3s/issuer.yaml": """\
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: letsencrypt}
spec: {acme: {email: REPLACE_ME, server: https://acme.example}}
""",
}
LIVE = {"ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: chatto}\n"} | {
    name: MANIFESTS[f"k3s/{name}"] for name in ("authentik.yaml", "proxmox.yaml", "issuer.yaml")
}

HEAD = "apiVersion: secrettool.dev/v1alpha1\nkind: PatchMap\n"
MAP = (
    HEAD
    + """\
metadata: {name: homelab}
values:
  smtp: {env: SMTP_PASSWORD}
  nats: {env: NATS_TOKEN}
  user: {env: PROXMOX_USER}
  email: {env: ADMIN_EMAIL}
targets:
  - id: authentik-credentials
    groups: [mail]
    ref: {kind: Secret, namespace: authentik, name: authentik-credentials}
    keys: {smtp-password: smtp}
  - id: chatto-config
    ref: {kind: Secret, namespace: chatto, name: chatto-config}
    create: from-manifest
    keys: {NATS_TOKEN: nats}
  - id: letsencrypt-email
    groups: [mail]
    ref: {apiVersion: cert-manager.io/v1, kind: ClusterIssuer, name: letsencrypt}
    fields: {/spec/acme/email: email}
  - id: mcp-proxmox-secrets
    ref: {kind: Secret, namespace: mcp-proxmox, name: mcp-proxmox-secrets}
    keys: {config.json: {fill: {/auth/user: "{{ user | before('!') }}"}}}
"""
)
ONE_TARGET = """\
targets:
  - id: t
    ref: {kind: Secret, namespace: authentik, name: authentik-credentials}
    keys: {smtp-password: x}
"""


def lay_out(work: Path, text: str = MAP) -> Path:
    """Put repository, map and cluster into a folder."""
    files = {**MANIFESTS, ".secrettool/patch.yaml": text, **{f"cluster/{name}": content for name, content in LIVE.items()}}
    for name, content in files.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return work


def cluster(work: Path) -> FolderCluster:
    return FolderCluster(str(work / "cluster"))


def data(work: Path, ref: Ref) -> dict[str, str]:
    """The data of a Secret in the cluster, decoded."""
    live = cluster(work).get(ref)
    assert live is not None
    return {key: b64decode(text).decode() for key, text in live["data"].items()}


def notes(work: Path, ref: Ref) -> dict[str, str]:
    live = cluster(work).get(ref)
    assert live is not None
    found: dict[str, str] = live["metadata"].get("annotations", {})
    return found


def snapshot(work: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of every file of the cluster."""
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted((work / "cluster").rglob("*")) if path.is_file()}
