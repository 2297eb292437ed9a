"""A repository with a map, and what the checks say about both."""

from __future__ import annotations

from secrettool.check import Repository, inspect
from secrettool.findings import Finding
from secrettool.flux import Controller, FluxVersion
from secrettool.patcher.checking import mapped
from secrettool.patcher.git import Manifests
from secrettool.patcher.loading import load
from tests.unit.check.trees import Files

MAP = ".secrettool/patch.yaml"
HEAD = "apiVersion: secrettool.dev/v1alpha1\nkind: PatchMap\nvalues: {v: {env: V}, w: {env: W}}\ntargets:\n"
REF = "{kind: Secret, namespace: shop, name: s}"


def target(keys: str, *, name: str = "t", ref: str = REF, more: str = "") -> str:
    """The two lines of a target, from line 5 on for the first; `keys` are fields when the object is no Secret."""
    field = "keys" if "kind: Secret" in ref else "fields"
    return f"  - {{id: {name}, ref: {ref},{more}\n     {field}: {{{keys}}}}}\n"


def findings(files: Files, targets: str | None = None, *, version: FluxVersion | None = None, head: str = HEAD) -> list[Finding]:
    """Everything that is found; with targets there is a map."""
    repository = Repository(files)
    controller = Controller(version) if version else Controller()
    if targets is None:
        return inspect(repository, controller=controller)
    patch_map = load(head + targets, file=MAP)
    return inspect(repository, mapped(patch_map, Manifests(repository), file=MAP), tokens=patch_map.tokens, controller=controller)


def only(code: str, found: list[Finding]) -> list[Finding]:
    """The findings of one rule."""
    return [finding for finding in found if finding.code == code]
