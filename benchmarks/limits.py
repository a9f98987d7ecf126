"""How fast the machine multiplies and reads at most, and which share of that a work reaches.

Training is limited by products of matrices, generation of one text by reading the weights for each token:

    training     operations of a step / seconds / the fastest product of large squares, ours or PyTorch's
    generation   bytes of the weights / seconds for a token of each text / the bandwidth of reading as many bytes;
                 of several texts: the same or, if that is more, operations / seconds / the fastest product

A product of (M, K) and (K, N) is 2 M K N operations.  Backward it is twice that: the gradient of each of the two.
Whatever goes element by element is not counted, nor is what a text needs once.

Weights that a cache holds are read from there, faster than from memory: hence the bandwidth of as many bytes, read
again and again.  The bandwidth of memory itself is measured too, for comparison.

    python -m benchmarks.limits ours|torch THREADS      in a process of its own: the two stand in each other's way
"""
import json
import subprocess
import sys
import time

import numpy as np

from benchmarks.sizes import SIZES, TOKENS
from benchmarks.worker import using
from tinyllm.training.sizes import GATES

SQUARE = 2048  # rows and columns of the product
MEMORY = 1 << 30  # bytes, more than caches hold
SECONDS = 0.5  # that each of them is repeated; the fastest counts


def cell(gates, K, H):
    """(K, N) of a recurrent layer's two weights."""
    return [(K, gates * H), (H, gates * H)]


def weights(size):
    """(K, N) of each matrix that all tokens meet."""
    V, E, H, layers, attention_layers = (SIZES[size][name] for name in (
        "vocab_size", "embed_dim", "hidden_dim", "num_layers", "num_attention_layers"))
    gates, attention = GATES[SIZES[size]["cell"]], [(H, 3 * H), (H, H)]  # q, k, v together, and out
    if size == "seq2seq":  # sources are as long as targets
        encoder = [*cell(gates, E, H), *cell(gates, E, H), (2 * H, H), *attention]
        return encoder + [*cell(gates, E, H), (H, H), (H, 2 * H), (H, H), *attention, (H, E), (E, V)]
    recurrent = [matrix for layer in range(layers) for matrix in cell(gates, H if layer else E, H)]
    return recurrent + attention_layers * attention + [(H, V)]


def seen(size, T):
    """How many of T positions a token attends to on average, for each attention layer."""
    causal = (T + 1) / 2
    return [T, T, causal] if size == "seq2seq" else SIZES[size]["num_attention_layers"] * [causal]


def operations(size, B, T):
    """Of a forward pass over B texts of T tokens: weights, q k^T, and the mixture of v."""
    return 2 * B * T * (sum(K * N for K, N in weights(size)) + 2 * SIZES[size]["hidden_dim"] * sum(seen(size, T)))


def weight_bytes(size, each=4):
    """Of the weights, so many bytes each, that generation reads for every token; of the embedding it reads a row."""
    return each * sum(K * N for K, N in weights(size))


def share(kind, size, batch, tokens_per_second, limits):
    """Of the limit, 0..1; None for what has none.  limits as measured() gives them"""
    if kind == "train":
        T = SIZES[size]["seq_len"]
        return 3 * operations(size, batch, T) / (batch * T) * tokens_per_second / limits["operations"]
    if kind == "generate-int8":
        return weight_bytes(size, 1) * tokens_per_second / batch / limits["read"][f"{size}-int8"]
    if kind == "generate":
        reads = weight_bytes(size) * tokens_per_second / batch / limits["read"][size]
        computes = operations(size, batch, TOKENS) / (batch * TOKENS) * tokens_per_second / limits["operations"]
        return reads if batch == 1 else max(reads, computes)
    return None


def measured(threads):
    """operations and bytes a second: {"operations": , "memory": , "read": {size: } for S, M and M-int8}."""
    ours, theirs = (json.loads(subprocess.run(
        [sys.executable, "-m", "benchmarks.limits", name, str(threads)], stdout=subprocess.PIPE, text=True,
        check=True).stdout) for name in ("ours", "torch"))
    return {**ours, "operations": max(ours["operations"], theirs["operations"])}


def fastest(do):
    """The least seconds that one call took."""
    do()
    least, end = float("inf"), time.perf_counter() + SECONDS
    while (began := time.perf_counter()) < end:
        do()
        least = min(least, time.perf_counter() - began)
    return least


def reading(count, threads):
    """Bytes a second of reading about so many bytes, a part for each thread."""
    from benchmarks.reading import STREAMS, totals
    array = np.ones((threads, count // 4 // threads // STREAMS * STREAMS), np.float32)
    return array.nbytes / fastest(lambda: totals(array))


def main(name, threads):
    a, b, out = np.ones((3, SQUARE, SQUARE), np.float32)
    with using(name, threads):
        if name == "torch":
            import torch
            a, b, out = map(torch.from_numpy, (a, b, out))
            found = {"operations": 2 * SQUARE ** 3 / fastest(lambda: torch.mm(a, b, out=out))}
        else:
            from tinyllm.kernels.gemm import product
            found = {"operations": 2 * SQUARE ** 3 / fastest(lambda: product(a, b, out)),
                     "memory": reading(MEMORY, threads),
                     "read": {"M-int8": reading(weight_bytes("M", 1), threads),
                              **{size: reading(weight_bytes(size), threads) for size in ("S", "M")}}}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
