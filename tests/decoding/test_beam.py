import itertools

import numpy as np
import pytest

from tests.oracle import DTYPES, FORMULA_TOLERANCE, assert_close
from tinyllm import formulas
from tinyllm.decoding.beam import beam_search, likeliest

STOP = 0


class Texts:
    """Logits that depend on everything read so far, through one number a row; counts the rows that come."""

    def __init__(self, starts, V, seed=0, dtype=np.float64):
        self.table = 2 * np.random.default_rng(seed).standard_normal((31, V)).astype(dtype)
        self.numbers, self.rows = np.array(starts), []

    def select(self, rows):
        self.numbers = self.numbers[rows]

    def step(self, state, ids):
        assert state is self and len(ids) == len(self.numbers)
        self.rows.append(len(ids))
        self.numbers = (7 * self.numbers + ids + 1) % 31
        return self.table[self.numbers]


def search(starts, V=5, seed=0, **options):
    texts = Texts(starts, V, seed)
    options = {"beam": 3, "max_tokens": 12, "stop_id": STOP, **options}
    return beam_search(texts.step, texts, np.ones(len(starts), int), vocab_size=V, **options), texts


def log_probability(start, ids, V, seed=0):
    """What the model gives this text, token by token, read alone."""
    texts, last, total = Texts([start], V, seed), 1, 0.0
    for token in ids:
        x = texts.step(texts, np.array([last]))[0]
        total += x[token] - np.log(np.exp(x).sum())
        last = token
    return total


def greedy(start, V, max_tokens, seed=0):
    texts, last, ids = Texts([start], V, seed), 1, []
    while len(ids) < max_tokens:
        last = texts.step(texts, np.array([last]))[0].argmax()
        if last == STOP:
            return ids, True
        ids.append(last)
    return ids, False


def known(table):
    """A model that knows the last token only: the probabilities that follow each."""
    class Known:
        def select(self, rows):
            self.selected = True
    with np.errstate(divide="ignore"):
        logits = np.log(np.array(table))
    return (lambda state, ids: logits[ids]), Known()


def test_worked_example():
    """From 1: token 2 has 0.6 and then nothing above 0.4; token 3 has 0.4, and then the end 0.9.

        2 stop   0.6 * 0.4 = 0.24            3 stop   0.4 * 0.9 = 0.36
    """
    step, state = known([[0, 0, 0, 1], [0, 0, .6, .4], [.4, 0, .3, .3], [.9, 0, .1, 0]])
    options = {"max_tokens": 4, "stop_id": 0, "vocab_size": 4, "length_penalty": 0.0}
    (ids, score), = beam_search(step, state, [1], beam=1, **options)[0]
    assert ids.tolist() == [2] and score == pytest.approx(np.log(0.24))
    (ids, score), *_ = beam_search(step, state, [1], beam=2, **options)[0]
    assert ids.tolist() == [3] and score == pytest.approx(np.log(0.36))


def test_length_penalty_by_hand():
    """The end at once has 0.3; token 2 has 0.7 and then the end 0.35: log 0.3 / 1 against log 0.245 / 2."""
    step, state = known([[0, 0, 1], [.3, 0, .7], [.35, 0, .65]])
    options = {"max_tokens": 2, "stop_id": 0, "vocab_size": 3, "beam": 2}
    (first, score), (second, other) = beam_search(step, state, [1], length_penalty=0, **options)[0]
    assert first.tolist() == [] and second.tolist() == [2]
    assert (score, other) == pytest.approx((np.log(0.3), np.log(0.245)))
    (first, score), (second, other) = beam_search(step, state, [1], length_penalty=1, **options)[0]
    assert first.tolist() == [2] and second.tolist() == []
    assert (score, other) == pytest.approx((np.log(0.245) / 2, np.log(0.3)))


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_beam_as_wide_as_all_texts_finds_the_best_of_all(seed, length_penalty):
    V, T = 4, 4
    scores = {ids: log_probability(3, (*ids, STOP), V, seed) / (len(ids) + 1) ** length_penalty
              for n in range(T) for ids in itertools.product(range(1, V), repeat=n)}
    best = max(scores, key=scores.get)
    (found,), _ = search([3], V, seed, beam=V ** T, max_tokens=T, length_penalty=length_penalty)
    assert tuple(found[0][0]) == best
    for ids, score in found:
        assert score == pytest.approx(scores[tuple(ids)], abs=1e-12)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


@pytest.mark.parametrize("seed", range(4))
def test_beam_one_is_greedy(seed):
    starts = range(31)
    for start, texts in zip(starts, search(starts, seed=seed, beam=1)[0]):
        (ids, score), (expected, ends) = texts[0], greedy(start, 5, 12, seed)
        assert ids.tolist() == expected and len(texts) == 1
        n = len(expected) + ends
        assert score == pytest.approx(log_probability(start, [*expected, STOP][:n], 5, seed) / n)


@pytest.mark.parametrize("beam", [1, 2, 5])
@pytest.mark.parametrize("options", [{}, {"length_penalty": 0.0}, {"banned": [2]}, {"max_tokens": 3}])
def test_a_batch_equals_one_by_one(beam, options):
    starts = list(range(0, 31, 2))
    limits = 4 + np.arange(len(starts)) % 5
    options = {"beam": beam, "max_tokens": limits, **options}
    together, _ = search(starts, **options)
    limits = np.broadcast_to(options["max_tokens"], limits.shape)
    for start, limit, texts in zip(starts, limits, together, strict=True):
        alone, = search([start], **{**options, "max_tokens": limit})[0]
        assert [ids.tolist() for ids, _ in texts] == [ids.tolist() for ids, _ in alone]
        assert [score for _, score in texts] == [score for _, score in alone]


def test_formulas_find_the_same_texts():
    kernel, _ = search(range(31))
    with formulas():
        formula, _ = search(range(31))
    for ours, theirs in zip(kernel, formula, strict=True):
        assert [ids.tolist() for ids, _ in ours] == [ids.tolist() for ids, _ in theirs]


def test_sentences_that_are_done_leave_the_batch():
    found, texts = search(range(31), beam=3, max_tokens=40)
    assert texts.rows[0] == 31 and texts.rows[1] == 93  # one text of each at first, then three
    assert all(rows % 3 == 0 for rows in texts.rows[1:])
    assert texts.rows[1:] == sorted(texts.rows[1:], reverse=True) and texts.rows[-1] < 93


def test_it_stops_when_the_best_cannot_be_overtaken():
    """The end has 0.99 at once; what goes on can never reach that."""
    step, state = known([[0, 0, 1], [.99, 0, .01], [.5, 0, .5]])
    calls = []

    def counted(state, ids):
        calls.append(len(ids))
        return step(state, ids)
    found, = beam_search(counted, state, [1], beam=2, max_tokens=50, stop_id=0, vocab_size=3,
                         length_penalty=0.5)
    assert [ids.tolist() for ids, _ in found] == [[]]
    assert len(calls) == 1


def test_an_end_takes_no_place_of_what_goes_on():
    """The end has 0.5, 2 has 0.3, 3 has 0.2: 2 and 3 both go on, and 3 is the best, log 0.2 / 2^2 = -0.40."""
    step, state = known([[0, 0, 0, 1], [.5, 0, .3, .2], [.1, 0, .9, 0], [1, 0, 0, 0]])
    options = {"beam": 2, "max_tokens": 2, "stop_id": 0, "vocab_size": 4, "length_penalty": 2}
    (ids, score), *_ = beam_search(step, state, [1], **options)[0]
    assert ids.tolist() == [3] and score == pytest.approx(np.log(0.2) / 4)


def test_ends_that_come_early_do_not_end_the_search():
    """To go on with 2 has 0.99; at each step a text that left it for 3 ends, and two of these are a beam full."""
    step, state = known([[0, 0, 0, 1], [.001, 0, .999, 0], [.001, 0, .99, .009], [.999, 0, .001, 0]])
    (ids, score), *_ = beam_search(step, state, [1], beam=2, max_tokens=8, stop_id=0, vocab_size=4)[0]
    assert ids.tolist() == [2, 2, 2, 2, 2, 2, 3]


def test_what_never_ends_is_given_unended_and_ranked_below_what_ends():
    step, state = known([[0, 0, 1], [0, 0, 1], [0, 0, 1]])
    (ids, score), = beam_search(step, state, [1], beam=2, max_tokens=3, stop_id=0, vocab_size=3)[0]
    assert ids.tolist() == [2, 2, 2] and score == pytest.approx(0)
    step, state = known([[0, 0, 1], [.4, 0, .6], [0, 0, 1]])  # the end has 0.4 at once, and never again
    (ids, score), = beam_search(step, state, [1], beam=2, max_tokens=3, stop_id=0, vocab_size=3)[0]
    assert ids.tolist() == [] and score == pytest.approx(np.log(0.4))


def test_banned_ids_are_never_written():
    found, _ = search(range(31), banned=[1, 3], beam=4)
    assert {token for texts in found for ids, _ in texts for token in ids.tolist()} == {2, 4}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1, 3, 9])
def test_likeliest_is_its_formula(rng, dtype, k):
    logits = np.round(3 * rng.standard_normal((7, 70)), 1).astype(dtype)  # rounded, so that some are equal
    banned = np.isin(np.arange(70), [0, 5, 69])
    values, ids = likeliest(logits, k, banned)
    with formulas():
        expected, expected_ids = likeliest(logits, k, banned)
    np.testing.assert_array_equal(ids, expected_ids)
    assert_close(values, expected, FORMULA_TOLERANCE[dtype])
    assert not banned[ids].any()


@pytest.mark.parametrize("on_formulas", [False, True])
def test_likeliest_where_little_is_left(on_formulas):
    """Probabilities 1/7, 2/7, 4/7; the last one banned, one fewer than k."""
    logits, banned = np.log([[1.0, 2.0, 4.0]]), np.array([False, False, True])
    if on_formulas:
        with formulas():
            values, ids = likeliest(logits, 3, banned)
    else:
        values, ids = likeliest(logits, 3, banned)
    assert ids[0, :2].tolist() == [1, 0]
    np.testing.assert_allclose(values, [[np.log(2 / 7), np.log(1 / 7), -np.inf]])


def test_logits_that_are_no_numbers_are_named():
    table = np.zeros((3, 4))
    table[2, 1] = np.nan
    options = {"max_tokens": 3, "stop_id": 0, "beam": 2}
    with pytest.raises(ValueError, match="beam_search: no token can follow in sentence 1: a logit is not a num"):
        beam_search(lambda state, ids: table[ids], None, [1, 2], vocab_size=4, **options)
    with pytest.raises(ValueError, match="in sentence 0: .* every id is banned"):
        beam_search(lambda state, ids: np.array([[-np.inf, 0]]), None, [1], vocab_size=2, banned=[1], **options)


@pytest.mark.parametrize("wrong, message", [
    ({"first_ids": [[1]]}, r"beam_search: first_ids must be \(B,\), got shape \(1, 1\)"),
    ({"first_ids": [1.0]}, "beam_search: first_ids must be integers, got float64"),
    ({"first_ids": [5]}, "beam_search: first_ids must be in 0..4, got 5"),
    ({"stop_id": 5}, "beam_search: stop_id must be in 0..4, got 5"),
    ({"banned": [-1]}, "beam_search: banned must be in 0..4, got -1"),
    ({"banned": [0]}, "beam_search: stop_id must not be banned, got 0"),
    ({"beam": 0}, "beam_search: beam must be an integer of at least 1, got 0"),
    ({"beam": 2.0}, "beam_search: beam must be an integer of at least 1, got 2.0"),
    ({"max_tokens": 0}, "max_tokens must be an integer of at least 1, or one for each sentence, got 0"),
    ({"max_tokens": [3, 3]}, r"max_tokens must be an integer of at least 1, or one for each .* got \[3, 3\]"),
    ({"max_tokens": 2.5}, "max_tokens must be an integer of at least 1, or one for each sentence, got 2.5"),
    ({"length_penalty": -1}, "beam_search: length_penalty must be at least 0, got -1"),
])
def test_wrong_values_are_named_before_any_step(wrong, message):
    options = {"first_ids": [1], "beam": 2, "max_tokens": 3, "stop_id": 0, "vocab_size": 5, **wrong}
    with pytest.raises(ValueError, match=message):
        beam_search(None, None, **options)
