"""All checks of a repository, in the order of its files (PT-03, PT-24, DA-27)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from secrettool.check.decryption import ciphertext_findings
from secrettool.check.mapped import Mapped
from secrettool.check.placeholders import hits_of, placeholder_findings
from secrettool.check.protection import GitManifest, protection_findings
from secrettool.check.reconciliation import reconciliation_findings
from secrettool.check.repository import Located, Repository
from secrettool.check.unreached import unreached
from secrettool.errors import FormatError, SecrettoolError
from secrettool.findings import Finding
from secrettool.flux import Controller, FluxKustomization
from secrettool.objects import Ref, ref_of
from secrettool.placeholders import DEFAULT_TOKENS

_LINE: Final = re.compile(r"\bline (\d+)")
_CHART: Final = "Chart.yaml"


def inspect(
    repository: Repository,
    mapped: Mapped = Mapped(),  # noqa: B008 -- immutable
    *,
    tokens: tuple[str, ...] = DEFAULT_TOKENS,
    controller: Controller = Controller(),  # noqa: B008 -- immutable
) -> list[Finding]:
    """Everything that is wrong with a repository, each finding once, sorted by file and line; what has no file comes first.

    Args:
        repository: The files.
        mapped: What a map fills.
        tokens: What counts as a placeholder.
        controller: Version and flags of the kustomize-controller that applies them.
    """
    found = [
        *_unreadable(repository, tokens),
        *ciphertext_findings(repository, controller=controller),
        *reconciliation_findings(repository, mapped, tokens=tokens, controller=controller),
        *mapped.findings(),
    ]
    for manifest in _manifests(repository):
        hits = hits_of(manifest.located.obj, tokens)
        found += placeholder_findings(manifest.located, hits, mapped, repository.lines, tokens)
        found += protection_findings(manifest, hits, mapped.of(manifest.located), repository.lines, controller)
    return sorted(dict.fromkeys(found), key=lambda each: (each.file or "", each.line or 0))


def _manifests(repository: Repository) -> Iterator[GitManifest]:
    """Every object once for each form in which it is applied, with those that apply it so."""
    forms: dict[tuple[str, int, Ref], list[tuple[Located, list[FluxKustomization]]]] = {}
    for applied in repository.applied:
        for located in applied.manifests:
            known = forms.setdefault((located.file, located.line, ref_of(located.obj)), [])
            same = next((users for other, users in known if other.obj == located.obj), None)
            if same is None:
                known.append((located, [applied.kustomization]))
            else:
                same.append(applied.kustomization)
    for form in forms.values():
        yield from (GitManifest(located, tuple(users)) for located, users in form)
    yield from (GitManifest(located) for located in unreached(repository))


def _unreadable(repository: Repository, tokens: tuple[str, ...]) -> Iterator[Finding]:
    """Files that cannot be read as manifests: an error where Flux would fail over them, a note where they look as if they were some."""
    reached = {file for applied in repository.applied for file in applied.files}
    for error in repository.unreadable:
        file = error.file or ""
        if not isinstance(error, FormatError):
            yield Finding("MF04", "error", f"the Flux Kustomization cannot be used: {_cause(error)}", file, hint=error.hint)
        elif file in reached:
            yield Finding("MF03", "error", f"Flux applies the file, and it cannot be read: {_cause(error)}", file, _line(error), hint=error.hint)
        elif _is_meant(repository.files.get(file, ""), tokens) and not _is_of_chart(repository, file):
            yield Finding("MF03", "note", f"it cannot be read, so nothing in it was checked: {_cause(error)}", file, _line(error), hint=error.hint)


def _cause(error: SecrettoolError) -> str:
    return ": ".join(part for part in (error.where, error.message) if part)


def _line(error: SecrettoolError) -> int | None:
    found = _LINE.search(error.where or "")
    return int(found[1]) if found else None


def _is_meant(text: str, tokens: tuple[str, ...]) -> bool:
    return "apiVersion" in text or any(token in text for token in tokens)


def _is_of_chart(repository: Repository, file: str) -> bool:
    """Whether it is a template of a Helm chart, which is no YAML and is not meant to be."""
    folder = posixpath.dirname(file)
    while folder:
        above, _, name = folder.rpartition("/")
        if name == "templates" and posixpath.join(above, _CHART) in repository.files:
            return True
        folder = above
    return False
