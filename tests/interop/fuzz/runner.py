"""Many documents in several processes, and the table of what came of them."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple, TypeAlias

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import NonInteractiveExampleWarning

from secrettool.library import StoreName
from tests.interop import programs
from tests.interop.fuzz.cases import cases
from tests.interop.fuzz.comparison import DIRECTIONS, Case, Comparison, Kind, Outcome
from tests.interop.fuzz.options import GUEST
from tests.interop.fuzz.realsops import RealSops
from tests.interop.fuzz.shrink import shrink

STORES: tuple[StoreName, ...] = ("yaml", "json", "dotenv", "ini", "binary")
CHUNK = 50
"""Documents that one process takes at a time."""


class Finding(NamedTuple):
    """A disagreement that nothing explains."""

    case: Case
    direction: str
    what: str


Key: TypeAlias = tuple[str, str, Kind, str]
"""Store, direction, kind and name of an outcome."""


class Tally(NamedTuple):
    """What came of some documents.

    Attributes:
        counts: How many there were of each outcome.
        findings: The disagreements.
        examples: The smallest document of each outcome that has a name.
    """

    counts: Counter[Key]
    findings: list[Finding]
    examples: dict[Key, Finding]

    def add(self, case: Case, direction: str, outcome: Outcome) -> None:
        """Count an outcome."""
        unexplained = outcome.kind is Kind.UNEXPLAINED
        key = (case.store, direction, outcome.kind, "" if unexplained else outcome.name)
        self.counts[key] += 1
        finding = Finding(case, direction, outcome.name)
        if unexplained:
            self.findings.append(finding)
        elif outcome.name:
            self.examples[key] = _smaller(finding, self.examples.get(key))

    def merge(self, other: Tally) -> None:
        """Add what came of other documents."""
        self.counts.update(other.counts)
        self.findings.extend(other.findings)
        for key, finding in other.examples.items():
            self.examples[key] = _smaller(finding, self.examples.get(key))


def _smaller(one: Finding, other: Finding | None) -> Finding:
    return one if other is None or len(one.case.data) < len(other.case.data) else other


def comparison(program: Path, folder: Path) -> Comparison:
    """Both programs, working in a folder."""
    return Comparison(RealSops(program, folder / "owners"), RealSops(program, folder / "guest", (GUEST,)))


def plain_folder() -> str | None:
    """A file system in memory for plain texts, where there is one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def chunk(program: Path, store: StoreName, documents: int, number: int) -> Tally:
    """Generate some documents and compare; `number` is the seed."""
    tally = Tally(Counter(), [], {})
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=plain_folder()) as folder:
        pair = comparison(program, Path(folder))

        @seed(number)
        @settings(max_examples=documents, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(cases(store))
        def compare(case: Case) -> None:
            outcomes = pair.outcomes(case)
            for direction, outcome in outcomes.items():
                tally.add(case, direction, outcome)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NonInteractiveExampleWarning)
            compare()
    return tally


def chunks(documents: int, first: int, stores: list[StoreName]) -> Iterator[tuple[StoreName, int, int]]:
    """The parts of a run: store, documents, seed."""
    for place, store in enumerate(stores):
        share = documents // len(stores) + (place < documents % len(stores))
        for number, start in enumerate(range(0, share, CHUNK)):
            yield store, min(CHUNK, share - start), (first * 1000 + STORES.index(store)) * 100_000 + number


def run(documents: int, first: int, stores: list[StoreName], jobs: int, keep: Path, named: bool) -> int:
    """Fuzz, print the table, and write the disagreements into a folder; with `named`, also a document for each named difference.

    Returns:
        0 when there was no disagreement, 1 when there was, 2 when the program is missing.
    """
    program = programs.find("sops")
    if program is None:
        print("fuzz: the real sops is not here; build it with: make real-programs", file=sys.stderr)
        return 2
    total = Tally(Counter(), [], {})
    started = time.monotonic()
    done = 0
    with ProcessPoolExecutor(jobs) as pool:
        futures = {pool.submit(chunk, program, store, size, number): size for store, size, number in chunks(documents, first, stores)}
        for future in as_completed(futures):
            tally = future.result()
            for number, finding in enumerate(tally.findings, len(total.findings)):
                write_finding(keep / f"{number:04}", finding)
            total.merge(tally)
            done += futures[future]
            spent = time.monotonic() - started
            print(f"fuzz: {done} of {documents} documents, {spent:.0f} s, {len(total.findings)} unexplained", file=sys.stderr, flush=True)
    print(table(total.counts))
    for (store, direction, _, name), finding in total.examples.items() if named else ():
        write_finding(keep / f"{store} {direction} {name}".replace(" ", "-"), finding)
    if total.findings:
        print(f"fuzz: what nothing explains is in {keep}", file=sys.stderr)
    return 1 if total.findings else 0


def smallest(pair: Comparison, finding: Finding) -> Finding:
    """A smaller case of the same disagreement."""
    case, direction, what = finding

    def same(candidate: Case) -> bool:
        outcome = pair.outcomes(candidate)[direction]
        return outcome.kind is Kind.UNEXPLAINED and outcome.name.split(":")[0] == what.split(":")[0]

    return finding._replace(case=shrink(case, same))


def write_finding(folder: Path, finding: Finding) -> None:
    """Keep a disagreement: the document, and how it came about."""
    folder.mkdir(parents=True, exist_ok=True)
    case = finding.case
    (folder / f"document.{case.store}").write_bytes(case.data)
    (folder / "what.txt").write_text(f"{finding.direction}: {finding.what}\n{case.options}\n{case.edit!r}\n", encoding="utf-8")


def table(counts: Counter[Key]) -> str:
    """The outcome by store and direction, and below it the names."""
    heads = ["store", "direction", "documents", *(kind.value for kind in Kind)]
    rows = [heads]
    for store, direction in dict.fromkeys((store, direction) for store in STORES for direction in DIRECTIONS):
        by_kind = Counter[Kind]()
        for (of_store, of_direction, kind, _), number in counts.items():
            if (of_store, of_direction) == (store, direction):
                by_kind[kind] += number
        if by_kind:
            rows.append([store, direction, str(by_kind.total()), *(str(by_kind[kind]) for kind in Kind)])
    widths = [max(len(row[place]) for row in rows) for place in range(len(heads))]
    lines = [
        "  ".join(cell.ljust(width) if place < 2 else cell.rjust(width) for place, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    names = sorted((store, direction, kind.value, name, number) for (store, direction, kind, name), number in counts.items() if name)
    lines += ["", *(f"{store} {direction}: {kind}: {name}: {number}" for store, direction, kind, name, number in names)]
    return "\n".join(lines)
