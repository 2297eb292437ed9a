"""The objects of a folder by what they are, for one state of its files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from secrettool.cluster.folder import kinds
from secrettool.cluster.folder.files import Entry
from secrettool.objects import Ref, ref_of

DEFAULT = "default"
"""The namespace of objects that name none."""


class Identity(NamedTuple):
    """An object, whatever the version of its kind.

    Attributes:
        group: API group; empty for the core group.
        kind: Its kind.
        namespace: Empty for kinds without namespaces.
        name: Its name.
    """

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        kind = f"{self.kind}.{self.group}" if self.group else self.kind
        return "/".join(part for part in (kind, self.namespace, self.name) if part)


class Index:
    """Finds objects.

    Args:
        entries: All objects of the folder.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._objs = [entry.obj for entry in entries]
        self._scopes: dict[tuple[str, str], bool] = {}
        self._found: dict[Identity, list[Entry]] = {}
        for entry in entries:
            self._found.setdefault(self.identity(ref_of(entry.obj)), []).append(entry)
        self._namespaces = {identity.name if identity[:2] == ("", "Namespace") else identity.namespace for identity in self._found}

    def is_namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of a kind lie in namespaces.

        Raises:
            UnknownKind: There is no such kind.
        """
        found = self._scopes.get((api_version, kind))
        if found is None:
            found = self._scopes[api_version, kind] = kinds.is_namespaced(api_version, kind, self._objs)
        return found

    def identity(self, ref: Ref) -> Identity:
        """What an object is.

        Raises:
            UnknownKind: There is no such kind.
        """
        namespace = (ref.namespace or DEFAULT) if self.is_namespaced(ref.api_version, ref.kind) else ""
        return Identity(ref.group, ref.kind, namespace, ref.name)

    def entries(self, identity: Identity) -> list[Entry]:
        """Where an object is written; at more than one place when files contradict each other."""
        return self._found.get(identity, [])

    def names(self, group: str, kind: str, namespace: str) -> list[str]:
        """The objects of a kind in a namespace."""
        return sorted(identity.name for identity in self._found if identity[:3] == (group, kind, namespace))

    def has_namespace(self, name: str) -> bool:
        """Whether there is a namespace, or anything in it."""
        return name in kinds.NAMESPACES or name in self._namespaces
