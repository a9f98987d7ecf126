"""Which examples make up a batch: those of similar length, so that little of the padded array is padding.

An epoch has every example once.  Without max_tokens it is shuffled, cut into pools of about POOL batches, and
each pool is cut into batches in the order of length: a pool is large enough for neighbours of similar length
and small enough to differ from epoch to epoch.  How many batches max_tokens makes would depend on what was
drawn; there all examples are cut in the order of length, once, and an epoch draws which of equally long
examples stands where.  Both ways the batches then come in random order.
"""
import math
import zlib

import numpy as np

from tinyllm.data.epochs import Epochs

POOL = 100  # batches; of 64 pairs of sentences 94 % is no padding then, with pools of 50 it is 91 %


class PaddedBatches(Epochs):
    """An iterator without an end over arrays (B,) of indices of examples.

    lengths     integers (N,), the tokens of each example; (N, K) for examples of K sides (source, target)
    batch_size  examples in a batch; in one of an epoch what is left of N, and what max_tokens lets in
    rng         draws the epochs
    max_tokens  how many tokens a batch may have with its padding, of all sides; None: as many as it has

    steps_per_epoch is the same for every epoch.

    Raises ValueError for lengths of another kind or shape, for sizes below 1 and for an example longer than
    max_tokens.
    """

    reads = "dataset"

    def __init__(self, lengths, batch_size, *, rng, max_tokens=None):
        lengths = np.asarray(lengths)
        if lengths.ndim not in (1, 2) or not lengths.size or lengths.dtype.kind not in "iu":
            raise ValueError(f"PaddedBatches: lengths must be integers (N,) or (N, K), at least one, "
                             f"got {lengths.dtype} of shape {lengths.shape}")
        if lengths.min() < 0:
            raise ValueError(f"PaddedBatches: lengths must be at least 0, got {lengths.min()}")
        if batch_size < 1:
            raise ValueError(f"PaddedBatches: batch_size must be at least 1, got {batch_size}")
        lengths = np.ascontiguousarray(lengths.reshape(len(lengths), -1), np.int64)  # (N, K)
        super().__init__({"examples": len(lengths), "crc32": zlib.crc32(lengths), "batch_size": batch_size,
                          "max_tokens": max_tokens}, rng=rng)
        self.batch_size, self.max_tokens = batch_size, max_tokens
        self._rank = _rank(lengths)
        if max_tokens is None:
            self.steps_per_epoch = math.ceil(len(lengths) / batch_size)
        else:
            if max_tokens < (longest := lengths.sum(axis=1).max()):
                raise ValueError("PaddedBatches: max_tokens must hold the longest example, which has "
                                 f"{longest}, got {max_tokens}")
            self._cuts = self._cut(lengths[self._by_length(np.arange(len(lengths)))].tolist())
            self.steps_per_epoch = len(self._cuts) + 1

    def _by_length(self, examples):
        """The same examples, the shortest first, equally long ones in the order they had."""
        return examples[np.argsort(self._rank[examples], kind="stable")]

    def _cut(self, rows):
        """Where batches end: each takes what it can hold of the rows, which are lengths in order."""
        cuts, begin, widest = [], 0, rows[0]
        for i, row in enumerate(rows):
            wider = [max(pair) for pair in zip(widest, row)]
            if i - begin == self.batch_size or (i - begin + 1) * sum(wider) > self.max_tokens:
                cuts.append(i)
                begin, wider = i, row
            widest = wider
        return cuts

    def _draw(self):
        B, order = self.batch_size, self.rng.permutation(len(self._rank))
        if self.max_tokens is None:
            rest, whole = np.split(order, [len(order) % B])  # the rest are any examples, not the longest ones
            pools = np.array_split(whole.reshape(-1, B), max(1, math.ceil(len(whole) / (POOL * B))))
            batches = [batch for pool in pools for batch in self._by_length(pool.ravel()).reshape(-1, B)]
            if len(rest):
                batches.append(rest)
        else:
            batches = np.split(self._by_length(order), self._cuts)
        return [batches[i] for i in self.rng.permutation(len(batches))]

    @staticmethod
    def _batch(examples):
        return examples


def _rank(lengths):
    """Where each example (N, K) stands in the order of length (N,), equal for equal lengths only.

    The side that varies most counts first; within equal lengths of it the next one goes up and down in turn,
    so that it does not jump from long to short where the first goes up by one.
    """
    keys = list(lengths.T[np.argsort(-lengths.std(axis=0), kind="stable")])
    if len(keys) > 1:
        _, number = np.unique(keys[0], return_inverse=True)
        keys[1] = np.where(number % 2, -keys[1], keys[1])
    return np.unique(np.column_stack(keys), axis=0, return_inverse=True)[1].reshape(-1)
