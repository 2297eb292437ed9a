"""An object as an API server would keep it, and changes to it brought back to how it is written in a manifest.

    as written  --stored-->  as kept  --patch, apply-->  as kept afterwards  --written-->  as written afterwards

Kept is: `stringData` folded into `data`, base64 in its one form, the type of a Secret filled in, the namespace named, empty maps left out. A key that
the manifest has under `stringData` stays there while its value is text.

Source: k8s.io/kubernetes pkg/apis/core/v1/conversion.go (stringData), defaults.go (type).
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any, Final

from secrettool.objects import Object, decode_base64, folded, is_secret, section

SERVER_FIELDS: Final = ("uid", "resourceVersion", "managedFields", "creationTimestamp", "generation", "selfLink")
"""Entries of `metadata` that belong to the server: whatever a manifest says there is not looked at."""

_EMPTY: Final = ("labels", "annotations")


def stored(obj: Object, namespace: str) -> dict[str, Any]:
    """The object as it would be kept; a copy.

    Args:
        obj: As it is written, or as a patch leaves it.
        namespace: Where it lies; empty for kinds without namespaces.
    """
    kept: dict[str, Any] = json.loads(json.dumps(folded(obj)))
    metadata = {name: value for name, value in section(kept, "metadata").items() if name not in SERVER_FIELDS}
    metadata = {name: value for name, value in metadata.items() if value is not None and not (name in _EMPTY and value == {})}
    if namespace:
        metadata["namespace"] = namespace
    kept["metadata"] = metadata
    for name in ("data", "stringData", "binaryData"):
        if name in kept and not kept[name]:
            del kept[name]
    if is_secret(kept):
        kept["type"] = kept.get("type") or "Opaque"
        data = kept.get("data")
        if isinstance(data, dict):
            kept["data"] = {key: _canonical(value) for key, value in data.items()}
    return kept


def written(obj: Object, before: Object, after: Object) -> dict[str, Any]:
    """How the manifest has to read for a change; what did not change stays as it is written.

    Args:
        obj: As it is written now.
        before: The same, as it is kept.
        after: As it is to be kept.
    """
    text: dict[str, Any] = json.loads(json.dumps(obj))
    if is_secret(text):
        _write_data(text, section(before, "data"), section(after, "data"))
        before, after = ({name: value for name, value in each.items() if name != "data"} for each in (before, after))
    waiting: list[tuple[dict[str, Any], Object, Object]] = [(text, before, after)]
    while waiting:
        target, old, new = waiting.pop()
        for key in old.keys() - new.keys():
            target.pop(key, None)
        for key, value in new.items():
            if key in old and _same(old[key], value):
                continue
            if isinstance(value, dict) and isinstance(target.get(key), dict):
                was = old.get(key)
                waiting.append((target[key], was if isinstance(was, dict) else {}, value))
            else:
                target[key] = value
    return text


def _write_data(target: dict[str, Any], before: Object, after: Object) -> None:
    filled = [name for name in ("data", "stringData") if target.get(name)]
    for key in before.keys() - after.keys():
        for name in ("data", "stringData"):
            if isinstance(target.get(name), dict):
                target[name].pop(key, None)
    for key, value in after.items():
        if before.get(key) == value:
            continue
        as_text = target.get("stringData")
        if isinstance(as_text, dict) and key in as_text:
            text = _text(value)
            if text is not None:
                as_text[key] = text
                continue
            del as_text[key]
        if not isinstance(target.get("data"), dict):
            target["data"] = {}
        target["data"][key] = value
    for name in filled:
        if target[name] == {}:
            del target[name]


def _text(value: object) -> str | None:
    """The text that an entry of `data` is the base64 of; None when it is none, or one that YAML would not give back."""
    data = decode_base64(value) if isinstance(value, str) else None
    if data is None:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if all(sign.isprintable() or sign in "\n\t" for sign in text) else None


def _canonical(value: Any) -> Any:
    if value is None:
        return ""
    data = decode_base64(value) if isinstance(value, str) else None
    return value if data is None else b64encode(data).decode("ascii")


def _same(one: Any, other: Any) -> bool:
    # As text, because Python takes True for 1.
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
