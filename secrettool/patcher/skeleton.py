"""A patch map to begin with: a target for every object of a repository that holds placeholders, a value for every placeholder.

Values come from the environment; each can be given another source later. Where Flux never creates an object, the target creates it.

Source: `patch init` of the requirements' section 7; PT-02, PT-09.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from secrettool.errors import Outcome, SecrettoolError, UsageError
from secrettool.objects import Object, Ref, decode_base64, is_secret, ref_of, section
from secrettool.patcher.git import GitObject, Manifests
from secrettool.patcher.naming import Namer, words_of
from secrettool.patcher.protection import git_protection
from secrettool.patcher.targetloading import IDENTITY
from secrettool.patcher.validation import SCHEMA
from secrettool.patcher.yamltext import block, comment, quoted
from secrettool.placeholders import DEFAULT_TOKENS, Hit, PlaceholderClass, classify, find

_DEFAULT = "default"
_MARK = re.compile(r"\{(?=[{%#\r]|\Z)|\r")
_WORD_BEFORE = re.compile(r"([A-Za-z][\w.-]*)[\"']?\s*[=:]\s*[\"']?\Z")

_HEAD = """\
# Which placeholders are filled, and where the values come from. This file holds no value of a secret.
# Every value is read from an environment variable until you give it another source: file, sops, provider (Vault, programs), ref, generate.
"""


class _Found(NamedTuple):
    """An object with placeholders, and every place where it is written."""

    ref: Ref
    obj: Object
    hits: list[Hit]
    sources: list[GitObject]

    @property
    def place(self) -> str:
        """File and line of the first of them."""
        return self.sources[0].place


def skeleton(files: Mapping[str, str], *, name: str, tokens: tuple[str, ...] = DEFAULT_TOKENS, command: str = "secrettool patch") -> str:
    """The text of a map for the placeholders of a repository.

    Args:
        files: Text by path, relative to the root of the repository, with `/`.
        name: What the map calls itself.
        tokens: What counts as a placeholder.
        command: How a run over these files begins, for the comment at the top.

    Raises:
        UsageError: There is no placeholder.
    """
    everything = list(_objects(files, tokens))
    found = [each for each in everything if _is_addressable(each.ref)]
    if not found:
        raise UsageError("there are no placeholders in the manifests", hint=f"placeholders are {', '.join(tokens)}", code=Outcome.CONFIGURATION)
    names = Namer()
    targets = [line for each in found for line in _target(each, names, tokens)]
    values = [f"  {value}: {{env: {variable}}}\n" for value, variable in names.given.items()]
    runs = [comment(f"  {command} --plan --all   shows what would be done"), comment(f"  {command} --all          does it")]
    head = [
        _HEAD,
        *(f"{line}\n" for line in runs),
        "apiVersion: secrettool.dev/v1alpha1\n",
        "kind: PatchMap\n",
        f"metadata: {{name: {quoted(name)}}}\n",
    ]
    if tokens != DEFAULT_TOKENS:
        head.append(f"placeholders: {{tokens: [{', '.join(map(quoted, tokens))}]}}\n")
    left_out = [f"{comment(f'Not covered, since its name or namespace is none yet: {each.place}')}\n" for each in everything if each not in found]
    return "".join([*head, "values:\n", *values, "targets:\n", *targets, *left_out])


# ---- objects -------------------------------------------------------------------------------------------------------------------------------------


def _objects(files: Mapping[str, str], tokens: tuple[str, ...]) -> Iterator[_Found]:
    """The objects with placeholders, in the order of their files."""
    by_ref: dict[Ref, _Found] = {}
    for each in sorted(Manifests(files), key=lambda found: (found.file, found.line)):
        ref, hits = ref_of(each.obj), [hit for hit in find(each.obj, tokens) if _is_patchable(hit)]
        if not hits or not ref.api_version or not ref.kind or not ref.name:
            continue
        known = by_ref.setdefault(ref, _Found(ref, each.obj, [], []))
        known.hits.extend(hit for hit in hits if _key(hit) not in {_key(other) for other in known.hits})
        known.sources.append(each)
    yield from by_ref.values()


def _is_addressable(ref: Ref) -> bool:
    """Whether a map can name it: its name or namespace may hold a placeholder or a variable."""
    named = {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name} | ({"namespace": ref.namespace} if ref.namespace else {})
    return SCHEMA.fits("#/$defs/objectRef", named)


def _is_patchable(hit: Hit) -> bool:
    return SCHEMA.fits("#/$defs/target/properties/keys", {hit.key: "x"}) if hit.key is not None else IDENTITY.fullmatch(hit.pointer) is None


def _key(hit: Hit) -> str:
    return hit.pointer if hit.key is None else hit.key


def _target(found: _Found, names: Namer, tokens: tuple[str, ...]) -> Iterator[str]:
    """The lines of a target."""
    ref, is_entry = found.ref, is_secret(found.obj)
    for place in dict.fromkeys(source.place for source in found.sources):
        yield f"  {comment(place)}\n"
    yield f"  - id: {quoted(names.target_id(ref))}\n"
    api_version = "" if ref.api_version == "v1" else f"apiVersion: {quoted(ref.api_version)}, "
    namespace = ref.namespace or (_DEFAULT if is_entry else "")
    if is_entry and not ref.namespace:
        yield "    # The manifest names no namespace: correct it here.\n"
    yield f"    ref: {{{api_version}kind: {quoted(ref.kind)}, {f'namespace: {quoted(namespace)}, ' if namespace else ''}name: {quoted(ref.name)}}}\n"
    if _is_never_created(found):
        yield "    create: from-manifest # Flux never creates it\n"
    yield "    keys:\n" if is_entry else "    fields:\n"
    for hit in found.hits:
        yield from _rule(found, hit, names, tokens)


def _is_never_created(found: _Found) -> bool:
    fields = [("data", hit.key) if hit.key is not None else tuple(hit.pointer[1:].split("/")) for hit in found.hits]
    return all(git_protection(source.obj, fields, (), source.kustomizations) == "full" for source in found.sources)


# ---- keys ----------------------------------------------------------------------------------------------------------------------------------------


def _rule(found: _Found, hit: Hit, names: Namer, tokens: tuple[str, ...]) -> Iterator[str]:
    """The lines of a key or field."""
    key = quoted(_key(hit))
    words = [found.ref.name, hit.key if hit.key is not None else _last_word(hit.pointer)]
    if hit.kind != "embedded":
        yield f"      {key}: {names.value(found.ref, words)}\n"
        return
    text = _text_of(found.obj, hit)
    leaves = _leaves(text, hit, found.ref, words, names, tokens)
    if leaves:
        yield f"      {key}:\n        fill:\n"
        yield from (f"          {quoted(pointer)}: {quoted(template)}\n" for pointer, template in leaves.items())
    else:
        yield f"      {key}:\n"
        yield block("        template: ", _template(text, found.ref, words, names, tokens))


def _leaves(text: str, hit: Hit, ref: Ref, words: list[str], names: Namer, tokens: tuple[str, ...]) -> dict[str, str]:
    """A template for each leaf of the text that holds a placeholder; none when the text is no mapping."""
    from secrettool.sources.forms import as_bytes, parsed, part_of

    try:
        tree = parsed(text.encode("utf-8", "surrogateescape"), "text")
        leaves = {inner.pointer: as_bytes(part_of(tree, inner.pointer)).decode("utf-8") for inner in hit.inner}
    except (SecrettoolError, ValueError):
        return {}
    if not isinstance(tree, Mapping):
        return {}
    inner_words = {pointer: [words[0], *pointer[1:].split("/")] for pointer in leaves}
    kinds = {inner.pointer: inner.kind for inner in hit.inner}
    return {pointer: _leaf(leaf, kinds[pointer], ref, inner_words[pointer], names, tokens) for pointer, leaf in leaves.items()}


def _leaf(text: str, kind: PlaceholderClass, ref: Ref, words: list[str], names: Namer, tokens: tuple[str, ...]) -> str:
    if kind != "embedded" and classify(text, tokens) is not None:
        return f"{{{{ {names.value(ref, words)} }}}}"
    if classify(text, tokens) is None:  # a login of a registry, which is encoded
        plain = (decode_base64(text) or b"").decode("utf-8", "replace")
        parts = [_string(part) if is_text else names.value(ref, [words[0], *more]) for is_text, part, more in _parts(plain, words[1:], tokens)]
        return f"{{{{ ({' ~ '.join(parts)}) | b64encode }}}}"
    return _template(text, ref, words, names, tokens)


def _template(text: str, ref: Ref, words: list[str], names: Namer, tokens: tuple[str, ...]) -> str:
    """The text with a value in the place of each placeholder."""
    return "".join(
        _MARK.sub(lambda found: f"{{{{ {_string(found[0])} }}}}", part) if is_text else f"{{{{ {names.value(ref, [words[0], *more])} }}}}"
        for is_text, part, more in _parts(text, words[1:], tokens)
    )


def _parts(text: str, words: list[str], tokens: tuple[str, ...]) -> Iterator[tuple[bool, str, list[str]]]:
    """A text cut at its placeholders: what stands between them, and for each of them the words that name its value."""
    # What hangs on the token by an underscore is a note for people.
    token = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(map(re.escape, tokens))})(?![A-Za-z0-9])(?:_\w*)?")
    done = 0
    for match in token.finditer(text):
        before = text[done : match.start()]
        if before:
            yield True, before, []
        named = _WORD_BEFORE.search(before.rpartition("\n")[2])
        yield False, "", [*words, named[1]] if named else words
        done = match.end()
    if done < len(text):
        yield True, text[done:], []


def _string(text: str) -> str:
    """A text as the language of templates writes it."""
    escaped = re.sub(
        r"[^ -~]|['\\]", lambda found: found[0].encode("unicode_escape").decode("ascii") if found[0] not in "'\\" else "\\" + found[0], text
    )
    return f"'{escaped}'"


def _text_of(obj: Object, hit: Hit) -> str:
    """The text of a leaf, decoded if it is an entry of `data`."""
    from secrettool.sources.forms import steps

    *above, last = steps(hit.pointer)
    node: object = obj
    for step in above:
        node = _child(node, step)
    text = str(_child(node, last))
    if hit.key is not None and above == ["data"] and not hit.raw:
        return (decode_base64(text) or b"").decode("utf-8", "surrogateescape")
    return text


def _child(node: object, step: str) -> object:
    return node[int(step)] if isinstance(node, list) else section({"node": node}, "node").get(step)


def _last_word(pointer: str) -> str:
    steps: Iterable[str] = reversed(pointer.split("/"))
    return next((step for step in steps if words_of(step) and not step.isdigit()), "value")
