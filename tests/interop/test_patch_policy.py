"""Every row of the table of protection under every policy, against the real Flux: the value stays where the table says so, and only there.

One namespace for each policy, and in each the same objects; one Kustomization applies all of them. What happens:

    git without protection      Flux creates the objects; some are protected, deleted or made by hand
    git as the case has it      `patch` runs; Flux makes a pass; `patch` runs again; Flux makes another pass
    git without the objects     Flux makes a pass: what is not protected in the cluster is deleted

The rules of `spec.ignore` (row 7) need kustomize-controller 1.9, and the tests have 1.7: here they show that such a rule is not relied upon. What a
newer one does is in tests/hook-vectors, which `tests/unit/patcher/test_policy.py` goes through.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, get_args

import pytest

from secrettool.cluster.connection import Access, connect
from secrettool.flux import FluxVersion
from secrettool.patcher.case import Surroundings
from secrettool.patcher.git import Manifests
from secrettool.patcher.loading import load
from secrettool.patcher.mapping import PatchMap
from secrettool.patcher.policy import TABLE, Policy
from secrettool.patcher.result import Result
from secrettool.patcher.run import Settings, run
from secrettool.sources.resolver import Resolver
from tests.interop.gitops import values, write_tree
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import ApiServer
from tests.interop.peers.flux import OWN_PREFIX, Flux

pytestmark = pytest.mark.real

VERSION = FluxVersion(1, 7, 3)
"""What is built by tests/interop/programs."""
POLICIES: tuple[Policy, ...] = get_args(Policy)

DISABLED = {OWN_PREFIX + "reconcile": "disabled"}
IGNORED = {OWN_PREFIX + "ssa": "Ignore"}
ONCE = {OWN_PREFIX + "ssa": "IfNotPresent"}
MERGED = {OWN_PREFIX + "ssa": "Merge"}
PLAIN: Mapping[str, str] = {}

REAL, PLACEHOLDER = "the real value", "REPLACE_ME"
BESIDE = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "beside", "namespace": "default"}})

Four: TypeAlias = tuple[str, str, str, str]
"""One for each policy."""
Git: TypeAlias = Mapping[str, str] | None
"""Annotations of the manifest; None: git has none."""
Made: TypeAlias = Literal["flux", "hand", "nobody"]


class Case(NamedTuple):
    """An object, and what becomes of it under each policy.

    Attributes:
        row: Of the table.
        name: Of the object.
        git: The manifest when `patch` runs.
        made: Who made the live object.
        live: Annotations that somebody gave it.
        first: What the first run says: what became of it, `+` with the annotation, codes with the first letter of their severity.
        value: What the cluster has after the second run and the pass that follows; `none` for no object.
        left: What it has once git has no manifest any more.
        again: What the second run says.
        create: Of the target.
        keys: What the manifest sets.
        known: Whether `patch` gets the manifests.
        applied: Whether Flux sees the manifest as it is when `patch` runs; else it has left git by then.
    """

    row: int
    name: str
    git: Git
    made: Made
    live: Mapping[str, str]
    first: Four
    value: Four
    left: Four
    again: Four
    create: str = ""
    keys: tuple[str, ...] = ("k",)
    known: bool = True
    applied: bool = True


def four(text: str) -> Four:
    return text, text, text, text


PATCHED, SAME = four("changed"), four("unchanged")
SKIPPED = four("skipped OB01w")
STAYS, GONE = four("real"), four("none")
OPEN_VALUE: Four = ("real", "placeholder", "placeholder", "placeholder")
ALL_BUT_REQUIRE: Four = ("real", "placeholder", "real", "real")
ONLY_ENSURE: Four = ("real", "none", "none", "none")
"""Refused, or pruned: what is protected in git only, or not at all."""

FULL_IN_GIT: Four = ("changed+", "refused AN02e", "changed AN02w", "changed")
FULL_AGAIN: Four = ("unchanged", "refused AN02e", "unchanged AN02w", "unchanged")
ONCE_IN_GIT: Four = ("changed+", "changed AN02n", "changed AN02n", "changed")
FULL_MISSING: Four = ("skipped AN08w", "skipped AN08w", "skipped AN08w", "skipped OB01w")
LIVE_ONLY: Four = ("changed AN03w", "refused AN03e", "changed AN03w", "changed")
LIVE_AGAIN: Four = ("unchanged AN03w", "refused AN03e", "unchanged AN03w", "unchanged")
OPEN: Four = ("changed+ AN03w", "refused AN01e", "changed AN01w", "changed AN01n")
OPEN_AGAIN: Four = ("unchanged AN03w", "refused AN01e", "changed AN01w", "changed AN01n")
"""Flux has set the value back, and the second run writes it once more."""
UNKNOWN: Four = ("changed+ AN04w", "refused AN04e", "changed AN04w", "changed")
CREATED = four("created+")
ENSURED: Four = ("changed+", "changed", "changed", "changed")

# From 1.7.0 to 1.8.4 what a pass has skipped is no longer in Flux's inventory, and is not pruned when it leaves git after that: that the object of
# rows 2 and 5 would be pruned shows where it leaves git at once.
CASES = (
    #    row  name            git       made by   live      first run    after the pass   once it left git   second run
    Case(1, "r01-both", DISABLED, "flux", DISABLED, PATCHED, STAYS, STAYS, SAME),
    Case(1, "r01-ignore", IGNORED, "flux", IGNORED, ENSURED, STAYS, STAYS, SAME),
    Case(2, "r02-git-only", DISABLED, "flux", PLAIN, FULL_IN_GIT, ALL_BUT_REQUIRE, ALL_BUT_REQUIRE, FULL_AGAIN),
    Case(2, "r02-ignore", IGNORED, "flux", PLAIN, FULL_IN_GIT, ALL_BUT_REQUIRE, ALL_BUT_REQUIRE, FULL_AGAIN),
    Case(
        2, "r02-gone-at-once", DISABLED, "flux", PLAIN, FULL_IN_GIT, ONLY_ENSURE, ONLY_ENSURE,
        ("unchanged", "skipped AN08w", "skipped AN08w", "skipped OB01w"), applied=False,
    ),
    Case(3, "r03-missing", DISABLED, "nobody", PLAIN, FULL_MISSING, GONE, GONE, FULL_MISSING),
    Case(3, "r03-create", DISABLED, "nobody", PLAIN, CREATED, STAYS, STAYS, SAME, create="from-manifest"),
    Case(4, "r04-once-both", ONCE, "flux", DISABLED, PATCHED, STAYS, STAYS, SAME),
    Case(5, "r05-once", ONCE, "flux", PLAIN, ONCE_IN_GIT, STAYS, STAYS, ("unchanged", "unchanged AN02n", "unchanged AN02n", "unchanged")),
    Case(
        5, "r05-gone-at-once", ONCE, "flux", PLAIN, ONCE_IN_GIT, ONLY_ENSURE, ONLY_ENSURE,
        ("unchanged", "skipped OB01w", "skipped OB01w", "skipped OB01w"), applied=False,
    ),
    Case(
        6, "r06-none", PLAIN, "nobody", PLAIN, SKIPPED, OPEN_VALUE, ONLY_ENSURE,
        ("changed+ AN03w", "refused AN01e", "changed AN01w", "changed AN01n"),
    ),
    Case(6, "r06-once", ONCE, "nobody", PLAIN, SKIPPED, STAYS, STAYS, ONCE_IN_GIT),
    Case(6, "r06-absent", None, "nobody", PLAIN, SKIPPED, GONE, GONE, SKIPPED),
    Case(6, "r06-create", PLAIN, "nobody", PLAIN, CREATED, STAYS, STAYS, LIVE_AGAIN, create="from-manifest"),
    Case(6, "r06-create-once", ONCE, "nobody", PLAIN, CREATED, STAYS, STAYS, SAME, create="from-manifest"),
    Case(6, "r06-create-absent", None, "nobody", PLAIN, four("created"), STAYS, STAYS, SAME, create="{type: Opaque}"),
    Case(7, "r07-rule", PLAIN, "flux", PLAIN, OPEN, OPEN_VALUE, ONLY_ENSURE, OPEN_AGAIN),
    Case(8, "r08-live-only", PLAIN, "flux", DISABLED, LIVE_ONLY, ALL_BUT_REQUIRE, ALL_BUT_REQUIRE, LIVE_AGAIN),
    Case(
        8, "r08-ignore", PLAIN, "flux", IGNORED, ("changed+ AN03w", "refused AN03e", "changed AN03w", "changed"), ALL_BUT_REQUIRE, ALL_BUT_REQUIRE,
        LIVE_AGAIN,
    ),
    Case(9, "r09-open", PLAIN, "flux", PLAIN, OPEN, OPEN_VALUE, ONLY_ENSURE, OPEN_AGAIN),
    Case(9, "r09-merge", MERGED, "flux", PLAIN, OPEN, OPEN_VALUE, ONLY_ENSURE, OPEN_AGAIN),
    Case(10, "r10-free", PLAIN, "flux", PLAIN, PATCHED, STAYS, GONE, SAME, keys=("other",)),
    Case(10, "r10-free-full", PLAIN, "flux", DISABLED, PATCHED, STAYS, STAYS, SAME, keys=("other",)),
    Case(11, "r11-by-hand", None, "hand", PLAIN, PATCHED, STAYS, STAYS, SAME),
    Case(11, "r11-unknown", None, "hand", PLAIN, PATCHED, STAYS, STAYS, SAME, known=False),
    Case(12, "r12-left-git", None, "flux", DISABLED, PATCHED, STAYS, STAYS, SAME),
    Case(12, "r12-unknown", PLAIN, "flux", DISABLED, PATCHED, STAYS, STAYS, SAME, known=False),
    Case(
        13, "r13-left-git", None, "flux", PLAIN, UNKNOWN, ONLY_ENSURE, ONLY_ENSURE,
        ("unchanged", "skipped OB01w", "skipped OB01w", "skipped OB01w"),
    ),
    Case(
        13, "r13-unknown", PLAIN, "flux", PLAIN, UNKNOWN, OPEN_VALUE, ONLY_ENSURE,
        ("unchanged", "refused AN04e", "changed AN04w", "changed"), known=False,
    ),
)  # fmt: skip
BY_NAME = {case.name: case for case in CASES}


class Outcome(NamedTuple):
    """What became of one object."""

    first: str
    after_first: str
    again: str
    after_again: str
    left: str


class World:
    """The cluster, the repository, and a namespace for each policy."""

    def __init__(self, flux: Flux, folder: Path) -> None:
        self._api: ApiServer = flux.api
        self._folder = folder
        self._namespaces: dict[Policy, str] = {policy: flux.api.namespace() for policy in POLICIES}
        self._kustomization = flux.kustomization(self._namespaces["ensure"], targetNamespace=None)
        self._kubeconfig = flux.api.kubeconfig(folder / "kubeconfig", flux.api.admin_token)

    def play(self) -> dict[tuple[str, Policy], Outcome]:
        """All of it; the outcome of each object under each policy."""
        self._pass([self._manifest(case, policy, PLAIN) for case in CASES for policy in POLICIES if case.made == "flux"])
        for policy in POLICIES:
            for case in CASES:
                self._hand(case, policy)
        told = [case for case in CASES if case.git is not None]
        manifests = [self._manifest(case, policy, case.git or {}) for case in told for policy in POLICIES]
        applied = [self._manifest(case, policy, case.git or {}) for case in told if case.applied for policy in POLICIES]

        first = self._patch(manifests)
        self._pass(applied)
        after_first = self._values()
        again = self._patch(manifests)
        self._pass(applied)
        after_again = self._values()
        self._pass([])
        left = self._values()
        return {key: Outcome(first[key], after_first[key], again[key], after_again[key], left[key]) for key in first}

    def _manifest(self, case: Case, policy: Policy, annotations: Mapping[str, str]) -> Json:
        metadata = {"name": case.name, "namespace": self._namespaces[policy], "annotations": dict(annotations)}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict.fromkeys(case.keys, PLACEHOLDER)}

    def _hand(self, case: Case, policy: Policy) -> None:
        if case.made == "hand":
            self._api.admin.create(self._manifest(case, policy, case.live))
        elif case.live:
            self._api.admin.patch("Secret", case.name, self._namespaces[policy], {"metadata": {"annotations": dict(case.live)}}, manager="somebody")

    def _pass(self, manifests: list[Json]) -> None:
        tree = self._folder / "tree"
        write_tree(tree, {"secrets.yaml": "---\n".join(json.dumps(each) + "\n" for each in manifests), "beside.yaml": BESIDE})
        result = self._kustomization.reconcile(tree)
        assert result.ready, result.message

    def _values(self) -> dict[tuple[str, Policy], str]:
        words = {REAL: "real", PLACEHOLDER: "placeholder"}
        found: dict[tuple[str, Policy], str] = {}
        for policy, namespace in self._namespaces.items():
            live = {each["metadata"]["name"]: values(each) for each in self._api.admin.items("Secret", namespace)}
            for name in BY_NAME:
                found[name, policy] = words[live[name].get("k", b"REPLACE_ME").decode()] if name in live else "none"
        return found

    # ---- patch -----------------------------------------------------------------------------------------------------------------------------------

    def _patch(self, manifests: list[Json]) -> dict[tuple[str, Policy], str]:
        """What `patch` says of each object."""
        spec = {
            "path": "./apps", "prune": True, "interval": "1h", "sourceRef": {"kind": "GitRepository", "name": "app"},
            "ignore": [{"paths": ["/data/k"], "target": {"kind": "Secret", "name": "r07-rule"}}],
        }  # fmt: skip
        kustomization = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "app"}, "spec": spec}
        git = {"clusters/app.yaml": json.dumps(kustomization)} | {
            f"apps/{each['metadata']['namespace']}-{each['metadata']['name']}.yaml": json.dumps(each) for each in manifests
        }
        said: dict[tuple[str, Policy], str] = {}
        with connect(Access(kubeconfig=str(self._kubeconfig)), {}) as cluster:
            for policy in POLICIES:
                for known in (True, False):
                    surroundings = Surroundings(cluster, Manifests(git) if known else None, version=VERSION)
                    patch_map = load(self._map(policy, [case for case in CASES if case.known is known]))
                    for result in _run(patch_map, surroundings):
                        said[result.id, policy] = _told(result)
        return said

    def _map(self, policy: Policy, cases: list[Case]) -> str:
        targets: list[Json] = [
            {
                "id": case.name,
                "ref": {"kind": "Secret", "namespace": self._namespaces[policy], "name": case.name},
                "keys": {"k": "real"},
            }
            | ({"create": {"type": "Opaque"} if case.create.startswith("{") else case.create} if case.create else {})
            for case in cases
        ]
        head = {"apiVersion": "secrettool.dev/v1alpha1", "kind": "PatchMap", "defaults": {"annotationPolicy": policy}}
        return json.dumps(head | {"values": {"real": {"env": "REAL"}}, "targets": targets})


def _run(patch_map: PatchMap, surroundings: Surroundings) -> list[Result]:
    with Resolver(patch_map.providers, patch_map.values, environ={"REAL": REAL}, root="/") as resolver:
        return run(patch_map.targets, surroundings, resolver, Settings(may_be_empty=patch_map.may_be_empty))


def _told(result: Result) -> str:
    """What became of it, `+` with the annotation, codes with the first letter of their severity."""
    return " ".join([result.word + "+" * (result.annotation == "added"), *(f"{each.code}{each.severity[0]}" for each in result.findings)])


@pytest.fixture(scope="module")
def outcomes(flux: Flux, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Policy], Outcome]:
    """What became of every object under every policy."""
    return World(flux, tmp_path_factory.mktemp("policy")).play()


EACH = [pytest.param(case, number, id=f"{case.name}-{policy}") for case in CASES for number, policy in enumerate(POLICIES)]


@pytest.mark.parametrize(("case", "number"), EACH)
def test_pt_22_row_of_the_table_and_what_flux_makes_of_it(case: Case, number: int, outcomes: dict[tuple[str, Policy], Outcome]) -> None:
    found = outcomes[case.name, POLICIES[number]]

    assert found.first == case.first[number]
    assert found.after_first == (case.value[number] if case.row != 6 or case.create else "none" if case.git is None else "placeholder")
    assert found.again == case.again[number]
    assert found.after_again == case.value[number]
    assert found.left == case.left[number]


def test_every_row_is_proved() -> None:
    assert {case.row for case in CASES} == {row.number for row in TABLE}
