"""What every kind of source does: say what it is now, and give a folder to build from."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from secrettool.errors import ClusterError, Outcome, SecrettoolError
from secrettool.objects import Ref


class SourceUnavailable(SecrettoolError):
    """A source is not there, or what it gives cannot be used."""

    exit_code = Outcome.CONFIGURATION

    @classmethod
    def of(cls, error: SecrettoolError) -> SourceUnavailable:
        """An error of a file, an archive or a cluster, as one of the source."""
        made = cls(error.message, hint=error.hint, where=error.where, code=Outcome.CLUSTER if isinstance(error, ClusterError) else None)
        made.file = error.file
        return made


class Checkout(NamedTuple):
    """A source at one moment.

    Attributes:
        root: Absolute path of its root.
        revision: What people call this state of it.
        mark: Equal for equal states.
    """

    root: str
    revision: str
    mark: str


class Origin(Protocol):
    """A kind of source. Used by one thread, but for `wake`."""

    @property
    def subject(self) -> Ref | None:
        """The object in the cluster that it is, for Events; None when it is none."""

    @property
    def looks(self) -> bool:
        """Whether `look` is cheap and sees changes, so that it is asked often."""

    def look(self) -> str:
        """The mark of the source as it is now.

        Raises:
            SourceUnavailable: It is not there.
        """

    def checkout(self) -> AbstractContextManager[Checkout]:
        """The source as it is now, for one pass.

        Raises:
            SourceUnavailable: It is not there, or cannot be used.
        """

    def close(self) -> None:
        """Give up what it holds."""
