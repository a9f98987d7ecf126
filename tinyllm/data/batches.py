"""From ids to batches: windows of one long text, and rows of different lengths padded to one array.

A window of T tokens at s reads ids[s : s + T] and predicts the token after each, ids[s + 1 : s + T + 1].

    ContiguousBatches   row b of a batch goes on where row b of the batch before ended: a state can be carried
    ShuffledWindows     windows in random order: each starts from nothing

Both are iterators without an end, epoch after epoch, and every epoch draws anew where the text is cut: no
token always stands at the edge of a window.
"""
import zlib
from typing import NamedTuple

import numpy as np

from tinyllm.data.epochs import Epochs


class Batch(NamedTuple):
    """ids and targets (B, T); restart: the rows do not go on from the batch before."""

    ids: np.ndarray
    targets: np.ndarray
    restart: bool


class _Windows(Epochs):
    """What the two have in common: an epoch is an array of window starts (steps, rows)."""

    reads = "text"

    def __init__(self, ids, batch_size, seq_len, *, rng):
        name = type(self).__name__
        self.ids = np.asarray(ids)
        if self.ids.ndim != 1 or self.ids.dtype.kind not in "iu":
            raise ValueError(
                f"{name}: ids must be integers (N,), got {self.ids.dtype} of shape {self.ids.shape}")
        for argument, value in [("batch_size", batch_size), ("seq_len", seq_len)]:
            if value < 1:
                raise ValueError(f"{name}: {argument} must be at least 1, got {value}")
        if len(self.ids) < seq_len + 1:
            raise ValueError(f"the text has {len(self.ids)} tokens, a window of {seq_len} and the token after it need "
                             f"{seq_len + 1} (--seq-len)")
        self.batch_size, self.seq_len = batch_size, seq_len
        crc32 = zlib.crc32(np.ascontiguousarray(self.ids, np.int64))
        super().__init__({"tokens": len(self.ids), "crc32": crc32, "batch_size": batch_size,
                          "seq_len": seq_len}, rng=rng)

    def _batch(self, starts):
        window = starts[:, None] + np.arange(self.seq_len)
        return Batch(self.ids[window], self.ids[window + 1], self.restarts or self.position == 0)


class ContiguousBatches(_Windows):
    """The text as batch_size streams side by side, their windows in order.

    ids (N,) integers; rng draws, at the start of each epoch, how many tokens the first stream leaves out.
    restart is True for the first batch of an epoch only.

    Raises ValueError for a text shorter than one window in each stream, saying both lengths.
    """

    restarts = False

    def __init__(self, ids, batch_size, seq_len, *, rng):
        super().__init__(ids, batch_size, seq_len, rng=rng)
        N, needed = len(self.ids), batch_size * seq_len + 1
        if N < needed:
            raise ValueError(f"the text has {N} tokens, {batch_size} streams of windows of {seq_len} need {needed}: "
                             "take fewer streams or shorter windows (--batch-size, --seq-len)")
        # a window less than the text would hold, so that the offset may move by a whole window
        self.steps_per_epoch = max(1, (N - seq_len) // (batch_size * seq_len))

    def _draw(self):
        B, T, steps = self.batch_size, self.seq_len, self.steps_per_epoch
        offset = self.rng.integers(len(self.ids) - B * steps * T)
        return offset + T * (np.arange(steps)[:, None] + steps * np.arange(B))


class ShuffledWindows(_Windows):
    """The text cut into windows, batch_size of them at a time, in an order drawn for each epoch.

    ids (N,) integers; rng draws the order and where the first window starts.  What is left of an epoch after
    the last full batch is not used in it; a text of fewer windows than batch_size gives batches of them all.
    restart is always True.

    Raises ValueError for a text shorter than one window, saying both lengths.
    """

    restarts = True

    def __init__(self, ids, batch_size, seq_len, *, rng):
        super().__init__(ids, batch_size, seq_len, rng=rng)
        windows = max(1, (len(self.ids) - seq_len) // seq_len)
        self.rows = min(batch_size, windows)
        self.windows, self.steps_per_epoch = windows, windows // self.rows

    def _draw(self):
        T = self.seq_len
        offset = self.rng.integers(len(self.ids) - self.windows * T)
        order = self.rng.permutation(self.windows)[:self.steps_per_epoch * self.rows]
        return offset + T * order.reshape(self.steps_per_epoch, self.rows)


def pad(rows, pad_id):
    """Rows of ids of different lengths as one array: ids (B, T) int32; valid (B, T), True = a real token.

    T is the length of the longest row; beyond its end a row holds pad_id.
    """
    if not len(rows):
        raise ValueError("pad: rows must hold at least one row, got none")
    lengths = np.array([len(row) for row in rows])
    valid = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(valid.shape, pad_id, np.int32)
    ids[valid] = np.concatenate([np.asarray(row, np.int32) for row in rows])
    return ids, valid
