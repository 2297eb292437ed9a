"""Decrypt at apply: encrypted files and objects of a GitOps tree become plain ones on their way into a cluster.

    from secrettool.hook import Decryptor, HookConfig, KeySecret, KeySet

    with KeySet(KeySecret("Secret/team/sops-age", {"age.agekey": identity})) as keys:
        report = Decryptor(HookConfig(), keys).run(objects)

Pure over mappings and a safe root: no cluster client, no network, nothing is written. The order of the stages, and what each of them opens, is Flux's
(`kustomize-controller`); what goes beyond it is switched by `HookConfig`. The names below are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secrettool.hook.decryptor import Decryptor as Decryptor
    from secrettool.hook.keysecret import KeySecret as KeySecret
    from secrettool.hook.keysecret import SecretReader as SecretReader
    from secrettool.hook.keysecret import find_key_secrets as find_key_secrets
    from secrettool.hook.keysecret import is_decrypting as is_decrypting
    from secrettool.hook.keysecret import key_secret as key_secret
    from secrettool.hook.keyset import KeySet as KeySet
    from secrettool.hook.model import HookConfig as HookConfig
    from secrettool.hook.model import KeyRing as KeyRing
    from secrettool.hook.model import ObjectOutcome as ObjectOutcome
    from secrettool.hook.model import PassContext as PassContext
    from secrettool.hook.model import ReconcileHook as ReconcileHook
    from secrettool.hook.model import RunReport as RunReport
    from secrettool.hook.model import SourceReport as SourceReport
    from secrettool.hook.reconcile import DecryptHook as DecryptHook

_HOMES = {
    "Decryptor": "decryptor",
    "DecryptHook": "reconcile",
    "KeySet": "keyset",
    **dict.fromkeys(("KeySecret", "SecretReader", "find_key_secrets", "is_decrypting", "key_secret"), "keysecret"),
    **dict.fromkeys(("HookConfig", "KeyRing", "ObjectOutcome", "PassContext", "ReconcileHook", "RunReport", "SourceReport"), "model"),
}

__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"secrettool.hook.{home}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
