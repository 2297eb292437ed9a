"""Where the API server is, and who asks.

The order is kubectl's: a kubeconfig that is named, `KUBECONFIG`, `~/.kube/config`, and inside a pod its own account.

A usual kubeconfig is read by `plain`. All others are for the package `kubernetes`, which writes their certificates and keys to files, since TLS in
Python reads them from files only: here they lie in memory and go with the connection. Its exceptions and log lines may hold parts of the kubeconfig
and are never passed on.

Source: kubernetes (Python) 37 config/kube_config.py, config/incluster_config.py; requirements DA-46, DA-47.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secrettool import fs
from secrettool.cluster.apiserver import ApiServer
from secrettool.errors import ConfigError, InputError, Outcome

if TYPE_CHECKING:
    from kubernetes.client import Configuration

    from secrettool.cluster.plain import PlainClient

DEFAULT: Final = os.path.join("~", ".kube", "config")
IN_CLUSTER: Final = "KUBERNETES_SERVICE_HOST"


class Access(NamedTuple):
    """Which server is meant.

    Attributes:
        kubeconfig: A file; None for the usual places. With `text` its name for messages.
        context: A context of it; None for its current one.
        server: URL instead of the one in the kubeconfig.
        allow_disk: Whether keys of the kubeconfig may lie in a private folder on a disk where no memory file system is.
        text: The kubeconfig itself, which then is no file.
        tls_server_name: Name that the server's certificate must have, when it is not the one in its URL.
    """

    kubeconfig: str | None = None
    context: str | None = None
    server: str | None = None
    allow_disk: bool = False
    text: str | None = None
    tls_server_name: str | None = None

    def __repr__(self) -> str:
        return f"<Access {self.kubeconfig}>"


@contextmanager
def connect(access: Access, environ: Mapping[str, str]) -> Iterator[ApiServer]:
    """An API server that objects can be read from and applied to. Nothing is asked of it yet.

    Raises:
        ConfigError: There is no kubeconfig, or it cannot be used; the exit code is that of configuration.
        OutputError: It holds a key, and there is no memory file system.
    """
    paths = _paths(access, environ)
    if not paths and not environ.get(IN_CLUSTER):
        hint = "name a kubeconfig with --kubeconfig or KUBECONFIG"
        raise ConfigError(f"no cluster is configured: there is neither {DEFAULT} nor an account of a pod", hint=hint, code=Outcome.CONFIGURATION)
    if not paths and access.context:
        raise ConfigError("there is no kubeconfig that could have the context", code=Outcome.CONFIGURATION)
    usual = _usual(paths, access, environ)
    if usual is not None:
        _quieten()
        try:
            yield ApiServer(usual, url=_url(access))
        finally:
            usual.close()
        return
    with _silent():
        from kubernetes.client import ApiClient, Configuration
    if not paths:
        with ApiClient(_ready(_in_cluster(Configuration()), access)) as client:
            yield ApiServer(client, url=_url(access))
        return
    chosen = _Chosen.of(paths, access.context, access.text)
    with (
        fs.memory_directory(allow_disk=access.allow_disk or not chosen.may_hold_key) as folder,
        ApiClient(_ready(chosen.load(Configuration(), folder), access)) as client,
    ):
        yield ApiServer(client, url=_url(access))


def _paths(access: Access, environ: Mapping[str, str]) -> list[str]:
    """The kubeconfig files that exist."""
    if access.text is not None:
        return [access.kubeconfig or "kubeconfig"]
    if access.kubeconfig is not None:
        if not os.path.isfile(access.kubeconfig):
            raise _bad([access.kubeconfig], "no such file")
        return [access.kubeconfig]
    named = environ.get("KUBECONFIG", "").split(os.pathsep)
    places = [place for place in named if place] or [DEFAULT]
    found = [path for path in map(os.path.expanduser, places) if os.path.isfile(path)]
    if any(named) and not found:
        raise _bad(places, "no such file")
    return found


def _usual(paths: list[str], access: Access, environ: Mapping[str, str]) -> PlainClient | None:
    """The client for a kubeconfig that needs no more; None when the package has to see to it."""
    from secrettool.cluster.plain import PlainClient, read

    if len(paths) != 1:
        return None
    try:
        text = access.text if access.text is not None else fs.read(paths[0])[0].decode()
        login = read(text, os.path.dirname(paths[0]), access.context, environ)
        return None if login is None else PlainClient(login, access.tls_server_name)
    except (OSError, ValueError, InputError):
        return None


def _url(access: Access) -> str | None:
    if access.server is None:
        return None
    if not access.server.startswith(("https://", "http://")):
        raise ConfigError("the URL of the server must begin with https://", where="--server", code=Outcome.CONFIGURATION)
    return access.server.rstrip("/")


class _Chosen:
    """The kubeconfig with its context."""

    def __init__(self, paths: list[str], merged: Any, context: str) -> None:
        self._paths = paths
        self._merged = merged
        self._context = context

    @classmethod
    def of(cls, paths: list[str], context: str | None, text: str | None = None) -> _Chosen:
        """Read the files, or the text, and find the context."""
        from kubernetes.config.kube_config import KubeConfigMerger

        try:
            with _silent():
                merged = KubeConfigMerger(os.pathsep.join(paths)).config if text is None else _nodes(text)  # type: ignore[no-untyped-call]
                names = [entry.value["name"] for entry in merged.value["contexts"]]
                wanted = context or merged.value.get("current-context")
        except Exception:  # whatever it is, its text may quote the file
            raise _bad(paths, "not a kubeconfig") from None
        if not wanted:
            raise _bad(paths, "it has no current context", hint=f"choose one with --context: {', '.join(names)}" if names else None)
        if wanted not in names:
            raise _bad(paths, f"it has no context {wanted!r}", hint=f"it has {', '.join(names)}" if names else None)
        return cls(paths, merged, wanted)

    @property
    def may_hold_key(self) -> bool:
        """Whether the account comes with a private key, or with a program that may print one."""
        user = self._user()
        return "client-key-data" in user or "exec" in user

    def load(self, configuration: Configuration, folder: str) -> Configuration:
        """Fill a configuration; certificates and keys become files in a folder. Runs the program that the kubeconfig names for the login, if any."""
        from kubernetes.config.kube_config import KubeConfigLoader

        user = self._user()
        if "auth-provider" in user:
            raise _bad(self._paths, "its account uses auth-provider, which is not supported", hint="use an exec plugin, as kubectl does since 1.26")
        try:
            with _silent():
                loader = KubeConfigLoader(self._merged, self._context, config_base_path=None, temp_file_path=folder)  # type: ignore[no-untyped-call]
                loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
        except Exception:  # whatever it is, its text may quote the file
            raise _bad(
                self._paths, f"context {self._context!r} cannot be used: its cluster, its account or a file that they name is missing"
            ) from None
        if "exec" in user and not configuration.api_key and not configuration.cert_file:
            raise _bad(self._paths, "the program that it names for the login gave neither a token nor a certificate", hint="run it by hand")
        if "exec" in user and configuration.refresh_api_key_hook is not None:
            configuration.refresh_api_key_hook = _silently(configuration.refresh_api_key_hook)
        return configuration

    def _user(self) -> Mapping[str, Any]:
        context = next(entry.value for entry in self._merged.value["contexts"] if entry.value["name"] == self._context)
        name = (context.get("context") or {}).get("user")
        found = next((entry.value.get("user") for entry in self._merged.value["users"] if entry.value.get("name") == name), None)
        return found if isinstance(found, dict) else {}


def _nodes(text: str) -> Any:
    """A kubeconfig that is no file, in the form in which the package has merged files."""
    import yaml
    from kubernetes.config.kube_config import ConfigNode

    content = yaml.safe_load(text)
    lists = {item: [ConfigNode(item, entry) for entry in content.get(item) or ()] for item in ("clusters", "contexts", "users")}  # type: ignore[no-untyped-call]
    return ConfigNode("kubeconfig", {**content, **lists})  # type: ignore[no-untyped-call]


def _in_cluster(configuration: Configuration) -> Configuration:
    from kubernetes.config import load_incluster_config

    try:
        with _silent():
            load_incluster_config(configuration)  # type: ignore[no-untyped-call]
    except Exception:
        raise ConfigError("the account of the pod cannot be used: its token or certificate is missing", code=Outcome.CONFIGURATION) from None
    return configuration


def _ready(configuration: Configuration, access: Access) -> Configuration:
    """No request is sent to another place than it is meant for; which are sent again is for `transport` to say."""
    from urllib3 import Retry

    configuration.retries = Retry(total=None, connect=0, read=0, redirect=False, other=0, status=0, respect_retry_after_header=False)
    if access.tls_server_name is not None:
        configuration.tls_server_name = access.tls_server_name
    _quieten()
    return configuration


def _quieten() -> None:
    for name in ("urllib3", "kubernetes", "client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the package from logging what it has trouble with: the text may hold what a login program printed."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _silently(refresh: Callable[[Any], None]) -> Callable[[Any], None]:
    """A hook that runs the login program again when its token is about to expire, for one thread at a time."""
    lock = Lock()

    def refresh_silently(configuration: Any) -> None:
        with lock, _silent():
            refresh(configuration)
            configuration.refresh_api_key_hook = refresh_silently  # the package puts its own back

    return refresh_silently


def _bad(paths: list[str], message: str, *, hint: str | None = None) -> ConfigError:
    error = ConfigError(message, hint=hint, code=Outcome.CONFIGURATION)
    error.file = os.pathsep.join(paths)
    return error
