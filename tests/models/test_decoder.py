import numpy as np
import pytest

from tests.oracle import assert_close
from tinyllm import Tensor, no_grad
from tinyllm.models import Decoder

V, M, S = 11, 10, 5
VALID = np.array([[True] * 5, [True, True, False, False, False], [True] * 3 + [False] * 2])
OPTIONS = [{"cell": "gru"}, {"cell": "lstm", "num_layers": 2}, {"cell": "rnn", "num_attention_layers": 2},
           {"num_attention_layers": 0, "tie_weights": True}]


def decoder(seed=0, **options):
    sizes = {"embed_dim": 8, "hidden_dim": 12, "num_heads": 3, "memory_dim": M, "dtype": np.float64}
    return Decoder(V, **{**sizes, **options}, rng=np.random.default_rng(seed))


def source(rng, model, B=3):
    """memory (B, S, M) and last, of an encoder with three layers."""
    states = 2 if model.config["cell"] == "lstm" else 1
    last = [Tensor(rng.standard_normal((3, B, M))) for _ in range(states)]
    return Tensor(rng.standard_normal((B, S, M))), last


@pytest.mark.parametrize("options", OPTIONS)
def test_causal_the_future_changes_nothing(rng, options):
    model, ids = decoder(**options), rng.integers(0, V, (3, 7))
    memory, last = source(rng, model)
    changed = ids.copy()
    changed[:, 5:] = (changed[:, 5:] + 1) % V
    first, second = (model(x, model.initial_state(memory, last, VALID)).data for x in (ids, changed))
    np.testing.assert_array_equal(first[:, :5], second[:, :5])
    assert (first[:, 5:] != second[:, 5:]).any()


@pytest.mark.parametrize("options", OPTIONS)
def test_stepping_and_windows_equal_the_whole(rng, options):
    model, ids = decoder(**options), rng.integers(0, V, (3, 7))
    memory, last = source(rng, model)
    whole = model(ids, model.initial_state(memory, last, VALID, context=0)).data
    with no_grad():
        state = model.initial_state(memory, last, VALID)
        stepped = np.stack([model.step(state, ids[:, t]) for t in range(7)], axis=1)
        assert_close(stepped, whole, 1e-12)
        state = model.initial_state(memory, last, VALID)
        windows = [model(ids[:, a:b], state).data for a, b in [(0, 3), (3, 4), (4, 7)]]
    assert_close(np.concatenate(windows, axis=1), whole, 1e-12)


@pytest.mark.parametrize("rows", [
    [0, 1, 2], [0, 0, 1, 1, 2, 2], [2, 0], [1], [2, 2, 2], [2, 1, 2, 0], [0, 1, 1], [0, 0, 2, 2]])
@pytest.mark.parametrize("options", OPTIONS)
def test_selected_rows_go_on_as_their_own(rng, options, rows):
    """Rows repeated and then chosen from again, as a beam does; masked and not."""
    model = decoder(**options)
    memory, last = source(rng, model)
    first, second, third = rng.integers(0, V, (3, 12))
    for valid in (None, VALID):
        with no_grad():
            state = model.initial_state(memory, last, valid)
            model.step(state, first[:3])
            state.select(np.array(rows))
            model.step(state, second[:len(rows)])
            again = np.arange(len(rows))[::-1].repeat(2)
            state.select(again)
            ours = model.step(state, third[:len(again)])
            for n, row in enumerate(again):
                b = rows[row]
                alone = model.initial_state(memory[b:b + 1], [s[:, b:b + 1] for s in last],
                                            None if valid is None else valid[b:b + 1])
                for token in (first[b], second[row]):
                    model.step(alone, np.array([token]))
                assert_close(ours[n], model.step(alone, third[n:n + 1])[0], 1e-12)


def test_what_may_be_copied_is_step_by_step_what_it_is_as_a_whole(rng):
    """Alone, and as rows of a beam that are chosen from."""
    model, ids, tokens = decoder(copies=True), rng.integers(0, V, (3, 6)), rng.integers(0, V, (3, S))
    memory, last = source(rng, model)
    whole = model(ids, model.initial_state(memory, last, VALID, context=0, source=tokens)).data
    assert_close(np.exp(whole).sum(axis=-1), np.ones((3, 6)), 1e-12)
    with no_grad():
        state = model.initial_state(memory, last, VALID, source=tokens)
        model.step(state, ids[:, 0])
        state.select(np.array([0, 0, 1, 1, 2, 2]))
        model.step(state, ids[:, 1].repeat(2))
        state.select(np.array([4, 1]))
        for t in range(2, 6):
            assert_close(model.step(state, ids[[2, 0], t]), whole[[2, 0], t], 1e-12)


def test_what_is_padded_is_not_copied(rng):
    model, ids, tokens = decoder(copies=True), rng.integers(0, V, (3, 4)), rng.integers(0, V, (3, S))
    memory, last = source(rng, model)
    first, second = (model(ids, model.initial_state(memory, last, VALID, source=each)).data
                     for each in (tokens, np.where(VALID, tokens, (tokens + 1) % V)))
    np.testing.assert_array_equal(first, second)


def test_a_decoder_that_copies_needs_a_source(rng):
    model = decoder(copies=True)
    memory, last = source(rng, model)
    with pytest.raises(ValueError, match="Decoder: source must be given to initial_state of a decoder that copies"):
        model(rng.integers(0, V, (3, 4)), model.initial_state(memory, last))
    with pytest.raises(ValueError, match=r"Decoder: source must be \(B, S\) with S = 5 as in memory, got"):
        model.initial_state(memory, last, source=np.zeros((3, 4), int))


def test_the_texts_of_a_beam_share_their_source(rng):
    """What is projected once is neither copied for each text nor when the texts change their order."""
    model = decoder()
    memory, last = source(rng, model)
    with no_grad():
        state = model.initial_state(memory, last, VALID)
        kept = state.memory
        state.select(np.array([0, 0, 1, 1, 2, 2]))
        state.select(np.array([1, 0, 2, 2, 5, 5]))
        assert state.memory is kept
        state.select(np.array([0, 1, 4, 5]))
    assert state.memory[0].shape == (2, S, 24) and state.valid.shape == (2, S)


def test_a_padded_source_position_is_not_read(rng):
    model, ids = decoder(), rng.integers(0, V, (3, 4))
    memory, last = source(rng, model)
    changed = Tensor(np.where(VALID[:, :, None], memory.data, 100.0))
    first, second = (model(ids, model.initial_state(m, last, VALID)).data for m in (memory, changed))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_every_layer_starts_from_the_top_of_the_encoder(rng, cell):
    """h0[l] = tanh(W e + b) with rows l H.. of W; the encoder's lower layers are not read."""
    model = decoder(num_layers=2, cell=cell)
    memory, last = source(rng, model)
    state = model.initial_state(memory, last)
    bridges = [model.bridge, model.bridge_c] if cell == "lstm" else [model.bridge]
    assert len(state.hidden) == len(bridges)
    for start, bridge, e in zip(state.hidden, bridges, last):
        assert start.shape == (2, 3, 12)
        for layer in range(2):
            rows = slice(12 * layer, 12 * (layer + 1))
            expected = np.tanh(e.data[-1] @ bridge.weight.data[rows].T + bridge.bias.data[rows])
            assert_close(start.data[layer], expected, 1e-12)


def test_the_next_layer_reads_what_was_attended_to(rng):
    model, ids = decoder(num_layers=2, num_attention_layers=0), rng.integers(0, V, (3, 4))
    memory, last = source(rng, model)
    before = model.weights(ids, memory, last)
    model.cross[0].out.weight.data *= 2
    assert np.abs(model.weights(ids, memory, last) - before).max() > 1e-6
    assert before.shape == (3, 3, 4, S)
    assert_close(before.sum(axis=-1), np.ones((3, 3, 4)), 1e-12)


def test_where_dropout_falls(rng):
    """On the embedding, on what the second layer reads, on what each layer takes from the memory, on what
    attention reads and what it adds, on what the output layer reads: a number is drawn for each."""
    model, ids, drops = decoder(num_layers=2, dropout=0.1), np.ones((3, 4), int), np.random.default_rng(0)
    model(ids, model.initial_state(*source(rng, model)), drops)
    drawn = np.random.default_rng(0)
    drawn.random(12 * (8 + 12 + 2 * 12 + 12 + 12 + 12))
    assert drops.bit_generator.state == drawn.bit_generator.state


@pytest.mark.parametrize("rng_given", [False, True])
def test_dropout_only_with_an_rng(rng, rng_given):
    model, ids = decoder(dropout=0.5), rng.integers(0, V, (3, 4))
    memory, last = source(rng, model)
    drops = rng if rng_given else None
    one, other = (model(ids, model.initial_state(memory, last), drops).data for _ in range(2))
    assert (one == other).all() != rng_given


def test_config_is_what_makes_it_again(rng):
    model = decoder(num_layers=2, tie_weights=True, memory_dim=None)
    assert model.config["memory_dim"] == 12
    again = Decoder(**model.config, rng=rng, dtype=np.float64)
    again.load_state_dict(model.state_dict())


@pytest.mark.parametrize("options, message", [
    ({"memory_dim": 0}, "Decoder: memory_dim must be an integer of at least 1, got 0"),
    ({"hidden_dim": 2.5}, "Decoder: hidden_dim must be an integer of at least 1, got 2.5"),
    ({"cell": "GRU"}, "Decoder: cell must be one of gru, lstm, rnn, got 'GRU'"),
    ({"num_attention_layers": 0, "num_heads": 5}, "CrossAttention: num_heads must divide .* got 5 and 12"),
])
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        decoder(**options)


def test_wrong_input_is_named(rng):
    model = decoder()
    memory, last = source(rng, model)
    with pytest.raises(TypeError, match="Decoder: state must be one that initial_state gave, got NoneType"):
        model(np.zeros((3, 2), int))
    with pytest.raises(ValueError, match=r"memory must be \(B, S, 10\) and last 1 states .* got .* and 2"):
        model.initial_state(memory, last * 2)
    with pytest.raises(ValueError, match=r"Decoder: memory must be \(B, S, 10\) .* got \(3, 5, 9\)"):
        model.initial_state(memory[:, :, :9], last)
