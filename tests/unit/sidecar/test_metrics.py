"""`/metrics` over a real connection, read by the client library's own parser."""

from __future__ import annotations

import re
import threading
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from secrettool.findings import Finding
from secrettool.sidecar.metrics import Metrics
from secrettool.sidecar.state import Board, ObjectState, Recorder
from tests.unit.sidecar.serving import NOW, TROUBLED, served, source

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "sidecar-http.md"

REQUIRED = {
    "secrettool_build_info": {"version"},
    "secrettool_reconcile_total": {"source", "result"},
    "secrettool_reconcile_duration_seconds_bucket": {"source", "le"},
    "secrettool_last_success_timestamp_seconds": {"source"},
    "secrettool_source_revision_info": {"source", "revision"},
    "secrettool_objects": {"source", "action"},
    "secrettool_decrypt_total": {"format", "result"},
    "secrettool_guard_refusals_total": {"reason"},
    "secrettool_drift_objects": {"source"},
    "secrettool_apply_conflicts_total": set(),
    "secrettool_key_identities": {"type"},
    "secrettool_keysource_requests_total": {"provider", "result"},
    "secrettool_leader": {"lease"},
    "secrettool_render_swaps_total": set(),
}


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(text)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def value(text: str, name: str, **labels: str) -> float:
    return samples(text)[name, tuple(sorted(labels.items()))]


def used(recorder: Recorder) -> None:
    recorder.reconciled("prod", "done", 0.7)
    recorder.reconciled("prod", "failed", 200.0)
    recorder.decrypted("yaml", "done", 12)
    recorder.refused("HK152", 3)
    recorder.conflicted(2)
    recorder.asked_for_key("age", "failed")
    recorder.swapped()


def test_every_figure_of_the_requirements_is_there_with_its_labels() -> None:
    with served(source(lease="secrettool-prod")) as client:
        used(client.metrics)
        text = client.ask("/metrics").body

    labels: dict[str, set[str]] = {}
    for name, pairs in samples(text):
        labels.setdefault(name, set()).update(label for label, _ in pairs)
    assert {name: labels.get(name) for name in REQUIRED} == REQUIRED


def test_nothing_else_is_there_but_figures_of_the_process() -> None:
    with served(source(lease="secrettool-prod")) as client:
        used(client.metrics)
        names = {name for name, _ in samples(client.ask("/metrics").body)}

    rest = {name for name in names - set(REQUIRED) if not re.fullmatch(r"process_\w+|secrettool_reconcile_duration_seconds_(sum|count)", name)}
    assert rest == set()


def test_the_reference_has_each_figure_with_its_labels_and_its_rules_use_no_other() -> None:
    text = REFERENCE.read_text()
    table = re.findall(r"^\| `(secrettool_\w+)(?:\{([\w,]+)\})?` \|", text, re.MULTILINE)
    base = {name.removesuffix("_bucket"): labels - {"le"} for name, labels in REQUIRED.items()}

    assert {name: set(labels.split(",")) - {""} for name, labels in table} == base
    assert set(re.findall(r"secrettool_\w+", text.partition("groups:")[2].partition("```")[0])) <= set(base)


def test_what_is_recorded_is_counted() -> None:
    with served(source()) as client:
        used(client.metrics)
        text = client.ask("/metrics").body

    assert value(text, "secrettool_reconcile_total", source="prod", result="failed") == 1
    assert value(text, "secrettool_reconcile_duration_seconds_bucket", source="prod", le="1.0") == 1
    assert value(text, "secrettool_reconcile_duration_seconds_bucket", source="prod", le="120.0") == 1
    assert value(text, "secrettool_reconcile_duration_seconds_sum", source="prod") == 200.7
    assert value(text, "secrettool_decrypt_total", format="yaml", result="done") == 12
    assert value(text, "secrettool_guard_refusals_total", reason="HK152") == 3
    assert value(text, "secrettool_apply_conflicts_total") == 2
    assert value(text, "secrettool_keysource_requests_total", provider="age", result="failed") == 1
    assert value(text, "secrettool_render_swaps_total") == 1


def test_what_is_true_now_is_read_from_the_state() -> None:
    objects = (
        ObjectState("Secret/a/b", "configured", is_drifted=True),
        ObjectState("Secret/a/c", "unchanged"),
        ObjectState("Secret/a/d", "unchanged"),
    )
    with served(source(objects=objects, lease="secrettool-prod", is_leader=False), source("edge", identities={"age": 1, "pgp": 1})) as client:
        text = client.ask("/metrics").body

    assert value(text, "secrettool_build_info", version="1.2.3") == 1
    assert value(text, "secrettool_objects", source="prod", action="unchanged") == 2
    assert value(text, "secrettool_objects", source="prod", action="failed") == 0
    assert value(text, "secrettool_drift_objects", source="prod") == 1
    assert value(text, "secrettool_last_success_timestamp_seconds", source="prod") == NOW - 60
    assert value(text, "secrettool_source_revision_info", source="edge", revision="main@sha1:1234") == 1
    assert value(text, "secrettool_key_identities", type="age") == 3
    assert value(text, "secrettool_key_identities", type="pgp") == 1
    assert value(text, "secrettool_leader", lease="secrettool-prod") == 0


def test_series_of_passes_begin_with_zero_so_that_the_first_failure_is_a_rise() -> None:
    with served(source()) as client:
        text = client.ask("/metrics").body

    assert [value(text, "secrettool_reconcile_total", source="prod", result=result) for result in ("done", "unchanged", "failed")] == [0, 0, 0]


def test_before_the_first_success_there_is_neither_its_time_nor_a_revision() -> None:
    with served(source(last_success=None, revision="")) as client:
        names = {name for name, _ in samples(client.ask("/metrics").body)}

    assert names.isdisjoint({"secrettool_last_success_timestamp_seconds", "secrettool_source_revision_info"})


def test_a_new_revision_takes_the_place_of_the_old_one() -> None:
    with served(source()) as client:
        client.board.publish(source(revision="main@sha1:9999"))
        found = [dict(labels)["revision"] for name, labels in samples(client.ask("/metrics").body) if name == "secrettool_source_revision_info"]

    assert found == ["main@sha1:9999"]


def test_no_name_of_an_object_or_a_key_gets_into_the_figures() -> None:
    finding = Finding("HK152", "error", "FINDING-TEXT", file="FILE-NAME", subject="Secret/OBJECT-NAME", key="KEY-NAME", hint="HINT-TEXT")
    state = source(
        objects=(ObjectState("Secret/ns/OBJECT-NAME", "failed", "REASON-TEXT"),), findings=(finding,), keys_error="KEYS-TEXT", result="failed"
    )
    with served(state) as client:
        used(client.metrics)
        text = client.ask("/metrics").body

    assert not re.search(r"[A-Z]+-(NAME|TEXT)", text)


def test_metrics_answer_while_everything_fails() -> None:
    with served(TROUBLED) as client:
        client.board.stop()
        answer = client.ask("/metrics")

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")


def test_two_sidecars_in_one_process_count_apart_and_leave_the_common_registry_alone() -> None:
    boards = [Board("1", 0.0, (source(),)) for _ in range(2)]
    first, second = map(Metrics, boards)
    first.swapped()

    assert (value(first.text().decode(), "secrettool_render_swaps_total"), value(second.text().decode(), "secrettool_render_swaps_total")) == (1, 0)
    assert not [family for family in REGISTRY.collect() if family.name.startswith("secrettool")]


def test_several_threads_lose_no_count() -> None:
    metrics = Metrics(Board("1", 0.0, (source(),)))

    def refuse() -> None:
        for _ in range(500):
            metrics.refused("HK152", 1)

    threads = [threading.Thread(target=refuse) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert value(metrics.text().decode(), "secrettool_guard_refusals_total", reason="HK152") == 2000
