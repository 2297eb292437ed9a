"""Values that programs print.

No shell is involved. A program gets no input, `PATH`, `HOME` and the variables that the map names for it, and some time; what it says on stderr is
counted and not shown, because it may hold what it was asked for.

Source: section 3 of the patcher's requirements.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Final

from secrettool.errors import SourceError
from secrettool.sources.context import Context
from secrettool.sources.forms import parsed, part_of
from secrettool.sources.model import ExecProvider

if TYPE_CHECKING:
    from secrettool.sources.forms import Found

LIMIT: Final = 1 << 24
"""Bytes that a program may print."""

_CHUNK: Final = 1 << 16  # bytes
_ALWAYS: Final = ("PATH", "HOME")
_NAME: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")


def fetch(provider: ExecProvider, args: Mapping[str, str], context: Context) -> Found:
    """What a program prints, or the part of it that its provider points to.

    Args:
        provider: The program.
        args: What stands for each `{name}` of its command.
        context: Environment and root.

    Raises:
        SourceError: Names do not fit (`VL06`), it cannot be run, fails or prints too much (`VL04`), takes too long (`VL07`), or prints
            something else (`VL05`).
    """
    environ = environment(context.environ, *provider.env)
    output = run(_filled(provider.command, args), environ, folder=context.path(provider.cwd or ""), seconds=provider.timeout)
    if provider.parse == "text":
        return output
    return part_of(parsed(output, provider.parse), provider.pointer)


def _filled(command: tuple[str, ...], args: Mapping[str, str]) -> list[str]:
    wanted = {name for part in command for name in _NAME.findall(part)}
    if missing := sorted(wanted - args.keys()):
        raise SourceError("VL06", f"args lack {', '.join(missing)}")
    if unused := sorted(args.keys() - wanted):
        raise SourceError("VL06", f"the command has no place for {', '.join(unused)}", hint="it is written {name} in one of its parts")
    return [_NAME.sub(lambda found: args[found[1]], part) for part in command]


def environment(environ: Mapping[str, str], *names: str) -> dict[str, str]:
    """What a program gets of an environment: `PATH`, `HOME` and the variables that are named."""
    return {variable: environ[variable] for variable in (*_ALWAYS, *names) if variable in environ}


def run(command: Sequence[str], environ: Mapping[str, str], *, folder: str, seconds: float) -> bytes:
    """What a program prints.

    Args:
        command: The program and its arguments.
        environ: Its whole environment.
        folder: Where it runs.
        seconds: Until it is killed, with everything that it started.

    Raises:
        SourceError: It cannot be run or fails (`VL04`), or takes too long (`VL07`).
    """
    name = os.path.basename(command[0])
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environ,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise SourceError("VL04", f"there is no program {name}, or no folder to run it in") from None
    except (OSError, ValueError) as error:
        raise SourceError("VL04", f"{name} cannot be run: {(getattr(error, 'strerror', None) or 'its arguments cannot be used').lower()}") from None
    output, lines = _wait(process, seconds, name)
    if process.returncode:
        how = f"status {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
        hint = f"it wrote {lines} line{'' if lines == 1 else 's'} to stderr; run it by hand to read them" if lines else None
        raise SourceError("VL04", f"{name} ended with {how}", hint=hint)
    return output


def _wait(process: subprocess.Popen[bytes], seconds: float, name: str) -> tuple[bytes, int]:
    """What a program prints until it ends, and the number of lines on stderr."""
    assert process.stdout is not None and process.stderr is not None
    late = SourceError("VL07", f"{name} took longer than {seconds:g} s")
    end = time.monotonic() + seconds
    output, lines, last = bytearray(), 0, b"\n"
    with process, DefaultSelector() as pipes:
        try:
            for pipe in (process.stdout, process.stderr):
                pipes.register(pipe.fileno(), EVENT_READ)
            while pipes.get_map():
                ready = pipes.select(left) if (left := end - time.monotonic()) > 0 else []
                if not ready:
                    raise late
                for key, _ in ready:
                    data = os.read(key.fd, _CHUNK)
                    if not data:
                        pipes.unregister(key.fd)
                    elif key.fd == process.stdout.fileno():
                        output += data
                    else:
                        lines, last = lines + data.count(b"\n"), data[-1:]
                if len(output) > LIMIT:
                    raise SourceError("VL04", f"{name} prints more than {LIMIT} bytes")
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(end - time.monotonic(), 0))
            if process.returncode is None:
                raise late
        except BaseException:
            # What it started has its pipes too.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return bytes(output), lines + (last != b"\n")
