"""A program that does not end has to collect its garbage. `make soak` shows what comes of it when it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.interop.gitops import KEY_FILE, ROOT, write_tree
from tests.interop.sidecars import secret

LOOKS = """\
import gc, os, signal, sys, threading, time

from secrettool.__main__ import main

def look():
    while not os.path.islink(os.path.join(sys.argv[-1], "..data")):
        time.sleep(0.05)
    print(gc.isenabled(), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

print(gc.isenabled(), flush=True)
threading.Thread(target=look, daemon=True).start()
sys.exit(main(sys.argv[1:]))
"""


def test_garbage_is_collected_while_it_runs(tmp_path: Path) -> None:
    write_tree(tmp_path / "tree", {"db.yaml": secret("db", "shop", password="x")})
    words = ["sidecar", "run", "--no-http", "--allow-disk", "--age-key-file", str(KEY_FILE), "--source", str(tmp_path / "tree")]
    command = [sys.executable, "-c", LOOKS, *words, "--target", str(tmp_path / "target")]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}

    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.split() == ["False", "True"]
