"""The same seed gives the same losses and parameters to the last bit: `python -m tests.repeat`

Small language models are trained for a few steps in processes of their own, which differ in the number of threads
(of the kernels and of NumPy) and in whether the kernels come from the cache or are compiled anew; each prints a sha256
over its losses, parameters and moments for each model.  Prints a table; exit 1 where two differ.
"""
import hashlib
import json
import sys
import tempfile

from tests.process import run_python

STEPS, VOCABULARY = 4, 300
MODELS = {  # the name: batch, length, what LanguageModel is given
    "gru, odd sizes": (3, 7, {"embed_dim": 12, "hidden_dim": 20}),
    "gru, two layers, dropout": (8, 50, {"embed_dim": 33, "hidden_dim": 64, "num_layers": 2, "dropout": 0.2}),
    "lstm, tied, two attention layers": (
        5, 37, {"embed_dim": 24, "hidden_dim": 36, "cell": "lstm", "tie_weights": True, "num_attention_layers": 2}),
    "rnn, no attention": (13, 40, {"embed_dim": 16, "hidden_dim": 50, "cell": "rnn", "num_attention_layers": 0,
                                   "num_heads": 2}),
}


def train(batch, length, options):
    """The sha256 of what a model and its training are after STEPS steps from a seed."""
    import numpy as np

    from tinyllm.models import LanguageModel
    from tinyllm.optim import Adam, clip_grad_norm_
    rng = np.random.default_rng(0)
    model = LanguageModel(VOCABULARY, **options, rng=rng)
    optimizer = Adam(model.parameters(), lr=1e-2)
    digest = hashlib.sha256()
    for _ in range(STEPS):
        ids = rng.integers(0, VOCABULARY, (batch, length + 1))
        loss = model.loss(ids[:, :-1], ids[:, 1:], rng=rng)
        loss.backward()
        digest.update(np.float64(clip_grad_norm_(model.parameters(), 1.0)))
        optimizer.step()
        optimizer.zero_grad()
        digest.update(loss.data)
    for arrays in (model.state_dict(), optimizer.state_dict()):
        for name, array in arrays.items():
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def digests(threads, cache=None):
    """Model -> sha256, trained in a process with this many threads and this folder for compiled kernels."""
    environment = {"NUMBA_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    return json.loads(run_python("-m", "tests.repeat", "--train", **environment))


def main():
    if sys.argv[1:] == ["--train"]:
        print(json.dumps({name: train(*model) for name, model in MODELS.items()}))
        return 0
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        runs = {"1 thread, cold": digests(1, one), "1 thread, warm": digests(1, one),
                "2 threads, warm": digests(2, one), "3 threads, warm": digests(3, one),
                "2 threads, cold": digests(2, other)}
    for name in MODELS:
        print(name)
        for run, found in runs.items():
            print(f"    {run:16} {found[name]}")
    same = all(found == runs["1 thread, cold"] for found in runs.values())
    print("all the same" if same else "NOT the same")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
