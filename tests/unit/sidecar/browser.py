"""A real headless browser, steered over its DevTools protocol."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

START_SECONDS = 60.0

# Nothing but what the tests ask for leaves the browser.
QUIET = ("--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync")


class Tab:
    """One tab.

    Args:
        url: Of its socket.
    """

    def __init__(self, url: str) -> None:
        self._socket = websocket.create_connection(url, timeout=60, suppress_origin=True)
        self._number = 0
        self.complaints: list[str] = []
        """What the browser wrote to its console: broken policies, failed loads, errors."""
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **arguments: Any) -> Any:
        """Call a function of the protocol."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": arguments}))
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        self.complaints.clear()
        result = self.call("Page.navigate", url=url)
        assert "errorText" not in result, result
        while self._receive().get("method") != "Page.loadEventFired":
            pass

    def look(self, width: int, height: int = 844, *, dark: bool = False) -> None:
        """Be a screen of a size and a scheme of colours; narrow ones are phones."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def ask(self, script: str) -> Any:
        """The value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def html(self) -> str:
        """The document as the browser has it; no script of the page is needed for that."""
        root = self.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        text: str = self.call("DOM.getOuterHTML", nodeId=root)["outerHTML"]
        return text

    def click(self, x: float, y: float) -> None:
        """Click at a place."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self, path: Path) -> None:
        """Take a picture of the whole page."""
        path.write_bytes(b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    def close(self) -> None:
        """Say good-bye."""
        self._socket.close()

    def _receive(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._socket.recv())
        if answer.get("method") == "Log.entryAdded":
            self.complaints.append(answer["params"]["entry"]["text"])
        elif answer.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(answer["params"]["exceptionDetails"]["text"])
        return answer


@contextmanager
def browsing(program: Path, folder: Path) -> Iterator[Tab]:
    """A browser with a new profile and one tab.

    Args:
        program: Chromium.
        folder: For its profile.
    """
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-port=0", *QUIET)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, *options, f"--user-data-dir={folder / 'profile'}", "about:blank"], stdout=log, stderr=log, cwd=folder)
    try:
        port = _port(process, folder)
        request = urllib.request.Request(f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=30) as answer:
            tab = Tab(json.load(answer)["webSocketDebuggerUrl"])
        try:
            yield tab
        finally:
            tab.close()
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], folder: Path) -> int:
    """The port of the protocol, which the browser writes into its profile."""
    said = folder / "profile" / "DevToolsActivePort"
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if said.exists() and (lines := said.read_text().splitlines()):
            return int(lines[0])
        assert process.poll() is None, (folder / "log").read_text(errors="replace")
        time.sleep(0.05)
    raise AssertionError("the browser did not start:\n" + (folder / "log").read_text(errors="replace"))
