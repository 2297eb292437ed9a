"""How a command line ended that ran in this process."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Said(NamedTuple):
    """Exit code, and what was printed."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def done(self) -> Said:
        assert self.code == 0, f"{self.code}\n{self.out}\n{self.err}"
        return self
