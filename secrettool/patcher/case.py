"""One object of a target as it was found: what git has, what the cluster has, and what the policy says. No value is needed for that.

Source: sections 5 and 6 of the requirements; PT-08, PT-09, PT-18.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

from secrettool.cluster.model import Cluster, UnknownKind
from secrettool.errors import ClusterError
from secrettool.findings import Finding
from secrettool.flux import NEWEST, FluxVersion
from secrettool.flux.ignore import pointer_path
from secrettool.objects import Object, Ref
from secrettool.patcher.git import GitObject, ManifestError, Manifests
from secrettool.patcher.mapping import AbsentForm, KeyRule, Target
from secrettool.patcher.policy import Decision, OnMissing, Rules, decide, missing
from secrettool.patcher.protection import GitProtection, git_protection, live_protection
from secrettool.patcher.wanted import rules_to_apply
from secrettool.placeholders import DEFAULT_TOKENS


class Surroundings(NamedTuple):
    """What objects are looked up in.

    Attributes:
        cluster: The cluster.
        manifests: What git has; None: nobody looked.
        tokens: What counts as a placeholder.
        version: Of kustomize-controller.
    """

    cluster: Cluster
    manifests: Manifests | None = None
    tokens: tuple[str, ...] = DEFAULT_TOKENS
    version: FluxVersion = NEWEST


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Case:
    """An object as it was found.

    Attributes:
        target: Its target.
        ref: The object.
        decision: What is to be done.
        git: What git has; None when it has nothing, or nobody looked.
        live: The object in the cluster; None when it is missing.
        rules: What is written now.
    """

    target: Target
    ref: Ref
    decision: Decision
    git: GitObject | None = None
    live: Object | None = None
    rules: Mapping[str, KeyRule] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Case {self.target.id} {self.ref} {self.decision.action}>"

    @property
    def names(self) -> frozenset[str]:
        """The values that are needed: none for an object that is not written."""
        return frozenset[str]().union(*(rule.names for rule in self.rules.values())) if self.decision.writes else frozenset()


def look(target: Target, ref: Ref, around: Surroundings) -> Case:
    """Look an object up in git and in the cluster.

    Args:
        target: A target.
        ref: One of its objects.
        around: Where to look.

    Raises:
        ClusterError: It cannot be read; an object that is not there is no error.
    """
    try:
        git = around.manifests.find(ref, target.manifest) if around.manifests is not None else None
    except ManifestError as error:
        problem = Finding(error.rule, "error", error.message, subject=str(ref), hint=error.hint)
        return Case(target=target, ref=ref, decision=Decision(0, "refuse", findings=(problem,)))
    try:
        live = _found(around.cluster, ref)
        lost = _without_namespace(around.cluster, ref) if live is None else False
    except UnknownKind:
        return _absent(target, ref, git, target.policy.on_missing, "KD01")
    if lost:
        return _absent(target, ref, git, target.policy.on_missing_namespace, "NS01")
    rules = rules_to_apply(target, live, around.tokens)
    protection = _git_protection(git, target, around)
    decision = decide(protection, live_protection(live), _rules(target), subject=str(ref))
    return Case(target=target, ref=ref, decision=decision, git=git, live=live, rules=rules)


def without_namespace(case: Case) -> Case:
    """The case once its creation showed that there is no such namespace."""
    return _absent(case.target, case.ref, case.git, case.target.policy.on_missing_namespace, "NS01")


def _absent(target: Target, ref: Ref, git: GitObject | None, on_missing: OnMissing, code: str) -> Case:
    action, findings = missing(on_missing, code, str(ref))
    return Case(target=target, ref=ref, decision=Decision(0, action, findings=findings), git=git)


def _found(cluster: Cluster, ref: Ref) -> Object | None:
    """The object. Where there is no namespace there is no Role either: who is forbidden to look in one that is missing finds nothing."""
    try:
        return cluster.get(ref)
    except ClusterError as error:
        if error.status == HTTPStatus.FORBIDDEN and _without_namespace(cluster, ref):
            return None
        raise


def _without_namespace(cluster: Cluster, ref: Ref) -> bool:
    """Whether the namespace is missing. Who may not ask finds out when the object is created."""
    if not ref.namespace:
        return False
    try:
        return not cluster.namespace_exists(ref.namespace)
    except ClusterError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        return False


def _rules(target: Target) -> Rules:
    policy = target.policy
    return Rules(policy.annotation, policy.on_missing, target.create is not None, policy.force)


def _git_protection(git: GitObject | None, target: Target, around: Surroundings) -> GitProtection:
    """What git says about all keys of the target, those included that are not written this time."""
    if around.manifests is None:
        return "unknown"
    if git is None:
        return "absent"
    paths = {key: ("data", key) if target.is_secret else pointer_path(key) for key in target.rules}
    removed = [paths[key] for key, rule in target.rules.items() if isinstance(rule.form, AbsentForm)]
    return git_protection(git.obj, [path for path in paths.values() if path not in removed], removed, git.kustomizations, around.version)
