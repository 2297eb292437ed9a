"""Objects as files in a memory volume, and what is done when they changed."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from secrettool.errors import ConfigError, Outcome
from secrettool.sidecar.config import Layout, PostAfter, RenderSettings, SignalAfter
from secrettool.sidecar.rendering import Renderer, payload
from tests.waiting import wait_for

CANARY = "canary-91c4"


def secret(name: str = "db", namespace: str | None = "team", **entries: str) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": entries}


def files(*objs: dict[str, Any], layout: Layout = "tree", namespace: str | None = None, decrypted: bool = True) -> tuple[dict[str, bytes], list[str]]:
    found, errors = payload(objs, [decrypted] * len(objs), RenderSettings(target="/x", layout=layout, namespace=namespace))
    return found, [str(error) for error in errors]


def test_da_48_a_tree_has_a_file_for_each_entry() -> None:
    obj = {**secret(user="u"), "data": {"password": base64.b64encode(CANARY.encode()).decode()}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "team"}, "data": {"a": "b"}}
    assert files(obj, config) == ({"team/db/password": CANARY.encode(), "team/db/user": b"u"}, [])


def test_da_48_a_tree_needs_a_namespace() -> None:
    assert files(secret(namespace=None, a="1"), namespace="given") == ({"given/db/a": b"1"}, [])
    found, errors = files(secret(namespace=None, a="1"))
    assert found == {}
    assert errors == ["HK170 Secret/db: a: the name of its file would not be one"]


def test_da_48_a_flat_folder_has_a_file_for_each_key_and_no_two_of_a_name() -> None:
    assert files(secret(a="1"), secret("other", b="2"), layout="flat") == ({"a": b"1", "b": b"2"}, [])
    assert files(secret(a="1"), secret("other", a="2"), layout="flat")[1] == ["HK171 Secret/team/other: a: another object has a file of this name"]


def test_da_48_documents_are_whole_objects() -> None:
    custom = {"apiVersion": "example.dev/v1", "kind": "Login", "metadata": {"name": "x"}, "spec": {"password": CANARY}}
    found, errors = files(secret(a="1"), custom, layout="documents")
    assert errors == []
    assert list(found) == ["team/secret-db.yaml", "login-x.yaml"]
    assert b"data:\n  a: MQ==\n" in found["team/secret-db.yaml"]
    assert f"password: {CANARY}" in found["login-x.yaml"].decode()
    assert list(files(secret(a="1"), custom, layout="documents", decrypted=False)[0]) == ["team/secret-db.yaml"]


@pytest.mark.parametrize("key", ["..data", "..", "a b", "a\nb"])
def test_da_48_names_are_checked(key: str) -> None:
    found, errors = files(secret(**{key: CANARY}), layout="flat")
    assert found == {}
    assert errors[0].startswith("HK170 Secret/team/db: ")
    assert CANARY not in str(errors)


def test_what_is_no_base64_is_refused_without_a_word_of_it() -> None:
    assert files({**secret(), "data": {"a": f"*{CANARY}"}})[1] == ["HK145 Secret/team/db: a: an entry of data is not base64"]


# ---- writing -------------------------------------------------------------------------------------------------------------------------------------


def renderer(target: Path, **settings: Any) -> Renderer:
    return Renderer(RenderSettings(target=str(target), **settings), allow_disk=True)


def test_one_bad_name_and_nothing_is_written(tmp_path: Path) -> None:
    target = tmp_path / "target"
    renderer(target, layout="flat").run([secret(a="1")], [True])
    done = renderer(target, layout="flat").run([secret(a="2", **{"b c": "3"})], [True])
    assert (len(done.errors), done.files, done.is_swapped) == (1, (), False)
    assert (target / "a").read_text(encoding="utf-8") == "1"


def test_files_are_told_by_name(tmp_path: Path) -> None:
    swaps: list[None] = []
    made = Renderer(RenderSettings(target=str(tmp_path / "t"), layout="flat"), allow_disk=True, swapped=lambda: swaps.append(None))
    assert made.has_drifted()
    assert [each[:2] for each in made.run([secret(a="1", b="2")], [True]).files] == [("a", "written"), ("b", "written")]
    assert not made.has_drifted()
    assert [each[:2] for each in made.run([secret(a="1", c="3")], [True]).files] == [("a", "unchanged"), ("c", "written"), ("b", "removed")]
    assert not made.run([secret(a="1", c="3")], [True]).is_swapped
    assert len(swaps) == 2
    (tmp_path / "t" / "c").resolve().unlink()
    assert made.has_drifted()


def test_da_44_a_target_on_a_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrettool.fs.is_in_memory", lambda folder: False)
    with pytest.raises(ConfigError, match="not on a file system in memory") as raised:
        Renderer(RenderSettings(target=str(tmp_path / "t"))).run([secret(a="1")], [True])
    assert raised.value.code == Outcome.CONFIGURATION
    assert not (tmp_path / "t").exists()


def test_target_without_a_folder_above_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the folder above it does not exist"):
        renderer(tmp_path / "a" / "b").run([secret(a="1")], [True])


# ---- telling -------------------------------------------------------------------------------------------------------------------------------------


def test_da_49_a_post_after_a_swap_until_it_was_heard(tmp_path: Path) -> None:
    heard: list[tuple[str, str | None]] = []
    answers = [500, 204]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append((self.path, self.headers.get("Content-Length")))
            self.send_response(answers.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        made = renderer(tmp_path / "t", after=PostAfter(f"http://127.0.0.1:{server.server_port}/reload"))
        assert "its URL answers 500" in made.run([secret(a="1")], [True]).warning
        assert made.has_drifted()
        assert made.run([secret(a="1")], [True]).warning == ""
        assert made.run([secret(a="1")], [True]).warning == ""
        server.shutdown()
        thread.join()
    assert [path for path, _ in heard] == ["/reload", "/reload"]
    assert "no connection" in made.run([secret(a="2")], [True]).warning


def test_da_49_a_signal_after_a_swap(tmp_path: Path) -> None:
    name = f"app-{os.urandom(4).hex()}"
    said = tmp_path / "said"
    code = f"""
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: open({str(said)!r}, "a").write("x"))
open("/proc/self/comm", "w").write({name!r})
print(flush=True)
while True:
    time.sleep(0.05)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        made = renderer(tmp_path / "t", after=SignalAfter(name, "USR1"))
        assert made.run([secret(a="1")], [True]).warning == ""
        wait_for(lambda: said.exists() and said.read_text(encoding="utf-8") == "x")
        assert made.run([secret(a="1")], [True]).warning == ""
        process.send_signal(signal.SIGKILL)
    assert f"no process {name}" in made.run([secret(a="2")], [True]).warning
    assert said.read_text(encoding="utf-8") == "x"
