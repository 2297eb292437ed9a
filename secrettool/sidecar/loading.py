"""From the text of a configuration to the configuration: everything that is wrong with it is found in one go."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

from secrettool.sidecar.config import (
    CHANGES,
    DEFAULT_INTERVAL,
    DEFAULT_MODE,
    MIN_INTERVAL,
    ApplySettings,
    Config,
    DirSource,
    FluxSource,
    Http,
    Keys,
    Leases,
    Notification,
    Origin,
    PostAfter,
    Refresh,
    RenderSettings,
    SignalAfter,
    Source,
    StdinSource,
)
from secrettool.yamlfile.located import LocatedYaml, Path
from secrettool.yamlfile.validation import Findings, InvalidFileError, Schema

SCHEMA: Final = Schema("sidecar.v1alpha1.schema.json")

_DURATION: Final = re.compile(r"(?=.)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


class InvalidConfigError(InvalidFileError):
    """A configuration that cannot be used."""

    what: ClassVar[str] = "configuration"


def load(text: str, *, namespace: str, file: str | None = None) -> Config:
    """Read a configuration.

    Args:
        text: YAML or JSON.
        namespace: Of the pod, for sources of Flux that name none.
        file: Its name, for errors.

    Raises:
        InvalidConfigError: It does not fit the schema, or does not fit together; `problems` has everything that is wrong.
        ConfigError: It is not YAML.
    """
    source = LocatedYaml(text, file)
    findings = Findings(source, InvalidConfigError)
    SCHEMA.check(source, findings)
    findings.raise_any(file)
    data = source.data
    _check_together(data, findings)
    config = Config(
        sources=tuple(_source(each, data.get("interval"), namespace) for each in data["sources"]),
        selector=MappingProxyType(data.get("selector", {})),
        leases=_leases(data.get("leaderElection")),
        events=data.get("events", True),
        http=Http(**data.get("http", {})),
        refresh=Refresh(token_file=data.get("refresh", {}).get("tokenFile"), hmac_file=data.get("refresh", {}).get("hmacFile")),
        notifications=tuple(map(_notification, data.get("notifications", ()))),
        allow_disk=data.get("allowDisk", False),
    )
    findings.raise_any(file)
    return config


def seconds(text: str) -> float | None:
    """A duration such as `1h30m` or `90s`; None when it is none."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    hours, minutes, rest = (int(part or 0) for part in found.groups())
    return float(hours * 3600 + minutes * 60 + rest)


# ---- from data to sections -----------------------------------------------------------------------------------------------------------------------


def _source(data: Mapping[str, Any], interval: str | None, namespace: str) -> Source:
    keys = data.get("keys", {})
    return Source(
        id=data["id"],
        origin=_origin(data, namespace),
        path=posixpath.normpath(data.get("path", ".")),
        build=data.get("build", "auto"),
        interval=seconds(data.get("interval", interval or "")) or DEFAULT_INTERVAL,
        labels=MappingProxyType(data.get("labels", {})),
        keys=Keys(files=tuple(keys.get("files", ())), folder=keys.get("folder"), environment=keys.get("environment", False)),
        parity=data.get("parity", "extended"),
        mac=data.get("mac", "source"),
        placeholders=data.get("allowPlaceholders", False),
        apply=_apply(data["apply"]) if "apply" in data else None,
        render=_render(data["render"]) if "render" in data else None,
    )


def _origin(data: Mapping[str, Any], namespace: str) -> Origin:
    if "dir" in data:
        return DirSource(data["dir"]["path"])
    if "flux" in data:
        flux = data["flux"]
        return FluxSource(flux["kind"], flux.get("namespace", namespace), flux["name"])
    return StdinSource()


def _apply(data: Mapping[str, Any]) -> ApplySettings:
    return ApplySettings(
        namespace=data.get("namespace"),
        kinds=tuple(data.get("kinds", ("Secret",))),
        adopt=data.get("adopt", False),
        force=data.get("forceConflicts", False),
        prune=data.get("prune", False),
    )


def _render(data: Mapping[str, Any]) -> RenderSettings:
    after = data.get("after")
    done = None if after is None else PostAfter(after["post"]) if "post" in after else SignalAfter(after["process"], after["signal"])
    mode = int(data["mode"], 8) if "mode" in data else DEFAULT_MODE
    return RenderSettings(target=data["target"], namespace=data.get("namespace"), layout=data.get("layout", "tree"), mode=mode, after=done)


def _leases(data: Mapping[str, Any] | None) -> Leases:
    if data is None:
        return Leases()
    return Leases(enabled=data.get("enabled", True), namespace=data.get("namespace"), most=data.get("maxSources"))


def _notification(data: Mapping[str, Any]) -> Notification:
    return Notification(
        type=data["type"],
        url_file=data.get("urlFile"),
        token_file=data.get("tokenFile"),
        hmac_file=data.get("hmacFile"),
        chat=data.get("chat"),
        sources=tuple(data.get("sources", ())),
        events=tuple(data.get("events", CHANGES)),
    )


# ---- what the schema cannot say ------------------------------------------------------------------------------------------------------------------


def _check_together(data: Mapping[str, Any], findings: Findings) -> None:
    _check_duration(data, (), findings)
    ids: dict[str, int] = {}
    targets: dict[str, int] = {}
    stdin: int | None = None
    for number, source in enumerate(data["sources"]):
        path: Path = ("sources", number)
        _check_duration(source, path, findings)
        _check_source(source, path, findings)
        if source["id"] in ids:
            findings.add((*path, "id"), f"is the id of source {ids[source['id']] + 1} as well", "choose another")
        ids.setdefault(source["id"], number)
        target = posixpath.normpath(source.get("render", {}).get("target", ""))
        if "render" in source and target in targets:
            findings.add((*path, "render", "target"), f"is the target of source {targets[target] + 1} as well", "a folder belongs to one source")
        targets.setdefault(target, number)
        if "stdin" in source:
            if stdin is not None:
                findings.add((*path, "stdin"), f"is read by source {stdin + 1} already")
            stdin = number
    for number, entry in enumerate(data.get("notifications", ())):
        _check_notification(entry, ("notifications", number), ids, findings)


def _check_duration(data: Mapping[str, Any], path: Path, findings: Findings) -> None:
    if "interval" in data and (seconds(data["interval"]) or 0) < MIN_INTERVAL:
        findings.add((*path, "interval"), "must be at least 1s")


def _check_source(source: Mapping[str, Any], path: Path, findings: Findings) -> None:
    place = source.get("path", ".")
    if place.startswith("/") or ".." in place.split("/"):
        findings.add((*path, "path"), "must stay below the source", "it is relative to the root of the source")
    if "stdin" in source and ("path" in source or source.get("build") == "kustomize"):
        findings.add((*path, "stdin"), "is a stream of manifests: there is no folder to build")
    if "render" in source and int(source["render"].get("mode", "0440"), 8) & 0o400 == 0:
        findings.add((*path, "render", "mode"), "does not let the owner read, who compares the files")


def _check_notification(entry: Mapping[str, Any], path: Path, ids: Mapping[str, int], findings: Findings) -> None:
    needed = ("tokenFile", "chat") if entry["type"] == "telegram" else ("urlFile",)
    unknown = {"telegram": ("urlFile", "hmacFile"), "slack": ("tokenFile", "hmacFile", "chat"), "webhook": ("chat",)}[entry["type"]]
    for name in needed:
        if name not in entry:
            findings.add(path, f"lacks {name}, which {entry['type']} needs")
    for name in unknown:
        if name in entry:
            findings.add((*path, name), f"does not belong to {entry['type']}")
    for number, name in enumerate(entry.get("sources", ())):
        if name not in ids:
            findings.add((*path, "sources", number), "is no source")
