import numpy as np
import pytest

from tests.oracle import assert_close, torch_or_skip
from tinyllm import formulas, no_grad, optim
from tinyllm.models import LanguageModel
from tinyllm.ops.cross_entropy import IGNORE

SIZES = {"embed_dim": 8, "hidden_dim": 12, "num_heads": 3}
CELLS = ["gru", "lstm", "rnn"]


def model(vocab_size=11, dtype=np.float64, seed=0, **options):
    return LanguageModel(vocab_size, **{**SIZES, **options}, rng=np.random.default_rng(seed), dtype=dtype)


@pytest.mark.parametrize("cell", CELLS)
def test_causal_the_future_changes_nothing(rng, cell):
    lm, ids = model(cell=cell), rng.integers(0, 11, (2, 7))
    changed = ids.copy()
    changed[:, 5:] = (changed[:, 5:] + 1) % 11
    np.testing.assert_array_equal(lm(ids).data[:, :5], lm(changed).data[:, :5])
    assert (lm(ids).data[:, 5:] != lm(changed).data[:, 5:]).any()


@pytest.mark.parametrize("options", [{"cell": "gru"}, {"cell": "lstm", "num_layers": 2}, {"cell": "rnn"},
                                     {"num_attention_layers": 2}, {"num_attention_layers": 0}])
def test_stepping_and_windows_equal_the_whole(rng, options):
    lm, ids = model(**options), rng.integers(0, 11, (2, 9))
    whole = lm(ids).data
    state = lm.initial_state(2)
    stepped = np.stack([lm.step(state, ids[:, t]) for t in range(9)], axis=1)
    assert_close(stepped, whole, 1e-12)
    state = lm.initial_state(2)
    windows = np.concatenate([lm(ids[:, :4], state).data, lm(ids[:, 4:], state).data], axis=1)
    assert_close(windows, whole, 1e-12)


def test_a_state_goes_through_arrays_and_back(rng):
    lm, ids = model(cell="lstm"), rng.integers(0, 11, (2, 6))
    state = lm.initial_state(2, context=3)
    lm(ids, state)
    other = lm.initial_state(2, context=3)
    other.load(state.arrays())
    np.testing.assert_array_equal(lm.step(state, ids[:, 0]), lm.step(other, ids[:, 0]))


def test_a_carried_state_has_no_history(rng):
    """The gradient of the second window stops at its beginning, so backward through it alone works."""
    lm, ids = model(), rng.integers(0, 11, (2, 8))
    state = lm.initial_state(2)
    lm.loss(ids[:, :4], ids[:, 1:5], state).backward()
    lm.loss(ids[:, 4:7], ids[:, 5:], state).backward()


def test_loss_is_the_mean_over_targets_that_count(rng):
    lm, ids = model(), rng.integers(0, 11, (2, 4))
    targets = np.array([[1, IGNORE, 3, 4], [IGNORE, 2, 2, 0]])
    logits = lm(ids).data
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    b, t = np.nonzero(targets != IGNORE)
    assert lm.loss(ids, targets).item() == pytest.approx(-log_p[b, t, targets[b, t]].mean())


@pytest.mark.parametrize("options", [{}, {"embed_dim": 12}])
def test_tied_weights_are_one_matrix(options):
    tied, own = model(tie_weights=True, **options), model(**options)
    names = [name for name, _ in tied.named_parameters()]
    assert "output.weight" not in names and "output_bias" in names
    assert ("projection.weight" in names) == ("embed_dim" not in options)
    assert tied.num_parameters() < own.num_parameters()


@pytest.mark.parametrize("cell", CELLS)
def test_training_on_formulas_gives_the_same_losses(rng, cell):
    ids = rng.integers(0, 11, (3, 6))
    losses = {}
    for way in ("kernels", "formulas"):
        lm = model(cell=cell, num_layers=2, dropout=0.1)
        optimizer = optim.Adam(lm.parameters(), lr=1e-2)
        drops = np.random.default_rng(1)
        for _ in range(4):
            if way == "formulas":
                with formulas():
                    loss = lm.loss(ids[:, :-1], ids[:, 1:], rng=drops)
            else:
                loss = lm.loss(ids[:, :-1], ids[:, 1:], rng=drops)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.setdefault(way, []).append(loss.item())
    assert_close(losses["kernels"], losses["formulas"], 1e-12)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_twenty_steps_equal_torch(rng, cell):
    """The same weights, the same batches, clipping and Adam: the same losses and the same weights at the end."""
    torch = torch_or_skip()
    from benchmarks.torch_model import TorchLanguageModel
    ours = model(num_layers=2, cell=cell)
    theirs = TorchLanguageModel(11, num_layers=2, cell=cell, **SIZES).double()
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    mine, other = optim.Adam(ours.parameters(), lr=1e-2), torch.optim.Adam(theirs.parameters(), lr=1e-2)
    for _ in range(20):
        ids = rng.integers(0, 11, (3, 8))
        loss = ours.loss(ids[:, :-1], ids[:, 1:])
        loss.backward()
        optim.clip_grad_norm_(ours.parameters(), 1.0)
        mine.step()
        mine.zero_grad()
        expected = theirs.loss(torch.tensor(ids[:, :-1]), torch.tensor(ids[:, 1:]))
        other.zero_grad()
        expected.backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        other.step()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    for name, array in ours.state_dict().items():
        assert_close(array, theirs.state_dict()[name].numpy(), 1e-7)


def test_overfits_one_batch(rng):
    lm, ids = model(dtype=np.float32, hidden_dim=24), rng.integers(0, 11, (2, 12))
    optimizer = optim.Adam(lm.parameters(), lr=3e-2)
    for _ in range(80):
        loss = lm.loss(ids[:, :-1], ids[:, 1:])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.05


def test_dropout_only_with_an_rng(rng):
    lm, ids = model(dropout=0.5), rng.integers(0, 11, (2, 5))
    np.testing.assert_array_equal(lm(ids).data, lm(ids).data)
    assert (lm(ids, rng=rng).data != lm(ids).data).any()


def test_generate_has_the_shape_of_its_prompt(rng):
    lm = model(dtype=np.float32)
    assert lm.generate([1, 2, 3], max_tokens=5, rng=rng).shape == (5,)
    assert lm.generate([[1, 2], [3, 4]], max_tokens=5, rng=rng).shape == (2, 5)
    greedy = lm.generate([1, 2, 3], max_tokens=6, temperature=0, rng=None)
    with no_grad():
        for n in range(6):
            assert greedy[n] == lm(np.concatenate([[1, 2, 3], greedy[:n]])[None]).data[0, -1].argmax()


@pytest.mark.parametrize("options, message", [
    ({"vocab_size": 0}, "LanguageModel: vocab_size must be an integer of at least 1, got 0"),
    ({"cell": "GRU"}, "LanguageModel: cell must be one of gru, lstm, rnn, got 'GRU'"),
    ({"num_attention_layers": -1}, "LanguageModel: num_attention_layers must be at least 0, got -1"),
    ({"num_heads": 5}, "SelfAttention: num_heads must divide the number of features, got 5 and 12"),
    ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
])
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        model(**options)


@pytest.mark.parametrize("ids, message", [
    ([[0, 11]], r"embedding: ids must be in 0..10, got 11"),
    ([[0.5]], "embedding: ids must be integers, got float64"),
])
def test_wrong_ids_are_named(ids, message):
    with pytest.raises(ValueError, match=message):
        model()(np.array(ids))
