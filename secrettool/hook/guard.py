"""The guard: the last look at objects before they reach a cluster.

It looks at the values of what the build gave, before anything normalises it: folding `stringData` into `data` drops the `sops` section of a Secret
whose ciphertext is in `stringData`, and Flux, which looks after that, lets it pass.

Source: kustomize-controller internal/decryptor/decryptor.go (IsEncryptedSecret), which the guard is with `parity="flux"`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from secrettool.errors import GuardError
from secrettool.flux import NEWEST
from secrettool.flux.secret import MAX_DATA, normalised
from secrettool.flux.selectors import is_decryption_disabled
from secrettool.hook.marker import marked_formats
from secrettool.hook.model import MAX_ERRORS, HookConfig
from secrettool.manifests import flatten_lists
from secrettool.objects import Object, Place, annotations_of, decode_base64, is_secret, pointer, ref_of, section, texts
from secrettool.placeholders import Hit, PlaceholderPolicy, find

_SECTION = "sops"
_NOTHING: tuple[Any, ...] = (None, {}, [])  # an empty text is something, as in Flux
_SEALED = "ENC[AES256_GCM,"
_SEALED_BYTES = _SEALED.encode("ascii")

_ENTRIES = {"Secret": ("data", "stringData"), "ConfigMap": ("data", "binaryData")}
_BASE64 = {("Secret", "data"), ("ConfigMap", "binaryData")}

_FUNCTION = "config.kubernetes.io/function"
_GENERATOR_GROUPS = ("secrettool.dev/", "viaduct.ai/", "kustomize.config.k8s.io/")
_GENERATOR_KINDS = frozenset({"ksops", "SopsSecretGenerator"})  # their programs check no group
_BUILTIN = "builtin"  # apiVersion of kustomize's own generators and transformers

_SHOWN_POINTERS = 5

_DECRYPT = "decrypt before this step, as `secrettool hook build` and `secrettool hook decrypt` do"


def guard(objs: Iterable[Object], config: HookConfig) -> list[GuardError]:
    """What must not reach a cluster: ciphertext, placeholders, generators that did not run, Secrets that the API server refuses for their size.

    An object that Flux would leave encrypted on request (annotation `decrypt: disabled`) may hold ciphertext. With `parity="flux"` only what Flux
    itself refuses is refused.

    Args:
        objs: The objects of a build; those of a `List` are looked at one by one.
        config: How strictly Flux is followed, and what is done about placeholders.

    Returns:
        The reasons, in the order of the objects and at most `MAX_ERRORS`; empty when all may pass. They name objects and keys, never a value.
    """
    found = (error for number, obj in enumerate(objs, start=1) for error in _refusals(obj, config, f"object {number}"))
    return list(islice(found, MAX_ERRORS))


def _refusals(obj: Object, config: HookConfig, name: str) -> Iterator[GuardError]:
    subject = str(ref_of(obj)) or name
    if config.parity == "flux":
        if is_secret(obj) and not is_decryption_disabled(obj, NEWEST) and _SECTION in normalised(obj):
            yield _encrypted(subject)
        return
    items = flatten_lists([obj])
    if items != [obj]:
        yield from _ciphertext({field: value for field, value in obj.items() if field != "items"}, subject)
    for item in items:
        yield from _object_refusals(item, config, str(ref_of(item)) or subject)


def _object_refusals(obj: Object, config: HookConfig, subject: str) -> Iterator[GuardError]:
    yield from _generator(obj, subject)
    if config.open_disabled or not is_decryption_disabled(obj, NEWEST):
        yield from _ciphertext(obj, subject)
    if config.placeholders.refuse:
        yield from _placeholders(obj, config.placeholders, subject)
    yield from _size(obj, subject)


# ---- ciphertext ----------------------------------------------------------------------------------------------------------------------------------


def _encrypted(subject: str) -> GuardError:
    hint = "configure decryption where it is applied (spec.decryption of the Kustomization), or decrypt it before this step"
    return GuardError("HK001", "is encrypted by sops, and nothing decrypted it", subject=subject, hint=hint)


def _ciphertext(obj: Object, subject: str) -> Iterator[GuardError]:
    if obj.get(_SECTION) not in _NOTHING:
        yield _encrypted(subject)
        return
    kind = str(obj.get("kind"))
    fields = _ENTRIES.get(kind, ())
    for field in fields:
        for place, text in texts(section(obj, field), (None, field)):
            yield from _entry_ciphertext(text, (kind, field) in _BASE64, place, subject)
    for place, text in texts({field: value for field, value in obj.items() if field not in fields}):
        if text.startswith(_SEALED):
            yield _sealed(place, subject)


def _entry_ciphertext(text: str, is_base64: bool, place: Place, subject: str) -> Iterator[GuardError]:
    """What an entry holds that is still encrypted. What is no base64 is looked at as it is: it may be the ciphertext itself."""
    plain = decode_base64(text) if is_base64 else None
    data = text.encode("utf-8", "surrogatepass") if plain is None else plain
    if _SEALED_BYTES not in data:
        return
    if marked_formats(data):
        yield GuardError("HK151", "a document encrypted by sops, and nothing decrypted it", subject=subject, key=pointer(place), hint=_DECRYPT)
    else:
        yield _sealed(place, subject)


def _sealed(place: Place, subject: str) -> GuardError:
    return GuardError("HK150", "ciphertext of sops, and nothing decrypted it", subject=subject, key=pointer(place), hint=_DECRYPT)


# ---- what else may not pass ----------------------------------------------------------------------------------------------------------------------


def _generator(obj: Object, subject: str) -> Iterator[GuardError]:
    """An object that some program should have turned into others."""
    ref = ref_of(obj)
    is_kustomize = ref.api_version == _BUILTIN or ref.api_version.startswith(_GENERATOR_GROUPS)
    if is_kustomize or ref.kind in _GENERATOR_KINDS or _FUNCTION in annotations_of(obj):
        hint = "kustomize passes over functions without --enable-alpha-plugins --enable-exec, and plain manifests know no generators"
        yield GuardError("HK154", "a generator or transformer that did not run: what it makes is missing", subject=subject, hint=hint)


def _placeholders(obj: Object, policy: PlaceholderPolicy, subject: str) -> Iterator[GuardError]:
    for hit in find(obj, policy.tokens):
        hint = "put the value there, or allow placeholders when something else fills the object in the cluster"
        yield GuardError("HK152", _what(hit), subject=subject, key=hit.pointer, hint=hint)


def _what(hit: Hit) -> str:
    if hit.raw:
        return "a placeholder, and not in base64 as everything in data must be"
    if hit.kind != "embedded":
        return "a placeholder"
    shown = [inner.pointer for inner in hit.inner[:_SHOWN_POINTERS]]
    more = [f"{len(hit.inner) - len(shown)} more"] if len(hit.inner) > len(shown) else []
    return f"placeholders inside at {', '.join([*shown, *more])}" if shown else "a placeholder inside a longer text"


def _size(obj: Object, subject: str) -> Iterator[GuardError]:
    """A Secret with more data than the API server takes. `stringData` wins over `data` of the same key."""
    if not is_secret(obj):
        return
    sizes: dict[object, int] = {}
    for key, text in section(obj, "data").items():
        plain = decode_base64(text) if isinstance(text, str) else b""
        sizes[key] = len(text if plain is None else plain)
    for key, text in section(obj, "stringData").items():
        sizes[key] = len(text.encode("utf-8", "surrogatepass")) if isinstance(text, str) else 0
    total = sum(sizes.values())
    if total > MAX_DATA:
        text = f"{total} bytes of data, and the API server takes {MAX_DATA}"
        yield GuardError("HK153", text, subject=subject, hint="split it into several Secrets, or keep large files out of Secrets")
