import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyllm.data.padded import PaddedBatches

LENGTHS = np.random.default_rng(3).integers(1, 60, (1000, 2))


def epoch_of(batches):
    return [next(batches) for _ in range(batches.steps_per_epoch)]


def together(batches):
    """The batches as sets, in a set."""
    return {frozenset(batch.tolist()) for batch in batches}


def padded(lengths, batches):
    """Tokens of the padded arrays of these batches, all sides together."""
    lengths = lengths.reshape(len(lengths), -1)
    return sum(len(batch) * lengths[batch].max(axis=0).sum() for batch in batches)


def test_worked_example():
    """Four examples, two at a time: the short ones together, the long ones together, in either order."""
    batches = PaddedBatches([9, 1, 8, 2], 2, rng=np.random.default_rng(0))
    assert batches.steps_per_epoch == 2
    for _ in range(5):
        assert together(epoch_of(batches)) == {frozenset({1, 3}), frozenset({0, 2})}
    assert batches.epoch == 5


@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=60), B=st.integers(1, 9),
       sides=st.integers(0, 2), cap=st.integers(0, 40), seed=st.integers(0, 99))
def test_every_example_once_an_epoch(lengths, B, sides, cap, seed):
    """In as many batches as it says, every epoch; with a cap, none has more tokens with its padding."""
    lengths = np.array(lengths)
    if sides:
        lengths = np.column_stack([lengths, lengths[::-1]])[:, :sides]
    most = lengths.reshape(len(lengths), -1).sum(axis=1).max()
    max_tokens = max(cap, most) if cap else None
    batches = PaddedBatches(lengths, B, rng=np.random.default_rng(seed), max_tokens=max_tokens or None)
    for number in (1, 2, 3):
        epoch = epoch_of(batches)
        assert batches.epoch == number and batches.position == batches.steps_per_epoch
        np.testing.assert_array_equal(np.sort(np.concatenate(epoch)), np.arange(len(lengths)))
        assert max(map(len, epoch)) <= B and min(map(len, epoch)) >= 1
        if max_tokens:
            assert max(padded(lengths, [batch]) for batch in epoch) <= max_tokens
        else:
            assert sorted(map(len, epoch))[1:] == [B] * (len(epoch) - 1)


@pytest.mark.parametrize("lengths", [LENGTHS[:, 0], LENGTHS], ids=["one side", "two sides"])
@pytest.mark.parametrize("max_tokens", [None, 800])
def test_similar_lengths_come_together(lengths, max_tokens):
    """Of one side next to no padding, of two independent ones much less than in any order."""
    batches = PaddedBatches(lengths, 16, rng=np.random.default_rng(1), max_tokens=max_tokens)
    any_order = lengths.sum() / padded(lengths, np.array_split(np.arange(len(lengths)), len(lengths) // 16))
    filled = lengths.sum() / padded(lengths, epoch_of(batches))
    assert filled > (0.95 if lengths.ndim == 1 else 0.72) and any_order < 0.55


@pytest.mark.parametrize("sides", [[0, 1], [1, 0]])
def test_the_side_that_varies_most_counts_first(sides):
    """Whichever it is: a long text with a short one has next to no padding, the other way round a tenth."""
    lengths = np.column_stack([LENGTHS[:, 0] * 5, 1 + LENGTHS[:, 1] % 7])[:, sides]
    epoch = epoch_of(PaddedBatches(lengths, 16, rng=np.random.default_rng(1)))
    assert lengths.sum() / padded(lengths, epoch) > 0.95


@pytest.mark.parametrize("max_tokens", [None, 800])
def test_epochs_differ(max_tokens):
    """In what stands together, and in the order of the batches: not from short to long."""
    batches = PaddedBatches(LENGTHS[:, 0], 16, rng=np.random.default_rng(1), max_tokens=max_tokens)
    first, second = epoch_of(batches), epoch_of(batches)
    assert len(together(first) & together(second)) < 9
    longest = [LENGTHS[batch, 0].max() for batch in first]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.4


def test_the_smaller_batch_is_of_any_examples():
    """Those of length 9 would always be left over if it were cut from the end of the order of length."""
    batches = PaddedBatches([1] * 7 + [9, 9], 4, rng=np.random.default_rng(0))
    left = [next(batch for batch in epoch_of(batches) if len(batch) == 1)[0] for _ in range(60)]
    assert len(set(left)) == 9


@pytest.mark.parametrize("max_tokens", [None, 800])
@pytest.mark.parametrize("before", [0, 1, 62, 63, 64, 90])
def test_resumes_inside_an_epoch(max_tokens, before):
    def batches(seed):
        return PaddedBatches(LENGTHS[:, 0], 16, rng=np.random.default_rng(seed), max_tokens=max_tokens)
    whole, broken = batches(1), batches(1)
    for _ in range(before):
        next(whole), next(broken)
    state = json.loads(json.dumps(broken.state_dict()))
    resumed = batches(2)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    for _ in range(150):
        np.testing.assert_array_equal(next(whole), next(resumed))
    assert whole.state_dict() == resumed.state_dict()


def test_state_of_other_examples_is_refused(rng):
    state = PaddedBatches(LENGTHS, 16, rng=rng).state_dict()
    for lengths, batch_size, max_tokens in [
            (LENGTHS[:-1], 16, None), (LENGTHS[::-1], 16, None), (LENGTHS, 8, None), (LENGTHS, 16, 900)]:
        other = PaddedBatches(lengths, batch_size, rng=rng, max_tokens=max_tokens)
        with pytest.raises(ValueError, match="PaddedBatches: the state belongs to another dataset or other"):
            other.load_state_dict(state)


@pytest.mark.parametrize("lengths, batch_size, max_tokens, message", [
    ([], 4, None, r"lengths must be integers \(N,\) or \(N, K\), at least one, got float64 of shape \(0,\)"),
    ([1.5], 4, None, r"lengths must be integers .* got float64 of shape \(1,\)"),
    ([[[1]]], 4, None, r"lengths must be integers .* got int64 of shape \(1, 1, 1\)"),
    ([3, -1], 4, None, "lengths must be at least 0, got -1"),
    ([3], 0, None, "batch_size must be at least 1, got 0"),
    ([[3, 4], [5, 6]], 4, 10, "max_tokens must hold the longest example, which has 11, got 10"),
])
def test_wrong_sizes_are_named(rng, lengths, batch_size, max_tokens, message):
    with pytest.raises(ValueError, match=f"PaddedBatches: {message}"):
        PaddedBatches(lengths, batch_size, rng=rng, max_tokens=max_tokens)
