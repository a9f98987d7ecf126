import json

import numpy as np
import pytest

from tests.oracle import assert_close, load_into_torch, torch_or_skip
from tinyllm import Tensor, formulas
from tinyllm.models import Encoder

V, F = 11, 6
LENGTHS = [6, 1, 4]
VALID = np.arange(6) < np.array(LENGTHS)[:, None]
OPTIONS = [{}, {"cell": "lstm", "num_layers": 2, "num_features": F},
           {"cell": "rnn", "bidirectional": False, "num_attention_layers": 2}, {"num_attention_layers": 0}]


def encoder(seed=0, vocab_size=V, **options):
    sizes = {"embed_dim": 8, "hidden_dim": 12, "num_heads": 3, "dtype": np.float64}
    return Encoder(vocab_size, **{**sizes, **options}, rng=np.random.default_rng(seed))


@pytest.fixture
def ids(rng):
    return rng.integers(0, V, (3, 6))


def features(rng, model):
    """Up to three features a token, or None for an encoder without."""
    return rng.integers(-1, F, (3, 6, 3)) if model.config["num_features"] else None


@pytest.mark.parametrize("options", OPTIONS)
def test_a_padded_batch_equals_its_rows_alone(rng, ids, options):
    model = encoder(**options)
    given = features(rng, model)
    h, last = model(ids, VALID, given)
    assert h.shape == (3, 6, 12)
    states = 2 if model.config["cell"] == "lstm" else 1
    assert [state.shape for state in last] == [(model.config["num_layers"], 3, 12)] * states
    for b, n in enumerate(LENGTHS):
        alone, its = model(ids[b:b + 1, :n], None, None if given is None else given[b:b + 1, :n])
        assert_close(h.data[b, :n], alone.data[0], 1e-12)
        for padded, own in zip(last, its, strict=True):
            assert_close(padded.data[:, b], own.data[:, 0], 1e-12)


@pytest.mark.parametrize("options", OPTIONS)
def test_padding_is_nothing(rng, ids, options):
    """Other ids and features in its place change no real position, and it has no gradient."""
    model = encoder(vocab_size=V + 1, **options)
    given = features(rng, model)
    padded = np.where(VALID, ids, V), None if given is None else np.where(VALID[:, :, None], given, F - 1)
    (h, last), (same, its) = model(ids, VALID, given), model(padded[0], VALID, padded[1])
    np.testing.assert_array_equal(h.data[VALID], same.data[VALID])
    for a, b in zip(last, its, strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    (same * Tensor(VALID[:, :, None] * rng.standard_normal((3, 6, 12)))).sum().backward()
    assert (model.embedding.weight.grad[V] == 0).all() and model.embedding.weight.grad.any()


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_matches_torch(rng, ids, cell):
    """Both directions, packed, and merged; attention with a mask of its keys; outputs and gradients."""
    torch = torch_or_skip()
    nn, model = torch.nn, encoder(cell=cell, num_layers=2)
    theirs = nn.ModuleDict({
        "embedding": nn.Embedding(V, 8), "merge": nn.Linear(24, 12),
        "rnn": (nn.GRU if cell == "gru" else nn.LSTM)(8, 12, 2, batch_first=True, bidirectional=True),
        "attention": nn.ModuleList([nn.ModuleDict({"qkv": nn.Linear(12, 36), "out": nn.Linear(12, 12)})]),
        "norm": nn.ModuleList([nn.LayerNorm(12)])}).double()
    load_into_torch(model.state_dict(), theirs)
    x = theirs["embedding"](torch.tensor(ids))
    packed = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    out, states = theirs["rnn"](packed)
    x = theirs["merge"](nn.utils.rnn.pad_packed_sequence(out, batch_first=True)[0])
    part = theirs["attention"][0]
    q, k, v = (a.reshape(3, 6, 3, 4).transpose(1, 2) for a in part["qkv"](x).chunk(3, dim=-1))
    mixed = nn.functional.scaled_dot_product_attention(q, k, v, torch.tensor(VALID)[:, None, None])
    expected = theirs["norm"][0](x + part["out"](mixed.transpose(1, 2).reshape(3, 6, 12)))
    h, last = model(ids, VALID)
    assert_close(h.data[VALID], expected.detach().numpy()[VALID], 1e-10)
    states = states if cell == "lstm" else (states,)
    for ours, state in zip(last, states, strict=True):
        assert_close(ours.data, state.reshape(2, 2, 3, 12).mean(dim=1).detach(), 1e-10)
    dh, dlast = VALID[:, :, None] * rng.standard_normal((3, 6, 12)), rng.standard_normal((2, 3, 12))
    ((h * Tensor(dh)).sum() + (last[0] * Tensor(dlast)).sum()).backward()
    ((expected * torch.tensor(dh)).sum()
     + (states[0].reshape(2, 2, 3, 12).mean(dim=1) * torch.tensor(dlast)).sum()).backward()
    others = dict(theirs.named_parameters())
    for name, parameter in model.named_parameters():
        assert_close(parameter.grad, others[name].grad, 1e-10)


def test_every_position_sees_the_others(ids):
    """Without attention a token reaches those before it by the backward direction alone."""
    model = encoder(num_attention_layers=0)
    changed = ids.copy()
    changed[:, 3] = (changed[:, 3] + 1) % V
    assert (model(ids)[0].data != model(changed)[0].data).any(axis=2).all()
    forwards = encoder(num_attention_layers=0, bidirectional=False)
    same = (forwards(ids)[0].data == forwards(changed)[0].data).all(axis=2)
    np.testing.assert_array_equal(same, [[True] * 3 + [False] * 3] * 3)


def test_features_of_a_token_are_added_up(rng, ids):
    model, given = encoder(num_features=F), np.full((3, 6, 3), -1)
    given[1, 2] = [4, 0, 4]
    table = model.features.data
    bare = encoder(vocab_size=V + 1)
    bare.load_state_dict({
        **{name: array for name, array in model.state_dict().items() if name != "features"},
        "embedding.weight": np.vstack([model.embedding.weight.data,
                                       model.embedding.weight.data[ids[1, 2]] + 2 * table[4] + table[0]])})
    own = ids.copy()
    own[1, 2] = V
    assert_close(model(ids, None, given)[0].data, bare(own)[0].data, 1e-12)


@pytest.mark.parametrize("options", OPTIONS)
def test_formulas_give_the_same(rng, ids, options):
    model = encoder(**options)
    given = features(rng, model)
    kernel = model(ids, VALID, given)
    with formulas():
        formula = model(ids, VALID, given)
    for ours, expected in zip([kernel[0], *kernel[1]], [formula[0], *formula[1]], strict=True):
        assert_close(ours.data, expected.data, 1e-12)


@pytest.mark.parametrize("options", OPTIONS)
def test_dropout_only_with_an_rng(rng, ids, options):
    model = encoder(dropout=0.5, **options)
    given = features(rng, model)
    without, again, dropped = model(ids, None, given), model(ids, None, given), model(ids, None, given, rng)
    np.testing.assert_array_equal(without[0].data, again[0].data)
    assert (without[0].data != dropped[0].data).any()


@pytest.mark.parametrize("options", OPTIONS)
def test_config_is_what_makes_it_again(rng, options):
    model = encoder(**options)
    again = Encoder(**json.loads(json.dumps(model.config)), rng=rng, dtype=np.float64)
    again.load_state_dict(model.state_dict())


@pytest.mark.parametrize("options, message", [
    ({"vocab_size": 0}, "Encoder: vocab_size must be an integer of at least 1, got 0"),
    ({"cell": "GRU"}, "Encoder: cell must be one of gru, lstm, rnn, got 'GRU'"),
    ({"num_attention_layers": -1}, "Encoder: num_attention_layers must be at least 0, got -1"),
    ({"num_features": -1}, "Encoder: num_features must be at least 0, got -1"),
    ({"num_heads": 5}, "SelfAttention: num_heads must divide the number of features, got 5 and 12"),
    ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
])
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        encoder(**options)


@pytest.mark.parametrize("changed, message", [
    ({"ids": [1, 2]}, r"Encoder: ids must be \(B, S\), got shape \(2,\)"),
    ({"ids": np.zeros((2, 0), int), "features": np.zeros((2, 0, 1), int)},
     r"Encoder: ids must be \(B, S\) with S > 0, got shape \(2, 0\)"),
    ({"ids": [[1, 11], [0, 0]]}, "embedding: ids must be in 0..10, got 11"),
    ({"valid": [[True] * 3] * 2},
     r"Encoder: valid must be \(B, S\) with S = 2 as in ids, got shape \(2, 3\)"),
    ({"valid": [[1, 1], [1, 0]]}, "Encoder: valid must be boolean, got int64"),
    ({"valid": [[True, True], [False, False]]},
     "Encoder: valid must have a True in every row, got none in row 1"),
    ({"features": None}, "Encoder: features must be given to an encoder with num_features 6"),
    ({"features": np.zeros((2, 2), int)}, r"Encoder: features must be \(B, S, K\), got shape \(2, 2\)"),
    ({"features": np.full((2, 2, 1), F)}, "embedding_bag: ids must be in 0..5 or -1, got 6"),
])
def test_wrong_input_is_named(changed, message):
    given = {"ids": [[1, 2], [3, 4]], "valid": None, "features": np.zeros((2, 2, 1), int), **changed}
    with pytest.raises(ValueError, match=message):
        encoder(num_features=F)(**given)


def test_features_that_nothing_reads_are_named(ids):
    with pytest.raises(ValueError, match="features must not be given to an encoder with num_features 0"):
        encoder()(ids, None, np.zeros((3, 6, 1), int))
