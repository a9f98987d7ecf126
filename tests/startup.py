"""How long a person waits before anything happens: `python -m tests.startup`

The median seconds of a few runs of `tinyllm --help` and of `import tinyllm`, each in a process of its own, Python's own
start included.  Exit 1 above half a second.  A script and no test, because a busy machine answers later.
"""
import statistics
import sys
import time

from tests.process import run_python

RUNS, LIMIT = 7, 0.5
COMMANDS = {"tinyllm --help": ["-m", "tinyllm", "--help"], "import tinyllm": ["-c", "import tinyllm"]}


def seconds(arguments):
    """How long `python ARGUMENTS` takes, the median of RUNS."""
    taken = []
    for _ in range(RUNS):
        began = time.perf_counter()
        run_python(*arguments)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main():
    medians = {name: seconds(arguments) for name, arguments in COMMANDS.items()}
    for name, median in medians.items():
        print(f"{name:16} {median:.2f} s{'' if median <= LIMIT else f', more than {LIMIT} s'}")
    return 1 if max(medians.values()) > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
