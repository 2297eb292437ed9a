"""Values from files that nobody else may read.

Source: section 3 of the patcher's requirements.
"""

from __future__ import annotations

import os
import stat
from typing import Final

from secrettool.errors import SourceError

LIMIT: Final = 1 << 20
"""Bytes; an object of Kubernetes can hold no more."""

SECRET_FOLDERS: Final = ("/run/secrets", "/var/run/secrets")
"""Where containers find files that were mounted for them, whose modes say nothing."""

_OTHERS = stat.S_IRGRP | stat.S_IROTH


def fetch(path: str) -> bytes:
    """The content of a file.

    Args:
        path: Where it is; links are followed.

    Raises:
        SourceError: It is not there (`VL01`), or unreadable, too large, or readable by others (`VL04`).
    """
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & _OTHERS and not _is_mounted(path):
                raise SourceError("VL04", "others than its owner may read the file", hint=f"chmod 600, or mount it below {SECRET_FOLDERS[0]}")
            data = file.read(LIMIT + 1)
    except FileNotFoundError:
        raise SourceError("VL01", "there is no such file") from None
    except OSError as error:
        raise SourceError("VL04", f"the file cannot be read: {(error.strerror or 'unknown error').lower()}") from None
    except ValueError:
        raise SourceError("VL06", "its name cannot be used") from None
    if len(data) > LIMIT:
        raise SourceError("VL04", f"the file is larger than {LIMIT} bytes")
    return data


def _is_mounted(path: str) -> bool:
    real = os.path.realpath(path)
    return any(real.startswith(os.path.realpath(folder) + os.sep) for folder in SECRET_FOLDERS)
