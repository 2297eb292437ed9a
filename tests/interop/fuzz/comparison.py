"""One document, both programs, every direction.

`encrypt`: secrettool encrypts; sops must open the file and print for it what it prints for its own encryption, and secrettool must give back
every byte.
`decrypt`: sops encrypts; secrettool must print what sops prints.
`edit`: each changes the file of the other; both results must open on the other side, with the same values.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import secrettool
from secrettool.errors import SecrettoolError
from secrettool.library import StoreName
from secrettool.sops.selection import DEFAULT_SELECTOR
from tests.interop.fuzz import named
from tests.interop.fuzz.edits import Edit, by_secrettool, by_sops
from tests.interop.fuzz.options import GUEST, Options, identity
from tests.interop.fuzz.readings import Reading
from tests.interop.fuzz.realsops import OWNERS, Answer, RealSops

DIRECTIONS = ("encrypt", "decrypt", "edit")


class Kind(Enum):
    """What came of a document in one direction."""

    EQUAL = "equal"
    NAMED = "named difference"
    BOTH_REFUSE = "refused by both"
    SOPS_REFUSES = "refused by sops alone"
    SOPS_BREAKS = "broken by sops itself"
    UNEXPLAINED = "unexplained"


class Outcome(NamedTuple):
    """What came of a document in one direction, and the name of a difference or the cause of a refusal."""

    kind: Kind
    name: str = ""


class Case(NamedTuple):
    """One document and what is done with it."""

    store: StoreName
    data: bytes
    options: Options
    edit: Edit


EQUAL = Outcome(Kind.EQUAL)


def unexplained(what: str) -> Outcome:
    """A disagreement that nothing documented accounts for."""
    return Outcome(Kind.UNEXPLAINED, what)


def both_refuse(error: SecrettoolError, answer: Answer) -> Outcome:
    """Both refuse; their exit statuses must be the same, but for a panic of sops."""
    if error.code == answer.code or answer.crashed:
        return Outcome(Kind.BOTH_REFUSE)
    name = named.other_status(error)
    return (
        Outcome(Kind.BOTH_REFUSE, name) if name else unexplained(f"refused with {int(error.code)}: {error.message}; by sops with {answer.reason()}")
    )


def escaped(error: Exception) -> Outcome:
    """An exception that is none of secrettool's own."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return unexplained(f"{type(error).__name__} in {Path(place.filename).name}:{place.name}")


def guarded(compare: Callable[[], Outcome]) -> Outcome:
    """An outcome, also when an exception escapes."""
    try:
        return compare()
    except Exception as error:
        return escaped(error)


class Comparison:
    """Holds the two programs side by side.

    Args:
        sops: The real sops with the keys of the owners.
        guest: The real sops with the key that edits add.
    """

    def __init__(self, sops: RealSops, guest: RealSops) -> None:
        self.sops = sops
        self.guest = guest
        self.runtime = runtime(*OWNERS)
        self.guest_runtime = runtime(GUEST)

    def outcomes(self, case: Case) -> dict[str, Outcome]:
        """What comes of a case in every direction."""
        mine: bytes | SecrettoolError
        try:
            mine = self._encrypt(case)
        except SecrettoolError as error:
            mine = error
        except Exception as error:  # what must not leave the library is what is looked for
            return dict.fromkeys(DIRECTIONS, escaped(error))
        own = self.sops.encrypt(case.data, case.store, case.options)
        if isinstance(mine, SecrettoolError) or not own.ok:
            return dict.fromkeys(DIRECTIONS, self._refused(case, mine, own))
        printed = self.sops.decrypt(own.out, case.store)
        opened = self.sops.decrypt(mine, case.store)
        # Where sops damages what it writes, both start from the file of secrettool.
        start = own.out if printed.ok and printed.out == opened.out else mine
        return {
            "encrypt": guarded(lambda: self._encrypted(case, mine, opened, own.out, printed)),
            "decrypt": guarded(lambda: self._decrypted(case, own.out, printed)),
            "edit": guarded(lambda: self._changed(case, mine, start)),
        }

    def _encrypt(self, case: Case) -> bytes:
        options = case.options
        done = secrettool.encrypt(
            case.data,
            case.store,
            groups=options.key_groups(),
            selector=options.selector,
            shamir_threshold=options.threshold,
            mac_only_encrypted=options.mac_only_encrypted,
            runtime=self.runtime,
        )
        assert isinstance(done, bytes)
        return done

    def _decrypt(self, data: bytes, store: StoreName) -> bytes:
        done = secrettool.decrypt(data, store, runtime=self.runtime)
        assert isinstance(done, bytes)
        return done

    # ---- refusals ----

    def _refused(self, case: Case, mine: bytes | SecrettoolError, own: Answer) -> Outcome:
        if isinstance(mine, SecrettoolError):
            if not own.ok:
                return both_refuse(mine, own)
            name = named.refused_by_secrettool(case.store, mine) or self._moved(case, mine)
            return Outcome(Kind.NAMED, name) if name else unexplained(f"secrettool alone refuses: {mine.message}")
        name = named.refused_by_sops(own)
        if name is None:
            return unexplained(f"sops alone refuses: {own.reason()}")
        return Outcome(Kind.SOPS_REFUSES, name)

    def _moved(self, case: Case, mine: SecrettoolError) -> str | None:
        """Why secrettool would not open what it encrypts: a comment rule, and a comment that moves, as it does without the rule."""
        if not case.options.by_comments or not mine.message.startswith("the encrypted file could not be opened again"):
            return None
        without = self.outcomes(case._replace(options=case.options._replace(selector=None)))
        return named.MOVED_RULE if without["encrypt"].name == named.MOVED else None

    # ---- secrettool encrypts ----

    def _encrypted(self, case: Case, mine: bytes, opened: Answer, own: bytes, printed: Answer) -> Outcome:
        try:
            back = self._decrypt(mine, case.store)
        except SecrettoolError as error:
            return unexplained(f"secrettool does not open its own file: {error.message}")
        if back != case.data:
            name = named.not_lossless(case.store, case.data, back)
            if name is None:
                return unexplained("the bytes do not come back")
            return Outcome(Kind.NAMED, name)
        plain = Reading(case.store, case.data)
        if not opened.ok:
            if opened.crashed and printed.crashed:
                return Outcome(Kind.SOPS_BREAKS, named.PRINT_CRASH)
            name = named.not_printed(opened, plain)
            return Outcome(Kind.SOPS_BREAKS, name) if name else unexplained(f"sops does not open the file of secrettool: {opened.reason()}")
        if printed.ok and printed.out == opened.out:
            return EQUAL
        accepted = printed.ok
        if not accepted:
            # sops cannot read its own file: what would it print if it did not check?
            printed = self.sops.decrypt(own, case.store, ignore_mac=True)
        name = named.own_mac(own) if printed.ok and printed.out == opened.out else None
        ours, theirs = Reading(case.store, opened.out), Reading(case.store, printed.out)
        name = name or named.damaged(plain, ours, theirs, case.options.selector or DEFAULT_SELECTOR)
        if name is None:
            return unexplained("sops prints something else for its own file" if accepted else f"sops does not open its own file: {printed.reason()}")
        return Outcome(Kind.NAMED if accepted else Kind.SOPS_BREAKS, name)

    # ---- sops encrypts ----

    def _decrypted(self, case: Case, own: bytes, printed: Answer) -> Outcome:
        try:
            back = self._decrypt(own, case.store)
        except SecrettoolError as error:
            return unexplained(f"secrettool does not open the file of sops: {error.message}") if printed.ok else both_refuse(error, printed)
        if printed.crashed:
            return Outcome(Kind.SOPS_BREAKS, named.PRINT_CRASH)
        accepted = printed.ok
        if not accepted:
            if not named.own_mac(own):
                return unexplained(f"sops alone does not open its own file: {printed.reason()}")
            printed = self.sops.decrypt(own, case.store, ignore_mac=True)
        if printed.ok and back == printed.out:
            return EQUAL if accepted else Outcome(Kind.SOPS_BREAKS, named.LIST_COMMENT)
        ours, theirs = Reading(case.store, back), Reading(case.store, printed.out)
        if not printed.ok and (name := named.not_printed(printed, ours)):
            return Outcome(Kind.SOPS_BREAKS, name)
        name = named.layout(ours, theirs, case.options.selector or DEFAULT_SELECTOR) if printed.ok else None
        if name is None:
            return unexplained("secrettool prints something else for the file of sops")
        return Outcome(Kind.NAMED, name) if accepted else Outcome(Kind.SOPS_BREAKS, named.LIST_COMMENT)

    # ---- both edit ----

    def _changed(self, case: Case, mine: bytes, own: bytes) -> Outcome:
        outcome = self._edited(case, mine, own)
        if outcome.kind is Kind.UNEXPLAINED and self._positions_differ(case, mine, own):
            return Outcome(Kind.NAMED, named.POSITION)
        return outcome

    def _positions_differ(self, case: Case, mine: bytes, own: bytes) -> bool:
        """Whether a position of the change means another entry in the one file than in the other, as both programs agree for both files.

        Comments count as positions of a list, and sops' printing moves comments into lists and out of them.
        """
        if not any(isinstance(step, int) for step in case.edit.steps):
            return False
        made = []
        for data in (mine, own):
            theirs = by_sops(self.sops, case.store, data, case.edit)
            try:
                ours = Reading(case.store, self._decrypt(by_secrettool(self.runtime, case.store, data, case.edit), case.store)).values
            except SecrettoolError:
                ours = None
            if (Reading(case.store, self._decrypt(theirs.out, case.store)).values if theirs.ok else None) != ours:
                return False
            made.append(ours)
        return made[0] != made[1]

    def _edited(self, case: Case, mine: bytes, own: bytes) -> Outcome:
        theirs = by_sops(self.sops, case.store, mine, case.edit)
        ours: bytes | SecrettoolError
        try:
            ours = by_secrettool(self.runtime, case.store, own, case.edit)
        except SecrettoolError as error:
            ours = error
        if isinstance(ours, SecrettoolError):
            if not theirs.ok:
                return both_refuse(ours, theirs)
            name = named.edit_refused_by_secrettool(case.store, case.edit, ours)
            if name is None and not self.sops.decrypt(theirs.out, case.store).ok:
                return Outcome(Kind.SOPS_BREAKS, named.SOPS_REREADS)
            return Outcome(Kind.NAMED, name) if name else unexplained(f"secrettool alone refuses to {case.edit}: {ours.message}")
        if not theirs.ok:
            name = named.edit_refused_by_sops(theirs)
            return Outcome(Kind.SOPS_REFUSES, name) if name else unexplained(f"sops alone refuses to {case.edit}: {theirs.reason()}")
        if case.edit.verb not in ("set", "unset") and self._decrypt(ours, case.store) != self._decrypt(own, case.store):
            return unexplained("the rotation of secrettool changes the text")
        return self._read_across(case, theirs.out, ours)

    def _read_across(self, case: Case, theirs: bytes, ours: bytes) -> Outcome:
        """Each reads what the other changed; with nothing but the new key after one was added."""
        guest = case.edit.verb == "add key" and len(case.options.groups) == 1
        sops, keys = (self.guest, self.guest_runtime) if guest else (self.sops, self.runtime)
        printed = sops.decrypt(ours, case.store)
        opened: bytes | SecrettoolError
        try:
            opened = bytes(secrettool.decrypt(theirs, case.store, runtime=keys))  # type: ignore[arg-type]
        except SecrettoolError as error:
            opened = error
        if isinstance(opened, SecrettoolError):
            if not printed.ok:
                return both_refuse(opened, printed)
            if not sops.decrypt(theirs, case.store).ok:
                return Outcome(Kind.SOPS_BREAKS, named.SOPS_REREADS)
            return unexplained(f"secrettool does not open what sops changed: {opened.message}")
        if not printed.ok:
            if printed.crashed:
                return Outcome(Kind.SOPS_BREAKS, named.PRINT_CRASH)
            name = named.not_printed(printed, Reading(case.store, opened))
            return Outcome(Kind.SOPS_BREAKS, name) if name else unexplained(f"sops does not open what secrettool changed: {printed.reason()}")
        before, theirs_read, ours_read = (Reading(case.store, text) for text in (case.data, opened, printed.out))
        name = named.edited_differently(before, theirs_read, ours_read, case.edit)
        if name in named.MISPRINTED and values(theirs, case.store, keys) != values(ours, case.store, keys):
            name = None
        if name is None:
            return unexplained("the values differ after the change")
        return Outcome(Kind.NAMED, name) if name else EQUAL


def values(data: bytes, store: StoreName, keys: secrettool.Runtime) -> bytes | str:
    """The values of an encrypted file, whatever the printing in its own format makes of them."""
    return secrettool.decrypt(data, store, target="json", runtime=keys)


def runtime(*names: str) -> secrettool.Runtime:
    """A runtime with these throwaway keys."""
    return secrettool.local_runtime({"SOPS_AGE_KEY": "\n".join(identity(name) for name in names), "HOME": "/nonexistent"})
