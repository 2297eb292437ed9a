"""Owners of fields that the API server does not defend.

Who applied a Secret through `stringData` owns `stringData`, not the `data` that came of it (seen with Kubernetes 1.34): an apply of `data` by
somebody else meets no conflict there. So that nobody's value is lost unseen, such owners are looked for here.
"""

from __future__ import annotations

from secrettool.cluster.model import ApplyConflict, FieldConflict
from secrettool.flux import APPLY_MANAGER, LiveObject
from secrettool.objects import Object, is_secret, ref_of, section


def check_string_data(sent: Object, live: Object) -> None:
    """Compare an apply with what others own through `stringData`.

    Args:
        sent: What would be applied, `stringData` folded.
        live: The object in the cluster.

    Raises:
        ApplyConflict: It would change a value of theirs.
    """
    if not is_secret(sent):
        return
    new, old = section(sent, "data"), section(live, "data")
    changed = {key for key in new if key in old and new[key] != old[key]}
    found = [
        FieldConflict(manager.name, f".stringData.{path[1]}")
        for manager in LiveObject.from_object(live).managers
        if manager.name != APPLY_MANAGER
        for path in sorted(manager.fields)
        if len(path) == 2 and path[0] == "stringData" and path[1] in changed
    ]
    if found:
        raise ApplyConflict(tuple(found), subject=str(ref_of(sent)))
