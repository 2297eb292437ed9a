"""The versions of kustomize-controller, what changed between them, and how it was started."""

from __future__ import annotations

import re
from typing import NamedTuple

from secrettool.errors import ConfigError, Outcome


class FluxVersion(NamedTuple):
    """A version of kustomize-controller (not of the Flux distribution: Flux 2.7 has 1.7)."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> FluxVersion:
        """Read `1.7.3`, `v1.7.3` or `1.9`; what follows the numbers is not looked at.

        Raises:
            ConfigError: There are no such numbers.
        """
        found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
        if found is None:
            raise ConfigError(f"{text!r} is not a version of kustomize-controller", hint="write it like 1.7.3", code=Outcome.CONFIGURATION)
        return cls(*(int(part or 0) for part in found.groups()))

    @property
    def keeps_skipped_in_inventory(self) -> bool:
        """Whether a skipped object stays in the inventory, and so is put to the prune test when it leaves git."""
        return not FluxVersion(1, 7, 0) <= self < FluxVersion(1, 8, 5)

    @property
    def keeps_ignored_at_prune(self) -> bool:
        """Whether `ssa: Ignore` on the live object stops pruning."""
        return self >= FluxVersion(1, 8, 5)

    @property
    def knows_decrypt_disabled(self) -> bool:
        """Whether the annotation `decrypt: disabled` keeps the resource stage and the guard off."""
        return self >= FluxVersion(1, 8, 0)

    @property
    def knows_ignore_rules(self) -> bool:
        """Whether `spec.ignore` counts."""
        return self >= FluxVersion(1, 9, 0)


NEWEST = FluxVersion(1, 9, 4)
"""The newest version whose behaviour was compared; later ones are taken to behave like it."""

FIELD_MANAGER = "kustomize-controller"


class Controller(NamedTuple):
    """How the controller runs.

    Attributes:
        version: Its version.
        override_managers: Field managers named by `--override-manager`.
    """

    version: FluxVersion = NEWEST
    override_managers: tuple[str, ...] = ()

    def takes_over(self, manager: str, operation: str) -> bool:
        """Whether fields of a manager become the controller's own before an apply, so that those that git does not set are removed.

        Names are compared by their beginning, with case: `kubectlish` is taken over, `Kubectl` is not.
        """
        both = ("kubectl", *self.override_managers)
        return manager.startswith(both) or (operation == "Update" and manager.startswith(("before-first-apply", FIELD_MANAGER)))
