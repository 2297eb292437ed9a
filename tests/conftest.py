"""What all tests share: an environment without anybody's keys, and property tests that are the same twice in CI."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The tests marked `real` are in every folder. As a plugin the programs and servers are known to all of them, and started once.
pytest_plugins = ["tests.interop.fixtures"]

# The time that one example takes says nothing on a shared machine.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

# A shell starts what it puts into the background deaf to these, and programs started by the tests would inherit that.
for number, action in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL), (signal.SIGHUP, signal.SIG_DFL)):
    signal.signal(number, action)

FOREIGN_PREFIXES = ("SOPS_", "AGE_", "VAULT_", "AWS_", "AZURE_", "GOOGLE_", "HUAWEICLOUD_")
FOREIGN_NAMES = ("EDITOR", "VISUAL", "GNUPGHOME", "NO_COLOR", "FORCE_COLOR")


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder without keys and configuration."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch: pytest.MonkeyPatch, empty_home: Path) -> None:
    """Keep keys, settings and the editor of whoever runs the tests out of them."""
    for name in list(os.environ):
        if name.startswith(FOREIGN_PREFIXES) or name in FOREIGN_NAMES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(empty_home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(empty_home / ".config"))


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    """Undo what commands that hold plain text do to this process when they run inside it."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)
