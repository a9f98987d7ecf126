import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import DTYPES, TORCH_TOLERANCE, assert_close
from tests.ops.two_ways import assert_kernel_equals_formula, assert_same_bits
from tests.ops.two_ways import assert_torch_agrees, normal, run
from tinyllm.autograd import Tensor, formulas, no_grad
from tinyllm.gradcheck import gradcheck
from tinyllm.kernels import threads
from tinyllm.kernels.packing import BLOCK
from tinyllm.kernels.jit import compiling
from tinyllm.ops.attention import ROWS, attention, attention_weights, cross_attention, self_attention


def arrays(rng, dtype, B, T, S, A, D, E):
    """q, k, v."""
    return normal(rng, dtype, (B, T, A * D), (B, S, A * D), (B, S, A * E))


def drawn_masks(rng, B, T, S, share, causal):
    """valid and mask in which every query sees a key, at the latest the one that causal always shows."""
    valid, mask = rng.random((B, S)) < share, rng.random((B, T, S)) < share
    shown = rng.integers(0, S - T + 1 if causal else S)
    valid[:, shown] = mask[:, :, shown] = True
    return valid, mask


def options(rng, B, T, S, causal, masks, share=0.5):
    valid, mask = drawn_masks(rng, B, T, S, share, causal)
    return {"causal": causal, "valid": valid if "valid" in masks else None,
            "mask": mask if "mask" in masks else None}


def test_worked_example():
    """Scores [0, log 3] (D = 1), so weights [1/4, 3/4] of the values 8 and 16: 14.

    dout 1: dv = [1/4, 3/4]; dw = [8, 16], sum dw w = 14, ds = [-3/2, 3/2]; dq = 3/2 log 3, dk = ds q = ds.
    """
    q, k, v = np.array([[[1.0]]]), np.array([[[0], [np.log(3)]]]), np.array([[[8.0], [16.0]]])
    o, (dq, dk, dv) = run(attention, [q, k, v], np.ones((1, 1, 1)))
    assert o.item() == pytest.approx(14)
    assert dq.item() == pytest.approx(1.5 * np.log(3))
    np.testing.assert_allclose(dk.ravel(), [-1.5, 1.5])
    np.testing.assert_allclose(dv.ravel(), [0.25, 0.75])
    np.testing.assert_allclose(attention_weights(q, k), [[[[0.25, 0.75]]]])


@pytest.mark.parametrize("masks", ["", "valid", "mask", "valid mask"])
@pytest.mark.parametrize("B, T, S, A, D, E, causal", [
    (2, 3, 4, 2, 3, 2, False), (2, 3, 3, 1, 2, 5, True), (1, 2, 5, 2, 1, 1, True),
    (1, ROWS + 2, ROWS + 3, 1, 2, 1, True)])  # two blocks of rows
def test_gradient(rng, B, T, S, A, D, E, causal, masks):
    given = options(rng, B, T, S, causal, masks)
    gradcheck(lambda *a: attention(*a, num_heads=A, **given), *arrays(rng, float, B, T, S, A, D, E), rng=rng)


@pytest.mark.parametrize("causal", [False, True])
def test_gradient_of_self_attention(rng, causal):
    x, = normal(rng, float, (2, 3, 12))
    gradcheck(lambda x: self_attention(x, num_heads=2, causal=causal), x, rng=rng)


@given(B=st.integers(1, 3), T=st.integers(1, 2 * ROWS + 5), more=st.integers(0, 70), A=st.integers(1, 3),
       D=st.integers(1, 40), E=st.integers(1, 40), causal=st.booleans(), seed=st.integers(0, 999),
       masks=st.sampled_from(["", "valid", "mask", "valid mask"]), share=st.sampled_from([0.0, 0.5, 0.9]),
       dtype=st.sampled_from(DTYPES))
def test_kernel_equals_formula(B, T, more, A, D, E, causal, seed, masks, share, dtype):
    """share 0 hides all keys but one."""
    rng = np.random.default_rng(seed)
    S = T + more if causal else 1 + more
    given = options(rng, B, T, S, causal, masks, share)
    assert_kernel_equals_formula(lambda q, k, v: attention(q, k, v, num_heads=A, **given),
                                 *arrays(rng, dtype, B, T, S, A, D, E), rng=rng)


@given(B=st.integers(1, 3), T=st.integers(1, 2 * ROWS + 5), A=st.integers(1, 3), D=st.integers(1, 40),
       causal=st.booleans(), seed=st.integers(0, 999), masked=st.booleans(), dtype=st.sampled_from(DTYPES))
def test_self_attention_equals_its_formula(B, T, A, D, causal, seed, masked, dtype):
    rng = np.random.default_rng(seed)
    given = options(rng, B, T, T, causal, "valid" if masked else "")
    assert_kernel_equals_formula(lambda x: self_attention(x, num_heads=A, **given),
                                 *normal(rng, dtype, (B, T, 3 * A * D)), rng=rng)


@given(B=st.integers(1, 3), T=st.integers(1, 2 * ROWS + 5), S=st.integers(1, 70), A=st.integers(1, 3),
       D=st.integers(1, 40), seed=st.integers(0, 999), masked=st.booleans(), dtype=st.sampled_from(DTYPES))
def test_cross_attention_equals_its_formula(B, T, S, A, D, seed, masked, dtype):
    rng = np.random.default_rng(seed)
    valid = options(rng, B, T, S, False, "valid" if masked else "")["valid"]
    assert_kernel_equals_formula(lambda q, kv: cross_attention(q, kv, num_heads=A, valid=valid),
                                 *normal(rng, dtype, (B, T, A * D), (B, S, 2 * A * D)), rng=rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 1e3])  # scores up to 1e6 overflow a plain exp
@pytest.mark.parametrize("causal, masks", [(False, ""), (True, ""), (False, "mask"), (True, "valid mask")])
def test_matches_torch(rng, dtype, scale, causal, masks):
    torch = pytest.importorskip("torch")
    B, T, S, A, D, E = 2, 37, 45, 2, 16, 9
    q, k, v = arrays(rng, dtype, B, T, S, A, D, E)
    if scale > 1:  # whole numbers and 1/sqrt(16): the scores are exact, so that both see the same
        q, k = np.rint(dtype(scale) * q), np.rint(k)
    given = options(rng, B, T, S, causal, masks)
    allowed = np.tri(T, S, S - T, dtype=bool) if causal else np.ones((T, S), bool)
    allowed = np.broadcast_to(allowed, (B, T, S)).copy()
    if given["valid"] is not None:
        allowed &= given["valid"][:, None]
    if given["mask"] is not None:
        allowed &= given["mask"]

    def theirs(q, k, v):
        q, k, v = (x.reshape(B, x.shape[1], A, -1).transpose(1, 2) for x in (q, k, v))
        mask = torch.tensor(allowed[:, None])
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return out.transpose(1, 2).reshape(B, T, -1)

    gradient_tol = scale * TORCH_TOLERANCE[dtype]  # dk = ds^T q: q magnifies the rounding of ds
    assert_torch_agrees(lambda *a: attention(*a, num_heads=A, **given), theirs, q, k, v, rng=rng,
                        gradient_tol=gradient_tol)


def test_self_attention_is_attention_of_its_parts(rng):
    x, dout = normal(rng, np.float32, (2, 50, 3 * 12), (2, 50, 12))
    y, (dx,) = run(lambda x: self_attention(x, num_heads=3, causal=True), [x], dout)
    parts = run(lambda *a: attention(*a, num_heads=3, causal=True), np.split(x, 3, axis=2), dout)
    assert_same_bits((y, [dx]), (parts[0], [np.concatenate(parts[1], axis=2)]))


@pytest.mark.parametrize("masked", [False, True])
def test_cross_attention_is_attention_of_its_parts(rng, masked):
    q, kv, dout = normal(rng, np.float32, (2, 70, 12), (2, 50, 24), (2, 70, 12))
    given = {"num_heads": 3, "valid": np.arange(50) < [[50], [17]] if masked else None}
    y, (dq, dkv) = run(lambda q, kv: cross_attention(q, kv, **given), [q, kv], dout)
    parts = run(lambda *a: attention(*a, **given), [q, *map(np.ascontiguousarray, np.split(kv, 2, axis=2))], dout)
    assert_same_bits((y, [dq, dkv]), (parts[0], [parts[1][0], np.concatenate(parts[1][1:], axis=2)]))


def test_weights_are_what_the_kernel_uses(rng):
    """Values that are unit vectors give back the weights; rows add up to 1, the hidden weigh nothing."""
    B, T, S = 2, 40, 45
    given = options(rng, B, T, S, True, "valid mask")
    q, k, v = arrays(rng, float, B, T, S, 1, 6, S)
    weights = attention_weights(q, k, **given)
    assert weights.shape == (B, 1, T, S)
    np.testing.assert_allclose(weights.sum(-1), 1)
    hidden = ~(given["mask"] & given["valid"][:, None] & np.tri(T, S, S - T, dtype=bool))
    assert (weights[:, 0][hidden] == 0).all()
    units = Tensor(np.broadcast_to(np.eye(S), (B, S, S)))
    o = attention(Tensor(q), Tensor(k), units, **given).data
    np.testing.assert_allclose(o, weights[:, 0], atol=1e-12)


@pytest.mark.parametrize("T, S", [(70, 70), (5, 45)])
def test_causal_ignores_the_future(rng, T, S):
    q, k, v = arrays(rng, np.float32, 2, T, S, 2, 8, 8)
    before, t = run(lambda *a: attention(*a, num_heads=2, causal=True), [q, k, v])[0], 3
    k[:, t + S - T + 1:] = 1e6
    v[:, t + S - T + 1:] = -1e6
    after = run(lambda *a: attention(*a, num_heads=2, causal=True), [q, k, v])[0]
    np.testing.assert_array_equal(after[:, :t + 1], before[:, :t + 1])
    assert (after[:, t + 1:] != before[:, t + 1:]).all()


def test_hidden_keys_receive_no_gradient(rng):
    valid = np.ones((2, 9), bool)
    valid[0, 6:] = valid[1, :2] = False
    *given, dout = *arrays(rng, float, 2, 4, 9, 1, 3, 3), rng.standard_normal((2, 4, 3))
    _, (_, dk, dv) = run(lambda *a: attention(*a, valid=valid), given, dout)
    assert (dk[~valid] == 0).all() and (dv[~valid] == 0).all()
    assert (dk[valid] != 0).all() and (dv[valid] != 0).all()


def test_a_padded_batch_equals_its_rows_alone(rng):
    S = 50
    q, k, v, dout = *arrays(rng, np.float32, 2, 5, S, 2, 8, 8), *normal(rng, np.float32, (2, 5, 16))
    lengths = [S, 17]
    valid = np.arange(S) < np.array(lengths)[:, None]
    o, (dq, dk, dv) = run(lambda *a: attention(*a, num_heads=2, valid=valid), [q, k, v], dout)
    for b, n in enumerate(lengths):
        one = slice(b, b + 1)
        alone = run(lambda *a: attention(*a, num_heads=2), [q[one], k[one, :n], v[one, :n]], dout[one])
        for ours, expected in zip([o[one], dq[one], dk[one, :n], dv[one, :n]], [alone[0], *alone[1]]):
            assert_close(ours, expected, 1e-6)


@pytest.mark.skipif(not compiling(), reason="NumPy's product has other bits for other shapes")
@pytest.mark.parametrize("S", [1, 31, 32, 33, 70, BLOCK + 44])
def test_a_query_alone_has_the_bits_it_has_in_the_sequence(rng, S):
    """What generation rests on: step by step against the keys so far, as in one pass over the sequence."""
    q, k, v = arrays(rng, np.float32, 2, S, S, 2, 9, 9)
    whole = run(lambda *a: attention(*a, num_heads=2, causal=True), [q, k, v])[0]
    for t in {0, S // 2, S - 1}:
        step = run(lambda *a: attention(*a, num_heads=2, causal=True),
                   [q[:, t:t + 1], np.ascontiguousarray(k[:, :t + 1]), np.ascontiguousarray(v[:, :t + 1])])[0]
        np.testing.assert_array_equal(step, whole[:, t:t + 1])


def test_same_bits_for_any_number_of_threads_and_for_a_batch_row_alone(rng):
    *given, dout = *arrays(rng, np.float32, 3, 70, 75, 2, 20, 9), *normal(rng, np.float32, (3, 70, 18))
    results = []
    for count in (1, threads.count()):
        with threads.limited(count):
            results.append(run(lambda *a: attention(*a, num_heads=2, causal=True), given, dout))
    assert_same_bits(*results)
    alone = run(lambda *a: attention(*a, num_heads=2, causal=True), [a[1:2] for a in given], dout[1:2])
    assert_same_bits(alone, (results[0][0][1:2], [d[1:2] for d in results[0][1]]))


def kept(T):
    """Bytes that the graph of self-attention keeps beside its input and its output."""
    x = Tensor(np.zeros((1, T, 24), np.float32), requires_grad=True)
    y = self_attention(x, num_heads=2, causal=True)
    cells = [cell.cell_contents for cell in y._backward.__closure__]
    found = [a for cell in cells for a in (cell if isinstance(cell, (list, tuple)) else [cell])
             if isinstance(a, np.ndarray) and not any(np.shares_memory(a, b.data) for b in (x, y))]
    return sum(a.nbytes for a in found)


def test_the_graph_grows_linearly_with_the_length():
    """It keeps two numbers for each head and query."""
    assert kept(100) == 2 * 2 * 100 * 4
    assert kept(1000) == 10 * kept(100)


PEAK = """
import resource
import numpy as np
from tinyllm.autograd import Tensor
from tinyllm.ops.attention import self_attention

def step(T):
    y = self_attention(Tensor(np.ones((1, T, 96), np.float32), requires_grad=True), num_heads=2, causal=True)
    y.backward(y.data)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KB on Linux

before = step(64)
print(step(16384) - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_memory_grows_linearly_with_the_length():
    """One matrix of 16384 x 16384 weights would take 1 GB."""
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150_000


def test_no_grad_keeps_nothing(rng):
    q, k, v = (Tensor(a, requires_grad=True) for a in arrays(rng, float, 1, 2, 2, 1, 2, 2))
    with no_grad():
        assert not attention(q, k, v).requires_grad


LATE = np.array([[True] * 4, [False, False, True, True]])  # with causal, query 0 sees the keys 0 and 1
BLIND = np.ones((2, 3, 4), bool)
BLIND[1, 2] = False


GOOD = (2, 3, 6), (2, 4, 6), (2, 4, 6)  # q, k, v


@pytest.mark.parametrize("shapes, given, message", [
    (((2, 3), *GOOD[1:]), {}, r"attention: q must be \(B, T, D\), got shape \(2, 3\)"),
    ((GOOD[0], (2, 4, 8), GOOD[2]), {}, r"k must be \(B, S, D\) with D = 6 as in q, got shape \(2, 4, 8\)"),
    ((*GOOD[:2], (2, 5, 6)), {}, r"v must be \(B, S, E\) with S = 4 as in k, got shape \(2, 5, 6\)"),
    (((2, 5, 6), *GOOD[1:]), {"causal": True}, "attention: causal needs S >= T, got T = 5, S = 4"),
    ((GOOD[0], (2, 0, 6), (2, 0, 6)), {}, r"attention: T, S and the columns must be > 0, got T = 3, S = 0"),
    ((*GOOD[:2], (2, 4, 7)), {"num_heads": 3}, "num_heads must divide the 7 columns of v, got 3"),
    (GOOD, {"num_heads": 4}, "attention: num_heads must divide the 6 columns of q, got 4"),
    (GOOD, {"num_heads": 0}, "attention: num_heads must divide the 6 columns of q, got 0"),
    (GOOD, {"valid": np.ones((2, 3), bool)},
     r"attention: valid must be boolean of shape \(2, 4\), got bool of shape \(2, 3\)"),
    (GOOD, {"mask": np.ones((2, 3, 4))},
     r"attention: mask must be boolean of shape \(2, 3, 4\), got float64 of shape \(2, 3, 4\)"),
    (GOOD, {"mask": BLIND}, r"attention: every query must see a key, got none for \(b, t\) = \(1, 2\)"),
    (GOOD, {"valid": LATE, "causal": True}, r"every query must see a key, got none for \(b, t\) = \(1, 0\)"),
    (GOOD, {"valid": ~LATE}, r"every query must see a key, got none for \(b, t\) = \(0, 0\)"),
    (GOOD, {"valid": LATE, "mask": ~LATE[:, None].repeat(3, 1)}, r"got none for \(b, t\) = \(0, 0\)"),
])
@pytest.mark.parametrize("way", ["kernel", "formula"])
def test_wrong_input_is_named(shapes, given, message, way):
    q, k, v = (Tensor(np.zeros(shape)) for shape in shapes)
    with pytest.raises(ValueError, match=message):
        if way == "formula":
            with formulas():
                attention(q, k, v, **given)
        attention(q, k, v, **given)


@pytest.mark.parametrize("shape, given, message", [
    ((2, 3, 7), {}, r"self_attention: qkv must be \(B, T, 3D\), got shape \(2, 3, 7\)"),
    ((2, 3, 12), {"num_heads": 3}, "self_attention: num_heads must divide the 4 columns of q, got 3"),
    ((2, 4, 12), {"valid": ~LATE}, r"self_attention: .* got none for \(b, t\) = \(0, 0\)"),
])
def test_wrong_input_of_self_attention_is_named(shape, given, message):
    with pytest.raises(ValueError, match=message):
        self_attention(Tensor(np.zeros(shape)), **given)


@pytest.mark.parametrize("shapes, given, message", [
    (((2, 3, 6), (2, 4, 13)), {},
     r"cross_attention: kv must be \(B, S, 2D\) with D = 6 as in q, got shape \(2, 4, 13\)"),
    (((2, 3, 6), (2, 4, 12)), {"num_heads": 4}, "cross_attention: num_heads must divide the 6 columns of q, got 4"),
    (((2, 3, 6), (2, 4, 12)), {"valid": np.zeros((2, 4), bool)},
     r"cross_attention: .* got none for \(b, t\) = \(0, 0\)"),
])
def test_wrong_input_of_cross_attention_is_named(shapes, given, message):
    with pytest.raises(ValueError, match=message):
        cross_attention(*(Tensor(np.zeros(shape)) for shape in shapes), **given)


def test_wrong_dtype_is_named(rng):
    q, k, v = arrays(rng, np.float32, 1, 2, 2, 1, 2, 2)
    with pytest.raises(ValueError, match="attention: v must be float32 as q, got float64"):
        attention(Tensor(q), Tensor(k), Tensor(v.astype(np.float64)))
