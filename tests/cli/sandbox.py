"""A folder with encrypted files and a key, and the program run from outside."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

from secrettool.cli.app import run
from secrettool.library import local_runtime
from secrettool.sops import document
from secrettool.stores import for_path

ROOT = Path(__file__).parents[2]
KEYS = ROOT / "tests" / "vectors" / "keys"
AGE1 = "age1jwuhmyextvr0rkcvvl8m367lm54t6k0m5yknsdf6nsstpwpccc3srskwc2"
AGE2 = "age149t8ysk339dztvj6ccmgad7k8uer7satyyprak935e6nd3txgsdskskut7"
AGE3 = "age1npkqnd2qtph4ws3p36ycpce5gfyw4gwptqrweqnkzaarhdlfrd8qwg9xgu"
TOOL = (sys.executable, "-m", "secrettool")

_ENCRYPTED: dict[tuple[str, str, tuple[str, ...], str], bytes] = {}


class Sandbox:
    """Runs the program in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            "LANG": "C.UTF-8",
            "SOPS_AGE_KEY_FILE": str(KEYS / "age1.txt"),
        }
        for name in ("home", "tmp"):
            (folder / name).mkdir()

    def run(self, *words: str, stdin: str = "", env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        environ = {**self.env, **(env or {})}
        return subprocess.run([*TOOL, *words], cwd=self.folder, env=environ, input=stdin, text=True, capture_output=True, timeout=60, check=False)

    def call(self, *words: str, stdin: str = "", env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command inside this process: the same, but for what only a process of its own can show, and ten times as fast."""
        out, err, source = (io.TextIOWrapper(io.BytesIO(data), "utf-8", write_through=True) for data in (b"", b"", stdin.encode()))
        with (
            contextlib.chdir(self.folder),
            mock.patch.dict(os.environ, {**self.env, **(env or {})}, clear=True),
            mock.patch.object(sys, "stdin", source),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = run(words)
        shown = [stream.buffer.getvalue().decode() for stream in (out, err)]
        return subprocess.CompletedProcess(words, code, *shown)

    def start(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command; it leads a process group of its own."""
        pipe = subprocess.PIPE
        environ = {**self.env, **(env or {})}
        return subprocess.Popen(
            [*TOOL, *words], cwd=self.folder, env=environ, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )

    def encrypted(self, name: str, text: str, *options: str) -> Path:
        """Make an encrypted file; a second one from the same input is a copy of the first."""
        path, config = self.folder / name, self.folder / ".sops.yaml"
        made_from = (name, text, options, config.read_text() if config.exists() else "")
        if made_from not in _ENCRYPTED:
            path.write_text(text)
            done = self.call("encrypt", "-i", *(options or ("--age", AGE1)), name)
            assert done.returncode == 0, done.stderr
            _ENCRYPTED[made_from] = path.read_bytes()
        path.write_bytes(_ENCRYPTED[made_from])
        return path

    def plain(self, name: str, *keys: str) -> str:
        """What a file decrypts to, with these of the test keys."""
        identities = "\n".join((KEYS / f"{key}.txt").read_text() for key in keys or ("age1",))
        runtime = local_runtime({"HOME": self.env["HOME"], "SOPS_AGE_KEY": identities})
        file = document.load(for_path(name), (self.folder / name).read_bytes())
        return document.plain_bytes(file, file.open(runtime)).decode()

    def script(self, name: str, text: str) -> str:
        """A shell script; returns its path, fit for EDITOR."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def leftovers(self) -> list[str]:
        """What the program left in the places for temporary files. Call it when no other test of this process is under way."""
        return sorted(str(path) for path in (self.folder / "tmp").rglob("*"))
