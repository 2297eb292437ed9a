"""The homelab map of tests/interop against the real API server, beside the same work as a workflow does it with `kubectl get` and `kubectl patch`.

Both take their values from the environment and find the same objects: seven Secrets, seven of ten namespaces, a ClusterIssuer and a Deployment. Each
run of kubectl has a new home folder, as on a runner of GitHub. Needs the programs that `python -m tests.interop.programs` builds.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path

from tests.interop import programs
from tests.interop.peers import apiserver, homelab
from tools.measured import Cost, run

NEEDED = ("etcd", "kube-apiserver", "kubectl")
PATCH = ("patch", "--map", "patch.yaml", "--manifests", ".", "--all")


NAMES = ("kubectl get/patch", "the same, and read back", "secrettool patch", "second run")
SAME_WORK = 1
"""The row of `NAMES` that others are compared with: secrettool reads back what it wrote."""


def missing() -> list[str]:
    """Programs that are not built."""
    return [name for name in NEEDED if programs.find(name) is None]


def measure(script: Sequence[str], times: int, folder: Path) -> list[Cost]:
    """Run all of them several times, each from the same state.

    Args:
        script: How secrettool is started.
        times: How often.
        folder: A folder for servers and files, which is made.

    Returns:
        The smallest figures of each row of `NAMES`.
    """
    folder.mkdir()
    with _api(folder) as api:
        repository = homelab.repository(folder / "repository", "")
        homelab.without_vault(repository)
        kubeconfig = api.kubeconfig(folder / "kubeconfig", api.admin_token)
        ours = homelab.environment(folder, kubeconfig, {"PATH": os.environ["PATH"], **homelab.VALUES})
        theirs = homelab.workflow_environment(folder, kubeconfig, f"{_program('kubectl').parent}:{os.environ['PATH']}")

        def workflow(more: Mapping[str, str]) -> Cost:
            with tempfile.TemporaryDirectory(dir=folder) as home:
                return run(["sh", str(homelab.FOLDER / "workflow.sh")], {**theirs, "HOME": home, **more}, folder=Path(home))

        runs: list[list[Cost]] = []
        for _ in range(times):
            _reset(api)
            without = workflow({})
            _reset(api)
            reading = workflow({"READ_BACK": "1"})
            _reset(api)
            runs.append([without, reading, *(run([*script, *PATCH], ours, folder=repository) for _ in ("first", "second"))])
    return [reduce(Cost.smaller, row) for row in zip(*runs, strict=True)]


def report(script: Sequence[str], times: int, folder: Path, tell: Callable[[str], None]) -> None:
    """Measure and print, or say what is missing."""
    lacking = missing()
    if lacking:
        tell(f"the homelab is left out: {', '.join(lacking)} not built (python -m tests.interop.programs)")
        return
    figures = measure(script, times, folder)
    tell(f"\n{'homelab map, real API server':<35}{'wall':>10}{'CPU':>10}{'times faster':>15}{'by CPU':>9}")
    same = figures[SAME_WORK]
    for name, spent in zip(NAMES, figures, strict=True):
        tell(f"{name:<35}{spent.wall:10.3f}{spent.cpu:10.3f}{same.wall / spent.wall:15.1f}{same.cpu / spent.cpu:9.1f}")


@contextmanager
def _api(folder: Path) -> Iterator[apiserver.ApiServer]:
    servers = folder / "servers"
    servers.mkdir()
    needed = apiserver.Programs(_program("etcd"), _program("kube-apiserver"))
    with apiserver.running_api_server(needed, servers, [], {"PATH": os.environ["PATH"]}) as api:
        yield api


def _program(name: str) -> Path:
    found = programs.find(name)
    assert found is not None, "missing() says so before"
    return found


def _reset(api: apiserver.ApiServer) -> None:
    """The cluster as Flux leaves it before anything is filled."""
    for namespace, name in (*homelab.SECRETS, *((namespace, homelab.TOKEN) for namespace in homelab.NAMESPACES)):
        if api.admin.find("Secret", name, namespace) is not None:
            api.admin.delete("Secret", name, namespace)
    for obj in homelab.objects():
        api.admin.apply(obj, force=True)
