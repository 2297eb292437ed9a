"""What the rest of the program knows of a cluster."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from secrettool.errors import ClusterError
from secrettool.objects import Object, Ref

_SHOWN = 5  # fields in a message


class Cluster(Protocol):
    """Objects that are read and applied, one at a time. Every method may be called from several threads."""

    def is_namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of a kind lie in namespaces.

        Raises:
            UnknownKind: There is no such kind.
            ClusterError: It could not be asked.
        """

    def get(self, ref: Ref) -> dict[str, Any] | None:
        """The object; None when there is none.

        Raises:
            UnknownKind: There is no such kind.
            ClusterError: It could not be read.
        """

    def apply(self, obj: Object, *, manager: str, force: bool = False, dry_run: bool = False) -> dict[str, Any]:
        """Create or change an object by server-side apply; `manager` then owns exactly the fields of `obj`.

        Args:
            obj: The object; `stringData` of a Secret becomes `data` first.
            manager: The field manager, at most 128 bytes.
            force: Take over fields of other managers.
            dry_run: Answer only, store nothing.

        Returns:
            The whole object afterwards; without `metadata.resourceVersion` when a dry run would create it.

        Raises:
            ApplyConflict: Fields belong to others.
            UnknownKind: There is no such kind.
            ClusterError: It was refused, or the answer did not come.
        """


class UnknownKind(ClusterError):
    """The API server does not serve a kind."""


class FieldConflict(NamedTuple):
    """A field that another manager owns.

    Attributes:
        manager: Its name.
        field: The path of the field, such as `.data.password`.
    """

    manager: str
    field: str


class ApplyConflict(ClusterError):
    """Fields of the object belong to other managers and would change.

    Args:
        conflicts: Each field with its owner.
        subject: The object.
    """

    def __init__(self, conflicts: tuple[FieldConflict, ...], *, subject: str | None = None) -> None:
        fields: dict[str, list[str]] = {}
        for manager, field in conflicts:
            fields.setdefault(manager, []).append(field)
        message = "; ".join(f"{manager} owns {_some(owned)}" for manager, owned in fields.items())
        hint = "leave the fields to their owner, or take them over with --force-conflicts"
        super().__init__(message, status=409, reason="Conflict", subject=subject, hint=hint)
        self.conflicts = conflicts


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
