import numpy as np
import pytest

from tests.oracle import assert_close, load_into_torch, torch_or_skip
from tinyllm import Tensor, nn

VALID = np.array([[True] * 5, [True, True, False, False, False]])


@pytest.fixture
def layer(rng):
    return nn.CrossAttention(6, 4, 2, rng=rng, dtype=np.float64)


@pytest.fixture
def x(rng):
    return Tensor(rng.standard_normal((2, 3, 6)), requires_grad=True)


@pytest.fixture
def memory(rng):
    return Tensor(rng.standard_normal((2, 5, 4)), requires_grad=True)


def test_matches_torch(rng, layer, x, memory):
    torch = torch_or_skip()
    ours = layer.state_dict()
    k, v = np.split(ours["kv.weight"], 2)
    theirs = load_into_torch(
        {"q_proj_weight": ours["q.weight"], "k_proj_weight": k, "v_proj_weight": v,
         "in_proj_bias": np.concatenate([ours["q.bias"], ours["kv.bias"]]),
         "out_proj.weight": ours["out.weight"], "out_proj.bias": ours["out.bias"]},
        torch.nn.MultiheadAttention(6, 2, kdim=4, vdim=4, batch_first=True).double())
    x_torch, memory_torch = (torch.tensor(t.data, requires_grad=True) for t in (x, memory))
    expected, weights = theirs(x_torch, memory_torch, memory_torch, key_padding_mask=torch.tensor(~VALID),
                               average_attn_weights=False)
    out, dout = layer(x, memory, VALID), rng.standard_normal((2, 3, 6))
    assert_close(out.data, expected.detach(), 1e-10)
    assert_close(layer.weights(x, memory, VALID), weights.detach(), 1e-10)
    out.backward(dout)
    expected.backward(torch.tensor(dout))
    assert_close(x.grad, x_torch.grad, 1e-10)
    assert_close(memory.grad, memory_torch.grad, 1e-10)


def test_a_padded_position_is_not_read(rng, layer, x, memory):
    changed = Tensor(np.where(VALID[:, :, None], memory.data, 100.0))
    np.testing.assert_array_equal(layer(x, changed, VALID).data, layer(x, memory, VALID).data)
    weights = layer.weights(x, memory, VALID)
    assert weights.shape == (2, 2, 3, 5)
    assert_close(weights.sum(axis=-1), np.ones((2, 2, 3)), 1e-12)
    assert (weights[1, :, :, 2:] == 0).all() and (weights[1, :, :, :2] > 0).all()


def test_rows_in_a_row_may_share_a_memory(rng, layer, memory):
    x = Tensor(rng.standard_normal((6, 1, 6)))
    shared = layer.attend(x, layer.kv(memory), VALID).data
    copied = layer(x, Tensor(np.repeat(memory.data, 3, axis=0)), np.repeat(VALID, 3, axis=0)).data
    assert_close(shared, copied, 1e-12)


@pytest.mark.parametrize("call, message", [
    (lambda layer, x, m: layer(x, m[:1]), r"CrossAttention: memory must be \(B, S, M\) with B = 2 as in x"),
    (lambda layer, x, m: layer.weights(x, m[0]), r"CrossAttention: memory must be \(B, S, M\), got shape"),
    (lambda layer, x, m: layer(x, m, VALID[:, :2]), r"attention: valid must be boolean of shape \(2, 5\)"),
    (lambda layer, x, m: layer(x, m, VALID & ~VALID[1]), "attention: every query must see a key, got none for"),
    (lambda *_: nn.CrossAttention(6, 4, 4, rng=None), "CrossAttention: num_heads must divide .* got 4 and 6"),
])
def test_wrong_input_is_named(layer, x, memory, call, message):
    with pytest.raises(ValueError, match=message):
        call(layer, x, memory)
