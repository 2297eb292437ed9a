"""Time and memory of encrypt and decrypt, beside the real sops where it is on PATH, of `patch` beside kubectl, and of
passes of the sidecar. Prints figures; asserts none.

Usage: bench.py [--quick] [--repeat N]

Each command runs in a process of its own on generated files in a temporary folder. CPU is user plus system time of that process and its children
(wait4), wall is the clock, memory is the largest resident set. The smallest of the repetitions is shown, for each figure by itself.
"""

from __future__ import annotations

import argparse
import compileall
import os
import random
import shutil
import string
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tools import bench_homelab, bench_sidecar
from tools.measured import Cost, run

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "keys-example"
SLOW = 60.0  # seconds; a command that takes longer is not repeated


class Program(NamedTuple):
    """A command line that knows the words of sops."""

    name: str
    words: list[str]
    many_files: bool  # whether one process takes several files


class Case(NamedTuple):
    """Generated plain files."""

    name: str
    files: list[Path]


def secret(number: int, values: int, generator: random.Random, comment_every: int = 0) -> str:
    """A Secret with values of about 50 characters."""
    lines = ["apiVersion: v1", "kind: Secret", "metadata:", f"    name: generated-{number}", "stringData:"]
    for index in range(values):
        if comment_every and index % comment_every == 0:
            lines.append(f"    # what the next values are for: number {index}")
        text = "".join(generator.choices(string.ascii_letters + string.digits, k=generator.randrange(30, 60)))
        lines.append(f"    key-{index:06}: {text}")
    return "\n".join(lines) + "\n"


def make_cases(folder: Path, quick: bool) -> list[Case]:
    """Write the inputs."""
    generator = random.Random(1)
    small, large, many = (500, 5_000, 50) if quick else (5_000, 50_000, 1_000)
    wanted: list[tuple[str, int, int, int]] = [  # name, files, values in each, comment every
        ("1 value", 1, 1, 0),
        (f"{small:,} values", 1, small, 0),
        (f"{large:,} values", 1, large, 0),
        (f"{small:,} values, comments", 1, small, 5),
        (f"{large:,} values, comments", 1, large, 5),
        (f"{many:,} files of 8 values", many, 8, 0),
    ]
    cases = []
    for position, (name, files, values, comment_every) in enumerate(wanted):
        place = folder / f"plain-{position}"
        place.mkdir()
        paths = [place / f"{number:04}.yaml" for number in range(files)]
        for number, path in enumerate(paths):
            path.write_text(secret(number, values, generator, comment_every))
        cases.append(Case(name, paths))
    return cases


def run_all(program: Program, verb: list[str], files: list[Path], environment: dict[str, str]) -> Cost:
    """One process for all files, or one after the other where the program takes one file only."""
    with open(os.devnull, "wb") as nowhere:
        if program.many_files:
            return run([*program.words, *verb, *map(str, files)], environment, nowhere.fileno())
        costs = [run([*program.words, *verb, str(file)], environment, nowhere.fileno()) for file in files]
    return Cost(sum(cost.cpu for cost in costs), sum(cost.wall for cost in costs), max(cost.memory for cost in costs))


def repeat(times: int, work: Callable[[], Cost]) -> Cost:
    """The smallest figures of several runs."""
    best = work()
    for _ in range(times - 1):
        if best.wall > SLOW:
            break
        best = best.smaller(work())
    return best


def measure(program: Program, case: Case, times: int, environment: dict[str, str], folder: Path) -> dict[str, Cost]:
    """Encrypt copies in place, as a repository is encrypted, then decrypt what came out."""
    recipient = recipient_of(EXAMPLE / "keys/alice.agekey")
    sealed = folder / "sealed"

    def encrypt() -> Cost:
        shutil.rmtree(sealed, ignore_errors=True)
        sealed.mkdir()
        copies = [Path(shutil.copy(file, sealed)) for file in case.files]
        return run_all(program, ["encrypt", "--age", recipient, "--encrypted-regex", "^(data|stringData)$", "-i"], copies, environment)

    encrypted = repeat(times, encrypt)
    files = sorted(sealed.iterdir())

    def decrypt() -> Cost:
        if len(files) == 1:
            return run_all(program, ["decrypt"], files, environment)
        # Several documents on one stream help nobody: in place, on fresh copies.
        opened = folder / "opened"
        shutil.rmtree(opened, ignore_errors=True)
        shutil.copytree(sealed, opened)
        return run_all(program, ["decrypt", "-i"], sorted(opened.iterdir()), environment)

    return {"encrypt": encrypted, "decrypt": repeat(times, decrypt)}


def measure_build(contenders: list[Program], quick: bool, times: int, environment: dict[str, str], folder: Path) -> list[Cost]:
    """Open a folder of encrypted Secrets: one `hook build`, which also checks them, beside one `sops decrypt` for each."""
    plain = folder / "build"
    plain.mkdir()
    generator = random.Random(2)
    for number in range(30 if quick else 300):
        (plain / f"{number:04}.yaml").write_text(secret(number, 8, generator))
    recipient = recipient_of(EXAMPLE / "keys/alice.agekey")
    files = sorted(plain.iterdir())
    run_all(contenders[0], ["encrypt", "--age", recipient, "--encrypted-regex", "^(data|stringData)$", "-i"], files, environment)
    costs = []
    for program in contenders:
        verb, names = (["hook", "build", "--build", "plain"], [plain]) if program.many_files else (["decrypt"], files)

        def build(program: Program = program, verb: list[str] = verb, names: list[Path] = names) -> Cost:
            return run_all(program, verb, names, environment)

        costs.append(repeat(times, build))
    return costs


def recipient_of(key_file: Path) -> str:
    """The public half that age-keygen notes in a key file."""
    return next(line.split()[-1] for line in key_file.read_text().splitlines() if "public key" in line)


def programs() -> list[Program]:
    """Secrettool of this tree, and sops when it is there."""
    script = Path(sys.executable).with_name("secrettool")
    found = [Program("secrettool", [str(script)] if script.exists() else [sys.executable, "-m", "secrettool"], True)]
    sops = shutil.which("sops")
    return [*found, Program("sops", [sops], False)] if sops else found


def table_row(case: str, verb: str, costs: list[Cost]) -> str:
    """One line: the figures of each program, and how many times the other's CPU time secrettool needs."""
    cells = "".join(f"{cost.cpu:10.3f}{cost.wall:10.3f}{cost.memory:8.0f}" for cost in costs)
    ratio = f"{costs[0].cpu / costs[1].cpu:9.2f}" if len(costs) > 1 else ""
    return f"{case:<26}{verb:<9}{cells}{ratio}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time and memory of encrypt and decrypt.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes, one run each")
    parser.add_argument("--repeat", type=int, default=0, metavar="N", help="runs of which the smallest figures count (3)")
    options = parser.parse_args()
    times = options.repeat or (1 if options.quick else 3)
    # An installed program has its bytecode, as sops is compiled.
    compileall.compile_dir(str(ROOT / "secrettool"), quiet=1)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOPS_")}
    environment = kept | {"SOPS_AGE_KEY_FILE": str(EXAMPLE / "keys/alice.agekey"), "PYTHONPATH": str(ROOT), "SOPS_DISABLE_VERSION_CHECK": "1"}
    contenders = programs()
    print(f"CPU and wall in seconds, largest memory in MB, smallest of {times}; Python {sys.version.split()[0]}, {os.cpu_count()} processors")
    heads = "".join(f"{program.name:>10}{'wall':>10}{'MB':>8}" for program in contenders)
    print(f"{'':<35}{heads}{'ratio' if len(contenders) > 1 else '':>9}")
    with tempfile.TemporaryDirectory(prefix="secrettool-bench-") as name:
        folder = Path(name)
        for case in make_cases(folder, options.quick):
            results = [measure(program, case, times, environment, folder) for program in contenders]
            for verb in ("encrypt", "decrypt"):
                print(table_row(case.name, verb, [result[verb] for result in results]), flush=True)
        built = measure_build(contenders, options.quick, times, environment, folder)
        print(table_row(f"{30 if options.quick else 300} Secrets", "build", built), flush=True)
        bench_homelab.report(contenders[0].words, times, folder / "homelab", print)
        bench_sidecar.report(30 if options.quick else 300, folder / "sidecar", print)


if __name__ == "__main__":
    main()
