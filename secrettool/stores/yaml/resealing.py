"""Other envelopes in the places of the old ones, and another metadata block in the place of the old one."""

from __future__ import annotations

from secrettool.sops.store import Resealer
from secrettool.sops.tree import Comment
from secrettool.stores.splice import Edit, splice
from secrettool.stores.yaml.blocks import block_of
from secrettool.stores.yaml.layout import candidates
from secrettool.stores.yaml.nodes import Part, YamlDocument, YamlLeaf
from secrettool.stores.yaml.scan import column_of
from secrettool.stores.yaml.section import Notes, block, flow_block, place_of
from secrettool.stores.yaml.visits import Visits


def reseal(document: YamlDocument, resealer: Resealer) -> str:
    """The encrypted text with new envelopes and a new block; layout notes stay."""
    text = document.text
    visits = Visits(document.tree)
    edits: list[Edit] = []
    copied = {number for copy in visits.copies for number in range(copy.first, copy.end)}
    for number, node in enumerate(visits.nodes):
        envelope = resealer.envelopes[number]
        if envelope is None or (copied and number in copied):
            continue
        edits.append((node.start + 1, node.end, envelope) if isinstance(node, Comment) else _leaf(text, node, envelope))
    for comment, _ in document.dropped:
        new = resealer.extra(comment.text, ()) if comment.text.startswith("ENC[") else None
        if new is not None:
            edits.append((comment.start + 1, comment.end, new))
    for number, part in enumerate(document.parts):
        edits += _sections(document, part, resealer, resealer.notation if number == 0 else None)
    return splice(text, edits)


def _leaf(text: str, leaf: YamlLeaf, envelope: str) -> Edit:
    """Replace an envelope inside its scalar."""
    assert isinstance(leaf.value, str)
    old = leaf.value.rstrip("\n")
    at = text.find(old, leaf.start, leaf.end)
    if at >= 0:
        return at, at + len(old), envelope
    if leaf.style in ("|", ">"):  # folded over lines by hand
        parts = block_of(text, leaf, leaf.value)
        return parts.header, parts.end, " " * parts.indent + envelope
    return leaf.start, leaf.end, f"{leaf.style}{envelope}{leaf.style}"


def _sections(document: YamlDocument, part: Part, resealer: Resealer, notation: str | None) -> list[Edit]:
    """Replace the block of one document; where there is none, add it."""
    text, newline = document.text, document.newline
    if not part.section:
        place = candidates(document, part, frozenset())[0]
        write = flow_block if place.flow else block
        new = write(resealer.section, place.column, newline, Notes(notation, place.layout))
        new = new if place.final else new.removesuffix(newline)
        return [*place.edits, (place.position, place.position, place.before + new + place.after)]
    edits: list[Edit] = []
    for item in part.section:
        old = place_of(text, part.root, item)
        write = flow_block if old.flow else block
        new = write(resealer.section, column_of(text, item.start), newline, Notes(notation, old.notes.layout))
        if not old.flow and not text[old.start : old.end].endswith(("\n", "\r")):
            new = new.removesuffix(newline)
        edits.append((old.start, old.end, new))
    return edits
