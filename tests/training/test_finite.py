"""A number that is not finite stops the run; the place where it came up is named as a person would look for it."""
import numpy as np
import pytest

from tests.training.tiny import Task, start
from tinyllm import Tensor
from tinyllm.models import LanguageModel
from tinyllm.training.finite import NonFinite, first_bad_value
from tinyllm.training.run_folder import RunFolder

IDS = np.array([[1, 2, 3, 4, 5]])


def scores_overflow(weights):
    weights["attention.1.qkv.bias"][...] = 1e30


def gate_is_inf_minus_inf(weights):
    """W_in x = inf from the first step on, and W_hn h = -inf in the second, when h is no longer 0."""
    weights["embedding.weight"][...] = 2.0
    for name, value in [("rnn.weight_ih_l0", 3e38), ("rnn.weight_hh_l0", -3e38)]:
        weights[name][...] = 0.0
        weights[name][16:] = value


def gain_overflows(weights):
    weights["norm.0.weight"][...] = 3.4e38


@pytest.mark.parametrize("poison, place", [
    (scores_overflow, "it starts in attention after attention.1.qkv.weight, attention.1.qkv.bias"),
    (gate_is_inf_minus_inf, "it starts in gru with rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, rnn.bias_hh_l0"),
    (gain_overflows, "it starts in layer_norm with norm.0.weight, norm.0.bias"),
])
def test_op_and_layer_are_named(rng, poison, place):
    model = LanguageModel(9, embed_dim=4, hidden_dim=8, num_attention_layers=2, num_heads=2, rng=rng)
    poison({name: p.data for name, p in model.named_parameters()})
    loss = model.loss(IDS, IDS)
    assert not np.isfinite(loss.item())
    assert first_bad_value(loss, model.named_parameters()) == place


def poison(name, value):
    def hook(task):
        task.parameters[name].data[...] = value
    return hook


@pytest.mark.parametrize("hooks, message", [
    ({15: poison("output.bias", np.nan)},
     "step 15: the loss is nan: the parameter output.bias is not finite; the run keeps step 10"),
    ({5: poison("embedding.weight", np.inf)},
     "step 5: the loss is nan: the parameter embedding.weight is not finite; nothing was saved yet"),
    ({12: poison("output.weight", 3e38)}, "step 12: the loss is nan: it starts in matmul with output.weight"),
])
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, hooks, message):
    with pytest.raises(NonFinite, match=message):
        start(tmp_path / "run", Task(hooks=hooks), steps=30)
    run = RunFolder.open(tmp_path / "run")
    if min(hooks) > 10:  # the last good checkpoint is there and can be gone on from
        assert run.load_trainer()[1]["step"] == 10
        assert all(np.isfinite(array).all() for array in run.load_model().values())
        assert start(tmp_path / "run", Task(), steps=30, resume=True)["steps"] == 30
    else:
        assert not run.has_trainer


def test_a_gradient_that_is_not_finite_stops_the_run(tmp_path):
    task = Task()
    loss = task.loss

    def loss_with_bad_gradient(batch, rng):
        weight = task.parameters["output.weight"]
        bad = Tensor.from_op(np.zeros((), np.float32), (weight,),
                             lambda dout: (np.full(weight.shape, np.inf, np.float32),))
        return loss(batch, rng) + (bad if task.losses == 13 else Tensor(np.float32(0)))
    task.loss = loss_with_bad_gradient
    before = {}
    task.hooks = {13: lambda task: before.update({n: p.data.copy() for n, p in task.named_parameters()})}
    with pytest.raises(NonFinite, match="step 13: the gradient of output.weight is not finite; the run"):
        start(tmp_path / "run", task, steps=30)
    for name, p in task.named_parameters():
        np.testing.assert_array_equal(p.data, before[name])


def test_a_validation_loss_that_is_not_finite_stops_the_run(tmp_path):
    task, losses = Task(), iter([1.0, np.nan])
    task.evaluate = lambda: {"valid_loss": next(losses)}
    with pytest.raises(NonFinite, match="step 20: the validation loss is nan; the run keeps step 10"):
        start(tmp_path / "run", task, steps=30)
    assert len(RunFolder.open(tmp_path / "run").read_log()) == 1
