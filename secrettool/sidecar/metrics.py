"""Figures for Prometheus, under the names of the requirements and in a registry of their own.

Labels hold ids of sources, revisions, rules, formats, types of keys and names of Leases: no name of an object or a key, and nothing out of a Secret.
Every series that can be known is there from the start, with zero, so that the first failure is seen as a rise.

Source: section 13.6 of the sidecar's requirements.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from secrettool.sidecar.state import Board, ObjectAction, Result, SourceState

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Upper ends, in seconds, of the classes of `reconcile_duration_seconds`."""

# Times of creation would double the number of series, and nobody asks for them.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """Implements `Recorder`, and writes what it took and what the board shows as text.

    Args:
        board: What the gauges are read from.
    """

    def __init__(self, board: Board) -> None:
        self._registry = registry = CollectorRegistry()
        self._passes = Counter("secrettool_reconcile_total", "Passes that ended.", ("source", "result"), registry=registry)
        self._seconds = Histogram("secrettool_reconcile_duration_seconds", "How long passes took.", ("source",), buckets=BUCKETS, registry=registry)
        self._decrypted = Counter(
            "secrettool_decrypt_total", "Objects and entries that were to be decrypted.", ("format", "result"), registry=registry
        )
        self._refusals = Counter("secrettool_guard_refusals_total", "What the guard refused, by rule.", ("reason",), registry=registry)
        self._conflicts = Counter(
            "secrettool_apply_conflicts_total", "Objects that were not applied since somebody else owns fields of them.", registry=registry
        )
        self._requests = Counter("secrettool_keysource_requests_total", "Requests for data keys.", ("provider", "result"), registry=registry)
        self._swaps = Counter("secrettool_render_swaps_total", "Trees of files that took the place of others.", registry=registry)
        registry.register(_Gauges(board))
        ProcessCollector(registry=registry)
        for source in board.snapshot().sources:
            self._seconds.labels(source)
            for result in get_args(Result):
                self._passes.labels(source, result)

    def text(self) -> bytes:
        """All figures in the text form of Prometheus, for `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def reconciled(self, source: str, result: Result, seconds: float) -> None:
        """See `Recorder`."""
        self._passes.labels(source, result).inc()
        self._seconds.labels(source).observe(seconds)

    def decrypted(self, form: str, result: Literal["done", "failed"], count: int) -> None:
        """See `Recorder`."""
        self._decrypted.labels(form, result).inc(count)

    def refused(self, reason: str, count: int) -> None:
        """See `Recorder`."""
        self._refusals.labels(reason).inc(count)

    def conflicted(self, count: int) -> None:
        """See `Recorder`."""
        self._conflicts.inc(count)

    def asked_for_key(self, provider: str, result: Literal["done", "failed"]) -> None:
        """See `Recorder`."""
        self._requests.labels(provider, result).inc()

    def swapped(self) -> None:
        """See `Recorder`."""
        self._swaps.inc()


class _Gauges(Collector):
    """What is true now, read from one snapshot."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def describe(self) -> Iterator[Metric]:
        """Nothing: without this the registry would collect once, to learn the names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The gauges."""
        snapshot = self._board.snapshot()
        sources = tuple(snapshot.sources.values())
        yield InfoMetricFamily("secrettool_build", "Which program this is.", value={"version": snapshot.version})
        yield _times(sources)
        yield _revisions(sources)
        yield _objects(sources)
        yield _drift(sources)
        yield _identities(sources)
        yield _leases(sources)


def _times(sources: tuple[SourceState, ...]) -> Metric:
    family = GaugeMetricFamily(
        "secrettool_last_success_timestamp_seconds", "When the last pass that went well ended; missing before it.", labels=("source",)
    )
    for source in sources:
        if source.last_success is not None:
            family.add_metric((source.id,), source.last_success)
    return family


def _revisions(sources: tuple[SourceState, ...]) -> Metric:
    family = InfoMetricFamily("secrettool_source_revision", "Revision of the last pass that went well.", labels=("source",))
    for source in sources:
        if source.revision:
            family.add_metric((source.id,), {"revision": source.revision})
    return family


def _objects(sources: tuple[SourceState, ...]) -> Metric:
    family = GaugeMetricFamily(
        "secrettool_objects", "Objects, or in mode render files, by what became of them in the last pass.", labels=("source", "action")
    )
    for source in sources:
        tally = source.tally
        for action in get_args(ObjectAction):
            family.add_metric((source.id, action), tally.get(action, 0))
    return family


def _drift(sources: tuple[SourceState, ...]) -> Metric:
    family = GaugeMetricFamily("secrettool_drift_objects", "Objects that somebody else had changed, in the last pass.", labels=("source",))
    for source in sources:
        family.add_metric((source.id,), source.drifted)
    return family


def _identities(sources: tuple[SourceState, ...]) -> Metric:
    family = GaugeMetricFamily("secrettool_key_identities", "Identities that are loaded, summed over the sources.", labels=("type",))
    total: Tally[str] = Tally()
    for source in sources:
        total.update(source.identities)
    for kind, count in sorted(total.items()):
        family.add_metric((kind,), count)
    return family


def _leases(sources: tuple[SourceState, ...]) -> Metric:
    family = GaugeMetricFamily("secrettool_leader", "Whether this replica holds a Lease.", labels=("lease",))
    for source in sources:
        if source.lease:
            family.add_metric((source.lease,), source.is_leader)
    return family
