"""How fast the whole loop (decode_kernel.py) writes with threads and without, and which is the quicker now."""
import time

import numpy as np


class Pace:
    """Whether a thread for each part is worth it: measured while it works, as results do not depend on it.

    On an idle machine a fork costs microseconds; where others want the cores, it waits milliseconds for them.  So now
    and then one token is written the other way, when what that may lose is little beside the time since it last did.
    A thread's share of the weights leaves its cache meanwhile, which costs as much again, and threads that have become
    slow are noticed without: trials of one thread are rare, trials of threads begin soon after they had to wait.
    """

    LONGEST = 16  # tokens until the clock is read again
    PATIENCE = {True: 200, False: 50}  # times what a trial loses, while there are threads, and while there are none
    SOON = 2  # the same, after threads had to wait; doubled at each trial

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
            if not self.began:  # compiling or loading the kernel is not its pace
                self.began, t0 = True, t1
                continue
            self.seconds[forks] = (now - began) / (t1 - t0)
            lost = self.seconds[not self.forks] - self.seconds[self.forks]
            self.tokens = min(2 * self.tokens, self.LONGEST)
            if tries:
                self.again = now + self.patience * abs(lost)
                self.patience = min(2 * self.patience, self.PATIENCE[self.forks])
            if lost < 0:
                self.forks, self.tokens = not self.forks, 1
                self.patience = self.PATIENCE[True] if self.forks else self.SOON
                self.again = now + self.patience * -lost
            t0 = t1
