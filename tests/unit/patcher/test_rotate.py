"""Rotation: new values at the provider and in the cluster, or the old ones in both."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from secrettool.cluster.model import Unavailable
from secrettool.errors import ClusterError, Outcome, ProviderLoginError, SourceError, UsageError
from secrettool.objects import Ref
from secrettool.patcher.mapping import PatchMap
from secrettool.patcher.plan import SOURCES
from secrettool.patcher.restart import RESTARTED_AT
from secrettool.patcher.result import Result, outcome
from secrettool.patcher.rotate import Rotation, rotate
from secrettool.sources.resolver import Stored
from secrettool.sources.value import SecretValue
from tests.unit.patcher.support import REF, World, codes, patch_map, secret

APP = Ref("apps/v1", "Deployment", "ns", "app")
RESTART = "restart: [{kind: Deployment, name: app}]"
HEAD = """\
providers: {kv: {type: vault, address: 'https://vault.example', mount: kv}}
values:
  cookie: {generate: {type: hex}, store: {provider: kv, path: chatto, key: cookie}}
  salt: {generate: {type: hex}, store: {provider: kv, mount: kv, path: chatto, key: salt}}
  loose: {generate: {type: hex}}
  plain: {env: PLAIN}
"""
PLACES = {"cookie": "cookie", "salt": "salt"}


class KeptSources:
    """Values that are made here, and kept in one secret with versions, as a Vault does it.

    Attributes:
        kept: Each version of the secret, from the first.
        before: Called with each request, such as `store cookie`; what it raises is the answer.
        after: Called once it was carried out; what it raises takes the place of the answer.
    """

    def __init__(self, **kept: str) -> None:
        self.kept: list[dict[str, str]] = [kept] if kept else []
        self.made = 0
        self.before: Callable[[str], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None

    def resolve(self, names: Iterable[str]) -> dict[str, SecretValue | SourceError]:
        return {name: SecretValue(f"{name} value".encode()) for name in names}

    def version(self, name: str) -> int | None:
        return len(self.kept) if name in PLACES and self.kept else None

    def generate(self, name: str) -> SecretValue:
        self.made += 1
        return SecretValue(f"new {name} {self.made}".encode())

    def stored(self, name: str) -> Stored:
        self.before(f"stored {name}")
        held = self.kept[-1].get(name) if self.kept else None
        return Stored(SecretValue(held.encode()) if held else None, len(self.kept))

    def store(self, name: str, value: SecretValue | None, *, over: int) -> int:
        self.before(f"store {name}")
        if over != len(self.kept):
            raise SourceError("VL04", "kv/chatto was changed by somebody else meanwhile", subject=name)
        held = {**(self.kept[-1] if self.kept else {})}
        held.pop(name, None)
        self.kept.append(held if value is None else {**held, name: value.text()})
        self.after(f"store {name}")
        return len(self.kept)


class Rotated:
    """A world with a Secret, and the rotations in it."""

    def __init__(self, folder: Path, sources: KeptSources, *objects: dict[str, Any]) -> None:
        self.sources = sources
        self.world = World(folder / "c", objects)

    def run(
        self, wanted: PatchMap, *ids: str, keep_old: str | None = None, tell: Callable[[Result], None] = lambda _: None, **settings: Any
    ) -> list[Result]:
        targets = [target for target in wanted.targets if not ids or target.id in ids]
        rotation = Rotation(keep_old, {"PATH": "/usr/bin:/bin", "CANARY": "canary"}, str(self.world.folder))
        return rotate(wanted, targets, self.world.around, self.sources, self.world.settings(wanted, **settings), rotation, tell)

    def one(self, wanted: PatchMap, **settings: Any) -> Result:
        (result,) = self.run(wanted, **settings)
        return result


def targets(keys: str, *more: str, id_: str = "t", ref: str = "{kind: Secret, namespace: ns, name: s}") -> str:
    return f"  - id: {id_}\n    ref: {ref}\n    keys: {keys}\n" + "".join(f"    {line}\n" for line in more)


def a_map(*texts: str) -> PatchMap:
    return patch_map("".join(texts), more=HEAD)


def app(**status: int) -> dict[str, Any]:
    ready = {"observedGeneration": 99, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, **status}
    metadata = {"name": "app", "namespace": "ns"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": {"spec": {}}}, "status": ready}


def python(code: str) -> str:
    return f"verify: {{command: {json.dumps([sys.executable, '-c', code])}}}"


def forbid(*requests: str) -> Callable[[str], None]:
    def before(request: str) -> None:
        if request in requests:
            raise ClusterError("403 Forbidden", status=403)

    return before


def texts(results: Sequence[Result]) -> str:
    return "\n".join(f"{finding}{finding.hint}" for result in results for finding in result.findings)


@pytest.fixture
def rotated(tmp_path: Path) -> Rotated:
    """The value `old` in the store and in the Secret, whose key `b` has nothing to do with it."""
    return Rotated(tmp_path, KeptSources(cookie="old", other="kept"), secret({"a": "old", "b": "by hand"}), app())


COOKIE = a_map(targets("{a: cookie, b: plain}", RESTART))


# ---- forward -------------------------------------------------------------------------------------------------------------------------------------


def test_pt_37_value_is_stored_patched_and_taken_up(rotated: Rotated) -> None:
    result = rotated.one(COOKIE)

    assert (result.word, result.keys, codes(result), result.restarted) == ("changed", {"a": "change"}, ["RT01 note"], (APP,))
    assert "version 2 is stored" in texts([result])
    assert rotated.sources.kept[1:] == [{"other": "kept", "cookie": "new cookie 1"}]
    assert rotated.world.data() == {"a": b"new cookie 1", "b": b"by hand"}
    assert rotated.world.cluster.writes == ["merge Secret/ns/s", "merge Deployment/ns/app"]


def test_pt_37_value_that_is_written_once_is_rotated(rotated: Rotated) -> None:
    rotated.run(a_map(targets("{a: {value: cookie, onlyIfPlaceholder: true}, c: {template: 'x{{ cookie }}', optional: true}}")))

    assert rotated.world.data() == {"a": b"new cookie 1", "b": b"by hand", "c": b"xnew cookie 1"}


def test_pt_37_values_of_one_secret_are_stored_one_after_the_other(rotated: Rotated) -> None:
    result = rotated.one(a_map(targets("{a: cookie, b: salt}")))

    assert (result.word, codes(result)) == ("changed", ["RT01 note", "RT01 note"])
    assert rotated.sources.kept[-1] == {"other": "kept", "cookie": "new cookie 1", "salt": "new salt 2"}
    assert len(rotated.sources.kept) == 3


def test_pt_37_value_without_a_store_changes_in_the_cluster_alone(rotated: Rotated) -> None:
    result = rotated.one(a_map(targets("{a: loose}")))

    assert (result.word, codes(result), len(rotated.sources.kept)) == ("changed", [], 1)
    assert rotated.world.data()["a"] == b"new loose 1"


def test_pt_37_recorded_versions_follow(tmp_path: Path) -> None:
    note = {SOURCES: json.dumps({"a": {"cookie": 1}, "z": {"other": 5}})}
    rotated = Rotated(tmp_path, KeptSources(cookie="old"), secret({"a": "old"}, annotations=note))

    rotated.run(a_map(targets("{a: cookie}")))

    assert json.loads(rotated.world.notes()[SOURCES]) == {"a": {"cookie": 2}, "z": {"other": 5}}


def test_pt_37_verify_sees_little_of_the_environment_and_nothing_of_it_is_shown(rotated: Rotated) -> None:
    code = "import os, sys; print('canary'); sys.exit('canary' in os.environ.values())"

    assert rotated.one(a_map(targets("{a: cookie}", python(code)))).word == "changed"


def test_pt_37_dry_run_stores_nothing(rotated: Rotated) -> None:
    result = rotated.one(COOKIE, mode="dry-run")

    assert (result.word, result.keys, len(rotated.sources.kept)) == ("changed", {"a": "change"}, 1)
    assert rotated.world.cluster.writes == ["merge Secret/ns/s?", "merge Deployment/ns/app?"]


def test_pt_37_rotation_that_was_overtaken_is_told_and_not_undone(rotated: Rotated) -> None:
    def overtake(request: str) -> None:
        if request == "merge Secret/ns/s":
            rotated.sources.kept.append({"cookie": "theirs"})

    rotated.world.cluster.after = overtake

    result = rotated.one(COOKIE)

    assert (result.word, codes(result), outcome([result])) == ("changed", ["RT07 error", "RT01 note"], Outcome.SOME_FAILED)
    assert (rotated.sources.kept[-1], rotated.world.data()["a"]) == ({"cookie": "theirs"}, b"new cookie 1")


# ---- the old value -------------------------------------------------------------------------------------------------------------------------------


def test_pt_37_old_value_is_kept_under_a_second_key(rotated: Rotated) -> None:
    rotated.run(COOKIE, keep_old="a-old")
    result = rotated.run(COOKIE, keep_old="a-old")[0]

    assert result.keys == {"a": "change", "a-old": "change"}
    assert rotated.world.data() == {"a": b"new cookie 2", "a-old": b"new cookie 1", "b": b"by hand"}


@pytest.mark.parametrize("data", [{"a": "REPLACE_ME"}, {}])
def test_pt_37_where_no_old_value_is_none_is_kept(tmp_path: Path, data: dict[str, str]) -> None:
    rotated = Rotated(tmp_path, KeptSources(), secret(data))

    result = rotated.one(a_map(targets("{a: cookie}")), keep_old="a-old")

    assert (result.word, codes(result)) == ("changed", ["VL01 note", "RT01 note"])
    assert rotated.world.data() == {"a": b"new cookie 1"}


@pytest.mark.parametrize(
    ("keys", "keep_old", "message"),
    [("{a: cookie, b: salt}", "old", "2 keys"), ("{a: cookie, b: plain}", "b", "itself"), ("{a: cookie}", "no key", "cannot be a key")],
)
def test_pt_37_old_value_that_cannot_be_kept(rotated: Rotated, keys: str, keep_old: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        rotated.run(a_map(targets(keys)), keep_old=keep_old)

    assert raised.value.code == Outcome.CONFIGURATION
    assert (rotated.sources.made, rotated.world.cluster.writes) == (0, [])


# ---- nothing is begun ----------------------------------------------------------------------------------------------------------------------------


def untouched(rotated: Rotated) -> bool:
    return len(rotated.sources.kept) == 1 and rotated.world.cluster.writes == []


def test_pt_37_target_without_generated_value(rotated: Rotated) -> None:
    with pytest.raises(UsageError, match="no value that is generated"):
        rotated.run(a_map(targets("{a: plain}")))


def test_pt_37_value_of_another_target_is_not_rotated_behind_its_back(rotated: Rotated) -> None:
    both = a_map(targets("{a: cookie}"), targets("{x: cookie}", id_="other"))

    with pytest.raises(UsageError, match="target other uses cookie, too") as raised:
        rotated.run(both, "t")

    assert raised.value.hint == "rotate both: add --target other"
    assert [row.word for row in rotated.run(both)] == ["changed", "changed"]


def test_pt_37_missing_object_is_not_created(rotated: Rotated) -> None:
    wanted = a_map(targets("{a: cookie}", "create: {}", ref="{kind: Secret, namespace: ns, name: gone}"))

    result = rotated.one(wanted)

    assert (result.word, codes(result)) == ("failed", ["RT02 error"])
    assert untouched(rotated)


def test_pt_37_only_missing_objects_are_nothing_to_rotate(rotated: Rotated) -> None:
    result = rotated.one(a_map(targets("{a: cookie}", ref="{kind: Secret, namespace: ns, name: gone}")))

    assert (result.word, result.code) == ("failed", Outcome.SOME_FAILED)
    assert untouched(rotated)


def test_pt_37_object_that_cannot_be_read_stops_the_others(rotated: Rotated) -> None:
    (rotated.world.folder / "other.yaml").write_text(json.dumps(secret({"a": "old"}, namespace="other")))
    rotated.world.cluster.before = forbid("get Secret/other/s")

    results = rotated.run(a_map(targets("{a: cookie}", ref="{kind: Secret, name: s, namespaces: [ns, other]}")))

    assert [(row.word, codes(row)) for row in results] == [("skipped", ["FF01 note"]), ("failed", ["CL01 error"])]
    assert untouched(rotated)
    assert rotated.sources.made == 0


def test_pt_37_refusal_by_policy_stops_the_others(tmp_path: Path) -> None:
    owned = secret(
        {"a": "old"}, name="owned", ownerReferences=[{"controller": True, "kind": "ExternalSecret", "name": "x", "apiVersion": "v1", "uid": "1"}]
    )
    rotated = Rotated(tmp_path, KeptSources(cookie="old"), secret({"a": "old"}), owned)
    both = a_map(targets("{a: cookie}"), targets("{a: cookie}", id_="u", ref="{kind: Secret, namespace: ns, name: owned}"))

    assert [(row.word, codes(row)) for row in rotated.run(both)] == [("skipped", ["FF01 note"]), ("refused", ["AN07 error"])]
    assert untouched(rotated)


def test_pt_37_store_that_lets_nobody_in(rotated: Rotated) -> None:
    def closed(_: str) -> None:
        raise ProviderLoginError("VL09", "login by jwt failed", subject="cookie")

    rotated.sources.before = closed

    result = rotated.one(COOKIE)

    assert (result.word, codes(result), outcome([result])) == ("failed", ["VL09 error"], Outcome.NO_LOGIN)
    assert untouched(rotated)


# ---- back ----------------------------------------------------------------------------------------------------------------------------------------


def is_as_before(rotated: Rotated) -> bool:
    kept = rotated.sources.kept
    return kept[-1] == kept[0] and rotated.world.data() == {"a": b"old", "b": b"by hand"}


def test_pt_37_second_writer_of_the_secret_wins(rotated: Rotated) -> None:
    def race(request: str) -> None:
        if request == "store cookie" and len(rotated.sources.kept) == 1:
            rotated.sources.kept.append({"cookie": "theirs"})

    rotated.sources.before = race

    result = rotated.one(COOKIE)

    assert (result.word, codes(result), outcome([result])) == ("failed", ["VL04 error"], Outcome.SOME_FAILED)
    assert rotated.sources.kept[1:] == [{"cookie": "theirs"}]
    assert rotated.world.cluster.writes == []


def test_pt_37_second_rotation_that_was_faster_is_left_alone(rotated: Rotated) -> None:
    def race(request: str) -> None:
        if request == "store cookie" and len(rotated.sources.kept) == 1:
            rotated.sources.kept.append({"cookie": "theirs"})
            (rotated.world.folder / "0.yaml").write_text(json.dumps(secret({"a": "theirs", "b": "by hand"})))

    rotated.sources.before = race

    assert codes(rotated.one(COOKIE)) == ["VL04 error"]
    assert rotated.world.data()["a"] == b"theirs"


def test_pt_37_value_that_was_stored_although_the_answer_got_lost_is_found(rotated: Rotated) -> None:
    def lose(request: str) -> None:
        if request == "store cookie":
            raise SourceError("VL07", "Vault gives no answer", subject="cookie")

    rotated.sources.after = lose

    assert rotated.one(COOKIE).word == "changed"
    assert rotated.sources.kept[-1]["cookie"] == "new cookie 1"


def test_pt_37_second_value_that_is_not_stored_takes_the_first_back(rotated: Rotated) -> None:
    def refuse(request: str) -> None:
        if request == "store salt":
            raise SourceError("VL04", "policy does not allow write", subject="salt")

    rotated.sources.before = refuse

    result = rotated.one(a_map(targets("{a: cookie, b: salt}")))

    assert codes(result) == ["VL04 error"]
    assert is_as_before(rotated)
    assert rotated.world.cluster.writes == []


def test_pt_37_failed_patch_is_taken_back_at_the_provider_and_in_other_objects(tmp_path: Path) -> None:
    rotated = Rotated(tmp_path, KeptSources(cookie="old"), secret({"a": "old", "b": "by hand"}), secret({"a": "old"}, namespace="other"))
    rotated.world.cluster.before = forbid("merge Secret/other/s")

    results = rotated.run(a_map(targets("{a: cookie}", ref="{kind: Secret, name: s, namespaces: [ns, other]}")))

    assert [(row.word, codes(row), row.keys) for row in results] == [
        ("failed", ["RT04 note"], {}),
        ("failed", ["CL01 error"], {"a": "change"}),
    ]
    assert outcome(results) == Outcome.SOME_FAILED
    assert is_as_before(rotated)
    assert len(rotated.sources.kept) == 3


def test_pt_37_value_that_was_not_there_before_is_taken_away(tmp_path: Path) -> None:
    rotated = Rotated(tmp_path, KeptSources(), secret({"a": "REPLACE_ME"}))
    rotated.world.cluster.before = forbid("merge Secret/ns/s")

    rotated.run(a_map(targets("{a: cookie}")))

    assert rotated.sources.kept == [{"cookie": "new cookie 1"}, {}]


@pytest.mark.parametrize("status", [{"availableReplicas": 0}, {"updatedReplicas": 0}])
def test_pt_37_workload_that_does_not_come_back_takes_everything_back(tmp_path: Path, status: dict[str, int]) -> None:
    rotated = Rotated(tmp_path, KeptSources(cookie="old"), secret({"a": "old", "b": "by hand"}), app(**status))

    result = rotated.one(COOKIE, wait=3.0)

    assert (result.word, codes(result)) == ("failed", ["RS02 error", "RT04 note", "RS02 error"])
    assert is_as_before(rotated)
    assert rotated.world.cluster.writes == ["merge Secret/ns/s", "merge Deployment/ns/app"] * 2


def test_pt_37_verify_that_fails_takes_everything_back(rotated: Rotated) -> None:
    code = "import sys; print('canary'); print('canary', file=sys.stderr); sys.exit(3)"

    result = rotated.one(a_map(targets("{a: cookie, b: plain}", RESTART, python(code))), keep_old="a-old")

    assert (result.word, codes(result)) == ("failed", ["RT03 error", "RT04 note"])
    assert "ended with status 3" in texts([result])
    assert "it wrote 1 line to stderr" in texts([result])
    assert "canary" not in texts([result])
    assert is_as_before(rotated)
    stamps = [body["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT] for body in rotated.world.cluster.bodies if "spec" in body]
    assert stamps == ["2026-05-06T07:08:09Z", "2026-05-06T07:08:10Z"]


def test_pt_37_verify_that_takes_too_long_fails(rotated: Rotated) -> None:
    result = rotated.one(a_map(targets("{a: cookie}", python("import time; time.sleep(60)"))), wait=0.2)

    assert codes(result) == ["RT03 error", "RT04 note"]
    assert is_as_before(rotated)


def test_pt_37_recorded_versions_name_the_version_that_holds_the_old_value(tmp_path: Path) -> None:
    note = {SOURCES: json.dumps({"a": {"cookie": 1}, "z": {"other": 5}})}
    rotated = Rotated(tmp_path, KeptSources(cookie="old"), secret({"a": "old"}, annotations=note))

    rotated.run(a_map(targets("{a: cookie}", python("import sys; sys.exit(1)"))))

    assert json.loads(rotated.world.notes()[SOURCES]) == {"a": {"cookie": 3}, "z": {"other": 5}}


def test_pt_37_old_value_that_cannot_be_stored_again_is_told(rotated: Rotated) -> None:
    def refuse(request: str) -> None:
        if request == "store cookie" and len(rotated.sources.kept) == 2:
            raise SourceError("VL07", "Vault gives no answer", subject="cookie")

    rotated.sources.before = refuse

    result = rotated.one(a_map(targets("{a: cookie, b: plain}", python("import sys; sys.exit(1)"))))

    assert codes(result) == ["RT03 error", "RT04 note", "RT06 error"]
    assert "the old one was not stored again: Vault gives no answer" in texts([result])
    assert (rotated.sources.kept[-1]["cookie"], rotated.world.data()["a"]) == ("new cookie 1", b"old")


def test_pt_37_object_that_somebody_else_changed_meanwhile_is_left_alone(rotated: Rotated) -> None:
    def meddle(request: str) -> None:
        if request == "merge Deployment/ns/app":
            rotated.world.cluster.after = lambda _: None
            live = rotated.world.get()
            live["data"]["a"] = "dGhlaXJz"
            (rotated.world.folder / "0.yaml").write_text(json.dumps(live))

    rotated.world.cluster.after = meddle

    result = rotated.one(a_map(targets("{a: cookie, b: plain}", RESTART, python("import sys; sys.exit(1)"))))

    assert codes(result) == ["RT03 error", "RT05 error"]
    assert "somebody else changed a meanwhile" in texts([result])
    assert rotated.world.data()["a"] == b"theirs"


def test_pt_37_conflict_while_putting_back_is_tried_again(rotated: Rotated) -> None:
    met = []

    def conflict(request: str) -> None:
        if request == "merge Secret/ns/s":
            met.append(request)
            if len(met) in (2, 3):
                raise ClusterError("409 Conflict", status=409) if len(met) == 2 else Unavailable("no answer")

    rotated.world.cluster.before = conflict

    result = rotated.one(a_map(targets("{a: cookie, b: plain}", python("import sys; sys.exit(1)"))))

    assert codes(result) == ["RT03 error", "RT04 note"]
    assert is_as_before(rotated)
    assert len(met) == 4


def test_pt_37_rotation_that_is_broken_off_leaves_everything_as_it_was(rotated: Rotated) -> None:
    def interrupt(request: str) -> None:
        if request == "merge Deployment/ns/app":
            rotated.world.cluster.after = lambda _: None
            raise KeyboardInterrupt

    rotated.world.cluster.after = interrupt
    told: list[Result] = []

    with pytest.raises(KeyboardInterrupt):
        rotated.run(COOKIE, tell=told.append)

    assert [(row.word, codes(row)) for row in told] == [("failed", ["RT04 note"])]
    assert is_as_before(rotated)


def test_pt_37_nothing_shows_a_value(rotated: Rotated) -> None:
    result = rotated.one(a_map(targets("{a: cookie, b: plain}", RESTART, python("import sys; sys.exit(1)"))))

    shown = f"{result!r}{texts([result])}{Rotation(None, {'A': 'canary'})!r}"
    assert not [text for text in ("new cookie", "'old'", "by hand", "canary") if text in shown]
    assert str(REF) in shown
