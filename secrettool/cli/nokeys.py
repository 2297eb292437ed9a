"""The keyring of a run that may not use the keys of this machine (`--enable-local-keyservice=false`)."""

from __future__ import annotations

from typing import NoReturn

from secrettool.sops.keygroups import KeyFailure, MasterKey

_REASON = "the keys of this machine are switched off"
_HINT = "leave out --enable-local-keyservice=false and SOPS_ENABLE_LOCAL_KEYSERVICE"


class NoKeyring:
    """Wraps and unwraps nothing."""

    def wrap(self, key: MasterKey, part: bytes) -> NoReturn:
        """Refuse.

        Raises:
            KeyFailure: Always.
        """
        raise KeyFailure((_REASON,), hint=_HINT)

    def unwrap(self, key: MasterKey) -> NoReturn:
        """Refuse.

        Raises:
            KeyFailure: Always.
        """
        raise KeyFailure((_REASON,), hint=_HINT)
