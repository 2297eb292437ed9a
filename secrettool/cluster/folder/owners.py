"""Who owns which field of the objects in a folder: kept beside them in `.managed-fields.json`, so that the manifests themselves stay as they are.

The file holds names of managers and fields, no values. Without it nobody owns anything: an apply meets no conflict, and takes nothing away. An edit
by hand is not noticed: a field that stays keeps its owner.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from secrettool import fs
from secrettool.cluster.folder.index import Identity
from secrettool.errors import ClusterError, InputError, OutputError
from secrettool.flux.fields import FieldPath
from secrettool.flux.live import FieldManager, LiveObject

FILE: Final = ".managed-fields.json"
_TRIES: Final = 5

Managers: TypeAlias = tuple[FieldManager, ...]


class Owners:
    """The file of a folder.

    Args:
        root: The folder.
    """

    def __init__(self, root: str) -> None:
        self._path = os.path.join(root, FILE)

    def of(self, identity: Identity) -> Managers:
        """The managers of an object.

        Raises:
            ClusterError: The file cannot be used.
        """
        return self._load()[0].get(str(identity), ())

    def set(self, identity: Identity, managers: Managers) -> None:
        """Write down the managers of an object, none of them when it is gone.

        Raises:
            ClusterError: The file cannot be used.
        """
        for number in range(_TRIES):
            known, stamp = self._load()
            if known.get(str(identity), ()) == managers:
                return
            known[str(identity)] = managers
            document = {name: entries(each) for name, each in sorted(known.items()) if each}
            try:
                fs.replace(self._path, (json.dumps(document, indent=1) + "\n").encode(), expected=stamp)
                return
            except OutputError as error:
                if number == _TRIES - 1:
                    raise ClusterError(error.message, subject=self._path) from None

    def _load(self) -> tuple[dict[str, Managers], fs.Stamp | None]:
        if not os.path.lexists(self._path):
            return {}, None
        try:
            data, stamp = fs.read(self._path)
            document = json.loads(data)
            return {name: LiveObject.from_object({"metadata": {"managedFields": each}}).managers for name, each in document.items()}, stamp
        except (InputError, ValueError, AttributeError, RecursionError):
            raise ClusterError("cannot be read", subject=self._path, hint="remove it: nobody owns any field then") from None


def entries(managers: Managers) -> list[dict[str, Any]]:
    """The managers as `metadata.managedFields` has them."""
    return [
        {"manager": each.name, "operation": each.operation, "fieldsType": "FieldsV1", "fieldsV1": _fields_v1(each.fields)}
        | ({"subresource": each.subresource} if each.subresource else {})
        for each in managers
    ]


def existing(managers: Managers, fields: Mapping[FieldPath, object]) -> Managers:
    """The managers without fields that are no more."""
    left = (each._replace(fields=each.fields & fields.keys()) for each in managers)
    return tuple(each for each in left if each.fields)


def _fields_v1(paths: Iterable[FieldPath]) -> dict[str, Any]:
    trie: dict[str, Any] = {}
    for path in sorted(paths):
        place = trie
        for key in path:
            place = place.setdefault(f"f:{key}", {})
    return trie
