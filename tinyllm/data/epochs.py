"""What every kind of batches has in common: epoch after epoch without an end, each drawn anew.

state_dict() is plain JSON and resumes inside an epoch, to the bit: it keeps the generator as it was before
the epoch was drawn, and the epoch is drawn again.
"""


class Epochs:
    """An iterator without an end.

    A subclass sets steps_per_epoch, draws an epoch (_draw: so many things) and makes a batch of one (_batch).

    read  what the batches are cut from, as plain JSON: a state goes on over the same only
    rng   draws the epochs
    """

    reads = None  # the name of what is read, in a state and in its error

    def __init__(self, read, *, rng):
        self.rng, self._read = rng, read
        self.epoch = 0  # how many have been begun
        self.position = 0  # batches given out in this epoch
        self._drawn = None

    def __iter__(self):
        return self

    def __next__(self):
        if self._drawn is None or self.position == self.steps_per_epoch:
            self._begin_epoch()
            self.epoch += 1
            self.position = 0
        batch = self._batch(self._drawn[self.position])
        self.position += 1
        return batch

    def _begin_epoch(self):
        self._drawn_from = self.rng.bit_generator.state
        self._drawn = self._draw()

    def state_dict(self):
        """Where the iterator stands, as JSON: the epoch, the batch in it, and the generator that drew it."""
        begun = self._drawn is not None
        return {"epoch": self.epoch, "position": self.position, self.reads: self._read,
                "rng": self._drawn_from if begun else self.rng.bit_generator.state}

    def load_state_dict(self, state):
        """Stand where state_dict() was taken; ValueError if that was over something else or other sizes."""
        if state[self.reads] != self._read:
            raise ValueError(
                f"{type(self).__name__}: the state belongs to another {self.reads} or other sizes: "
                f"it was {state[self.reads]}, this is {self._read}")
        self.rng.bit_generator.state = state["rng"]
        self.epoch, self.position = state["epoch"], state["position"]
        self._drawn = None
        if self.epoch:
            self._begin_epoch()  # draws again what was drawn, and leaves the generator as it was
