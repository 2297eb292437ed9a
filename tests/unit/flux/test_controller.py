from __future__ import annotations

import pytest

from secrettool.errors import ConfigError
from secrettool.flux import APPLY_MANAGER, NEWEST, PATCH_MANAGER, RESTART_MANAGER, Controller, FluxVersion

MAX_MANAGER_BYTES = 128


@pytest.mark.parametrize(
    ("text", "version"), [("1.7.3", (1, 7, 3)), ("v1.9", (1, 9, 0)), ("1.10.0-rc.1", (1, 10, 0)), ("v1.8.5@sha256:0a", (1, 8, 5))]
)
def test_version_is_read(text: str, version: tuple[int, int, int]) -> None:
    assert FluxVersion.parse(text) == version


def test_text_that_is_no_version_is_refused() -> None:
    with pytest.raises(ConfigError):
        FluxVersion.parse("newest")


@pytest.mark.parametrize(("text", "keeps"), [("1.6.9", True), ("1.7.0", False), ("1.8.4", False), ("1.8.5", True), ("1.10.0", True)])
def test_skipped_objects_left_the_inventory_from_1_7_0_to_1_8_4(text: str, keeps: bool) -> None:
    assert FluxVersion.parse(text).keeps_skipped_in_inventory is keeps


def test_features_come_with_their_versions() -> None:
    def features(text: str) -> tuple[bool, bool, bool]:
        version = FluxVersion.parse(text)
        return version.knows_decrypt_disabled, version.keeps_ignored_at_prune, version.knows_ignore_rules

    assert [features(text) for text in ("1.7.3", "1.8.0", "1.8.5", "1.9.0")] == [
        (False, False, False),
        (True, False, False),
        (True, True, False),
        (True, True, True),
    ]


@pytest.mark.parametrize("operation", ["Apply", "Update"])
@pytest.mark.parametrize("manager", [APPLY_MANAGER, PATCH_MANAGER, RESTART_MANAGER])
def test_da_28_managers_of_secrettool_are_not_taken_over_and_short_enough(manager: str, operation: str) -> None:
    assert not Controller().takes_over(manager, operation)
    assert manager.split("-")[0] == "secrettool"
    assert len(manager.encode()) <= MAX_MANAGER_BYTES


def test_da_28_managers_of_secrettool_differ() -> None:
    assert (APPLY_MANAGER, PATCH_MANAGER, RESTART_MANAGER) == ("secrettool", "secrettool-patch", "secrettool-restart")


def test_override_manager_is_taken_over_by_its_beginning() -> None:
    controller = Controller(NEWEST, ("helm",))

    assert controller.takes_over("helm-controller", "Apply")
    assert controller.takes_over("helm", "Update")
    assert not controller.takes_over("my-helm", "Update")


def test_applies_of_other_controllers_are_not_taken_over_by_their_name() -> None:
    assert not Controller().takes_over("kustomize-controller-x", "Apply")
    assert Controller().takes_over("kustomize-controller-x", "Update")
