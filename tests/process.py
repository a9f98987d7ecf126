"""Python in a process of its own: for what is decided when a module is imported, by the environment."""
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run_python(*arguments, **environment):
    """What `python ARGUMENTS` prints, run in the project's folder with these variables; it has to succeed."""
    process = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True)
    assert process.returncode == 0, process.stderr + process.stdout
    return process.stdout.strip()
