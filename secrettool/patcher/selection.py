"""Which targets a run is about.

Source: requirement PT-10.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from secrettool.errors import Outcome, UsageError
from secrettool.patcher.mapping import PatchMap, Target
from secrettool.yamlfile.validation import choices


def select(
    patch_map: PatchMap, *, ids: Collection[str] = (), groups: Collection[str] = (), everything: bool = False, is_terminal: bool = False
) -> tuple[Target, ...]:
    """The targets that are asked for, in the order of the map. `PatchMap.needed` has the values that they use.

    Args:
        patch_map: The map.
        ids: Ids of targets.
        groups: Groups; a target of any of them is meant.
        everything: Whether all targets are meant.
        is_terminal: Whether a person sits at stdin. Then, if the map has a name, all are meant when nothing is said.

    Raises:
        UsageError: Nothing is selected, or something that is not in the map, or everything and something else.
    """
    if everything and (ids or groups):
        raise _error("--all goes with neither --target nor --group", "leave one of them out")
    if not (everything or ids or groups):
        if not (patch_map.name is not None and is_terminal):
            raise _error("no target is selected", "use --target ID, --group GROUP or --all")
        everything = True
    known_groups = {group for target in patch_map.targets for group in target.groups}
    _check(ids, {target.id for target in patch_map.targets}, "target", "targets")
    _check(groups, known_groups, "group", "groups")
    return tuple(target for target in patch_map.targets if everything or target.id in ids or any(group in groups for group in target.groups))


def _check(wanted: Collection[str], known: Collection[str], one: str, many: str) -> None:
    unknown: Iterator[str] = (name for name in wanted if name not in known)
    for name in unknown:
        raise _error(f"the map has no {one} {name}", choices(name, known, many))


def _error(message: str, hint: str) -> UsageError:
    return UsageError(message, hint=hint, code=Outcome.CONFIGURATION)
