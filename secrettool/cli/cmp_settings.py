"""Settings that an Argo CD application may give the plugin: as environment variables and as parameters.

An application says how it is built, never where keys are: whoever may write an application must not choose what it is opened with.

Source: Argo CD 3.6 operator manual, config management plugins (environment, ARGOCD_APP_PARAMETERS).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from secrettool.errors import ConfigError, Outcome

VARIABLE_PREFIX = "ARGOCD_ENV_SECRETTOOL_"
PARAMETERS = "ARGOCD_APP_PARAMETERS"
SOURCE_PATH = "ARGOCD_APP_SOURCE_PATH"

CHOICES: Mapping[str, tuple[str, ...]] = {
    "build": ("auto", "kustomize", "plain"),
    "mac": ("source", "require", "skip"),
    "sources": ("flux", "extended"),
    "strict-flux": ("false", "true"),
    "allow-empty": ("false", "true"),
    "allow-placeholders": ("false", "true"),
}
"""Every setting with its values, the default first."""

TITLES: Mapping[str, str] = {
    "build": "Build with kustomize, take the manifests as they are (plain), or see what is there (auto)",
    "mac": "Check the MAC of whole files (source), insist on it for every object (require), or never (skip)",
    "sources": "Files opened before the build: those that Flux opens, or also those of configMapGenerator and the older patch fields",
    "strict-flux": "Decrypt exactly what Flux decrypts",
    "allow-empty": "Take an application without any object for what is wanted: Argo CD then prunes everything",
    "allow-placeholders": "Let placeholders such as REPLACE_ME pass",
}


def read_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of an application; parameters win over variables.

    Raises:
        ConfigError: An unknown setting or value.
    """
    settings = {name: values[0] for name, values in CHOICES.items()}
    for variable, value in environ.items():
        if variable.startswith(VARIABLE_PREFIX):
            _set(settings, variable.removeprefix(VARIABLE_PREFIX).lower().replace("_", "-"), value, variable)
    for name, value in _parameters(environ.get(PARAMETERS, "")):
        _set(settings, name, value, f"parameter {name}")
    return settings


def root_of(folder: str, environ: Mapping[str, str]) -> str | None:
    """The root of the repository that Argo CD put the application's folder into; None when it does not say."""
    steps = [step for step in environ.get(SOURCE_PATH, "").split("/") if step not in ("", ".")]
    root = os.path.realpath(folder)
    for step in reversed(steps):
        root, name = os.path.split(root)
        if name != step:
            return None
    return root if steps else None


def _set(settings: dict[str, str], name: str, value: str, place: str) -> None:
    if name not in CHOICES:
        known = ", ".join(CHOICES)
        raise _bad(place, "there is no such setting", f"known are {known}; keys are given to the plugin's container, never to an application")
    if value not in CHOICES[name]:
        raise _bad(place, f"takes {' or '.join(CHOICES[name])}")
    settings[name] = value


def _parameters(text: str) -> list[tuple[str, str]]:
    """Names and values of the parameters: a list of `{name, string|array|map}`."""
    if not text:
        return []
    try:
        found: Any = json.loads(text)
        return [(entry["name"], entry["string"]) for entry in found]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _bad(PARAMETERS, "is not a JSON list of parameters with a name and a string") from None


def _bad(place: str, cause: str, hint: str | None = None) -> ConfigError:
    error = ConfigError(cause, hint=hint, code=Outcome.CONFIGURATION)
    error.file = place
    return error
