"""What the rest of the program knows of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from secrettool.errors import ClusterError
from secrettool.objects import Object, Ref

_SHOWN = 5  # fields in a message

PatchKind: TypeAlias = Literal["merge", "json"]
"""`merge`: a partial object (RFC 7386); `json`: a list of operations (RFC 6902)."""


class Cluster(Protocol):
    """Objects that are read and written, one at a time. Every method may be called from several threads.

    What may pass (`Unavailable`) was tried again before it is raised.
    """

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
            ClusterError: With status 404: its namespace is not there; else it was refused, or the answer did not come.
        """

    def patch(self, ref: Ref, body: Object | Sequence[Object], *, kind: PatchKind, manager: str, dry_run: bool = False) -> dict[str, Any]:
        """Change an object; one that is missing is never created.

        Args:
            ref: The object.
            body: The partial object, or the operations. `metadata.resourceVersion` in a partial object is a precondition. `stringData` is not
                folded: whoever means `data` writes `data`.
            kind: What `body` is.
            manager: The field manager, at most 128 bytes.
            dry_run: Answer only, store nothing.

        Returns:
            `apiVersion`, `kind` and `metadata` of the object afterwards; nothing of its data.

        Raises:
            UnknownKind: There is no such kind.
            Unavailable: It may pass, see there; the change may have been made all the same.
            ClusterError: With status 404: it is not there; 409: it is not at that version, be that known from the partial object or from an operation
                `test`; 422: it would not be valid, or an operation does not fit it.
        """

    def delete(self, ref: Ref, *, uid: str, resource_version: str, dry_run: bool = False) -> None:
        """Delete an object, if it is still this one.

        Args:
            ref: The object.
            uid: Its `metadata.uid`.
            resource_version: Its `metadata.resourceVersion`.
            dry_run: Answer only, delete nothing.

        Raises:
            UnknownKind: There is no such kind.
            Unavailable: It may pass, see there.
            ClusterError: With status 404: it is gone; 409: it is another one, or was changed.
        """

    def list_objects(self, api_version: str, kind: str, namespace: str) -> list[dict[str, Any]]:
        """The objects of a kind in a namespace, each with `apiVersion` and `kind`; all pages of them.

        Args:
            api_version: Such as `apps/v1`.
            kind: Such as `Deployment`.
            namespace: Empty for a kind whose objects lie in none.

        Raises:
            UnknownKind: There is no such kind.
            ClusterError: They could not be read.
        """

    def namespace_exists(self, name: str) -> bool:
        """Whether there is a namespace.

        Raises:
            ClusterError: It could not be asked.
        """


def tested_version(operations: Sequence[Object]) -> object:
    """The `resourceVersion` that a JSON patch tests; None when it tests none."""
    return next((each.get("value") for each in operations if each.get("op") == "test" and each.get("path") == "/metadata/resourceVersion"), None)


class UnknownKind(ClusterError):
    """The API server does not serve a kind."""


class Unavailable(ClusterError):
    """No answer, or one that says that it may pass: a connection that cannot be made or breaks, statuses 429, 500, 502, 503 and 504.

    With status 409: a patch had to be sent again, and then met another version of its object, which the patch itself may have made.

    Args:
        message: The cause.
        status: HTTP status; None when there was no answer.
        reason: The server's own word.
        subject: The object.
        hint: What to try.
        retry_after: Seconds that the server asks to wait; None when it does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        reason: str | None = None,
        subject: str | None = None,
        hint: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, reason=reason, subject=subject, hint=hint)
        self.retry_after = retry_after


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
