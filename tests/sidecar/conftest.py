"""A folder in memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from secrettool import fs

MEMORY = Path("/dev/shm")


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder on a file system in memory, removed afterwards."""
    if not fs.is_in_memory(str(MEMORY)):
        pytest.skip("there is no memory file system")
    folder = MEMORY / f"test-{os.urandom(6).hex()}"
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder)
