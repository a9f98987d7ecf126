"""A task small enough for the tests of the loop: what follows each token, from a table and one product."""
import io

import numpy as np

from tinyllm import Tensor, no_grad
from tinyllm.data.batches import ContiguousBatches
from tinyllm.kernels import threads
from tinyllm.ops.cross_entropy import cross_entropy
from tinyllm.optim import Adam
from tinyllm.training.loop import TrainingOptions, train
from tinyllm.training.progress import Progress
from tinyllm.training.run_folder import RunFolder

VOCABULARY = 7


class Task:
    """Counts upwards modulo 7, with noise; `carried` stands for a recurrent state and takes part in the loss.

    hooks  step -> function(task), called in the first loss of that step
    """

    valid_targets, decides = 60, "valid_loss"

    def __init__(self, seed=0, hooks=None, length=200):
        rng = np.random.default_rng(seed)
        ids = np.arange(length) % VOCABULARY
        ids[rng.random(length) < 0.1] = 0
        self.parameters = {
            name: Tensor(rng.standard_normal(shape).astype(np.float32), requires_grad=True)
            for name, shape in [("embedding.weight", (VOCABULARY, 5)), ("output.weight", (5, VOCABULARY)),
                                ("output.bias", (VOCABULARY,))]}
        self.batches = ContiguousBatches(ids, 2, 6, rng=rng)
        self.carried, self.losses, self.hooks, self.evaluations = None, 0, hooks or {}, 0

    def named_parameters(self):
        return self.parameters.items()

    def logits(self, ids, rng):
        """ids (N,) -> Tensor (N, V); an rng drops out a fifth of the embedding."""
        x = self.parameters["embedding.weight"][ids]
        if rng is not None:
            x = x * Tensor((rng.random(x.shape) < 0.8).astype(np.float32))
        return x @ self.parameters["output.weight"] + self.parameters["output.bias"]

    def loss(self, batch, rng):
        self.losses += 1
        if self.losses in self.hooks:
            self.hooks[self.losses](self)
        if batch.restart:
            self.carried = np.zeros(VOCABULARY, np.float32)
        logits = self.logits(batch.ids.reshape(-1), rng) + Tensor(self.carried)
        self.carried = np.float32(0.9) * self.carried + np.float32(0.1) * logits.data.mean(axis=0)
        return cross_entropy(logits, batch.targets.reshape(-1))

    def targets_in(self, batch):
        return batch.targets.size

    def evaluate(self):
        self.evaluations += 1
        ids = np.arange(60) % VOCABULARY
        with no_grad():
            loss = cross_entropy(self.logits(ids, None), (ids + 1) % VOCABULARY).item()
        return {"valid_loss": loss, "perplexity": np.float32(np.exp(loss))}

    @staticmethod
    def criterion(fields):
        return fields["valid_loss"]

    def state_dict(self):
        return {} if self.carried is None else {"carried": self.carried}

    def load_state_dict(self, arrays):
        self.carried = arrays.get("carried")


class Rates(Adam):
    """Adam that remembers the rates of its steps."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.rates = []

    def step(self):
        self.rates.append([group["lr"] for group in self.param_groups])
        super().step()


def quiet():
    return Progress(quiet=True, stream=io.StringIO())


def start(path, task, *, resume=False, progress=None, optimizer=None, **options):
    """train() of a task into a run folder at path, as a task's module does it."""
    run = RunFolder.open(path) if resume else RunFolder.create(path, {"task": "tiny", "model": {}})
    optimizer = optimizer or Adam(task.parameters.values(), lr=1e-2)
    options = {"seed": 3, "evaluate_every": 10, **options}
    with threads.limited(1):  # on arrays of this size waiting for each other is all that threads would do
        return train(task, optimizer, run, TrainingOptions(**options), progress=progress or quiet(),
                     resume=resume)
