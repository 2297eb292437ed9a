"""Secrets of KV engines: reads, versions, writes, and each way in which an answer can be wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from secrettool.errors import SourceError
from secrettool.sources.model import Form, GenerateSource, ProviderSource, Source, StorePlace, VaultProvider
from secrettool.sources.resolver import Resolver
from secrettool.sources.value import SecretValue
from secrettool.sources.vault import Address, Secret, Vault
from tests.interop.peers.faults import Answer, FaultyServer
from tests.unit.sources.support import (
    DENIED,
    INVALID_TOKEN,
    QUICK,
    Told,
    context,
    engine,
    failure,
    gone,
    kv1,
    kv2,
    resolver,
    text,
    vault_at,
)

ENVIRON = {"VAULT_TOKEN": "canary-token"}
APP = Address("kv", "app")
CONFLICT = Answer(400, {"errors": ["check-and-set parameter did not match the current version"]})


def host(**fields: Any) -> ProviderSource:
    return ProviderSource("p", "app", "host", **fields)


def reading(server: FaultyServer, values: dict[str, Source], told: Told | None = None, **fields: Any) -> Resolver:
    return resolver(values, {"p": vault_at(server.url, **fields)}, told=told, environ=ENVIRON)


def one(server: FaultyServer, source: Source, told: Told | None = None, **fields: Any) -> SecretValue | SourceError:
    return reading(server, {"a": source}, told, **fields).resolve(["a"])["a"]


def vault(server: FaultyServer, told: Told | None = None, **fields: Any) -> Vault:
    return Vault(vault_at(server.url, **fields), context(told, ENVIRON), retries=QUICK)


# --- reads ---


def test_key_of_a_secret_is_read(server: FaultyServer) -> None:
    server.faults.append(kv2({"host": "canary", "other": "x"}))
    assert text(one(server, host())) == "canary"
    assert server.paths() == ["GET /v1/kv/data/app"]


def test_version_1_has_another_path(server: FaultyServer) -> None:
    server.faults.append(kv1({"host": "canary"}))
    made = reading(server, {"a": host()}, kv_version=1)
    assert text(made.resolve(["a"])["a"]) == "canary"
    assert server.paths() == ["GET /v1/kv/app"]
    assert made.version("a") is None


def test_secret_without_a_key_is_json_or_a_part_of_it(server: FaultyServer) -> None:
    server.faults.append(kv2({"b": {"c": ["canary"]}, "a": 1}))
    values: dict[str, Source] = {"all": ProviderSource("p", "app"), "part": ProviderSource("p", "app", form=Form(pointer="/b/c/0"))}
    found = reading(server, values).resolve(values)
    assert [text(value) for value in found.values()] == ['{"b":{"c":["canary"]},"a":1}', "canary"]
    assert len(server.asked) == 1


@pytest.mark.parametrize(("value", "expected"), [(7, "7"), (True, "true"), (1.5, "1.5"), ({"k": [1]}, '{"k":[1]}')])
def test_value_that_is_no_text_is_written_as_json_does(value: object, expected: str, server: FaultyServer) -> None:
    server.faults.append(kv2({"host": value}))
    assert text(one(server, host())) == expected


def test_pointer_leads_into_the_text_of_a_key(server: FaultyServer) -> None:
    server.faults.append(kv2({"host": '{"k": "canary"}'}))
    assert text(one(server, host(form=Form(pointer="/k")))) == "canary"


@pytest.mark.parametrize(("values", "rule"), [({}, "VL01"), ({"host": None}, "VL01"), ({"host": ""}, "VL02"), ({"host": "REPLACE_ME"}, "VL03")])
def test_key_without_a_value_is_told_by_its_rule(values: dict[str, object], rule: str, server: FaultyServer) -> None:
    server.faults.append(kv2(values))
    failure(one(server, host()), rule)


def test_names_are_encoded(server: FaultyServer) -> None:
    server.faults.append(kv2({"a b": "canary"}))
    assert text(one(server, ProviderSource("p", "/team a/#1?/ü/", "a b", mount="/m/kv/"))) == "canary"
    assert server.paths() == ["GET /v1/m/kv/data/team%20a/%231%3F/%C3%BC"]


@pytest.mark.parametrize(("mount", "path"), [("kv", ""), ("kv", "a/../b"), ("kv", "."), ("kv", "a//b"), ("", "a"), ("..", "a"), ("kv/./x", "a")])
def test_names_that_lead_elsewhere_are_refused(mount: str, path: str, server: FaultyServer) -> None:
    for ask in (vault(server).read, vault(server).current):
        with pytest.raises(SourceError) as refused:
            ask(Address(mount, path))
        failure(refused.value, "VL06")
    assert server.asked == []


def test_path_must_be_given(server: FaultyServer) -> None:
    assert failure(one(server, ProviderSource("p")), "VL06").message == "path is missing"


def test_pt_15_one_read_for_each_provider_mount_path_and_version(server: FaultyServer) -> None:
    server.endless = kv2({"host": "canary", "port": 1})
    same: list[Source] = [host(), ProviderSource("p", "app", "port"), ProviderSource("p", "/app/", "host"), host(mount="kv")]
    others: list[Source] = [
        host(version=1),
        host(version=2),
        host(mount="kv-b"),
        ProviderSource("p", "other", "host"),
        ProviderSource("q", "app", "host"),
    ]
    values = {f"v{number}": source for number, source in enumerate([*same, *others, *same, *others])}
    providers = {"p": vault_at(server.url), "q": vault_at(server.url)}
    made = resolver(values, providers, environ=ENVIRON)
    made.resolve(values)
    made.resolve(values)
    assert len(server.asked) == 1 + len(others)


def test_pt_10_nothing_is_asked_before_a_value_is_wanted(server: FaultyServer) -> None:
    with reading(server, {"a": host(), "b": ProviderSource("p", "b", "host")}) as made:
        assert server.asked == []
        server.endless = kv2({"host": "canary"})
        made.resolve(["b"])
    assert server.paths() == ["GET /v1/kv/data/b"]


def test_failed_read_is_not_tried_again_for_another_value(server: FaultyServer) -> None:
    server.faults.append(DENIED)
    values: dict[str, Source] = {"a": host(), "b": ProviderSource("p", "app", "port"), "c": ProviderSource("p", "other", "host")}
    made = reading(server, values)
    for name in ("a", "b"):
        assert failure(made.resolve([name])[name], "VL04").file == name
    assert len(server.asked) == 1
    server.faults.append(kv2({"host": "canary"}))
    assert text(made.resolve(["c"])["c"]) == "canary"


# --- versions ---


def test_version_is_asked_for_and_told(server: FaultyServer) -> None:
    server.faults.extend([kv2({"host": "old"}, 3), kv2({"host": "new"}, 9)])
    made = reading(server, {"a": host(version=3), "b": host()})
    made.resolve(["a", "b"])
    assert server.paths() == ["GET /v1/kv/data/app?version=3", "GET /v1/kv/data/app"]
    assert (made.version("a"), made.version("b"), made.version("absent")) == (3, 9, None)


@pytest.mark.parametrize(("destroyed", "how"), [(False, "deleted"), (True, "destroyed")])
def test_pt_14_version_that_is_gone_says_how(destroyed: bool, how: str, server: FaultyServer) -> None:
    server.faults.append(gone(4, destroyed=destroyed))
    error = failure(one(server, host()), "VL01")
    assert error.message == f"version 4 of kv/app is {how}"
    assert error.is_missing


def test_pt_14_absent_secret_or_version_is_missing(server: FaultyServer) -> None:
    assert failure(one(server, host()), "VL01").message == "there is no secret at kv/app"
    assert failure(one(server, host(version=7)), "VL01").message == "there is no version 7 of a secret at kv/app"


def test_version_of_an_engine_without_versions_is_refused(server: FaultyServer) -> None:
    failure(one(server, host(version=1), kv_version=1), "VL06")
    assert server.asked == []


# --- which engine ---


@pytest.mark.parametrize(("told_version", "path"), [("2", "/v1/kv/data/app"), ("1", "/v1/kv/app"), (None, "/v1/kv/app")])
def test_auto_asks_for_the_version_of_the_engine_once(told_version: str | None, path: str, server: FaultyServer) -> None:
    answer = kv2({"host": "canary"}) if told_version == "2" else kv1({"host": "canary"})
    server.faults.extend([engine(told_version), answer, answer])
    values: dict[str, Source] = {"a": host(), "b": ProviderSource("p", "b", "host")}
    found = reading(server, values, kv_version="auto").resolve(values)
    assert [text(value) for value in found.values()] == ["canary"] * 2
    assert server.paths() == ["GET /v1/sys/internal/ui/mounts/kv/app", f"GET {path}", f"GET {path[:-3]}b"]


def test_auto_assumes_version_2_where_it_may_not_ask_and_says_so(server: FaultyServer, told: Told) -> None:
    server.faults.extend([DENIED, kv2({"host": "canary"}), kv2({"host": "canary"})])
    values: dict[str, Source] = {"a": host(), "b": ProviderSource("p", "b", "host")}
    found = reading(server, values, told, kv_version="auto").resolve(values)
    assert [text(value) for value in found.values()] == ["canary"] * 2
    assert told.warnings == ["Vault does not tell the version of the engine kv: assuming KV version 2; kvVersion says it"]


def test_auto_does_not_take_an_invalid_token_for_a_missing_right(server: FaultyServer) -> None:
    server.faults.append(INVALID_TOKEN)
    assert "the token is not valid" in failure(one(server, host(), kv_version="auto"), "VL04").message
    assert len(server.asked) == 1


def test_auto_that_is_not_answered_is_no_answer(server: FaultyServer) -> None:
    server.endless = Answer(503)
    failure(one(server, host(), kv_version="auto"), "VL07")


@pytest.mark.parametrize(
    "body", ["canary", [], {}, {"data": None}, {"data": {"data": None, "metadata": {}}}, {"data": {"data": {}, "metadata": None}}, "[" * 200_000]
)
def test_answer_of_something_else_is_not_quoted(body: Any, server: FaultyServer) -> None:
    server.endless = Answer(200, body)
    assert "no KV engine" in failure(one(server, host()), "VL05").message


@pytest.mark.parametrize("body", ["canary", [], {}, {"data": []}])
def test_engine_that_is_described_by_something_else_is_refused(body: Any, server: FaultyServer) -> None:
    server.endless = Answer(200, body)
    failure(one(server, host(), kv_version="auto"), "VL05")


@pytest.mark.parametrize("metadata", [{}, {"version": "3"}, {"version": None}])
def test_version_that_is_no_number_is_none(metadata: dict[str, object], server: FaultyServer) -> None:
    server.faults.append(Answer(200, {"data": {"data": {"host": "canary"}, "metadata": metadata}}))
    made = reading(server, {"a": host()})
    assert text(made.resolve(["a"])["a"]) == "canary"
    assert made.version("a") is None


# --- no answer ---


def test_outage_costs_the_patience_once(server: FaultyServer) -> None:
    server.endless = Answer(503)
    values: dict[str, Source] = {f"v{number}": ProviderSource("p", f"s{number}", "k") for number in range(4)}
    for error in reading(server, values).resolve(values).values():
        assert "sealed" in failure(error, "VL07").message
    assert len(server.asked) == 5 + 3


def test_pt_14_outage_that_ends_is_waited_for(server: FaultyServer) -> None:
    server.faults.extend([Answer(503), Answer(200, {"canary": 1}, cut=True), Answer(429, None, {"Retry-After": "0"}), kv2({"host": "canary"})])
    assert text(one(server, host())) == "canary"


# --- the end ---


def test_closed_vault_answers_no_more(server: FaultyServer) -> None:
    server.faults.append(kv2({"host": "canary"}))
    made = vault(server)
    made.close()  # never opened
    assert made.read(APP).values == {"host": "canary"}
    made.close()
    made.close()
    with pytest.raises(SourceError) as refused:
        made.read(Address("kv", "other"))
    failure(refused.value, "VL06")


def test_what_holds_values_shows_none(server: FaultyServer) -> None:
    server.faults.append(kv2({"host": "canary"}))
    made = vault(server)
    assert repr(made.read(APP)) == "<Secret of version 1>"
    assert repr(made) == "<Vault>"
    assert repr(reading(server, {"a": host()})) == "<Resolver of 1 values>"


# --- writes ---


def written(version: int) -> Answer:
    return Answer(200, {"data": {"version": version}})


def test_write_names_the_version_that_it_takes_the_place_of(server: FaultyServer) -> None:
    server.faults.append(written(4))
    assert vault(server).write(APP, {"host": "canary"}, over=3) == 4
    assert server.paths() == ["POST /v1/kv/data/app"]
    assert json.loads(server.asked[0].body) == {"options": {"cas": 3}, "data": {"host": "canary"}}


def test_read_after_a_write_is_a_new_one(server: FaultyServer) -> None:
    server.faults.extend([kv2({"host": "old"}), written(2), kv2({"host": "canary"}, 2)])
    made = vault(server)
    made.read(APP)
    made.write(APP, {"host": "canary"}, over=1)
    assert made.read(APP) == Secret({"host": "canary"}, 2)


def test_write_over_another_version_is_none(server: FaultyServer) -> None:
    server.faults.extend([CONFLICT, kv2({"host": "theirs"}, 4)])
    assert vault(server).write(APP, {"host": "canary"}, over=3) is None


def test_write_whose_answer_was_lost_is_found(server: FaultyServer) -> None:
    server.faults.extend([Answer(200, {"data": {"version": 4}}, cut=True), CONFLICT, kv2({"host": "canary"}, 4)])
    assert vault(server).write(APP, {"host": "canary"}, over=3) == 4


def test_write_that_is_refused_for_another_reason_is_an_error(server: FaultyServer) -> None:
    server.faults.extend([CONFLICT, kv2({"host": "old"}, 3)])
    with pytest.raises(SourceError) as refused:
        vault(server).write(APP, {"host": "canary"}, over=3)
    assert failure(refused.value, "VL04").message == "Vault refused to write kv/app (status 400)"


def test_write_without_the_right_is_refused(server: FaultyServer) -> None:
    server.faults.append(DENIED)
    with pytest.raises(SourceError) as refused:
        vault(server).write(APP, {"host": "canary"}, over=3)
    assert failure(refused.value, "VL04").message == "policy does not allow write on kv/app"


def test_engine_without_versions_is_not_written_to(server: FaultyServer) -> None:
    made = vault(server, kv_version=1)
    for ask in (lambda: made.write(APP, {}, over=0), lambda: made.current(APP)):
        with pytest.raises(SourceError) as refused:
            ask()
        failure(refused.value, "VL06")
    assert server.asked == []


@pytest.mark.parametrize(("answer", "version"), [(Answer(404), 0), (gone(3), 3), (gone(3, destroyed=True), 3)])
def test_current_version_that_is_gone_holds_nothing(answer: Answer, version: int, server: FaultyServer) -> None:
    server.faults.append(answer)
    assert vault(server).current(APP._replace(version=1)) == Secret({}, version)
    assert server.paths() == ["GET /v1/kv/data/app"]


def test_current_version_is_read_each_time(server: FaultyServer) -> None:
    server.faults.extend([kv2({"host": "a"}, 1), kv2({"host": "b"}, 2)])
    made = vault(server)
    assert [made.current(APP).version, made.current(APP).version] == [1, 2]


# --- generated values that are kept ---


KEPT = GenerateSource("hex", store=StorePlace("p", "app", "cookie"))


def keeping(server: FaultyServer, told: Told | None = None, source: Source = KEPT, **options: Any) -> Resolver:
    return resolver({"a": source}, {"p": vault_at(server.url)}, told=told, environ=ENVIRON, **({"may_write": True} | options))


def test_generated_value_that_is_there_is_taken(server: FaultyServer, told: Told) -> None:
    server.faults.append(kv2({"cookie": "canary"}, 5))
    made = keeping(server, told)
    assert text(made.resolve(["a"])["a"]) == "canary"
    assert made.version("a") == 5
    assert [asked.method for asked in server.asked] == ["GET"]
    assert "canary" in told.masked


@pytest.mark.parametrize(("answer", "values", "over"), [(Answer(404), {}, 0), (gone(3), {}, 3), (kv2({"x": 1, "cookie": ""}, 6), {"x": 1}, 6)])
def test_generated_value_is_stored_where_none_is(answer: Answer, values: dict[str, object], over: int, server: FaultyServer, told: Told) -> None:
    server.faults.extend([answer, answer, written(over + 1)])
    made = keeping(server, told)
    value = text(made.resolve(["a"])["a"])
    assert json.loads(server.asked[-1].body) == {"options": {"cas": over}, "data": {**values, "cookie": value}}
    assert made.version("a") == over + 1
    assert told.masked[1] == value  # before it was written; the first is the token


def test_generated_value_is_not_stored_by_a_run_that_may_not(server: FaultyServer) -> None:
    text(keeping(server, may_write=False).resolve(["a"])["a"])
    assert [asked.method for asked in server.asked] == ["GET"]


def test_pt_07_placeholder_in_the_store_is_no_value(server: FaultyServer) -> None:
    server.faults.append(kv2({"cookie": "REPLACE_ME"}, 5))
    failure(keeping(server).resolve(["a"])["a"], "VL03")


def test_value_that_somebody_else_stored_first_is_the_value(server: FaultyServer) -> None:
    server.faults.extend([Answer(404), Answer(404), CONFLICT, kv2({"cookie": "canary"}), kv2({"cookie": "canary"})])
    made = keeping(server)
    assert text(made.resolve(["a"])["a"]) == "canary"
    assert made.version("a") == 1


def test_race_without_end_is_left(server: FaultyServer) -> None:
    version = 0

    def one_race() -> list[Answer]:
        nonlocal version
        version += 1
        return [kv2({}, version), kv2({}, version), CONFLICT, kv2({"other": 1}, version + 1)]

    server.faults.extend(answer for _ in range(5) for answer in one_race())
    assert "all the time" in failure(keeping(server).resolve(["a"])["a"], "VL04").message


def test_pt_37_stored_value_is_replaced_over_the_version_that_was_read(server: FaultyServer) -> None:
    server.faults.extend([kv2({"cookie": "canary-old", "x": 1}, 5), kv2({"cookie": "canary-old", "x": 1}, 5), written(6)])
    made = keeping(server)
    kept = made.stored("a")
    assert (kept.value, kept.version) == (SecretValue(b"canary-old"), 5)
    new = made.generate("a")
    assert made.store("a", new, over=kept.version) == 6
    assert json.loads(server.asked[-1].body) == {"options": {"cas": 5}, "data": {"cookie": new.text(), "x": 1}}
    assert made.resolve(["a"])["a"] == new
    assert made.version("a") == 6


def test_pt_37_value_is_not_stored_over_another_version(server: FaultyServer) -> None:
    server.faults.extend([kv2({"cookie": "x"}, 7), CONFLICT, kv2({"cookie": "x"}, 7)])
    with pytest.raises(SourceError) as refused:
        keeping(server).store("a", SecretValue(b"canary"), over=5)
    assert "changed by somebody else" in failure(refused.value, "VL04").message


def test_store_that_is_not_there_is_told(server: FaultyServer) -> None:
    for source in (GenerateSource("hex"), GenerateSource("hex", store=StorePlace("q", "a", "b")), host()):
        made = keeping(server, source=source)
        with pytest.raises(SourceError) as refused:
            made.stored("a")
        failure(refused.value, "VL06")
        with pytest.raises(SourceError) as refused:
            made.store("a", SecretValue(b"canary"), over=0)
        failure(refused.value, "VL06")


def test_store_that_refuses_names_the_value(server: FaultyServer) -> None:
    server.endless = DENIED
    for ask in (lambda: keeping(server).stored("a"), lambda: keeping(server).store("a", SecretValue(b"canary"), over=0)):
        with pytest.raises(SourceError) as refused:
            ask()
        assert failure(refused.value, "VL04").file == "a"


def test_provider_without_an_address_is_told_for_each_value() -> None:
    values: dict[str, Source] = {"a": host(), "b": ProviderSource("p", "b", "k")}
    found = resolver(values, {"p": VaultProvider()}, environ=ENVIRON).resolve(values)
    assert [failure(error, "VL06").file for error in found.values()] == ["a", "b"]
