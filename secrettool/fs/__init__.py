"""Files: read with a stamp, replace whole or not at all, and a place for plain text that is not on a disk.

Nothing here knows what is in a file. Every failure of the system leaves as an `InputError` or an `OutputError` that names the file and the cause.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from secrettool.errors import InputError, OutputError
from secrettool.fs.signals import ENDING_SIGNALS as ENDING_SIGNALS
from secrettool.fs.signals import ending_signals_raise as ending_signals_raise

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 20  # bytes; one read
NEW_FILE_MODE = 0o666  # less the umask, as Go's os.Create gives to the files of sops
PRIVATE_MODE = 0o600
TEMPORARY_PREFIX, TEMPORARY_SUFFIX = ".secrettool-", ".tmp"
MEMORY_TYPES = frozenset({"tmpfs", "ramfs"})
MOUNTS = "/proc/self/mounts"
_PRIVATE_PREFIX = "secrettool-"
_YOUNG = 10.0  # seconds
NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EACCES})  # the file system, or the folder's mode, cannot do it


class Stamp(NamedTuple):
    """Which file was read, and in which state: two equal stamps mean that nobody wrote in between."""

    device: int
    inode: int
    size: int  # bytes
    mtime: int  # nanoseconds since 1970


def read(path: str, *, limit: int | None = None) -> tuple[bytes, Stamp]:
    """Read a whole file, a pipe or a device.

    Args:
        path: Name of the file; links are followed.
        limit: Most bytes that are accepted; None for any number.

    Returns:
        The bytes, and the stamp of the file from before the first byte was read. Give it to `replace` to notice other writers.

    Raises:
        InputError: The file is missing, a directory, unreadable, or longer than `limit`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {_cause(error)}") from error
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise _unreadable(path, "is a directory")
        data = read_all(descriptor, limit)
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {_cause(error)}") from error
    finally:
        os.close(descriptor)
    if data is None:
        raise _unreadable(path, f"is larger than the limit of {limit} bytes")
    return data, _stamp(status)


def replace(path: str, data: bytes, *, expected: Stamp | None = None) -> None:
    """Give a file new content, so that at every moment it holds the old bytes or the new ones, whole.

    The bytes go to a temporary file in the same folder (mode 0600 while they are written), which takes over mode, owner and group of the old file
    and then its name. A link stays and its target is replaced; further hard links keep the old content. A pipe or device is written to directly. A
    new file gets mode 0666 less the umask. The temporary file is removed when anything fails, also on SIGTERM, SIGHUP and SIGINT; only SIGKILL or a
    power cut can leave it (`.secrettool-*.tmp`).

    Args:
        path: Name of the file.
        data: Its new content.
        expected: Stamp from `read`; None to replace whatever is there.

    Raises:
        OutputError: The file could not be written (its old content is untouched), or `expected` is given and another program has changed, replaced or
            removed the file since.
    """
    try:
        old = _status(path)
        if old is not None and not stat.S_ISREG(old.st_mode):
            _write_through(path, data)
            return
        with ending_signals_raise():
            _swap(path, data, old, expected)
    except OSError as error:
        raise _unwritable(path, f"cannot be written: {_cause(error)}") from error


def is_temporary(path: str) -> bool:
    """Whether a file is one that `replace` is writing, or that was left when it was killed: no command wants to work on it."""
    name = os.path.basename(path)
    return name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)


@contextmanager
def memory_directory(*, allow_disk: bool = False) -> Iterator[str]:
    """A private folder (mode 0700) for plain text, in memory, removed on leaving.

    It is made in /dev/shm or in XDG_RUNTIME_DIR, whichever the mount table shows to be a memory file system. macOS has none: there, and wherever
    none is writable, this refuses unless `allow_disk` is given, which permits a private folder in TMPDIR or /tmp. The folder is also removed when
    the process gets SIGTERM, SIGHUP or SIGINT (when called in the main thread); their former handlers are restored afterwards.

    Args:
        allow_disk: Accept a folder on a disk when there is no memory file system.

    Yields:
        Absolute path of the folder.

    Raises:
        OutputError: No place was found, or the folder could not be removed.
    """
    folder = os.path.join(_memory_base(allow_disk), f"{_PRIVATE_PREFIX}{os.urandom(8).hex()}")
    with ending_signals_raise():
        lock: int | None = None
        try:
            _make_private(folder)
            lock = _lock(folder)
            yield folder
        finally:
            _remove_tree(folder)
            if lock is not None:
                os.close(lock)


def remove_abandoned() -> int:
    """Remove the folders of `memory_directory` in memory that belong to processes of this user which were killed.

    A process holds a lock on its folder while it lives; one that is younger than `_YOUNG` seconds may be about to be locked.

    Returns:
        How many were removed.
    """
    try:
        base = _memory_base(False)
    except OutputError:
        return 0
    return sum(_is_abandoned(os.path.join(base, name)) for name in os.listdir(base) if _is_private_name(name))


def _unreadable(path: str, message: str) -> InputError:
    error = InputError(message)
    error.file = path
    return error


def _unwritable(path: str, message: str, hint: str | None = None) -> OutputError:
    error = OutputError(message, hint=hint)
    error.file = path
    return error


def _cause(error: OSError) -> str:
    text = error.strerror or "unknown error"
    return text[:1].lower() + text[1:]


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def read_all(descriptor: int, limit: int | None) -> bytes | None:
    """Everything, or None as soon as it is more than the limit: a file may grow meanwhile."""
    chunks: list[bytes] = []
    total = 0
    while chunk := os.read(descriptor, CHUNK):
        total += len(chunk)
        if limit is not None and total > limit:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _write_through(path: str, data: bytes) -> None:
    # A rename would put a file in the place of /dev/null or of a pipe that someone reads.
    descriptor = os.open(path, os.O_WRONLY)
    try:
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


def _swap(path: str, data: bytes, old: os.stat_result | None, expected: Stamp | None) -> None:
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}{TEMPORARY_SUFFIX}")
    try:
        _write_temporary(temporary, data, old)
        # As late as possible: what is left open is the moment between this look and the rename.
        if expected is not None:
            _refuse_changed(path, expected)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _write_temporary(temporary: str, data: bytes, old: os.stat_result | None) -> None:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    try:
        write_all(descriptor, data)
        os.fchmod(descriptor, _final_mode(descriptor, old))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _final_mode(descriptor: int, old: os.stat_result | None) -> int:
    """Hand the new file to the old owner as far as the system permits, and say which mode it may have then."""
    if old is None:
        return NEW_FILE_MODE & ~_umask()
    mode = stat.S_IMODE(old.st_mode)
    new = os.fstat(descriptor)
    if old.st_uid != new.st_uid:
        with suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, -1)
    if old.st_gid != new.st_gid:
        try:
            os.fchown(descriptor, -1, old.st_gid)
        except PermissionError:
            # The bits meant for the old group must not open the file to ours.
            mode = (mode & ~stat.S_IRWXG) | ((mode & stat.S_IRWXO) << 3)
    return mode


def _umask() -> int:
    # There is no way to read it but to set it; the strict value is what another thread could meet meanwhile.
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _refuse_changed(path: str, expected: Stamp) -> None:
    status = _status(path)
    if status is None or _stamp(status) != expected:
        what = "was removed" if status is None else "was changed"
        raise _unwritable(path, f"{what} by another program since it was read", "run the command again to start from the new content")


def _sync_folder(folder: str) -> None:
    """Make a rename survive a power cut, where the file system knows how."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise


def _memory_base(allow_disk: bool) -> str:
    for base in ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR", "")):
        if base and is_in_memory(base) and os.access(base, os.W_OK | os.X_OK):
            return os.path.realpath(base)
    if allow_disk:
        return os.path.realpath(os.environ.get("TMPDIR") or "/tmp")
    hint = "mount a tmpfs at /dev/shm, or allow a private folder on disk"
    raise OutputError("there is no writable memory file system for plain text", hint=hint)


def is_in_memory(folder: str) -> bool:
    """Whether the file system that holds the folder lives in memory, by the kernel's mount table (proc(5))."""
    try:
        with open(MOUNTS, "rb") as table:
            mounts = [line.split(b" ") for line in table]
    except OSError:
        return False  # no such table: not Linux
    inside = os.fsencode(os.path.realpath(folder)).rstrip(b"/") + b"/"
    found = (0, b"")
    for _device, point, kind, *_options in mounts:
        prefix = point.replace(b"\\040", b" ").rstrip(b"/") + b"/"
        # Of equally long mount points the later line is the upper one.
        if inside.startswith(prefix) and len(prefix) >= found[0]:
            found = (len(prefix), kind)
    return found[1].decode() in MEMORY_TYPES


def _lock(folder: str) -> int | None:
    """Hold a lock on a folder until the descriptor is closed; None where the system has no such locks."""
    try:
        import fcntl
    except ModuleNotFoundError:
        return None
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _is_private_name(name: str) -> bool:
    rest = name.removeprefix(_PRIVATE_PREFIX)
    return rest != name and len(rest) == 16 and rest.isalnum()


def _is_abandoned(folder: str) -> bool:
    """Whether nobody holds the folder; then it is removed."""
    import time

    with suppress(OSError, OutputError):
        status = os.lstat(folder)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or time.time() - status.st_mtime < _YOUNG:
            return False
        lock = _lock(folder)
        if lock is not None:
            try:
                _remove_tree(folder)
            finally:
                os.close(lock)
            return True
    return False


def _make_private(folder: str) -> None:
    try:
        os.mkdir(folder, 0o700)
    except OSError as error:
        raise _unwritable(folder, f"cannot be made: {_cause(error)}") from error


def _remove_tree(folder: str) -> None:
    import shutil  # only the commands that open an editor or a program get here

    shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        raise _unwritable(folder, "could not be removed and may still hold plain text", "remove the folder")
