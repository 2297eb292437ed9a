"""Where fuzzing against the real sops once found that secrettool did something else: the verbs, with a real age key that is throwaway."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import secrettool
from secrettool.errors import EmitError, TreeEncryptError
from secrettool.library import StoreName

KEY = (Path(__file__).parent.parent / "vectors" / "keys" / "age1.txt").read_text(encoding="utf-8")
RECIPIENT = "age1jwuhmyextvr0rkcvvl8m367lm54t6k0m5yknsdf6nsstpwpccc3srskwc2"
LATE = "a_unencrypted: 2031-08-03T01:02:03-24:00\n"


@pytest.fixture
def runtime() -> secrettool.Runtime:
    return secrettool.local_runtime({"SOPS_AGE_KEY": KEY, "HOME": "/nonexistent"})


def seal(text: str, store: StoreName, runtime: secrettool.Runtime, *, mac_only_encrypted: bool = False) -> str:
    return str(secrettool.encrypt(text, store, recipients=[RECIPIENT], mac_only_encrypted=mac_only_encrypted, runtime=runtime))


def test_rotate_and_set_keep_a_comment_that_stands_behind_the_key_of_the_section(runtime: secrettool.Runtime) -> None:
    sealed = re.sub(r"(?m)^(#\S*)\nsops:$", r"sops: \1", seal("a: x\n# c\n", "yaml", runtime))
    assert "\nsops: #ENC[" in sealed
    rotated = secrettool.rotate(sealed, "yaml", runtime=runtime)
    assert secrettool.decrypt(rotated, "yaml", runtime=runtime) == "a: x\n# c\n"
    changed = secrettool.set_value(sealed, "yaml", ["a"], "two", runtime=runtime)
    assert secrettool.decrypt(changed, "yaml", runtime=runtime) == "a: two\n# c\n"


def test_a_zone_of_24_hours_is_taken_where_it_is_neither_encrypted_nor_hashed(runtime: secrettool.Runtime) -> None:
    assert secrettool.decrypt(seal(LATE, "yaml", runtime, mac_only_encrypted=True), "yaml", runtime=runtime) == LATE


def test_a_zone_of_24_hours_is_refused_where_it_is_hashed(runtime: secrettool.Runtime) -> None:
    with pytest.raises(TreeEncryptError, match="timezone hour"):
        seal(LATE, "yaml", runtime)


@pytest.mark.parametrize(("text", "left"), [("b = x\n", ""), ("; c\nb = x\n\n[y]\nz = 1\n", "[y]\nz = 1\n")])
def test_unsetting_the_default_section_of_an_ini_file_empties_it(text: str, left: str, runtime: secrettool.Runtime) -> None:
    done = secrettool.unset_value(seal(text, "ini", runtime), "ini", ["DEFAULT"], runtime=runtime)
    assert str(secrettool.decrypt(done, "ini", runtime=runtime)).strip() == left.strip()


@pytest.mark.parametrize(("store", "text", "path"), [("dotenv", "A=x\n", ["B_unencrypted"]), ("ini", "[a]\nb = x\n", ["a", "c_unencrypted"])])
@pytest.mark.parametrize("value", [True, 1e21])
def test_a_value_that_would_be_read_back_as_text_in_clear_is_refused(
    store: StoreName, text: str, path: list[str | int], value: float, runtime: secrettool.Runtime
) -> None:
    with pytest.raises(EmitError, match="read back") as caught:
        secrettool.set_value(seal(text, store, runtime), store, path, value, runtime=runtime)
    assert caught.value.hint is not None
    assert "string" in caught.value.hint
