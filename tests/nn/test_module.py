import numpy as np
import pytest

from tests.oracle import assert_close, load_into_torch, torch_or_skip
from tinyllm import Tensor, nn


class Two(nn.Module):
    def __init__(self, rng):
        self.first = nn.Linear(3, 4, rng=rng)
        self.rest = [nn.LayerNorm(4), nn.Linear(4, 2, bias=False, rng=rng)]
        self.shared = self.first.weight


def test_names_in_the_order_of_definition_each_once(rng):
    names = [name for name, _ in Two(rng).named_parameters()]
    assert names == ["first.weight", "first.bias", "rest.0.weight", "rest.0.bias", "rest.1.weight"]
    assert Two(rng).num_parameters() == 12 + 4 + 4 + 4 + 8


def test_state_dict_is_a_copy_and_comes_back(rng):
    one, other = Two(rng), Two(rng)
    state = one.state_dict()
    other.load_state_dict(state)
    state["first.weight"][:] = 0
    for ours, theirs in zip(one.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)


def test_every_wrong_entry_is_named_and_nothing_is_taken_over(rng):
    model = Two(rng)
    before = model.state_dict()
    wrong = {**before, "first.weight": np.zeros((4, 5)), "extra": np.zeros(1)}
    del wrong["rest.0.bias"]
    with pytest.raises(ValueError, match=r"first.weight: expected \(4, 3\), file has \(4, 5\); extra: not in this "
                                         r"model; rest.0.bias: missing"):
        model.load_state_dict(wrong)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_load_state_dict_keeps_the_dtype(rng):
    model = Two(rng)
    model.load_state_dict({name: array.astype(np.float64) for name, array in model.state_dict().items()})
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("make, message", [
    (lambda rng: nn.Linear(0, 2, rng=rng), "Linear: in_features must be an integer of at least 1, got 0"),
    (lambda rng: nn.Embedding(3, 2.0, rng=rng), "Embedding: embedding_dim must be an integer of at least 1, got 2.0"),
    (lambda rng: nn.GRU(3, 4, num_layers=0, rng=rng), "GRU: num_layers must be an integer of at least 1, got 0"),
    (lambda rng: nn.GRU(3, 4, dropout=1.0, rng=rng), r"GRU: dropout must be in \[0, 1\), got 1.0"),
    (lambda rng: nn.Dropout(-0.1), r"Dropout: p must be in \[0, 1\), got -0.1"),
    (lambda rng: nn.SelfAttention(6, 4, rng=rng), "SelfAttention: num_heads must divide .* got 4 and 6"),
])
def test_wrong_sizes_are_named(rng, make, message):
    with pytest.raises(ValueError, match=message):
        make(rng)


def test_simple_layers_match_torch(rng):
    torch = torch_or_skip()
    x, ids = rng.standard_normal((2, 5, 6)), rng.integers(0, 7, (2, 5))
    for ours, theirs, given in [
            (nn.Linear(6, 4, rng=rng, dtype=np.float64), torch.nn.Linear(6, 4), x),
            (nn.Linear(6, 4, bias=False, rng=rng, dtype=np.float64), torch.nn.Linear(6, 4, bias=False), x),
            (nn.LayerNorm(6, dtype=np.float64), torch.nn.LayerNorm(6), x),
            (nn.Embedding(7, 3, rng=rng, dtype=np.float64), torch.nn.Embedding(7, 3), ids)]:
        load_into_torch(ours.state_dict(), theirs.double())
        expected = theirs(torch.tensor(given)).detach().numpy()
        assert_close(ours(Tensor(given) if given is x else given).data, expected, 1e-10)


def test_dropout_only_with_an_rng(rng):
    layer, x = nn.Dropout(0.5), Tensor(np.ones((50, 40)))
    assert layer(x) is x
    dropped = layer(x, rng).data
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert abs(dropped.mean() - 1) < 0.1
