import numpy as np
import pytest

from tests.oracle import assert_close, torch_or_skip
from tinyllm import Tensor, nn
from tinyllm.nn.attention import KeyValues


def test_matches_torch(rng):
    torch = torch_or_skip()
    ours = nn.SelfAttention(6, 2, rng=rng, dtype=np.float64)
    theirs = torch.nn.MultiheadAttention(6, 2, batch_first=True).double()
    names = {"qkv.weight": "in_proj_weight", "qkv.bias": "in_proj_bias",
             "out.weight": "out_proj.weight", "out.bias": "out_proj.bias"}
    theirs.load_state_dict({names[name]: torch.tensor(array) for name, array in ours.state_dict().items()})
    x = rng.standard_normal((3, 5, 6))
    x_torch = torch.tensor(x)
    hidden = torch.triu(torch.ones(5, 5, dtype=torch.bool), diagonal=1)
    expected, _ = theirs(x_torch, x_torch, x_torch, attn_mask=hidden)
    assert_close(ours(Tensor(x), causal=True).data, expected.detach(), 1e-10)


def test_windows_with_the_past_equal_the_whole(rng):
    layer = nn.SelfAttention(6, 2, rng=rng, dtype=np.float64)
    x = rng.standard_normal((2, 9, 6))
    whole = layer(Tensor(x), causal=True).data
    past = KeyValues(2, 6, dtype=np.float64)
    windows = [layer(Tensor(x[:, a:b]), causal=True, past=past).data for a, b in [(0, 3), (3, 4), (4, 9)]]
    assert_close(np.concatenate(windows, axis=1), whole, 1e-12)
    assert len(past) == 9


def held(past):
    """Positions in memory, also those that a view does not show."""
    return sum((piece if piece.base is None else piece.base).size for piece in past._pieces) // (2 * 2)


@pytest.mark.parametrize("asked", [1, 7, 30])
@pytest.mark.parametrize("context", [0, 1, 4])
def test_what_lies_beyond_the_context_is_let_go(rng, context, asked):
    past = KeyValues(1, 2, context, dtype=np.float64)
    rows = rng.standard_normal((1, 30, 2))
    for t in range(30):
        past.append(rows[:, t:t + 1], -rows[:, t:t + 1])
        expected = rows[:, max(0, t + 1 - context):t + 1] if context else rows[:, :0]
        assert len(past) == expected.shape[1] and held(past) <= 2 * context  # the oldest piece may be cut later
        if (t + 1) % asked == 0:
            np.testing.assert_array_equal(past.keys(), expected)
            np.testing.assert_array_equal(past.values(), -expected)
            assert held(past) == len(past)
    past.append(rows, -rows)  # a window longer than the context
    past.extend(np.stack([rows, -rows]))
    assert held(past) == context
    np.testing.assert_array_equal(past.keys(), rows[:, 30 - context:])


def test_what_a_past_handed_out_stays_whatever_follows(rng):
    past = KeyValues(2, 3, dtype=np.float64)
    k, v, new = rng.standard_normal((3, 2, 4, 3))
    past.append(k, v)
    past.append(new[:, :1], new[:, 1:2])
    k[...] = v[...] = 0  # copies are held
    held, before = past.both(), past.both().copy()
    np.testing.assert_array_equal(past.keys()[:, 4:], new[:, :1])
    np.testing.assert_array_equal(past.values()[:, 4:], new[:, 1:2])
    assert before[:, :, :4].all()
    changes = [past.changes]
    past.select([1, 1, 0])
    changes.append(past.changes)
    np.testing.assert_array_equal(past.both(), before[:, [1, 1, 0]])
    past.select([0, 2])
    changes.append(past.changes)
    past.load(new, -new)
    changes.append(past.changes)
    np.testing.assert_array_equal(past.both(), [new, -new])
    past.append(k, v)
    assert sorted({*changes, past.changes}) == [*changes, past.changes]
    np.testing.assert_array_equal(held, before)  # what was handed out stays


def test_a_past_goes_with_causal_alone(rng):
    layer, past = nn.SelfAttention(4, 2, rng=rng, dtype=np.float64), KeyValues(1, 4, dtype=np.float64)
    x = Tensor(rng.standard_normal((1, 3, 4)))
    layer(x, causal=True, past=past)
    with pytest.raises(ValueError, match="a past goes with causal alone"):
        layer(x, causal=True, past=past, valid=np.ones((1, 3), bool))
