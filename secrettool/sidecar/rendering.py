"""Objects as files in a memory volume, and what is done when they changed.

Source: requirements DA-48, DA-49.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from secrettool import fs, manifests
from secrettool.errors import ConfigError, HookError, Outcome, SecrettoolError
from secrettool.objects import Object, decode_base64, folded, is_secret, ref_of, section
from secrettool.sidecar.config import Layout, PostAfter, RenderSettings, SignalAfter
from secrettool.sidecar.state import ObjectState
from secrettool.sidecar.swap import SwappedFolder, is_name

BAD_NAME: Final = "HK170"
TWICE: Final = "HK171"
POST_SECONDS: Final = 5.0
COMM_LENGTH: Final = 15
"""Characters of a process name that Linux keeps."""


class RenderedFiles(NamedTuple):
    """What became of the files.

    Attributes:
        files: One for each.
        errors: Why nothing was written.
        is_swapped: Whether there is another set of files now.
        warning: Why whoever reads them could not be told; empty when he was, or need not be.
    """

    files: tuple[ObjectState, ...]
    errors: tuple[SecrettoolError, ...] = ()
    is_swapped: bool = False
    warning: str = ""


class Renderer:
    """Writes the files of one source, pass after pass.

    Args:
        settings: How.
        allow_disk: Accept a target that is not in memory.
        swapped: Called after each swap.
    """

    def __init__(self, settings: RenderSettings, *, allow_disk: bool = False, swapped: Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self._allow_disk = allow_disk
        self._swapped = swapped
        self._folder = SwappedFolder(settings.target, settings.mode)
        self._paths: frozenset[str] | None = None
        self._is_untold = False

    def run(self, objs: Sequence[Object], decrypted: Sequence[bool]) -> RenderedFiles:
        """Write the files of all objects, or none of them.

        Args:
            objs: All objects of the build, decrypted and guarded.
            decrypted: For each of them, whether something in it was encrypted.

        Raises:
            ConfigError: The target is not in memory.
            OutputError: It cannot be written.
        """
        self._check_target()
        files, errors = payload(objs, decrypted, self._settings)
        if errors:
            return RenderedFiles((), errors)
        done = self._folder.write(files)
        self._paths = frozenset(files)
        if done.is_swapped:
            self._swapped()
            self._is_untold = self._settings.after is not None
        warning = self._tell() if self._is_untold else ""
        self._is_untold = bool(warning)
        written = frozenset(done.written)
        states = [ObjectState(path, "written" if path in written else "unchanged") for path in sorted(files)]
        return RenderedFiles((*states, *(ObjectState(path, "removed") for path in done.removed)), (), done.is_swapped, warning)

    def has_drifted(self) -> bool:
        """Whether files are missing, or there are others."""
        return self._is_untold or self._paths is None or not self._folder.is_intact(self._paths)

    def _check_target(self) -> None:
        target = os.path.abspath(self._settings.target)
        place = target if os.path.isdir(target) else os.path.dirname(target)
        if not os.path.isdir(place):
            raise _refused(target, "the folder above it does not exist", "mount the volume there")
        if not self._allow_disk and not fs.is_in_memory(place):
            hint = "mount an emptyDir with medium: Memory there, or permit a disk with allowDisk"
            raise _refused(target, "is not on a file system in memory", hint)

    def _tell(self) -> str:
        after = self._settings.after
        if isinstance(after, PostAfter):
            return _post(after.url)
        return _send(after) if after is not None else ""


# ---- which files ---------------------------------------------------------------------------------------------------------------------------------


def payload(objs: Sequence[Object], decrypted: Sequence[bool], settings: RenderSettings) -> tuple[dict[str, bytes], tuple[SecrettoolError, ...]]:
    """The content of each file by its path, and what is wrong with names.

    Args:
        objs: The objects.
        decrypted: For each of them, whether something in it was encrypted.
        settings: Which files are wanted.
    """
    found: dict[str, bytes] = {}
    errors: list[SecrettoolError] = []
    for obj, was_encrypted in zip(objs, decrypted, strict=True):
        if not (is_secret(obj) or (settings.layout == "documents" and was_encrypted)):
            continue
        subject = str(ref_of(obj))
        for parts, key, data in _files(obj, settings.layout, settings.namespace):
            if data is None:
                errors.append(HookError("HK145", "an entry of data is not base64", subject=subject, key=key))
                continue
            if not all(map(is_name, parts)):
                hint = "letters, digits, '-', '_' and '.', and no two dots at the beginning; with layout tree every object needs a namespace"
                errors.append(HookError(BAD_NAME, "the name of its file would not be one", subject=subject, key=key, hint=hint))
                continue
            path = "/".join(parts)
            if path in found:
                errors.append(HookError(TWICE, "another object has a file of this name", subject=subject, key=key, hint="use layout tree"))
            found[path] = data
    return found, tuple(errors)


def _files(obj: Object, layout: Layout, namespace: str | None) -> Iterator[tuple[list[str], str | None, bytes | None]]:
    """Components of the path, name of the entry, and its content; None when it cannot be read."""
    ref = ref_of(obj)
    home = ref.namespace or namespace or ""
    stored = folded(obj)
    if layout == "documents":
        yield (
            [home, f"{ref.kind.lower()}-{ref.name}.yaml"] if home else [f"{ref.kind.lower()}-{ref.name}.yaml"],
            None,
            manifests.dump([stored]).encode(),
        )
        return
    entries: Mapping[str, Any] = section(stored, "data")
    for key, text in entries.items():
        data = decode_base64(text) if isinstance(text, str) else b"" if text is None else None
        yield [key] if layout == "flat" else [home, ref.name, key], key, data


# ---- telling whoever reads them ------------------------------------------------------------------------------------------------------------------


def _post(url: str) -> str:
    """POST without a body; what went wrong."""
    from urllib3 import PoolManager, Timeout
    from urllib3.exceptions import HTTPError

    try:
        with PoolManager(retries=False) as pool:
            status = pool.request("POST", url, redirect=False, timeout=Timeout(total=POST_SECONDS)).status
    except (HTTPError, OSError, ValueError):
        return "the application was not told of the new files: no connection to its URL"
    return "" if status < 400 else f"the application was not told of the new files: its URL answers {status}"


def _send(after: SignalAfter) -> str:
    """Send the signal to every process of that name; what went wrong."""
    number = signal.Signals[f"SIG{after.signal}"]
    count = 0
    for pid in _processes(after.process):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
            count += 1
    hint = "the pod needs shareProcessNamespace, and both containers the same user"
    return "" if count else f"no process {after.process} could be told of the new files: {hint}"


def _processes(name: str) -> Iterator[int]:
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if not entry.isdecimal() or int(entry) == os.getpid():
            continue
        with suppress(OSError), open(f"/proc/{entry}/comm", encoding="utf-8", errors="replace") as comm:
            if comm.read().rstrip("\n") == name[:COMM_LENGTH]:
                yield int(entry)


def _refused(target: str, message: str, hint: str) -> SecrettoolError:
    error: SecrettoolError = ConfigError(message, hint=hint, code=Outcome.CONFIGURATION)
    error.file = target
    return error
