"""New values at their provider: stored over the version that was read, and taken back when the rest of a rotation fails.

Source: requirement PT-37.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from secrettool.errors import Outcome, SourceError, UsageError
from secrettool.patcher.mapping import PatchMap, Target
from secrettool.patcher.run import Sources
from secrettool.sources.model import GenerateSource, StorePlace
from secrettool.sources.resolver import Stored
from secrettool.sources.value import SecretValue


class RotatingSources(Sources, Protocol):
    """Sources that make values, and keep them."""

    def generate(self, name: str) -> SecretValue:
        """A new value, kept nowhere."""

    def stored(self, name: str) -> Stored:
        """What is kept now."""

    def store(self, name: str, value: SecretValue | None, *, over: int) -> int:
        """Keep a value as a new version, unless `over` is not the newest any more; None takes it away."""


def names_to_rotate(patch_map: PatchMap, targets: Collection[Target]) -> tuple[str, ...]:
    """The values of targets that are generated, in the order of the map.

    Raises:
        UsageError: A target has none, or another target, which would keep the old one, uses one of them, too.
    """
    names = [name for name in patch_map.needed(targets) if isinstance(patch_map.values[name], GenerateSource)]
    for target in targets:
        if target.names.isdisjoint(names):
            raise _error(f"target {target.id} has no value that is generated", "only values with `generate` can be rotated")
    ids = {target.id for target in targets}
    for other in patch_map.targets:
        shared = sorted(other.names & set(names))
        if other.id not in ids and shared:
            raise _error(f"target {other.id} uses {', '.join(shared)}, too", f"rotate both: add --target {other.id}")
    return tuple(names)


class NewValues:
    """The new values of one rotation.

    Args:
        names: Of the values.
        patch_map: What says where each is kept; one without `store` is kept in the cluster alone.
        sources: Who makes and keeps them.

    Attributes:
        values: Each new value.
        versions: The version that holds the present value of each name, as far as one was stored.
    """

    def __init__(self, names: Collection[str], patch_map: PatchMap, sources: RotatingSources) -> None:
        self._sources = sources
        self._places = {name: place for name in names if (place := _place(patch_map, name)) is not None}
        self._secrets = {name: _secret(patch_map, place) for name, place in self._places.items()}
        self._names = names
        self._old: dict[str, Stored] = {}
        self.values: Mapping[str, SecretValue] = {}
        self.versions: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<NewValues {', '.join(self._names)}>"

    def make(self) -> None:
        """Read what is kept, and make the new values.

        Raises:
            SourceError: A store cannot be read.
        """
        self._old = {name: self._sources.stored(name) for name in self._places}
        self.values = {name: self._sources.generate(name) for name in self._names}

    def store(self) -> None:
        """Store all of them; two in one secret take two versions of it.

        Raises:
            SourceError: One was not stored, since somebody else wrote its secret meanwhile, or for another reason. Others may be stored.
        """
        newest: dict[tuple[str, ...], int] = {}
        for name, secret in self._secrets.items():
            newest[secret] = self.versions[name] = self._put(name, self.values[name], newest.get(secret, self._old[name].version))

    def overtaken(self) -> dict[str, str]:
        """Why what is stored now is not known to be the new value, by name."""
        problems: dict[str, str] = {}
        for name in self._places:
            try:
                if self._sources.stored(name).value != self.values[name]:
                    problems[name] = "somebody else stored another one at the same time"
            except SourceError as error:
                problems[name] = f"whether it is still the one that is stored is not known: {error.message}"
        return problems

    def take_back(self) -> dict[str, str]:
        """Store the old values again, wherever a new one is.

        Returns:
            Why a new value is still there, by name.
        """
        problems = {name: self._taken_back(name) for name in reversed(self._places)}
        return {name: problem for name, problem in problems.items() if problem is not None}

    def _taken_back(self, name: str) -> str | None:
        old = self._old[name].value
        try:
            now = self._sources.stored(name)
            if now.value == self.values[name]:
                self.versions[name] = self._put(name, old, now.version)
            elif now.value != old and name in self.versions:
                return "somebody else changed it meanwhile, and that was left alone"
        except SourceError as error:
            return error.message
        return None

    def _put(self, name: str, value: SecretValue | None, over: int) -> int:
        """Store a value; when the answer got lost, see whether it is there."""
        try:
            return self._sources.store(name, value, over=over)
        except SourceError as error:
            failure = error
        try:
            now = self._sources.stored(name)
        except SourceError:
            raise failure from None
        if now.value != value:
            raise failure
        return now.version


def _place(patch_map: PatchMap, name: str) -> StorePlace | None:
    source = patch_map.values[name]
    return source.store if isinstance(source, GenerateSource) else None


def _secret(patch_map: PatchMap, place: StorePlace) -> tuple[str, ...]:
    """What names the secret that a value is a part of."""
    default: str = getattr(patch_map.providers[place.provider], "mount", "")
    return place.provider, (place.mount or default).strip("/"), place.path.strip("/")


def _error(message: str, hint: str) -> UsageError:
    return UsageError(message, hint=hint, code=Outcome.CONFIGURATION)
