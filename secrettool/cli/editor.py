"""The editor of `edit`: which one it is, and the plain text that it works on, which is never on a disk and never stays behind.

Source: sops 3.13 cmd/sops/edit.go (runEditorUntilOk, runEditor, lookupAnyEditor).
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from secrettool import fs
from secrettool.cli import output
from secrettool.errors import AlreadyEncryptedError, ExitCode, FormatError, MetadataError, SecrettoolError

VARIABLES = ("SOPS_EDITOR", "EDITOR")
FALLBACKS = ("vim", "nano", "vi")
PRESS_ENTER = "Press enter to return to the editor, or Ctrl+C to exit."
PATIENCE = 2.0  # seconds that an editor has to end itself when this program is told to end

_REFUSALS: tuple[tuple[type[SecrettoolError], str], ...] = (
    (FormatError, "Could not load tree, probably due to invalid syntax"),
    (MetadataError, "SOPS metadata is invalid"),
    (AlreadyEncryptedError, "Tree not valid for encryption"),
)
"""Where the reference goes back to the editor, and what it says then."""


def edit_text(name: str, text: bytes, accept: Callable[[bytes], None], environ: Mapping[str, str], *, allow_disk: bool = False) -> None:
    """Let a person edit a text until it is accepted.

    Args:
        name: Name of the file that the editor sees; its end tells the editor the format.
        text: The plain text.
        accept: Takes the edited text; an error of ours from it goes to the person, who gets the text back to mend it.
        environ: The environment, for the name of the editor.
        allow_disk: Accept a private folder on a disk where there is no memory file system.

    Raises:
        SecrettoolError: 200 when the text was left as it is, 201 when no editor could be run, 1 when the run was interrupted or nobody is there to
            mend what was refused.
        OutputError: There is no place for plain text.
    """
    command = editor_command(environ)
    try:
        with fs.memory_directory(allow_disk=allow_disk) as folder:
            path = os.path.join(folder, name)
            write_private(path, text)
            _until_accepted(command, path, text, accept)
    except (KeyboardInterrupt, SystemExit):  # the signals that would end the process
        raise SecrettoolError("User canceled operation", hint=f"the file was not changed; {_DISCARDED}") from None


_DISCARDED = "what was typed is discarded, because plain text must not stay on the disk"


def editor_command(environ: Mapping[str, str]) -> list[str]:
    """The words of the editor's command line, without the file: from SOPS_EDITOR or EDITOR, else vim, nano or vi.

    Raises:
        SecrettoolError: 201 when there is none.
    """
    for variable in VARIABLES:
        if text := environ.get(variable, ""):
            try:
                words = shlex.split(text, comments=True)
            except ValueError:
                words = []
            if not words:
                raise _no_editor(f"invalid ${variable}: {text}", "write it like a shell command, for instance EDITOR='code --wait'")
            return words
    for program in FALLBACKS:
        if found := shutil.which(program, path=environ.get("PATH")):
            return [found]
    raise _no_editor(f"none of {', '.join(FALLBACKS)} could be found", "name an editor in SOPS_EDITOR or EDITOR")


def run_editor(command: Sequence[str], path: str) -> None:
    """Run the editor on a file and wait for it.

    Raises:
        SecrettoolError: 201 when it could not be started or ended with an error.
    """
    child: subprocess.Popen[bytes] | None = None
    try:
        with _signals_held_back():
            child = subprocess.Popen([*command, path])
        status = child.wait()
    except OSError as error:
        raise _no_editor(f"{command[0]}: {(error.strerror or 'cannot be started').lower()}", "name an editor in SOPS_EDITOR or EDITOR") from error
    except BaseException:
        if child is not None:
            _end(child)
        raise
    if status:
        how = f"exit status {status}" if status > 0 else f"ended by signal {-status}"
        raise _no_editor(f"{command[0]}: {how}", "the file was not changed; an editor that ends with an error discards what was typed")


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Let the signals that end the process take effect behind this block: between starting a program and knowing it, it could not be ended."""
    caught: list[int] = []
    former = {}
    for name in fs.ENDING_SIGNALS:
        number = getattr(signal, name)
        if callable(signal.getsignal(number)):
            former[number] = signal.signal(number, lambda number, _: caught.append(number))
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        for number in caught:
            signal.raise_signal(number)


def write_private(path: str, data: bytes) -> None:
    """Make a file that only its owner can read (mode 0600).

    Raises:
        OSError: It cannot be made.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, fs.PRIVATE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _until_accepted(command: Sequence[str], path: str, text: bytes, accept: Callable[[bytes], None]) -> None:
    while True:
        run_editor(command, path)
        edited, _ = fs.read(path)
        if edited == text:
            raise SecrettoolError("File has not changed, exiting.", code=ExitCode.NOT_MODIFIED)
        try:
            accept(edited)
            return
        except SecrettoolError as error:
            refused = error
        said = next((words for kind, words in _REFUSALS if isinstance(refused, kind)), "The edited file could not be encrypted")
        output.error(f"{said}: {refused}", refused.hint)
        output.note(PRESS_ENTER)
        if not _wait_for_enter():
            # Where the reference would ask for ever, this is 1; where it would not have asked at all, the status is the one of the error.
            code = ExitCode.GENERIC if isinstance(refused, tuple(kind for kind, _ in _REFUSALS)) else refused.code
            raise SecrettoolError("nobody is there to mend the text: the edit is given up", hint=f"the file was not changed; {_DISCARDED}", code=code)


def _wait_for_enter() -> bool:
    """Read stdin to the end of a line, and not a byte further: the rest may be meant for the editor. False at the end of input."""
    while True:
        try:
            byte = os.read(0, 1)
        except OSError:
            return False
        if byte in (b"", b"\n", b"\r"):
            return byte != b""


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the editor before its folder goes, so that it can write nothing more and gives the terminal back."""
    child.terminate()
    try:
        child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _no_editor(reason: str, hint: str) -> SecrettoolError:
    return SecrettoolError(f"Could not run editor: {reason}", hint=hint, code=ExitCode.NO_EDITOR)
