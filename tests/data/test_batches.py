import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyllm.data.batches import ContiguousBatches, ShuffledWindows, pad

KINDS = [ContiguousBatches, ShuffledWindows]


def take(batches, count):
    return [next(batches) for _ in range(count)]


def same(a, b):
    return all(np.array_equal(x.ids, y.ids) and np.array_equal(x.targets, y.targets)
               and x.restart == y.restart for x, y in zip(a, b, strict=True))


def test_worked_example():
    """11 tokens, 2 streams, windows of 2: (11 - 2) // 4 = 2 steps read 8, so the offset is 0, 1 or 2."""
    batches = ContiguousBatches(np.arange(11), 2, 2, rng=np.random.default_rng(1))
    first, second, third = take(batches, 3)
    o = first.ids[0, 0]
    assert o in (0, 1, 2)
    np.testing.assert_array_equal(first.ids - o, [[0, 1], [4, 5]])
    np.testing.assert_array_equal(second.ids - o, [[2, 3], [6, 7]])
    assert [b.restart for b in (first, second, third)] == [True, False, True]
    assert batches.steps_per_epoch == 2 and batches.epoch == 2


@pytest.mark.parametrize("kind", KINDS)
@given(T=st.integers(1, 9), B=st.integers(1, 5), extra=st.integers(1, 99), seed=st.integers(0, 99))
def test_an_epoch_reads_no_token_twice(kind, T, B, extra, seed):
    """In order of the stream for contiguous; the target of each position is the token after it."""
    batches = kind(np.arange(T * B + extra), B, T, rng=np.random.default_rng(seed))
    epoch = take(batches, batches.steps_per_epoch)
    for batch in epoch:
        np.testing.assert_array_equal(batch.targets, batch.ids + 1)
        assert batch.ids.shape[1] == T and batch.ids.flags.c_contiguous
    read = np.concatenate([batch.ids.ravel() for batch in epoch])
    assert len(np.unique(read)) == len(read)
    if kind is ContiguousBatches:
        streams = np.concatenate([batch.ids for batch in epoch], axis=1).ravel()
        np.testing.assert_array_equal(streams, streams[0] + np.arange(len(streams)))
    assert batches.epoch == 1
    next(batches)
    assert batches.epoch == 2


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_is_read_and_windows_move(kind):
    """A text that fits its windows exactly still gets other cuts in other epochs."""
    batches = kind(np.arange(8 * 4 * 3 + 1), 3, 8, rng=np.random.default_rng(0))
    read, edges = set(), set()
    for _ in range(60 * batches.steps_per_epoch):
        batch = next(batches)
        read.update(batch.targets.ravel().tolist())
        edges.update((batch.ids[:, 0] % 8).tolist())
    assert read == set(range(1, 97)) and edges == set(range(8))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", [0, 1, 5, 6, 7])
def test_resumes_inside_an_epoch(kind, before):
    def batches(seed):
        return kind(np.arange(100) % 7, 3, 5, rng=np.random.default_rng(seed))
    whole, broken = batches(1), batches(1)
    assert whole.steps_per_epoch == 6
    take(whole, before)
    take(broken, before)
    state = json.loads(json.dumps(broken.state_dict()))
    resumed = batches(2)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    assert same(take(whole, 20), take(resumed, 20))
    assert whole.state_dict() == resumed.state_dict()


def test_state_of_another_text_is_refused(rng):
    state = ShuffledWindows(np.arange(50), 2, 5, rng=rng).state_dict()
    for ids, seq_len in [(np.arange(50) + 1, 5), (np.arange(50), 4)]:
        other = ShuffledWindows(ids, 2, seq_len, rng=rng)
        with pytest.raises(ValueError, match="ShuffledWindows: the state belongs to another text"):
            other.load_state_dict(state)


def test_few_windows_make_a_smaller_batch(rng):
    batches = ShuffledWindows(np.arange(17), 32, 4, rng=rng)
    assert batches.steps_per_epoch == 1 and next(batches).ids.shape == (3, 4)


@pytest.mark.parametrize("kind, N, B, T, message", [
    (ContiguousBatches, 5, 1, 5, "the text has 5 tokens, a window of 5 and the token after it need 6"),
    (ShuffledWindows, 0, 4, 8, "the text has 0 tokens, a window of 8 and the token after it need 9"),
    (ContiguousBatches, 30, 4, 8, "the text has 30 tokens, 4 streams of windows of 8 need 33: take fewer streams"),
    (ShuffledWindows, 30, 4, 0, "seq_len must be at least 1, got 0"),
    (ContiguousBatches, 30, 0, 8, "batch_size must be at least 1, got 0"),
])
def test_wrong_sizes_are_named(rng, kind, N, B, T, message):
    with pytest.raises(ValueError, match=f"^({kind.__name__}: )?{message}"):
        kind(np.zeros(N, np.int32), B, T, rng=rng)


def test_wrong_ids_are_named(rng):
    with pytest.raises(ValueError, match=r"ids must be integers \(N,\), got float64 of shape \(9,\)"):
        ShuffledWindows(np.zeros(9), 1, 2, rng=rng)


def test_pad():
    ids, valid = pad([np.array([5, 6, 7]), [8], []], pad_id=0)
    np.testing.assert_array_equal(ids, [[5, 6, 7], [8, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(valid, [[True] * 3, [True, False, False], [False] * 3])
    assert ids.dtype == np.int32
    with pytest.raises(ValueError, match="pad: rows must hold at least one row"):
        pad([], 0)
