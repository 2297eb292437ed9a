"""A keyring of its own for gpg: private keys that came as text, in memory only, gone when it is closed.

Source: sops 3.13 pgp/keysource.go (GnuPGHome); GnuPG doc/gpg.texi (--homedir), doc/tools.texi (gpgconf --kill).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack, suppress

from secrettool.errors import OutputError
from secrettool.fs import memory_directory
from secrettool.keys import Surroundings
from secrettool.keys.pgp import PROGRAM_VARIABLE, PgpBackend
from secrettool.sops.keygroups import KeyFailure


class GpgHome:
    """A private home of gpg on a memory file system.

    Args:
        environ: The environment that gpg is started in; `SOPS_GPG_EXEC` names another program.

    Raises:
        KeyFailure: There is no memory file system.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._stack = ExitStack()
        try:
            folder = self._stack.enter_context(memory_directory())
        except OutputError as error:
            raise KeyFailure([error.message], hint=error.hint) from None
        self._environ = {**environ, "GNUPGHOME": folder}
        self._stack.callback(self._stop_agent)

    def __repr__(self) -> str:
        return "<GpgHome>"

    def import_key(self, armoured: bytes) -> None:
        """Take a key, without a passphrase, into the keyring.

        Raises:
            KeyFailure: gpg is missing, or does not take the text for a key.
        """
        program = self._environ.get(PROGRAM_VARIABLE) or "gpg"
        try:
            done = subprocess.run([program, "--batch", "--no-tty", "--import"], input=armoured, capture_output=True, env=self._environ, check=False)
        except (OSError, ValueError):
            raise KeyFailure([f"the program {program} cannot be started"], hint=f"install GnuPG, or name the program in {PROGRAM_VARIABLE}") from None
        if done.returncode:
            # What gpg says may quote the key.
            raise KeyFailure([f"not an armoured OpenPGP key: gpg ended with status {done.returncode}"])

    def backend(self, surroundings: Surroundings) -> PgpBackend:
        """A backend that knows the keys of this home and no others."""
        return PgpBackend(surroundings._replace(environ=self._environ))

    def close(self) -> None:
        """End gpg's agent and remove the home.

        Raises:
            OutputError: Something of it is left.
        """
        self._stack.close()

    def _stop_agent(self) -> None:
        with suppress(OSError):
            subprocess.run(["gpgconf", "--kill", "all"], stdin=subprocess.DEVNULL, capture_output=True, env=self._environ, check=False)
        # Programs that do not know `all` leave the socket; the agent ends when that is gone.
        for name in ("S.gpg-agent", "S.keyboxd"):
            with suppress(OSError):
                os.unlink(os.path.join(self._environ["GNUPGHOME"], name))
