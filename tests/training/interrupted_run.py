"""A run to be interrupted: python -m tests.training.interrupted_run RUN MILLISECONDS [resume]

Says "step" on stdout at every step, each of which takes so many milliseconds.
"""
import sys
import time

from tests.training.tiny import Task, start
from tinyllm.training.loop import Interrupted


def main(path, milliseconds, *resume):
    task = Task()
    loss = task.loss

    def slow_loss(batch, rng):
        time.sleep(int(milliseconds) / 1000)
        print("step", flush=True)
        return loss(batch, rng)
    task.loss = slow_loss
    try:
        start(path, task, steps=40, resume=bool(resume))
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
