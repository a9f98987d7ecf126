import numpy as np
import pytest

from tests.oracle import assert_close, load_into_torch, torch_or_skip
from tinyllm import Tensor, nn

LAYERS = ["RNN", "GRU", "LSTM"]


def _last(state):
    """The states as one list of arrays, whatever the layer."""
    return [s.data for s in (state if isinstance(state, tuple) else (state,))]


@pytest.mark.parametrize("layers, bidirectional", [(1, False), (2, False), (1, True), (3, True)])
@pytest.mark.parametrize("name", LAYERS)
def test_matches_torch_forward_and_backward(rng, name, layers, bidirectional):
    torch = torch_or_skip()
    ours = getattr(nn, name)(4, 5, layers, bidirectional=bidirectional, rng=rng, dtype=np.float64)
    theirs = getattr(torch.nn, name)(4, 5, layers, bidirectional=bidirectional, batch_first=True).double()
    load_into_torch(ours.state_dict(), theirs)
    x = Tensor(rng.standard_normal((3, 6, 4)), requires_grad=True)
    out, state = ours(x)
    dout = rng.standard_normal(out.shape)
    out.backward(dout)
    x_torch = torch.tensor(x.data, requires_grad=True)
    out_torch, state_torch = theirs(x_torch)
    out_torch.backward(torch.tensor(dout))
    assert_close(out.data, out_torch.detach(), 1e-10)
    for mine, other in zip(_last(state), state_torch if name == "LSTM" else (state_torch,), strict=True):
        assert_close(mine, other.detach(), 1e-10)
    assert_close(x.grad, x_torch.grad, 1e-10)
    for parameter, (_, other) in zip(ours.parameters(), theirs.named_parameters(), strict=True):
        assert_close(parameter.grad, other.grad, 1e-10)


@pytest.mark.parametrize("name", LAYERS)
def test_a_sequence_in_two_parts_is_the_whole(rng, name):
    layer = getattr(nn, name)(3, 4, 2, rng=rng, dtype=np.float64)
    x = rng.standard_normal((2, 7, 3))
    whole, end = layer(Tensor(x))
    first, middle = layer(Tensor(x[:, :4]))
    second, same_end = layer(Tensor(x[:, 4:]), middle)
    np.testing.assert_array_equal(np.concatenate([first.data, second.data], axis=1), whole.data)
    for a, b in zip(_last(end), _last(same_end), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", LAYERS)
def test_a_padded_batch_equals_its_rows_alone(rng, name):
    layer = getattr(nn, name)(3, 4, 2, bidirectional=True, rng=rng, dtype=np.float64)
    lengths = [5, 1, 3]
    x = rng.standard_normal((3, 5, 3))
    out, state = layer(Tensor(x), valid=np.arange(5) < np.array(lengths)[:, None])
    for b, length in enumerate(lengths):
        alone, end = layer(Tensor(x[b:b + 1, :length]))
        assert_close(out.data[b, :length], alone.data[0], 1e-12)
        for padded, own in zip(_last(state), _last(end), strict=True):
            assert_close(padded[:, b], own[:, 0], 1e-12)


def test_dropout_falls_between_layers_only(rng):
    x = Tensor(rng.standard_normal((2, 4, 3)).astype(np.float32))
    one = nn.GRU(3, 4, 1, dropout=0.5, rng=rng)
    np.testing.assert_array_equal(one(x, rng=rng)[0].data, one(x)[0].data)
    two = nn.GRU(3, 4, 2, dropout=0.5, rng=rng)
    assert (two(x, rng=rng)[0].data != two(x)[0].data).any()


@pytest.mark.parametrize("name", LAYERS)
def test_layer_by_layer_is_the_whole(rng, name):
    """From a given state, with the dropout between layers: the same draws, the same bits."""
    layer = getattr(nn, name)(3, 4, 3, bidirectional=True, dropout=0.3, rng=rng, dtype=np.float64)
    x, valid = Tensor(rng.standard_normal((2, 5, 3))), np.arange(5) < np.array([[5], [2]])
    state = tuple(Tensor(rng.standard_normal((6, 2, 4))) for _ in range(1 + (name == "LSTM")))
    state = state if name == "LSTM" else state[0]
    whole, end = layer(x, state, valid, np.random.default_rng(1))
    drops, ends = np.random.default_rng(1), []
    for number in range(3):
        x, last = layer.layer(number, x, state, valid, drops)
        assert x.shape == (2, 5, 8) and len(last) == 2
        ends += last
    np.testing.assert_array_equal(x.data, whole.data)
    for row, own in enumerate(ends):
        for mine, expected in zip(own if name == "LSTM" else [own], _last(end), strict=True):
            np.testing.assert_array_equal(mine.data, expected[row])
