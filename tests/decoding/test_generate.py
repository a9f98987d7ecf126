import numpy as np
import pytest

from tinyllm.decoding.generate import generate, steps

V = 7


class Model:
    """Logits that depend on everything read so far, through one number a row, and a count of the steps."""

    def __init__(self, B, seed=0):
        self.table = 2 * np.random.default_rng(seed).standard_normal((31, V))
        self.state, self.read = np.zeros(B, np.int64), 0

    def step(self, state, ids):
        self.read += 1
        state[:] = (7 * state + ids + 1) % 31
        return self.table[state]

    def loop(self, state, ids, u, drawing):
        """Stands for a whole-loop kernel: all rows of u at once."""
        return np.stack(list(steps(self.step, state, ids, u, drawing)))


def tokens(B=3, prompt=None, *, as_loop=False, seed=5, **settings):
    model = Model(B)
    prompt = np.arange(2 * B).reshape(B, 2) % V if prompt is None else np.asarray(prompt)
    settings = {"vocab_size": V, "max_tokens": 50, "rng": np.random.default_rng(seed), **settings}
    return np.stack(list(generate(model.step, model.state, prompt, **settings,
                                  loop=model.loop if as_loop else None)))


def follow(ids, table):
    """A model that knows only the last token: its logits are the row of that token."""
    return lambda state, last: table[last]


def test_greedy_follows_the_largest_logit():
    """0 -> 2 -> 1 -> 0 -> ..., whatever came before."""
    step = follow(None, np.array([[0.0, 1.0, 5.0], [3.0, 1.0, 2.0], [0.0, 9.0, 1.0]]))
    prompts = [[1, 0], [0, 2]]
    written = list(generate(step, None, prompts, vocab_size=3, max_tokens=4, temperature=0, rng=None))
    assert np.array_equal(written, [[2, 1], [1, 0], [0, 2], [2, 1]])


def test_all_of_the_prompt_is_read_and_the_last_token_is_not():
    model = Model(1)
    prompt = [[1, 2, 3, 4]]
    list(generate(model.step, model.state, prompt, vocab_size=V, max_tokens=5, temperature=0, rng=None))
    assert model.read == 3 + 5


def test_prompts_may_be_read_at_once():
    """read gets all but the last token, once; where there is only one token, it is not called."""
    model, given = Model(2), []

    def read(state, ids):
        given.append(ids.copy())
        for column in ids.T:
            model.step(state, column)

    prompt = [[1, 2, 3], [4, 5, 6]]
    for ids in (prompt, [[1], [2]]):
        model.state[:] = 0
        written = list(generate(model.step, model.state, ids, vocab_size=V, max_tokens=20, read=read,
                                rng=np.random.default_rng(5)))
        np.testing.assert_array_equal(written, tokens(B=2, prompt=ids, max_tokens=20))
    np.testing.assert_array_equal(given, [[[1, 2], [4, 5]]])


def test_tokens_come_one_at_a_time():
    model = Model(1)
    stream = generate(model.step, model.state, [[1, 2]], vocab_size=V, max_tokens=50,
                      rng=np.random.default_rng(0))
    assert model.read == 0
    for written in range(1, 6):
        assert next(stream).shape == (1,)
        assert model.read == 1 + written


@pytest.mark.parametrize("settings", [
    {}, {"temperature": 0}, {"top_k": 3, "temperature": 0.8}, {"top_p": 0.7}, {"repetition_penalty": 1.5},
    {"stop_id": 3}, {"stop_id": 3, "banned": [0, 1]}, {"max_tokens": 1}])
def test_a_whole_loop_gives_the_same_tokens(settings):
    np.testing.assert_array_equal(tokens(as_loop=True, **settings), tokens(**settings))


def test_a_whole_loop_leaves_the_generator_where_the_plain_loop_does():
    rngs = [np.random.default_rng(1) for _ in range(2)]
    for rng, as_loop in zip(rngs, (False, True)):
        tokens(as_loop=as_loop, rng=rng, stop_id=3)
    assert rngs[0].random() == rngs[1].random()


def test_same_seed_same_tokens_other_seed_others():
    assert np.array_equal(tokens(seed=1), tokens(seed=1))
    assert not np.array_equal(tokens(seed=1), tokens(seed=2))


def test_max_tokens_is_exact():
    for n in (1, 2, 3, 40):
        assert len(tokens(max_tokens=n)) == len(tokens(max_tokens=n, as_loop=True)) == n


def test_ended_rows_give_stop_id_and_all_ended_end_the_stream():
    written = tokens(B=4, stop_id=3, max_tokens=500)
    assert len(written) < 500
    first = [row.tolist().index(3) for row in written.T]
    assert len(written) == max(first) + 1 and min(first) < max(first)
    for row, end in zip(written.T, first):
        assert (row[end:] == 3).all()


def test_a_stop_id_in_the_prompt_does_not_end_anything():
    assert len(tokens(B=1, prompt=[[3, 3]], stop_id=3, banned=[0, 1])) > 0
    assert tokens(B=1, prompt=[[3]], stop_id=3, max_tokens=1, temperature=0)[0, 0] != 3


def test_banned_ids_are_never_written():
    written = tokens(banned=[0, 1, 2], max_tokens=200)
    assert set(np.unique(written)) == {3, 4, 5, 6}


def test_penalty_concerns_the_prompt_and_what_was_written():
    """All logits are 1: first come the ids that were not seen, one by one, then all are equal again."""
    step = follow(None, np.ones((4, 4)))
    written = list(generate(step, None, [[2, 0]], vocab_size=4, max_tokens=4, temperature=0, rng=None,
                            repetition_penalty=2.0))
    assert np.concatenate(written).tolist() == [1, 3, 0, 0]


@pytest.mark.parametrize("wrong, message", [
    ({"prompt": [1, 2]}, r"generate: prompt_ids must be \(B, P\), none of them 0, got shape \(2,\)"),
    ({"prompt": np.zeros((3, 0), int)}, r"prompt_ids must be \(B, P\), none of them 0, got shape \(3, 0\)"),
    ({"prompt": [[0.0]]}, "generate: prompt_ids must be integers, got float64"),
    ({"prompt": [[0, 7]]}, "generate: prompt_ids must be in 0..6, got 7"),
    ({"prompt": [[-1]]}, "generate: prompt_ids must be in 0..6, got -1"),
    ({"banned": [9]}, "generate: banned must be in 0..6, got 9"),
    ({"banned": range(7)}, "generate: banned must leave an id to draw, got all 7"),
    ({"stop_id": 7}, "generate: stop_id must be in 0..6, got 7"),
    ({"stop_id": 1, "banned": [1]}, "generate: stop_id must not be banned, got 1"),
    ({"max_tokens": 0}, "generate: max_tokens must be an integer of at least 1, got 0"),
    ({"max_tokens": 2.5}, "generate: max_tokens must be an integer of at least 1, got 2.5"),
    ({"top_k": 8}, r"generate: top_k must be an integer in 1..7 \(the vocabulary\), got 8"),
    ({"temperature": -0.1}, "generate: temperature must be at least 0, got -0.1"),
    ({"top_p": 2}, "generate: top_p must be above 0 and at most 1, got 2"),
    ({"repetition_penalty": -1}, "generate: repetition_penalty must be above 0, got -1"),
])
def test_wrong_input_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        tokens(**wrong)


def test_drawing_needs_a_generator():
    with pytest.raises(TypeError, match="generate: rng must be a NumPy Generator, got NoneType"):
        tokens(rng=None)


def test_wrong_values_are_named_before_any_step():
    with pytest.raises(ValueError, match="top_k"):
        generate(None, None, [[1]], vocab_size=V, max_tokens=1, rng=None, temperature=0, top_k=0)
