"""What is wrong with placeholders where they stand, and with literals where the map fills (PT-03).

    PH001  nothing fills it                 PH006  a value would take the place of a text around a placeholder
    PH004  something acts on it at once     PH009  what looks like a secret beside it
    PH005  raw where base64 belongs         PH010  a literal where the map fills

Pure: no key, no cluster, no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from secrettool.check.lines import Lines
from secrettool.check.mapped import Mapped, MappedKey
from secrettool.check.repository import Located
from secrettool.check.secretlike import looks_secret
from secrettool.findings import Finding, Severity
from secrettool.flux import is_flux_kustomization
from secrettool.flux.selectors import exclusion
from secrettool.objects import Object, decode_base64, is_secret, pointer, ref_of, section, texts
from secrettool.placeholders import DEFAULT_TOKENS, Hit, document_texts, find

_CERT_MANAGER: Final = "cert-manager registers with the address that it finds"
_ACTIVE: Final = {
    ("cert-manager.io", "ClusterIssuer"): _CERT_MANAGER,
    ("cert-manager.io", "Issuer"): _CERT_MANAGER,
    ("cert-manager.io", "Certificate"): "cert-manager orders it at once",
    ("networking.k8s.io", "Ingress"): "its controller serves it at once",
    ("helm.toolkit.fluxcd.io", "HelmRelease"): "Helm installs the chart with it",
    ("helm.cattle.io", "HelmChart"): "Helm installs the chart with it",
    ("helm.cattle.io", "HelmChartConfig"): "Helm installs the chart with it",
}
"""What a controller does with an object as soon as it is there."""

_HINT_ACTIVE: Final = "let the real value come with the object, by a variable of Flux or valuesFrom, or keep it suspended until it is filled"
_HINT_MAP: Final = "name it in the map, under keys or fields of a target"
_HINT_NO_MAP: Final = "`secrettool patch init` writes a map for the placeholders of a repository"
_HINT_RAW: Final = "put it into stringData, or write it as base64"
_HINT_TEXT: Final = "use fill, template or json for a text that holds a placeholder"
_HINT_BESIDE: Final = "if it is one, replace it wherever it is used: it is in git's history"
_HINT_LITERAL: Final = "write a placeholder there, and replace the secret if it was one: it is in git's history"


def hits_of(obj: Object, tokens: tuple[str, ...] = DEFAULT_TOKENS) -> list[Hit]:
    """The placeholders of an object that somebody has to fill there.

    A map of ours names tokens; a patch in a Flux Kustomization is looked at where it is applied; what has no kind or name is no object.
    """
    ref = ref_of(obj)
    if not ref.api_version or not ref.kind or not ref.name or (ref.kind == "PatchMap" and ref.api_version.startswith("secrettool.dev/")):
        return []
    found = find(obj, tokens)
    return [hit for hit in found if not hit.pointer.startswith("/spec/patches/")] if is_flux_kustomization(obj) else found


def placeholder_findings(
    located: Located, hits: Sequence[Hit], mapped: Mapped, lines: Lines, tokens: tuple[str, ...] = DEFAULT_TOKENS
) -> Iterator[Finding]:
    """What is wrong with the values of an object in git.

    Args:
        located: The object.
        hits: Its placeholders, from `hits_of`.
        mapped: What the map fills.
        lines: Where leaves are written.
        tokens: What counts as a placeholder.
    """
    filled: dict[str, list[MappedKey]] = {}
    for each in mapped.of(located):
        for key in each.keys:
            filled.setdefault(key.key, []).append(key)
    if hits or filled:
        yield from _Object(located, hits, filled, mapped.file is not None, lines, tokens).findings()


class _Object(NamedTuple):
    """An object in git and what the map says about it."""

    located: Located
    hits: Sequence[Hit]
    filled: dict[str, list[MappedKey]]
    has_map: bool
    lines: Lines
    tokens: tuple[str, ...]

    def findings(self) -> Iterator[Finding]:
        for hit in self.hits:
            yield from self._of_hit(hit)
        if self.hits:
            yield from self._secrets_beside()
        if is_secret(self.located.obj):
            yield from self._literals()

    def _of_hit(self, hit: Hit) -> Iterator[Finding]:
        key = _key(hit)
        if hit.raw:
            text = "it is not base64, as data must be: the API server refuses the object"
            yield self._finding("PH005", "error", text, hit.pointer, key, _HINT_RAW)
        rules = self.filled.get(key, [])
        if not rules and not self.has_map:
            yield self._finding("PH001", "warning", "a placeholder, and there is no map that fills it", hit.pointer, key, _HINT_NO_MAP)
        elif not rules:
            yield self._finding("PH001", "error", "a placeholder that the map does not fill", hit.pointer, key, _HINT_MAP)
        elif hit.kind == "embedded":
            yield from self._embedded(hit, rules)
        why = _acts(self.located.obj)
        if why is not None:
            yield self._finding("PH004", "warning", f"a placeholder that is used before it is filled: {why}", hit.pointer, key, _HINT_ACTIVE)

    def _embedded(self, hit: Hit, rules: list[MappedKey]) -> Iterator[Finding]:
        key = _key(hit)
        for rule in rules:
            if rule.form == "value":
                text = "the value would take the place of the text around the placeholder"
                yield self._finding("PH006", "error", text, hit.pointer, key, _HINT_TEXT)
            elif rule.form == "fill" and not hit.inner:
                yield self._finding("PH006", "error", "the text is neither JSON nor YAML, so fill cannot be used", hit.pointer, key, "use template")
            elif rule.form == "fill":
                left = [inner.pointer for inner in hit.inner if inner.pointer not in rule.leaves]
                if left:
                    text = f"placeholders that fill leaves: {', '.join(left)}"
                    yield self._finding("PH006", "error", text, hit.pointer, key, "name these pointers under fill as well")

    def _secrets_beside(self) -> Iterator[Finding]:
        """Texts of the same Secret, or the rest of the same text, that look like a secret."""
        obj = self.located.obj
        with_hits = {hit.pointer for hit in self.hits}
        for place, key, text in _readable(obj):
            if (is_secret(obj) or place in with_hits) and looks_secret(text, self.tokens):
                yield self._finding("PH009", "warning", "beside a placeholder stands what looks like a secret", place, key, _HINT_BESIDE)

    def _literals(self) -> Iterator[Finding]:
        """What git holds where the map fills; of a text that is filled only the leaves that are set count."""
        held = {hit.key for hit in self.hits}
        held_inside = {(hit.key, inner.pointer) for hit in self.hits for inner in hit.inner}
        for place, key, text in _readable(self.located.obj):
            for rule in self.filled.get(key, ()):
                if rule.form == "fill":
                    said = [inner for inner in _set_leaves(text, rule) if (key, inner[0]) not in held_inside]
                elif rule.form != "absent" and key not in held:
                    said = [("", text)]
                else:
                    continue
                for inner_place, leaf in said:
                    if leaf.strip() and not leaf.startswith("ENC["):
                        where = f"{key}: {inner_place}" if inner_place else key
                        yield self._finding("PH010", "error", "the map fills it, and git holds a literal", place, where, _HINT_LITERAL)

    def _finding(self, code: str, severity: Severity, text: str, place: str, key: str, hint: str) -> Finding:
        located = self.located
        line = self.lines.of(located.file, located.line, place)
        return Finding(code, severity, text, located.file, line, located.subject, key, hint)


def _key(hit: Hit) -> str:
    return hit.pointer if hit.key is None else hit.key


def _acts(obj: Object) -> str | None:
    """What something does with an object that holds a placeholder; None when nothing does, or does not see it yet."""
    if exclusion(obj) is not None or section(obj, "spec").get("suspend") is True:
        return None
    ref = ref_of(obj)
    return _ACTIVE.get((ref.group, ref.kind))


def _readable(obj: Object) -> Iterator[tuple[str, str, str]]:
    """Pointer, key and text of the values of a Secret, `data` decoded; of another object of all its texts."""
    if not is_secret(obj):
        for place, text in texts(obj):
            yield pointer(place), pointer(place), text
        return
    for name in ("data", "stringData"):
        for key, text in section(obj, name).items():
            if isinstance(text, str):
                data = decode_base64(text) if name == "data" else text.encode("utf-8", "surrogateescape")
                yield pointer(((None, name), str(key))), str(key), (data or b"").decode("utf-8", "replace")


def _set_leaves(text: str, rule: MappedKey) -> Iterator[tuple[str, str]]:
    """The leaves of a text that a rule sets, with their pointers."""
    return ((pointer(place), leaf) for place, leaf in document_texts(text) if pointer(place) in rule.leaves)
