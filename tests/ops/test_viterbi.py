import itertools

import numpy as np
import pytest

from tests.oracle import DTYPES
from tests.ops.two_ways import normal
from tinyllm.autograd import Tensor
from tinyllm.kernels import threads
from tinyllm.ops.crf import crf_nll
from tinyllm.ops.viterbi import viterbi


def scores(rng, dtype, B, T, C):
    """Emissions, transitions, start and end."""
    return normal(rng, dtype, (B, T, C), (C, C), C, C)


def test_worked_example():
    """Tag 0 is liked better at each position, 1 and 0.5 to 0, but 0 after 0 costs 2.

    The paths 00, 01, 10, 11 score 1.5 - 2, 1, 0.5, 0; where a row must not begin with 0, 10 is the best.
    """
    arrays = [np.array([[[1.0, 0], [0.5, 0]]]), np.array([[-2.0, 0], [0, 0]]), np.zeros(2), np.zeros(2)]
    path, score = viterbi(*arrays)
    assert path.tolist() == [[0, 1]] and score.tolist() == [1]
    path, score = viterbi(*arrays, allowed_start=[False, True])
    assert path.tolist() == [[1, 0]] and score.tolist() == [0.5]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("C, masked", [(1, False), (2, False), (3, False), (3, True)])
def test_the_best_of_all_paths(rng, dtype, C, masked):
    """Every length as a row of one padded batch; the loss of a path, by crf_nll, says which is the best."""
    T, masks = 5, {}
    arrays = scores(rng, dtype, T, T, C)
    valid = np.tri(T, dtype=bool)
    if masked:
        masks = {"allowed_start": np.array([True, False, True]),
                 "allowed": np.array([[True, False, True], [True, True, False], [False, True, False]])}
    paths, best = viterbi(*arrays, valid, **masks)
    assert best.dtype == dtype and (paths[~valid] == 0).all()
    for L in range(1, T + 1):
        possible = [path for path in itertools.product(range(C), repeat=L) if not masked or (
            masks["allowed_start"][path[0]] and all(map(masks["allowed"].item, path, path[1:])))]
        x, w, s, e = (a.astype(np.float64) for a in arrays)
        losses = crf_nll(Tensor(np.repeat(x[L - 1:L, :L], len(possible), axis=0)), np.array(possible),
                         *map(Tensor, (w, s, e))).data
        path = possible[losses.argmin()]
        assert paths[L - 1, :L].tolist() == list(path)
        by_hand = s[path[0]] + sum(x[L - 1, t, c] for t, c in enumerate(path)) + e[path[-1]] + sum(
            w[pair] for pair in itertools.pairwise(path))
        np.testing.assert_allclose(best[L - 1], by_hand, rtol=1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tags_stay_consistent_where_the_scores_are_not(rng, dtype):
    """O, B, I and emissions that love I, 1e4 apart: an I never begins a row nor follows an O."""
    x, w, s, e = scores(rng, dtype, 6, 20, 3)
    x = dtype(1e4) * x
    x[:, :, 2] += 1e4
    paths, best = viterbi(x, w, s, e, allowed_start=np.array([True, True, False]),
                          allowed=np.array([[True, True, False], [True] * 3, [True] * 3]))
    before = np.pad(paths, ((0, 0), (1, 0)))[:, :-1]
    assert not ((paths == 2) & (before == 0)).any() and (paths == 2).any() and np.isfinite(best).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_lower_tag_of_equal_ones(dtype):
    """All paths score 0, but for those that end in 0: the first tag that may be, at each position."""
    arrays = [np.zeros(shape, dtype) for shape in ((1, 4, 3), (3, 3), 3, 3)]
    arrays[3][0] = -1
    assert viterbi(*arrays)[0].tolist() == [[0, 0, 0, 1]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_padded_row_is_the_row_alone_for_any_number_of_threads(rng, dtype):
    lengths = rng.integers(1, 12, 9)
    x, *others = scores(rng, dtype, 9, 11, 17)
    valid = np.arange(11) < lengths[:, None]
    for count in (1, threads.count()):
        with threads.limited(count):
            paths, best = viterbi(x, *others, valid)
        for b, L in enumerate(lengths):
            path, score = viterbi(x[b:b + 1, :L], *others)
            np.testing.assert_array_equal(paths[b:b + 1, :L], path)
            np.testing.assert_array_equal(best[b:b + 1], score)


@pytest.mark.parametrize("wrong, message", [
    ({"transitions": np.zeros((3, 4))}, r"viterbi: transitions must be \(C, C\) with C = 4 as in emissions"),
    ({"start": np.zeros(4, np.float32)}, "viterbi: start must be float64 as emissions, got float32"),
    ({"valid": [[True] * 3, [False] * 3]}, "viterbi: valid must begin .*, got none in row 1"),
    ({"emissions": np.full((2, 3, 4), np.nan)}, "viterbi: emissions must be finite, got nan"),
    ({"end": np.array([0, -np.inf, 0, 0])}, "viterbi: end must be finite, got -inf"),
    ({"allowed": np.ones((4, 4))}, r"allowed must be boolean of shape \(4, 4\), got float64 of"),
    ({"allowed_start": [True]}, r"allowed_start must be boolean of shape \(4,\), got bool of shape \(1,\)"),
    ({"allowed": np.eye(4, k=1, dtype=bool), "valid": [[True, False, False], [True] * 3], "allowed_start":
      np.arange(4) == 2}, "viterbi: allowed must leave every row a path, got none of length 3 for row 1"),
])
def test_wrong_input_is_named(wrong, message):
    given = {"emissions": np.zeros((2, 3, 4)), "transitions": np.zeros((4, 4)),
             "start": np.zeros(4), "end": np.zeros(4), **wrong}
    with pytest.raises(ValueError, match=message):
        viterbi(**given)
