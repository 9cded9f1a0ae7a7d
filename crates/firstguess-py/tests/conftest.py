"""What the tests share."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict

import pytest

ROOT = Path(__file__).resolve().parents[3]
pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def cli() -> Callable[..., Any]:
    """The command line, as a process: exit status, JSON, stderr."""
    program = os.environ.get("FIRSTGUESS_CLI")
    if not program:
        pytest.skip("FIRSTGUESS_CLI names no command line to compare with")

    def run(*arguments: str) -> Any:
        done = subprocess.run(
            [program, *arguments, "--json", "--quiet"], capture_output=True, text=True, cwd=ROOT, check=False
        )
        value: Dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        return done.returncode, value, done.stderr

    return run
