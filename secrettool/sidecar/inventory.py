"""What a source has applied, by identifiers alone, in a ConfigMap: what may be pruned.

    data:
      objects: |
        v1/ConfigMap/shop/settings
        v1/Secret/shop/db

Written before anything is applied with what was there and what comes, and again after pruning: nothing that was applied is ever missing in it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from secrettool.flux import APPLY_MANAGER
from secrettool.objects import Ref, section

if TYPE_CHECKING:
    from secrettool.cluster.model import Cluster

OWNER: Final = "secrettool.dev/owner"
"""Label of everything that the sidecar applies; its value is the id of the source."""

_FIELD: Final = "objects"


class Inventory:
    """The inventory of one source.

    Args:
        cluster: Where it is.
        ref: The ConfigMap.
        source: Id of the source.
    """

    def __init__(self, cluster: Cluster, ref: Ref, source: str) -> None:
        self._cluster = cluster
        self._ref = ref
        self._source = source
        self._known: frozenset[Ref] | None = None

    def read(self) -> frozenset[Ref]:
        """What it holds; empty when it is not there. Asked once, then known: nobody else writes it.

        Raises:
            ClusterError: It cannot be read.
        """
        if self._known is None:
            found = self._cluster.get(self._ref)
            lines = str(section(found or {}, "data").get(_FIELD, "")).split("\n")
            self._known = frozenset(ref for line in lines if (ref := _ref(line)) is not None)
        return self._known

    def write(self, refs: Collection[Ref]) -> None:
        """Put other objects in it; nothing is sent when it holds them already.

        Raises:
            ClusterError: It cannot be written.
        """
        wanted = frozenset(refs)
        if wanted == self.read():
            return
        self._known = None
        obj: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self._ref.name, "namespace": self._ref.namespace, "labels": {OWNER: self._source}},
            "data": {_FIELD: "".join(f"{line}\n" for line in sorted(map(_line, wanted)))},
        }
        self._cluster.apply(obj, manager=APPLY_MANAGER)
        self._known = wanted

    def forget(self) -> None:
        """Ask again: another replica may have written it."""
        self._known = None


def _line(ref: Ref) -> str:
    return "/".join(ref)


def _ref(line: str) -> Ref | None:
    parts = line.rsplit("/", 3)
    return Ref(*parts) if len(parts) == 4 and all(parts) else None
