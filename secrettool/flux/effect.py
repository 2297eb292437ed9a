"""What becomes of an object in the next pass of Flux."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from secrettool.flux.fields import FieldPath, Fields, flatten, is_compared
from secrettool.flux.live import LiveObject

Action: TypeAlias = Literal["never created", "skipped", "created", "unchanged", "configured", "recreated", "refused", "pruned", "kept", "nothing"]
"""`never created`: skipped while there is none. `configured`: written because it differed, or because a manager was taken over.
`recreated`: deleted and created. `refused`: the pass fails because of the object. `kept`: left git and stays.
`nothing`: not touched, in git or not: the Kustomization is suspended, or there is no object."""

LogWord: TypeAlias = Literal["created", "configured", "unchanged", "skipped"]

Condition: TypeAlias = Literal["ReconciliationSucceeded", "ReconciliationFailed", "BuildFailed"]
"""Reason of the Ready condition."""

_LOG: dict[Action, LogWord] = {
    "never created": "skipped",
    "skipped": "skipped",
    "created": "created",
    "recreated": "created",
    "unchanged": "unchanged",
    "configured": "configured",
}


class Effect(NamedTuple):
    """What one pass does with one object.

    Attributes:
        action: What is done.
        reason: Why, one phrase, never with a value.
        live: The object afterwards; None when there is none.
        in_inventory: Whether the Kustomization lists it afterwards.
        condition: The reason of its Ready condition.
        overwritten: Fields whose value is replaced; set back, when another wrote them.
        added: Fields that the object gets.
        removed: Fields that the object loses.
        taken_over: Field managers whose fields became those of Flux.
    """

    action: Action
    reason: str
    live: LiveObject | None
    in_inventory: bool
    condition: Condition = "ReconciliationSucceeded"
    overwritten: tuple[FieldPath, ...] = ()
    added: tuple[FieldPath, ...] = ()
    removed: tuple[FieldPath, ...] = ()
    taken_over: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether the pass is good."""
        return self.condition == "ReconciliationSucceeded"

    @property
    def log_word(self) -> LogWord | None:
        """The word in the controller's log; None when it logs nothing about the object."""
        return _LOG.get(self.action)


def with_changes(effect: Effect, before: LiveObject | None) -> Effect:
    """The effect with the fields filled in that differ between the object before and after."""
    old, new = _compared(before), _compared(effect.live)
    return effect._replace(
        overwritten=tuple(path for path in new if path in old and old[path] != new[path]),
        added=tuple(path for path in new if path not in old),
        removed=tuple(path for path in old if path not in new),
    )


def _compared(live: LiveObject | None) -> Fields:
    return {path: value for path, value in flatten(live.obj).items() if is_compared(path)} if live else {}
