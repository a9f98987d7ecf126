"""How fast the whole loop (decode_kernel.py) writes with threads and without, and which is the quicker now."""
import time

import numpy as np


class Pace:
    """Whether a thread for each part is worth it: measured while it works, as results do not depend on it.

    On an idle machine a fork costs microseconds; where others want the cores, it waits milliseconds for them.  So now
    and then one token is written the other way, when what that may lose is little beside the time since it last did.
    One thread is rarely tried: the others' shares of the weights leave their caches meanwhile, and threads that have
    become slow are seen without a trial.  Threads are tried soon after they had to wait, then less and less often.
    """

    LONGEST = 16  # tokens until the clock is read again, and of one thread until threads that had to wait are tried
    PATIENCE = {True: 200, False: 50}  # times what a trial loses, while there are threads, and while there are none
    SOON = 2  # times that, after the first trial of threads that failed; doubled at each

    def __init__(self):
        self.forks, self.seconds, self.tokens = True, [np.inf, np.inf], 1
        self.again, self.patience, self.began = 0.0, self.PATIENCE[True], False

    def run(self, n, write):
        """Tokens 0..n - 1 by write(forks, t0, t1)."""
        t0, now = 0, time.perf_counter()
        while t0 < n:
            tries = self.seconds[self.forks] < np.inf and now > self.again
            forks, t1 = self.forks != tries, min(n, t0 + (1 if tries else self.tokens))
            write(forks, t0, t1)
            began, now = now, time.perf_counter()
            if self.began:
                self._judge(forks, tries, (now - began) / (t1 - t0), now)
            self.began, t0 = True, t1  # the first time counts for nothing: the kernel was compiled or loaded

    def _judge(self, forks, tries, seconds, now):
        """A token took so many seconds with threads or without, which may have been a trial."""
        self.seconds[forks] = seconds
        lost = self.seconds[not self.forks] - self.seconds[self.forks]
        self.tokens = min(2 * self.tokens, self.LONGEST)
        if lost < 0:
            self.forks, self.tokens = not self.forks, 1
            self.patience, soon = (self.PATIENCE[True],) * 2 if self.forks else (self.SOON, self.LONGEST)
            self.again = now + soon * self.seconds[self.forks]  # not of what was lost: the machine may have stood still
        elif tries:
            self.again = now + self.patience * (min(lost, self.seconds[True]) if self.forks else lost)
            self.patience = min(2 * self.patience, self.PATIENCE[self.forks])
