"""From the text of a configuration to the configuration."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from secrettool.errors import ConfigError, Outcome
from secrettool.sidecar.config import ApplySettings, Config, DirSource, FluxSource, Keys, PostAfter, RenderSettings, SignalAfter, StdinSource
from secrettool.sidecar.loading import InvalidConfigError, load, seconds

HEAD = {"apiVersion": "secrettool.dev/v1alpha1", "kind": "Sidecar"}
APPLY: dict[str, Any] = {"id": "main", "dir": {"path": "/src"}, "apply": {}}
RENDER: dict[str, Any] = {"id": "main", "dir": {"path": "/src"}, "render": {"target": "/run/app"}}


def loaded(*sources: Any, **more: Any) -> Config:
    return load(yaml.safe_dump({**HEAD, **more, "sources": list(sources)}), namespace="own", file="sidecar.yaml")


def problems(*sources: Any, **more: Any) -> list[str]:
    with pytest.raises(InvalidConfigError) as raised:
        loaded(*sources, **more)
    assert raised.value.code == Outcome.CONFIGURATION
    return [f"{each.field}: {each.message}" for each in raised.value.problems]


def test_what_is_left_out_has_defaults() -> None:
    config = loaded(APPLY)
    (source,) = config.sources
    assert source.origin == DirSource("/src")
    assert (source.mode, source.kind, source.interval, source.path, source.build) == ("apply", "dir", 300.0, ".", "auto")
    assert source.apply == ApplySettings(namespace=None, kinds=("Secret",), adopt=False, force=False, prune=False)
    assert source.keys == Keys()
    assert not config.leases.enabled
    assert config.events
    assert (config.http.enabled, config.http.port) == (True, 8080)
    assert config.needs_cluster


def test_everything_that_can_be_said_of_a_source_is_read() -> None:
    said = {
        "id": "app",
        "labels": {"shard": "a"},
        "interval": "1h2m3s",
        "flux": {"kind": "OCIRepository", "name": "fleet"},
        "path": "./clusters/a/",
        "build": "kustomize",
        "keys": {"files": ["/k/a", "/k/b"], "folder": "/keys", "environment": True},
        "parity": "flux",
        "mac": "require",
        "allowPlaceholders": True,
        "apply": {"namespace": "shop", "kinds": ["Secret", "ConfigMap"], "adopt": True, "forceConflicts": True, "prune": True},
    }
    (source,) = loaded(said).sources
    assert source.origin == FluxSource("OCIRepository", "own", "fleet")
    assert (source.interval, source.path, source.build, source.parity, source.mac, source.placeholders) == (
        3723.0,
        "clusters/a",
        "kustomize",
        "flux",
        "require",
        True,
    )
    assert source.keys == Keys(files=("/k/a", "/k/b"), folder="/keys", environment=True)
    assert source.apply == ApplySettings(namespace="shop", kinds=("Secret", "ConfigMap"), adopt=True, force=True, prune=True)
    assert (source.lease, source.inventory) == ("secrettool-app", "secrettool-inventory-app")


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({"post": "http://127.0.0.1:9000/-/reload"}, PostAfter("http://127.0.0.1:9000/-/reload")),
        ({"signal": "HUP", "process": "nginx"}, SignalAfter("nginx", "HUP")),
    ],
)
def test_da_49_what_is_done_after_a_swap(after: Any, expected: Any) -> None:
    (source,) = loaded({**RENDER, "render": {"target": "/run/app", "mode": "0400", "layout": "flat", "after": after}}).sources
    assert source.render == RenderSettings(target="/run/app", layout="flat", mode=0o400, after=expected)
    assert not loaded(RENDER).needs_cluster


@pytest.mark.parametrize(
    "after", [{"command": "sh"}, {"post": "http://example.com/"}, {"post": "https://127.0.0.1/"}, {"signal": "HUP"}, {"process": "x"}]
)
def test_da_49_no_command_and_no_other_host(after: Any) -> None:
    assert problems({**RENDER, "render": {"target": "/run/app", "after": after}})


def test_selector_chooses_sources() -> None:
    first, second = {**APPLY, "id": "a", "labels": {"shard": "1", "x": "y"}}, {**APPLY, "id": "b", "labels": {"shard": "2"}}
    assert [each.id for each in loaded(first, second, selector={"shard": "1"}).selected] == ["a"]
    assert [each.id for each in loaded(first, second).selected] == ["a", "b"]
    assert loaded(first, selector={"shard": "3"}).selected == ()


def test_stdin_is_a_source() -> None:
    (source,) = loaded({"id": "main", "stdin": {}, "apply": {}}).sources
    assert (source.origin, source.kind) == (StdinSource(), "stdin")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"id": "Main"}, "sources[0].id: does not match ^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$"),
        ({"interval": "0s"}, "sources[0].interval: must be at least 1s"),
        ({"path": "../x"}, "sources[0].path: must stay below the source"),
        ({"path": "/etc"}, "sources[0].path: must stay below the source"),
        ({"flux": {"kind": "GitRepository", "name": "x"}}, "sources[0]: needs exactly one of dir, flux, stdin"),
        ({"render": {"target": "/x"}}, "sources[0]: needs exactly one of apply, render"),
        ({"apply": {"kinds": ["Role"]}}, "sources[0].apply.kinds[0]: must be Secret or ConfigMap"),
        ({"apply_": {}}, "sources[0].apply_: there is no such field"),
    ],
)
def test_what_is_wrong_with_a_source_is_told(change: Any, expected: str) -> None:
    assert problems({**APPLY, **change}) == [expected]


def test_what_sources_may_not_share() -> None:
    again = {**RENDER, "render": {"target": "/run/../run/app"}}
    assert problems(RENDER, again) == [
        "sources[1].id: is the id of source 1 as well",
        "sources[1].render.target: is the target of source 1 as well",
    ]
    stdin: dict[str, Any] = {"stdin": {}, "apply": {}}
    assert problems({"id": "a", **stdin}, {"id": "b", **stdin}) == ["sources[1].stdin: is read by source 1 already"]
    assert problems({"id": "a", **stdin, "path": "x"}) == ["sources[0].stdin: is a stream of manifests: there is no folder to build"]


def test_notifications_need_what_their_type_needs() -> None:
    assert set(problems(APPLY, notifications=[{"type": "slack"}, {"type": "telegram", "urlFile": "/u", "sources": ["x"]}])) == {
        "notifications[0]: lacks urlFile, which slack needs",
        "notifications[1]: lacks tokenFile, which telegram needs",
        "notifications[1]: lacks chat, which telegram needs",
        "notifications[1].urlFile: does not belong to telegram",
        "notifications[1].sources[0]: is no source",
    }


def test_everything_wrong_is_told_with_its_place() -> None:
    text = "apiVersion: secrettool.dev/v1alpha1\nkind: Sidecar\nsources:\n- id: a\n  dir: {}\n  apply: {adopt: maybe}\n"
    with pytest.raises(InvalidConfigError) as raised:
        load(text, namespace="own", file="sidecar.yaml")
    lines = str(raised.value).splitlines()
    assert lines[0] == "sidecar.yaml: 2 things are wrong with the configuration"
    assert lines[1:] == [
        "  line 5, column 3: sources[0].dir: lacks path",
        "  line 6, column 11: sources[0].apply.adopt: must be true or false",
    ]
    with pytest.raises(ConfigError):
        load("a: [", namespace="own")


@pytest.mark.parametrize(("text", "expected"), [("90s", 90.0), ("5m", 300.0), ("1h30m", 5400.0), ("0s", 0.0), ("", None), ("5", None), ("1d", None)])
def test_durations(text: str, expected: float | None) -> None:
    assert seconds(text) == expected
