"""HK001: ciphertext that Flux applies, or stumbles over, because nothing decrypts it (DA-05)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from secrettool.check.lines import Lines
from secrettool.check.repository import Located, Repository
from secrettool.findings import Finding
from secrettool.flux import Controller, FluxKustomization, what_flux_does
from secrettool.flux.selectors import is_decryption_disabled
from secrettool.hook.keysecret import is_decrypting
from secrettool.objects import Object, decode_base64, is_secret, pointer, section, texts

SEALED = "ENC[AES256_GCM,"

_HINT = "add spec.decryption with provider sops to the Kustomization, and a secretRef to the Secret with the keys"
_HINT_DISABLED = "remove the annotation, or keep Flux from applying the object with ssa: Ignore"


def ciphertext_findings(repository: Repository, *, controller: Controller = Controller()) -> list[Finding]:  # noqa: B008 -- immutable
    """An error for every encrypted manifest that a Flux Kustomization applies without decrypting it.

    Args:
        repository: The files.
        controller: Version and flags of the controller that is to apply them.
    """
    return [
        finding
        for applied in repository.applied
        for located in applied.manifests
        if not is_opened(located.obj, applied.kustomization, controller)
        for finding in _findings(located, replace(applied.kustomization, suspend=False), controller, repository.lines)
    ]


def is_opened(obj: Object, kustomization: FluxKustomization, controller: Controller) -> bool:
    """Whether the resource stage decrypts an object."""
    return is_decrypting(kustomization) and not is_decryption_disabled(obj, controller.version)


def _findings(located: Located, kustomization: FluxKustomization, controller: Controller, lines: Lines) -> Iterator[Finding]:
    sealed = list(_sealed(located.obj))
    if not sealed:
        return
    line = lines.of(located.file, located.line, sealed[0])
    if not is_secret(located.obj):
        text: str | None = "the ciphertext goes to the cluster as it is"
    else:
        text, sealed = _outcome(located.obj, kustomization, controller)
    if text is not None:
        on_request = is_decrypting(kustomization)
        why = f"decrypt: disabled keeps {kustomization} from opening it" if on_request else f"{kustomization} decrypts nothing"
        hint = _HINT_DISABLED if on_request else _HINT
        key = ", ".join(sealed) or None
        yield Finding("HK001", "error", f"{why}: {text}", located.file, line, located.subject, key, hint)


def _outcome(secret: Object, kustomization: FluxKustomization, controller: Controller) -> tuple[str | None, list[str]]:
    """What comes of an encrypted Secret, and in which of its keys; None when nothing comes of it."""
    effect = what_flux_does(secret, None, kustomization, in_inventory=False, controller=controller)
    if effect.action == "refused":
        return f"the pass fails, the Secret is refused: {effect.reason}", []
    keys = [key for key, value in section(effect.live.obj, "data").items() if _is_sealed_entry(value)] if effect.live else []
    return ("the cluster gets the ciphertext as value, with Ready=True" if keys else None), keys


def _sealed(obj: Object) -> Iterator[str]:
    """The places of ciphertext in an object: single values, and whole documents in entries of a Secret."""
    for place, text in texts({name: value for name, value in obj.items() if name != "sops"}):
        if SEALED in text:
            yield pointer(place)
    if is_secret(obj):
        yield from (f"/data/{key}" for key, value in section(obj, "data").items() if _is_sealed_entry(value))


def _is_sealed_entry(value: object) -> bool:
    data = decode_base64(value) if isinstance(value, str) else None
    return data is not None and SEALED.encode("ascii") in data
