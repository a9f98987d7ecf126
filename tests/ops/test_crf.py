import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import DTYPES, FORMULA_TOLERANCE, assert_close
from tests.ops.two_ways import assert_kernel_equals_formula, assert_same_bits
from tests.ops.two_ways import assert_torch_agrees, normal, run
from tinyllm.autograd import Tensor, formulas, no_grad
from tinyllm.gradcheck import gradcheck
from tinyllm.kernels import threads
from tinyllm.ops.crf import CHUNK, crf_marginals, crf_nll


def scores(rng, dtype, B, T, C, scale=1):
    """Emissions, transitions, start and end."""
    return [dtype(scale) * a for a in normal(rng, dtype, (B, T, C), (C, C), C, C)]


def prefix(lengths, T):
    """The mask of rows of these lengths."""
    return np.arange(T) < np.array(lengths)[:, None]


def path_score(path, x, w, s, e):
    """score(y) of one row, x (L, C)."""
    steps = sum(w[k, c] for k, c in itertools.pairwise(path))
    return s[path[0]] + sum(x[t, c] for t, c in enumerate(path)) + steps + e[path[-1]]


def test_worked_example():
    """exp(w) = [2 1; 1 3], all else 0: the paths 00, 01, 10, 11 weigh 2, 1, 1, 3, so Z = 7 and p(11) = 3/7.

    Tag 0 has 3/7 at either position; 1 follows 0 with 1/7; what the path 11 has counts against each.
    """
    arrays = [np.zeros((1, 2, 2)), np.log([[2.0, 1], [1, 3]]), np.zeros(2), np.zeros(2)]
    loss, (dx, dw, ds, de) = run(lambda x, *a: crf_nll(x, [[1, 1]], *a), arrays, np.ones(1))
    np.testing.assert_allclose(loss, [np.log(7 / 3)])
    np.testing.assert_allclose(dx, [[[3 / 7, -3 / 7], [3 / 7, -3 / 7]]])
    np.testing.assert_allclose(dw, [[2 / 7, 1 / 7], [1 / 7, 3 / 7 - 1]])
    np.testing.assert_allclose([ds, de], [[3 / 7, -3 / 7]] * 2)


@pytest.mark.parametrize("B, T, C", [(1, 1, 2), (1, 3, 2), (2, 3, 1), (CHUNK + 1, 2, 2)])
def test_gradient(rng, B, T, C):
    tags, valid = rng.integers(0, C, (B, T)), prefix(rng.integers(1, T + 1, B), T)
    arrays = scores(rng, np.float64, B, T, C)
    gradcheck(lambda x, *a: crf_nll(x, tags, *a), *arrays, rng=rng)
    gradcheck(lambda x, *a: crf_nll(x, tags, *a, valid=valid), *arrays, rng=rng)


@given(sizes=st.tuples(st.integers(1, 2 * CHUNK + 1), st.integers(1, 7), st.integers(1, 19)),
       seed=st.integers(0, 999), dtype=st.sampled_from(DTYPES), padded=st.booleans())
def test_kernel_equals_formula(sizes, seed, dtype, padded):
    rng, (B, T, C) = np.random.default_rng(seed), sizes
    valid = prefix(rng.integers(1, T + 1, B), T) if padded else None
    tags = rng.integers(0, C, (B, T))
    assert_kernel_equals_formula(
        lambda x, *a: crf_nll(x, tags, *a, valid=valid), *scores(rng, dtype, B, T, C), rng=rng)


@pytest.mark.parametrize("T, C", [(1, 1), (1, 3), (2, 2), (3, 3), (4, 2)])
def test_every_path_one_by_one(rng, T, C):
    """Z, and the share of the paths with a tag, or two tags in a row, at each place: by their definitions."""
    paths = np.array(list(itertools.product(range(C), repeat=T)))
    x, w, s, e = scores(rng, np.float64, 1, T, C)
    weights = np.exp([path_score(path, x[0], w, s, e) for path in paths])
    p = weights / weights.sum()
    gold = paths[-1] if T % 2 else paths[0]
    loss, (dx, dw, ds, de) = run(lambda x, *a: crf_nll(x, [gold], *a), [x, w, s, e], np.ones(1))
    assert_close(loss, [-np.log(p[(paths == gold).all(1)].item())], 1e-12)
    tag = (paths[:, :, None] == np.arange(C)).astype(float)  # of every path, one-hot
    counts = np.einsum("p,ptc->tc", p, tag), np.einsum("p,ptk,ptc->kc", p, tag[:, :-1], tag[:, 1:])
    of_gold = np.eye(C)[gold]
    assert_close(dx[0], counts[0] - of_gold, 1e-12)
    assert_close(dw, counts[1] - of_gold[:-1].T @ of_gold[1:], 1e-12)
    assert_close([ds, de], dx[0, [0, -1]], 1e-12)


@pytest.mark.parametrize("dtype, tol", [(np.float64, 1e-12), (np.float32, 1e-6)])
def test_marginals_are_shares_of_all_paths(rng, dtype, tol):
    """Of each row by itself, as long as it is; behind it 0, and inside no_grad too."""
    T, C, lengths = 4, 3, [4, 1, 3]
    x, w, s, e = scores(rng, dtype, 3, T, C)
    with no_grad():
        p = crf_marginals(x, w, s, e, prefix(lengths, T))
    assert p.dtype == dtype and p.min() >= 0 and p.max() <= 1
    assert_close(p.sum(axis=2), prefix(lengths, T), tol)
    for b, L in enumerate(lengths):
        paths = np.array(list(itertools.product(range(C), repeat=L)))
        weights = np.exp([path_score(path, x[b], w, s, e) for path in paths])
        expected = np.einsum("p,ptc->tc", weights / weights.sum(), (paths[:, :, None] == np.arange(C)).astype(float))
        assert_close(p[b, :L], expected, tol)
    assert_close(crf_marginals(x[:1], w, s, e), p[:1], tol)
    with pytest.raises(ValueError, match=r"crf_marginals: valid must be \(B, T\) with T = 4"):
        crf_marginals(x, w, s, e, prefix(lengths, T + 1))


@given(sizes=st.tuples(st.integers(1, 2 * CHUNK + 1), st.integers(1, 7), st.integers(1, 19)),
       seed=st.integers(0, 999), dtype=st.sampled_from(DTYPES), padded=st.booleans())
def test_marginals_of_kernel_and_formula_are_equal(sizes, seed, dtype, padded):
    """Inside no_grad too, where probabilities are asked for; padding may be anything."""
    rng, (B, T, C) = np.random.default_rng(seed), sizes
    valid = prefix(rng.integers(1, T + 1, B), T) if padded else None
    x, *others = scores(rng, dtype, B, T, C)
    if padded:
        x[~valid] = np.nan
    p = crf_marginals(x, *others, valid)
    with formulas(), no_grad():
        assert_close(crf_marginals(x, *others, valid), p, FORMULA_TOLERANCE[dtype])


def test_marginals_run_no_kernel_inside_formulas(rng, monkeypatch):
    monkeypatch.setattr("tinyllm.ops.crf.crf_forward", None)
    with formulas():
        p = crf_marginals(*scores(rng, np.float32, 2, 3, 4))
    assert p.dtype == np.float32
    assert_close(p.sum(axis=2), np.ones((2, 3)), 1e-6)


@pytest.mark.parametrize("scale", [1, 100])
def test_the_probabilities_of_all_paths_add_up_to_1(rng, scale):
    T, C = 4, 3
    paths = np.array(list(itertools.product(range(C), repeat=T)))
    x, *others = scores(rng, np.float64, 1, T, C, scale)
    losses = crf_nll(Tensor(np.repeat(x, len(paths), axis=0)), paths, *map(Tensor, others)).data
    assert np.exp(-losses).sum() == pytest.approx(1, rel=1e-11)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1, 1e4])  # 1e4 overflows a plain exp
@pytest.mark.parametrize("lengths", [[6, 6, 6], [6, 1, 3]])
def test_matches_torch(rng, dtype, scale, lengths):
    torch = pytest.importorskip("torch")
    tags = rng.integers(0, 5, (3, 6))

    def theirs(x, w, s, e):
        losses = []
        for row, y, L in zip(x, tags.tolist(), lengths):
            a = s + row[0]
            for t in range(1, L):
                a = torch.logsumexp(a[:, None] + w, dim=0) + row[t]
            losses.append(torch.logsumexp(a + e, dim=0) - path_score(y[:L], row, w, s, e))
        return torch.stack(losses)

    assert_torch_agrees(lambda x, *a: crf_nll(x, tags, *a, valid=prefix(lengths, 6)), theirs,
                        *scores(rng, dtype, 3, 6, 5, scale), rng=rng)


def test_probabilities_add_up_and_padding_has_no_part(rng):
    """A tag more here is a tag less there: the gradient of each position adds up to 0, as does that of w."""
    lengths, tags = [5, 1, 4, 2, 5], rng.integers(0, 4, (5, 5))
    valid = prefix(lengths, 5)
    x, *others = scores(rng, np.float64, 5, 5, 4)
    _, (dx, dw, ds, de) = run(lambda x, *a: crf_nll(x, tags, *a, valid=valid), [x, *others], np.ones(5))
    np.testing.assert_allclose(dx.sum(-1), 0, atol=1e-14)
    np.testing.assert_allclose([dw.sum(), ds.sum(), de.sum()], 0, atol=1e-13)
    assert (dx[~valid] == 0).all() and (dx[valid] != 0).all()


def test_a_padded_row_is_the_row_alone(rng):
    lengths, tags = [5, 1, 4, 2, 5], rng.integers(0, 4, (5, 5))
    valid = prefix(lengths, 5)
    x, *others = scores(rng, np.float32, 5, 5, 4)
    x[~valid], tags[~valid] = np.nan, 99  # nobody looks at them
    ones = np.ones(5, np.float32)
    loss, (dx, *_) = run(lambda x, *a: crf_nll(x, tags, *a, valid=valid), [x, *others], ones)
    for b, L in enumerate(lengths):
        alone, (dx_alone, *_) = run(
            lambda x, *a: crf_nll(x, tags[b:b + 1, :L], *a), [x[b:b + 1, :L], *others], ones[:1])
        np.testing.assert_array_equal(loss[b:b + 1], alone)
        np.testing.assert_array_equal(dx[b:b + 1, :L], dx_alone)


def test_a_long_row_loses_no_digits_in_float32(rng):
    tags, arrays = rng.integers(0, 5, (1, 3000)), scores(rng, np.float64, 1, 3000, 5)
    arrays = [a.astype(np.float32).astype(np.float64) for a in arrays]
    results = [run(lambda x, *a: crf_nll(x, tags, *a), [a.astype(dtype) for a in arrays], np.ones(1, dtype))
               for dtype in DTYPES]
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-6)
    np.testing.assert_allclose(results[1][1][0], results[0][1][0], atol=3e-5)  # 3000 factors, 1e-8 off each


def test_same_bits_for_any_number_of_threads(rng):
    B, T = 5 * CHUNK + 3, 9
    tags, valid = rng.integers(0, 7, (B, T)), prefix(rng.integers(1, T + 1, B), T)
    arrays, (dout,) = scores(rng, np.float32, B, T, 7), normal(rng, np.float32, B)
    results = []
    for count in (1, threads.count()):
        with threads.limited(count):
            results.append(run(lambda x, *a: crf_nll(x, tags, *a, valid=valid), arrays, dout))
    assert_same_bits(*results)


def test_tags_and_mask_changed_after_the_forward_do_not_matter(rng):
    tags, valid = rng.integers(0, 3, (2, 4)), prefix([4, 2], 4)
    x, *others = scores(rng, np.float64, 2, 4, 3)
    unchanged = tags.copy(), valid.copy()
    expected = run(lambda x, *a: crf_nll(x, unchanged[0], *a, unchanged[1]), [x, *others], np.ones(2))[1]
    tensors = [Tensor(a, requires_grad=True) for a in (x, *others)]
    loss = crf_nll(tensors[0], tags, *tensors[1:], valid=valid)
    tags[:], valid[:] = 0, True
    loss.backward(np.ones(2))
    for ours, theirs in zip(tensors, expected):
        np.testing.assert_array_equal(ours.grad, theirs)


WRONG = [
    ({"emissions": np.zeros((2, 3))}, r"crf_nll: emissions must be \(B, T, C\), got shape \(2, 3\)"),
    ({"emissions": np.zeros((2, 0, 4))}, r"emissions must be \(B, T, C\) with T, C > 0, got shape"),
    ({"transitions": np.zeros((4, 3))}, r"transitions must be \(C, C\) with C = 4 as in emissions, got"),
    ({"start": np.zeros(5)}, r"start must be \(C,\) with C = 4 as in emissions, got shape"),
    ({"end": np.zeros(4, np.float32)}, "crf_nll: end must be float64 as emissions, got float32"),
    ({"tags": [[0, 1, 2]]}, r"tags must be \(B, T\) with B = 2 as in emissions, got shape \(1, 3\)"),
    ({"tags": np.zeros((2, 3))}, "crf_nll: tags must be integers, got float64"),
    ({"tags": [[0, 1, 2], [0, 4, 0]]}, r"crf_nll: tags must be in 0..3 where valid, got 4"),
    ({"tags": [[0, 1, 2], [0, -1, 0]]}, r"crf_nll: tags must be in 0..3 where valid, got -1"),
    ({"valid": np.ones((2, 4), bool)}, r"valid must be \(B, T\) with T = 3 as in emissions, got shape"),
    ({"valid": np.ones((2, 3))}, "crf_nll: valid must be boolean, got float64"),
    ({"valid": [[True, False, True], [True] * 3]},
     "crf_nll: valid must begin every row with its real positions, at least one, got a gap in row 0"),
    ({"valid": [[True] * 3, [False] * 3]}, "crf_nll: valid must begin .*, got none in row 1"),
]


@pytest.mark.parametrize("wrong, message", WRONG)
def test_wrong_input_is_named(wrong, message):
    given = {"emissions": np.zeros((2, 3, 4)), "tags": np.zeros((2, 3), int), "transitions": np.zeros((4, 4)),
             "start": np.zeros(4), "end": np.zeros(4), **wrong}
    for name in ("emissions", "transitions", "start", "end"):
        given[name] = Tensor(given[name])
    with pytest.raises(ValueError, match=message):
        crf_nll(**given)
