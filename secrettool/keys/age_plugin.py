"""Age plugins: programs `age-plugin-<name>` that wrap and unwrap for recipients and identities of their own.

pyrage speaks the protocol with them. The programs are found on the PATH of this process and get its environment.

Source: C2SP age-plugin.md; pyrage 1.4 `plugin`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pyrage  # type: ignore[import-untyped]

from secrettool.keys.rage import NO_MATCH

if TYPE_CHECKING:
    from secrettool.keys import Prompt

OpenPlugin: TypeAlias = Callable[[bytes], bytes | None]
"""Opens an age file, or returns None when it is not for this plugin's identity."""

_MAX_TEXT = 200


class PluginError(Exception):
    """A plugin is missing or refused; the text is ours or the plugin's own message."""


class _Callbacks:
    """What a plugin may ask of the user. An exception must not pass through the library, so it is kept and raised later."""

    def __init__(self, name: str, prompt: Prompt | None) -> None:
        self._name = name
        self._prompt = prompt
        self.raised: BaseException | None = None

    def _ask(self, question: str) -> str | None:
        if self._prompt is None or self.raised is not None:
            return None
        try:
            return self._prompt(f"{self._name} plugin: {question}")
        except BaseException as error:
            self.raised = error
            return None

    def display_message(self, message: str) -> None:
        """Show a message, such as the request to touch a token, when there is a user."""
        if self._prompt is not None:
            sys.stderr.write(f"{self._name} plugin: {message}\n")

    def confirm(self, message: str, yes_string: str, no_string: str | None) -> bool | None:
        """Ask a question with two answers, or one."""
        answer = self._ask(f"{message} [{yes_string}{f'/{no_string}' if no_string else ''}]")
        return None if answer is None else answer.strip().lower() in (yes_string.lower(), "y", "yes")

    def request_public_string(self, description: str) -> str | None:
        """Ask for a text."""
        return self._ask(description)

    def request_passphrase(self, description: str) -> str | None:
        """Ask for a secret text."""
        return self._ask(description)


def _words(name: str, error: Exception) -> str:
    text = str(error).replace("\u2068", "").replace("\u2069", "")
    if "PATH" in text:
        return f"the program age-plugin-{name} is not on the PATH"
    return f"{name} plugin: {' '.join(text.split())[:_MAX_TEXT]}"


def identity(name: str, text: str, prompt: Prompt | None) -> OpenPlugin:
    """Prepare a plugin identity.

    Args:
        name: Name of the plugin.
        text: `AGE-PLUGIN-<NAME>-1...`.
        prompt: How to ask the user; None when there is nobody to ask.

    Raises:
        PluginError: The program is missing or the identity malformed; from the result also when the plugin refuses.
    """
    callbacks = _Callbacks(name, prompt)
    try:
        plugin = pyrage.plugin.IdentityPluginV1(name, [pyrage.plugin.Identity.from_str(text)], callbacks)
    except (pyrage.DecryptError, pyrage.IdentityError) as error:
        raise PluginError(_words(name, error)) from None

    def open_file(raw: bytes) -> bytes | None:
        try:
            plain: bytes = pyrage.decrypt(raw, [plugin])
        except pyrage.DecryptError as error:
            if callbacks.raised is not None:
                raised, callbacks.raised = callbacks.raised, None
                raise raised from None
            if str(error) == NO_MATCH:
                return None
            raise PluginError(_words(name, error)) from None
        return plain

    return open_file


def encrypt(plain: bytes, name: str, recipient: str, prompt: Prompt | None) -> str:
    """Seal bytes for a plugin recipient: an armoured age file.

    Raises:
        PluginError: The program is missing or refused.
    """
    callbacks = _Callbacks(name, prompt)
    try:
        parsed = pyrage.plugin.Recipient.from_str(recipient)
        plugin = pyrage.plugin.RecipientPluginV1(name, [parsed], [], callbacks)
        sealed: bytes = pyrage.encrypt(plain, [plugin], armored=True)
    except (pyrage.EncryptError, pyrage.RecipientError) as error:
        if callbacks.raised is not None:
            raise callbacks.raised from None
        raise PluginError(_words(name, error)) from None
    return sealed.decode("ascii")
