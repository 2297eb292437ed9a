"""Encrypted manifests become Secrets of one namespace. Nothing here knows kopf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secrettool import manifests
from secrettool.cluster.model import Cluster
from secrettool.errors import GuardError, KeyUnavailable
from secrettool.hook import Decryptor, HookConfig, KeySecret, KeySet, key_secret
from secrettool.hook.guard import guard
from secrettool.hook.integrity import verified_macs
from secrettool.objects import Ref, is_secret, ref_of

KEYS = "sops-age"
"""Name of the Secret with the keys; one in each namespace, so that no tenant opens what is another's."""

MANAGER = "example-operator"


def read_keys(cluster: Cluster, namespace: str) -> KeySecret:
    """The entries of the Secret with the keys.

    Raises:
        KeyUnavailable: There is no such Secret.
        ClusterError: It cannot be read.
    """
    ref = Ref("v1", "Secret", namespace, KEYS)
    secret = cluster.get(ref)
    if secret is None:
        raise KeyUnavailable("HK101", "there is no such Secret, and it should hold the keys", subject=str(ref))
    return key_secret(secret, subject=str(ref))


def opened(files: Mapping[str, str], keys: KeySet, namespace: str) -> list[dict[str, Any]]:
    """Decrypt files of manifests.

    Args:
        files: Text of each file by its name.
        keys: What opens them.
        namespace: Where the objects may lie, and lie when they do not say.

    Returns:
        The Secrets, ready to be applied.

    Raises:
        HookError: Something does not open, was changed after encryption, or must not reach a cluster. The text of the error holds no value.
        FormatError: A file is neither YAML nor JSON.
    """
    config = HookConfig(mac="require")
    objs: list[dict[str, Any]] = []
    for name, text in sorted(files.items()):
        found = manifests.read(text, file=name)
        report = Decryptor(config, keys, macs=verified_macs(found, keys)).run(manifest.obj for manifest in found)
        if report.errors:
            raise report.errors[0]
        objs += [placed(dict(obj), namespace) for obj in report.objects]
    for refused in guard(objs, config):
        raise refused
    return objs


def placed(obj: dict[str, Any], namespace: str) -> dict[str, Any]:
    """The object with its namespace.

    Raises:
        GuardError: It is no Secret, or wants to be elsewhere.
    """
    if not is_secret(obj) or ref_of(obj).namespace not in ("", namespace):
        raise GuardError("EX001", f"only Secrets in namespace {namespace} are applied", subject=str(ref_of(obj)))
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}


def reconcile(files: Mapping[str, str], namespace: str, cluster: Cluster) -> list[str]:
    """Decrypt files with the keys of a namespace, and apply what is in them: everything, or nothing when something does not open.

    Returns:
        The names of the objects.

    Raises:
        HookError: As `opened`; or there are no keys.
        ClusterError: The API server refused.
    """
    with KeySet(read_keys(cluster, namespace), env_keys=False) as keys:
        objs = opened(files, keys, namespace)
    for obj in objs:
        cluster.apply(obj, manager=MANAGER)
    return [str(ref_of(obj)) for obj in objs]
