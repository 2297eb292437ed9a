"""Running the real sops, one process for each step."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from secrettool.library import StoreName
from tests.interop.fuzz.options import Options, identity

SUFFIX: dict[StoreName, str] = {"yaml": ".yaml", "json": ".json", "dotenv": ".env", "ini": ".ini", "binary": ".bin"}
OWNERS = ("age1", "age2", "age3")
"""The keys that open every document."""

FILE = "FILE"

SHORT_LIVED = {"GOGC": "off", "GOMAXPROCS": "1"}
"""For the Go runtime of a process that ends after 20 ms, of which there are ten thousand: a quarter of the time was collecting garbage."""

LIMITED = ("/bin/sh", "-c", 'ulimit -d 300000; exec "$@"', "sh")
"""Kilobytes of memory for the program in the words that follow: sops needs a tenth, and a document that makes it call itself without end is soon
over, where Go would fill a stack of 1 GB first."""


class Answer(NamedTuple):
    """What a run of sops came to.

    Attributes:
        code: Exit status.
        out: What it printed, or the file that it changed.
        err: What it said.
    """

    code: int
    out: bytes
    err: bytes

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.code == 0

    @property
    def crashed(self) -> bool:
        """Whether it ended in a panic."""
        return b"panic: " in self.err and b"goroutine " in self.err

    def reason(self) -> str:
        """The cause, on one line."""
        lines = [line for line in self.err.decode("utf-8", "replace").splitlines() if line.strip()]
        return f"{self.code}: {' | '.join(lines)[:300]}"


class RealSops:
    """The real sops in a folder of its own, with the throwaway keys and nothing else.

    Args:
        program: The program.
        folder: An empty folder that is not a disk's, for plain texts.
        identities: The keys it has.
    """

    def __init__(self, program: Path, folder: Path, identities: Sequence[str] = OWNERS) -> None:
        self.program = program
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        keys = folder / "keys.txt"
        keys.write_text("\n".join(identity(name) for name in identities), encoding="utf-8")
        self.environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "SOPS_AGE_KEY_FILE": str(keys),
            "SOPS_DISABLE_VERSION_CHECK": "true",
            **SHORT_LIVED,
        }

    def encrypt(self, data: bytes, store: StoreName, options: Options) -> Answer:
        """Encrypt a plain text by a creation rule."""
        (self.folder / "config.yaml").write_text(options.config(), encoding="utf-8")
        return self._run("--config", "config.yaml", "encrypt", self._write("plain", data, store))

    def decrypt(self, data: bytes, store: StoreName, *, ignore_mac: bool = False) -> Answer:
        """Decrypt a file to its own format, in the layout of the options that were used last."""
        config = ["--config", "config.yaml"] if (self.folder / "config.yaml").exists() else []
        return self._run(*config, "decrypt", *(["--ignore-mac"] if ignore_mac else []), self._write("sealed", data, store))

    def change(self, data: bytes, store: StoreName, *argv: str) -> Answer:
        """Change a file in place.

        Args:
            data: The encrypted file.
            store: Its format.
            argv: The command; `FILE` stands for the file.
        """
        name = self._write("changed", data, store)
        answer = self._run(*(name if word == FILE else word for word in argv))
        return answer._replace(out=(self.folder / name).read_bytes())

    def _write(self, name: str, data: bytes, store: StoreName) -> str:
        name += SUFFIX[store]
        (self.folder / name).write_bytes(data)
        return name

    def _run(self, *argv: str) -> Answer:
        done = subprocess.run(
            [*LIMITED, self.program, *argv],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)
