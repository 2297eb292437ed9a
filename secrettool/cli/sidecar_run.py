"""`secrettool sidecar run`."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from typing import TYPE_CHECKING, Any

import click

from secrettool.cli import hookoutput, options, sidecar_options
from secrettool.errors import ConfigError, Outcome, SecrettoolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from secrettool.cluster.apiserver import ApiServer
    from secrettool.sidecar.config import Config
    from secrettool.sidecar.passes import Report
    from secrettool.sidecar.state import Board, Recorder
    from secrettool.sidecar.supervisor import Supervisor

_TICK = 1.0  # seconds between two looks whether every loop is still there


@click.command(
    "run",
    cls=options.Command,
    examples=(
        "secrettool sidecar run --config /etc/secrettool/sidecar.yaml",
        "secrettool sidecar run --once --mode render --source . --path overlays/production --target /dev/shm/app --age-key-file age.agekey",
        "secrettool sidecar run --flux GitRepository/flux-system/fleet --path clusters/production --namespace shop --key-folder /keys --leader-elect",
        "kustomize build overlays/production | secrettool sidecar run --once --source - --namespace shop --age-key-file age.agekey",
    ),
)
@click.option("--config", metavar="FILE", type=click.Path(), help="The configuration; else the options describe one source.")
@click.option("--once", is_flag=True, help="One pass of each source, and then the end; nothing is served and no Lease is asked for.")
@sidecar_options.config_options
@click.option("--selector", metavar="LABEL=VALUE", multiple=True, help="Work only on sources with this label; may be repeated.")
@click.option("--kubeconfig", metavar="FILE", type=click.Path(), help="Else KUBECONFIG, ~/.kube/config, or the account of the pod.")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig; its current one by default.")
@click.option("--server", metavar="URL", help="API server instead of the one in the kubeconfig.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", help="Least important lines that are logged.")
def command(config: str | None, once: bool, log_level: str, **given: Any) -> int:
    """Watch sources and keep the cluster, or the files of a pod, as they say: until SIGTERM, or with --once for one pass.

    A pass builds and decrypts in memory and looks at every object before it writes the first; one that fails changes nothing, and what was good last
    stays. Passes start after the interval, when the source or the keys change, on SIGHUP, and on `POST /refresh`.

    Exit codes: 0 done, 1 unexpected, 2 usage or configuration, 5 refused by the guard, 7 a secret does not open, 8 the cluster refused an object,
    reported a conflict, or is not there. Without --once only what is wrong at the start ends the program.
    """
    cluster_options = {name: given.pop(name) for name in ("kubeconfig", "context", "server")}
    selector = given.pop("selector")
    wanted = _selected(sidecar_options.configuration(config, given), selector)
    from secrettool.sidecar import log

    log.start(log_level)
    with ExitStack() as stack:
        try:
            if once:
                return _once(wanted, stack.enter_context(_connected(wanted, cluster_options)))
            return _forever(wanted, stack, cluster_options)
        except SecrettoolError as error:
            log.failure(error)
            return hookoutput.outcome(error)


def _once(config: Config, cluster: ApiServer | None) -> int:
    from secrettool.sidecar.state import NoRecorder
    from secrettool.sidecar.supervisor import first_board

    reports = _supervisor(config, cluster, first_board(config), NoRecorder()).once()
    return next((code for report in reports if (code := _outcome(report))), Outcome.DONE)


def _forever(config: Config, stack: ExitStack, cluster_options: dict[str, Any]) -> int:
    import signal

    from secrettool.sidecar.supervisor import first_board

    signals = _Signals((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    cluster = stack.enter_context(_connected(config, cluster_options))
    board = first_board(config)
    supervisor: Supervisor | None = None

    def refresh(source: str) -> bool:
        return supervisor is not None and supervisor.refresh(source)

    recorder = stack.enter_context(_serving(config, board, refresh))
    supervisor = _supervisor(config, cluster, board, recorder)
    supervisor.check_keys()
    gc.freeze()
    gc.enable()  # `secrettool.__main__` has switched it off, which suits programs that end
    supervisor.start()
    try:
        while supervisor.is_alive():
            match signals.next(_TICK):
                case None:
                    pass
                case signal.SIGHUP:
                    supervisor.refresh("")
                case _:
                    return Outcome.DONE
    finally:
        supervisor.stop()
    return Outcome.UNEXPECTED


class _Signals:
    """Signals as they come, one after the other. Nothing is locked by a handler: the main thread may hold any lock when it runs.

    Args:
        numbers: The signals.
    """

    def __init__(self, numbers: Iterable[int]) -> None:
        import signal

        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        for number in numbers:
            signal.signal(number, self._note)

    def next(self, seconds: float) -> int | None:
        """The next signal; None when there is none for so long."""
        import select

        ready, _, _ = select.select([self._reading], [], [], seconds)
        return os.read(self._reading, 1)[0] if ready else None

    def _note(self, number: int, _frame: object) -> None:
        with suppress(BlockingIOError):
            os.write(self._writing, bytes([number]))


def _supervisor(config: Config, cluster: ApiServer | None, board: Board, recorder: Recorder) -> Supervisor:
    from secrettool.sidecar.supervisor import Outside, Pod, Supervisor, stdin_reader

    return Supervisor(config, Outside(cluster, Pod.of(os.environ), os.environ, stdin_reader(0)), board, recorder)


def _serving(config: Config, board: Board, refresh: Callable[[str], bool]) -> AbstractContextManager[Recorder]:
    """Health, metrics, status and notifications, where any of them is wanted."""
    from secrettool.sidecar.state import NoRecorder

    if not config.http.enabled and not config.notifications:
        return nullcontext(NoRecorder())
    try:
        from secrettool.sidecar.serving import serving
    except ModuleNotFoundError as error:
        hint = "install the extra: pip install 'secrettool[sidecar]'; or run with --once or --no-http"
        raise ConfigError(f"the package {error.name} is missing, which health and metrics need", hint=hint, code=Outcome.CONFIGURATION) from None
    return serving(config, board, refresh)


def _connected(config: Config, given: dict[str, Any]) -> AbstractContextManager[ApiServer | None]:
    if not config.needs_cluster:
        return nullcontext()
    from secrettool.cluster.connection import Access, connect

    return connect(Access(given["kubeconfig"], given["context"], given["server"], config.allow_disk), os.environ)


def _selected(config: Config, selector: tuple[str, ...]) -> Config:
    """The configuration with the selector of the command line added to its own.

    Raises:
        ConfigError: No source has these labels.
    """
    from dataclasses import replace

    pairs = [each.partition("=") for each in selector]
    if not all(name and equals for name, equals, _ in pairs):
        raise ConfigError("must be LABEL=VALUE", where="--selector", code=Outcome.CONFIGURATION)
    chosen = replace(config, selector={**config.selector, **{name: value for name, _, value in pairs}})
    if not chosen.selected:
        raise ConfigError("no source has the labels of the selector", code=Outcome.CONFIGURATION)
    return chosen


def _outcome(report: Report) -> int:
    if report.errors:
        return hookoutput.outcome(report.errors[0])
    return hookoutput.outcome(SecrettoolError("")) if report.cause else Outcome.DONE
