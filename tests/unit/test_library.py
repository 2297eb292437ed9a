"""The library: the verbs on text, with real age keys that are throwaway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import secrettool
from secrettool.errors import ConfigError, DataKeyError, MacError, TreePathError
from secrettool.keys.recipients import age_keys

KEYS = Path(__file__).parent.parent / "vectors" / "keys"
TEXT = '# note\nname: orchard\nn: 7\nwhen: 2031-07-09\nlist:\n- a\n- {k: "b"}\nnone: ~\n'


def recipient(name: str) -> str:
    """The public key of a throwaway identity, as its file says in a comment."""
    lines = (KEYS / name).read_text().splitlines()
    return next(line.split("public key:")[1].strip() for line in lines if "public key:" in line)


@pytest.fixture
def runtime() -> secrettool.Runtime:
    return secrettool.local_runtime({"SOPS_AGE_KEY": (KEYS / "age1.txt").read_text(), "HOME": "/nonexistent"})


@pytest.fixture
def sealed(runtime: secrettool.Runtime) -> str:
    done = secrettool.encrypt(TEXT, "yaml", recipients=[recipient("age1.txt")], runtime=runtime)
    assert isinstance(done, str)
    return done


def test_text_comes_back_as_text_and_bytes_as_bytes(sealed: str, runtime: secrettool.Runtime) -> None:
    assert secrettool.decrypt(sealed, "yaml", runtime=runtime) == TEXT
    assert secrettool.decrypt(sealed.encode(), "yaml", runtime=runtime) == TEXT.encode()


def test_decrypt_prints_another_format(sealed: str, runtime: secrettool.Runtime) -> None:
    done = secrettool.decrypt(sealed, "yaml", target="json", runtime=runtime)
    assert isinstance(done, str)
    assert done.startswith('{\n\t"name": "orchard",')


def test_values_are_python_values(sealed: str, runtime: secrettool.Runtime) -> None:
    when = secrettool.Time("2031-07-09T00:00:00Z")
    assert secrettool.values(sealed, "yaml", runtime=runtime) == [{"name": "orchard", "n": 7, "when": when, "list": ["a", {"k": "b"}], "none": None}]


def test_is_encrypted_looks_at_the_section(sealed: str) -> None:
    assert secrettool.is_encrypted(sealed, "yaml")
    assert not secrettool.is_encrypted(TEXT, "yaml")


def test_load_shows_the_recipients_without_a_key(sealed: str) -> None:
    assert [key.text for key in secrettool.load(sealed, "yaml").metadata.groups[0]] == [recipient("age1.txt")]


def test_set_value_takes_python_values_and_keeps_other_lines(sealed: str, runtime: secrettool.Runtime) -> None:
    done = secrettool.set_value(sealed, "yaml", ["list", 1], {"k": [1, 2.5, None], "t": secrettool.Time("2031-07-09T00:00:00Z")}, runtime=runtime)
    assert isinstance(done, str)
    assert done.splitlines()[:4] == sealed.splitlines()[:4]
    values = secrettool.values(done, "yaml", runtime=runtime)[0]
    assert isinstance(values, dict)
    assert values["list"] == ["a", {"k": [1, 2.5, None], "t": secrettool.Time("2031-07-09T00:00:00Z")}]


def test_unset_value_removes_one_entry(sealed: str, runtime: secrettool.Runtime) -> None:
    done = secrettool.unset_value(sealed, "yaml", ["n"], runtime=runtime)
    assert secrettool.decrypt(done, "yaml", runtime=runtime) == TEXT.replace("n: 7\n", "")
    with pytest.raises(TreePathError, match="Key not found"):
        secrettool.unset_value(done, "yaml", ["n"], runtime=runtime)


def test_replace_text_keeps_what_is_unchanged(sealed: str, runtime: secrettool.Runtime) -> None:
    done = secrettool.replace_text(sealed, "yaml", TEXT.replace("orchard", "meadow"), runtime=runtime)
    assert isinstance(done, str)
    assert secrettool.decrypt(done, "yaml", runtime=runtime) == TEXT.replace("orchard", "meadow")
    assert done.splitlines()[2] == sealed.splitlines()[2]
    assert secrettool.replace_text(sealed, "yaml", TEXT, runtime=runtime) == sealed


def test_encrypt_with_the_old_file_changes_nothing(sealed: str, runtime: secrettool.Runtime) -> None:
    assert secrettool.encrypt(TEXT, "yaml", recipients=[recipient("age1.txt")], old=sealed, runtime=runtime) == sealed


def test_rotate_makes_a_new_data_key(sealed: str, runtime: secrettool.Runtime) -> None:
    done = secrettool.rotate(sealed, "yaml", runtime=runtime)
    assert secrettool.decrypt(done, "yaml", runtime=runtime) == TEXT
    assert secrettool.load(done, "yaml").unlock(runtime) != secrettool.load(sealed, "yaml").unlock(runtime)


def test_change_recipients_locks_out_who_is_gone(sealed: str, runtime: secrettool.Runtime) -> None:
    done = secrettool.change_recipients(sealed, "yaml", [recipient("age2.txt")], runtime=runtime)
    with pytest.raises(DataKeyError):
        secrettool.decrypt(done, "yaml", runtime=runtime)
    other = secrettool.local_runtime({"SOPS_AGE_KEY": (KEYS / "age2.txt").read_text(), "HOME": "/nonexistent"})
    assert secrettool.decrypt(done, "yaml", runtime=other) == TEXT


def test_groups_need_their_threshold(runtime: secrettool.Runtime) -> None:
    groups = [age_keys(recipient(name)) for name in ("age1.txt", "age2.txt")]
    done = secrettool.encrypt(TEXT, "yaml", groups=groups, runtime=runtime)
    with pytest.raises(DataKeyError, match="threshold of 2, but only 1"):
        secrettool.decrypt(done, "yaml", runtime=runtime)


def test_a_changed_file_is_refused_unless_the_mac_is_ignored(runtime: secrettool.Runtime) -> None:
    done = secrettool.encrypt('{"a": "x", "b_unencrypted": 1}', "json", recipients=[recipient("age1.txt")], runtime=runtime)
    assert isinstance(done, str)
    changed = done.replace('"b_unencrypted": 1', '"b_unencrypted": 2')
    with pytest.raises(MacError):
        secrettool.decrypt(changed, "json", runtime=runtime)
    assert secrettool.decrypt(changed, "json", ignore_mac=True, runtime=runtime) == '{"a": "x", "b_unencrypted": 2}'


def test_no_recipient_is_refused(runtime: secrettool.Runtime) -> None:
    with pytest.raises(ConfigError):
        secrettool.encrypt(TEXT, "yaml", runtime=runtime)


def test_every_public_name_loads_and_has_a_docstring() -> None:
    for name in secrettool.__all__:
        public = getattr(secrettool, name)
        assert isinstance(public, str) or public.__doc__, name
    assert set(secrettool.__all__) <= set(dir(secrettool))
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = secrettool.nothing_of_the_kind


def test_import_loads_no_library_until_it_is_used() -> None:
    script = "import sys, secrettool; sys.exit(any(name.startswith(('secrettool.', 'cryptography', 'pyrage', 'click')) for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


LAYOUTS = [
    "a: {k: 1}\nb: [x, y]\n",
    "{a: {k: 1}, b: [x, y]}\n",
    "a:\n  k: 1\nb:\n- x\n- y\n",
    "a:\n  k: 1 # one\n# between\nb:\n  - x\n\n  - y\n# tail\n",
    "? a\n: k: 1\n? b\n: - x\n  - y\n",
    "a: &m\n  k: 1\nb: [x, y]\nc: *m\n",
    "a: !!map {k: 1}\nb: !!seq\n- x\n- y",
    "a:\r\n  k: 1\r\nb:\r\n- x\r\n- y\r\n",
    "a: {\n  k: 1, # one\n}\nb: [\n  x,\n  y,\n]\n",
    "a:\n  k: |\n    1\nb:\n- x\n- y\nempty:\n",
]


@pytest.mark.parametrize("text", LAYOUTS)
@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["a", "k"], "new"),
        (["a", "k"], {"deep": ["v"]}),
        (["a", "n"], "added"),
        (["a", "n"], ["l", {"m": None}]),
        (["b", 0], "first"),
        (["b", 1], {"m": True}),
        (["b", 9], "last"),
        (["new"], "line\nbreak\n"),
        (["empty"], [1.5]),
        (["a"], "scalar"),
        (["b"], {}),
    ],
)
def test_set_value_gives_the_same_values_in_every_layout(
    text: str, path: list[str | int], value: secrettool.library.Plain, runtime: secrettool.Runtime
) -> None:
    sealed = secrettool.encrypt(text, "yaml", recipients=[recipient("age1.txt")], runtime=runtime)
    wanted = secrettool.values(sealed, "yaml", runtime=runtime)
    place = wanted[0]
    for step in path[:-1]:
        place = place[step]  # type: ignore[index]
    last = path[-1]
    if isinstance(place, list) and isinstance(last, int) and last >= len(place):
        place.append(value)
    else:
        place[last] = value  # type: ignore[index]
    assert secrettool.values(secrettool.set_value(sealed, "yaml", path, value, runtime=runtime), "yaml", runtime=runtime) == wanted


@pytest.mark.parametrize("text", LAYOUTS)
@pytest.mark.parametrize("path", [["a"], ["a", "k"], ["b", 0], ["b", 1], ["b"]])
def test_unset_value_leaves_the_other_values_in_every_layout(text: str, path: list[str | int], runtime: secrettool.Runtime) -> None:
    sealed = secrettool.encrypt(text, "yaml", recipients=[recipient("age1.txt")], runtime=runtime)
    before, after = (
        secrettool.values(data, "yaml", runtime=runtime)[0] for data in (sealed, secrettool.unset_value(sealed, "yaml", path, runtime=runtime))
    )
    place = before
    for step in path[:-1]:
        place = place[step]  # type: ignore[index]
    del place[path[-1]]  # type: ignore[union-attr]
    assert after == before
