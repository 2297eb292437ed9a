"""One soak: everything happens for so long, samples are taken, and at the end everything must be well and nothing larger."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from secrettool.errors import Outcome
from tests.interop.peers.apiserver import ApiServer
from tests.interop.soak.samples import TOLERANCE, Sample, Verdict, judged, sample, table
from tests.interop.soak.scene import MEMORY, Scene, happenings, web
from tests.waiting import PATIENCE, NotInTime, wait_for

SECOND: Final = 1.0


class Soaked(NamedTuple):
    """How it went.

    Attributes:
        verdicts: For each process.
        complaints: What was wrong; empty when nothing was.
        done: How often each thing happened.
        seconds: How long it took.
    """

    verdicts: tuple[Verdict, ...]
    complaints: tuple[str, ...]
    done: Counter[str]
    seconds: float

    def text(self) -> str:
        """All of it, for people."""
        counts = "\n".join(f"{count:>8} {what}" for what, count in sorted(self.done.items()))
        end = "\n".join(self.complaints) or "soak: nothing grew, everything was well at the end"
        return f"{counts}\n\n{table(self.verdicts)}\n\n{self.seconds / 60:.1f} minutes\n{end}"


def soak(api: ApiServer, folder: Path, *, seconds: float, tolerance: float = TOLERANCE, tell: Callable[[str], None] = lambda _: None) -> Soaked:
    """Let sidecars run.

    Args:
        api: The API server, with the kinds of Flux.
        folder: An empty folder, or one with nothing of ours.
        seconds: How long.
        tolerance: Share by which memory may grow.
        tell: Takes a line every second.
    """
    done: Counter[str] = Counter()
    with ExitStack() as stack:
        memory = Path(tempfile.mkdtemp(prefix="soak-", dir=MEMORY))
        stack.callback(shutil.rmtree, memory, ignore_errors=True)
        (folder / "scene").mkdir()
        url = stack.enter_context(web(folder / "scene" / "artifacts", done))
        scene = Scene(api, folder / "scene", memory, url, done)
        stack.enter_context(scene.running())
        begun = time.monotonic()
        taken = _watched(scene, seconds, tell)
        took = time.monotonic() - begun
        complaints = _settled(scene)
        scene.count_passes()
        complaints += [f"{name} ended with {code}" for name, program in scene.programs.items() if (code := program.end()) != Outcome.DONE]
    verdicts = tuple(judged(name, column, tolerance) for name, column in taken.items())
    return Soaked(verdicts, (*complaints, *(text for each in verdicts for text in each.complaints)), done, took)


def _watched(scene: Scene, seconds: float, tell: Callable[[str], None]) -> dict[str, list[Sample]]:
    """Let everything happen, and take a sample every second."""
    taken: dict[str, list[Sample]] = {name: [] for name in scene.programs}
    events = happenings(scene)
    begun = time.monotonic()
    tick = 0
    while time.monotonic() - begun < seconds:
        for every, first, event in events:
            if tick % every == first:
                scene.done[event.__name__] += 1
                event()
        for name, program in scene.programs.items():
            taken[name].append(sample(program.process.pid))
        figures = ", ".join(f"{name} {column[-1].memory >> 20} MB {column[-1].descriptors} descriptors" for name, column in taken.items())
        tell(f"{time.monotonic() - begun:6.0f} s: {figures}")
        tick += 1
        time.sleep(max(0.0, begun + tick * SECOND - time.monotonic()))
    return taken


def _settled(scene: Scene) -> list[str]:
    """Whether the last state arrives everywhere once it is quiet."""
    scene.change_source()
    scene.refresh()
    try:
        wait_for(scene.is_well, seconds=2 * PATIENCE)
    except NotInTime:
        return ["the last state of the source did not arrive"]
    return []
