"""The whole loop against the plain one: the same tokens, the same states, bit for bit."""
import numpy as np
import pytest

from tests.process import run_python
from tinyllm import formulas
from tinyllm.decoding.generate import Drawing, generate, steps
from tinyllm.decoding.sampling import checked_settings
from tinyllm.kernels import scratch, threads
from tinyllm.kernels.packing import BLOCK
from tinyllm.kernels.jit import compiling
from tinyllm.models import LanguageModel
from tinyllm.models import language_model as module
from tinyllm.models import packed_weights
from tinyllm.models.decode_attention import PackedPast
from tinyllm.models.decode_kernel import WholeLoop
from tinyllm.models.packed_weights import share
from tinyllm.nn.attention import KeyValues

V = 11


def model(seed=0, dtype=np.float32, **config):
    config = {"vocab_size": V, "embed_dim": 6, "hidden_dim": 8, "num_layers": 1, "num_attention_layers": 1,
              "num_heads": 2, "cell": "gru", **config}
    lm = LanguageModel(**config, rng=np.random.default_rng(seed), dtype=dtype)
    for p in lm.parameters():
        p.data *= dtype(2)  # so that the tokens depend on what was read
    return lm


def both_ways(lm, B=3, begin=5, n=12, context=None, temperature=1.0, top_k=None, top_p=None, penalty=1.0, stop_id=-1,
              banned=()):
    """[(ids (n, B), state, drawing)] of the plain loop and of the kernel, each from its own equal state."""
    rng = np.random.default_rng(1)
    prompt = rng.integers(0, lm.config["vocab_size"], (B, begin + 1))
    u, size = rng.random((n, B)), lm.config["vocab_size"]
    read, results = lm.initial_state(B, context), []
    lm.read(read, prompt[:, :-1])
    for kernel in (False, True):
        state = lm.initial_state(B, context)
        state.load(read.arrays())
        settings = checked_settings("test", size, temperature, top_k, top_p, penalty)
        drawing = Drawing(settings, np.isin(np.arange(size), banned), np.zeros((B, size), bool), np.zeros(B, bool),
                          stop_id)
        if kernel:
            written = WholeLoop(lm)(state, prompt[:, -1], u, drawing)
        else:
            with threads.limited(1):  # as good as two, and no waiting for each other where the machine is busy
                written = np.stack(list(steps(lm.step, state, prompt[:, -1], u, drawing)))
        results.append((written, state, drawing))
    return results


def check_equal(lm, **choice):
    (ids, state, drawing), (kernel_ids, kernel_state, kernel_drawing) = both_ways(lm, **choice)
    np.testing.assert_array_equal(kernel_ids, ids)
    np.testing.assert_array_equal(kernel_drawing.seen, drawing.seen)
    np.testing.assert_array_equal(kernel_drawing.ended, drawing.ended)
    arrays, kernel_arrays = state.arrays(), kernel_state.arrays()
    assert list(arrays) == list(kernel_arrays)
    for name, array in arrays.items():
        assert kernel_arrays[name].dtype == array.dtype
        if compiling():
            np.testing.assert_array_equal(kernel_arrays[name], array, err_msg=name)
        else:  # NumPy's products of other shapes have other last bits
            np.testing.assert_allclose(kernel_arrays[name], array, rtol=1e-4, atol=1e-5, err_msg=name)
    return ids


@pytest.mark.parametrize("attention_layers", [0, 1, 2])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_every_model(cell, layers, attention_layers):
    lm = model(cell=cell, num_layers=layers, num_attention_layers=attention_layers)
    ids = check_equal(lm)
    assert len(np.unique(ids)) > 2


@pytest.mark.parametrize("small", [packed_weights.SMALL, 0])
@pytest.mark.parametrize("attention_layers", [0, 1])
@pytest.mark.parametrize("embed_dim", [8, 6])
def test_tied_weights(embed_dim, attention_layers, small, monkeypatch):
    monkeypatch.setattr(packed_weights, "SMALL", small)
    check_equal(model(embed_dim=embed_dim, tie_weights=True, num_attention_layers=attention_layers))


@pytest.mark.parametrize("B", [1, 2, 3, 9])
@pytest.mark.parametrize("context", [None, 4, 0])
def test_batches_and_contexts(B, context):
    check_equal(model(num_attention_layers=2, cell="lstm"), B=B, n=20, context=context)


@pytest.mark.parametrize("begin", [0, 1, 31, 40])
@pytest.mark.parametrize("context", [None, 33])
def test_any_past(begin, context):
    check_equal(model(), B=2, begin=begin, n=40, context=context)


@pytest.mark.skipif(not compiling(), reason="large for plain Python")
def test_sizes_beyond_a_block_of_the_product():
    """H and the positions are above it, and none is a multiple of a vector."""
    lm = model(vocab_size=70, embed_dim=37, hidden_dim=BLOCK + 19, num_heads=3)
    check_equal(lm, B=5, begin=BLOCK + 18, n=30, context=BLOCK + 8, temperature=0.8)


@pytest.mark.parametrize("choice", [
    {"temperature": 0}, {"temperature": 0.8, "top_k": 3}, {"top_p": 0.7}, {"penalty": 1.5, "temperature": 0},
    {"temperature": 0.8, "top_k": 5, "top_p": 0.9, "penalty": 1.3}, {"banned": [0, 1, 2, 3]},
    {"stop_id": 3}, {"stop_id": 3, "banned": [0, 1, 2, 4, 5, 6, 7, 8]}])
@pytest.mark.parametrize("small", [packed_weights.SMALL, 0])
def test_every_way_to_draw(choice, small, monkeypatch):
    """With the logits of own rows, and with own columns of all."""
    monkeypatch.setattr(packed_weights, "SMALL", small)
    ids = check_equal(model(), n=20, **choice)
    if "stop_id" in choice and "banned" in choice:
        assert (ids == 3).all(axis=1).any()


@pytest.mark.slow
def test_float64():
    check_equal(model(dtype=np.float64, num_layers=2), n=20)


@pytest.mark.parametrize("B", [1, 3])
@pytest.mark.parametrize("choice", [
    {"temperature": 0}, {"temperature": 0.8, "top_k": 6, "top_p": 0.95}, {"stop_id": 3, "repetition_penalty": 1.2}])
def test_a_stream_is_the_plain_one(B, choice):
    """Over the boundaries of what is written at once: 1, 2, 4, ..., 32, 32."""
    lm, prompt = model(), np.random.default_rng(2).integers(0, V, (B, 7))
    choice = {"temperature": 1.0, "max_tokens": 100, **choice}
    kernel = list(lm.stream(prompt, context=20, rng=np.random.default_rng(3), **choice))
    with threads.limited(1):
        plain = list(generate(lm.step, lm.initial_state(B, 20), prompt, vocab_size=V, read=lm.read,
                              rng=np.random.default_rng(3), **choice))
    np.testing.assert_array_equal(kernel, plain)


@pytest.mark.parametrize("small", [packed_weights.SMALL, 0])
@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize("cell, tied", [("gru", False), ("lstm", True), ("rnn", False)])
def test_parts_change_nothing(cell, tied, number, small, monkeypatch):
    """Into however many parts each layer is split: more than heads, and sizes that none of them divides."""
    lm = model(vocab_size=100, embed_dim=37, hidden_dim=70, cell=cell, num_layers=2, num_attention_layers=2,
               tie_weights=tied)
    monkeypatch.setattr(threads, "count", lambda: number)
    monkeypatch.setattr(packed_weights, "SMALL", small)
    assert WholeLoop(lm).packed.by_rows == (small > 0)
    assert WholeLoop(lm).packed.places.shape[1] == number
    check_equal(lm, B=7, n=20, context=9)
    check_equal(lm, B=1, n=6)


@pytest.mark.parametrize("N, unit", [(70, 32), (70, 35), (8, 32), (5, 1), (1, 1)])
@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_every_row_of_a_layer_is_one_part_s(N, unit, parts):
    shares = [share(part, parts, N, unit) for part in range(parts)]
    assert [i for first, last in shares for i in range(first, last)] == list(range(N))
    assert all(first % unit == 0 or first == N for first, _ in shares)


def test_where_nothing_can_be_drawn():
    """The first token to fail and its first row are named, as by the plain loop."""
    lm = model(num_attention_layers=0)
    lm.embedding.weight.data[4] = np.nan
    prompt = np.array([[1, 2], [1, 4], [4, 4]])
    for loop in (None, WholeLoop(lm)):
        stream = generate(lm.step, lm.initial_state(3), prompt, vocab_size=V, max_tokens=3, loop=loop,
                          rng=np.random.default_rng(0))
        with pytest.raises(ValueError, match="sample: no token can be drawn for row 1: its largest logit is not"):
            list(stream)


def test_two_streams_at_a_time_do_not_meet():
    """Nothing of a stream lies in the pool from one token to the next."""
    models = [model(seed) for seed in (0, 1)]
    prompt = np.array([[1, 2, 3]])
    alone = [list(lm.stream(prompt, max_tokens=40, rng=np.random.default_rng(0))) for lm in models]
    streams = [lm.stream(prompt, max_tokens=40, rng=np.random.default_rng(0)) for lm in models]
    together = list(zip(*streams))
    np.testing.assert_array_equal([list(ids) for ids in zip(*together)], alone)


def drawing_for(B, banned=()):
    return Drawing(checked_settings("test", V), np.isin(np.arange(V), banned), np.zeros((B, V), bool),
                   np.zeros(B, bool), -1)


def test_a_state_read_before_is_not_written():
    """Who kept the arrays of a state keeps what they held, also where the loop made them."""
    lm = model(cell="lstm")
    state, loop = lm.initial_state(2), WholeLoop(lm)
    lm.step(state, np.array([1, 2]))
    for n in (3, 2):
        held = state.arrays()
        before = {name: array.copy() for name, array in held.items()}
        loop(state, np.array([3, 4]), np.full((n, 2), 0.5), drawing_for(2))
        for name, array in state.arrays().items():
            np.testing.assert_array_equal(held[name], before[name], err_msg=name)
            assert not np.array_equal(array, before[name])
    assert len(state.attention[0]) == 6


@np.errstate(invalid="ignore")  # where compilation is off, NumPy warns of nan
@pytest.mark.parametrize("small", [packed_weights.SMALL, 0])
def test_a_call_that_failed_leaves_the_state(small, monkeypatch):
    """In the middle, having put keys and values beyond those of the state: the next call goes on from before."""
    monkeypatch.setattr(packed_weights, "SMALL", small)
    lm, u = model(num_attention_layers=2), np.random.default_rng(5).random((6, 2))
    start = np.array([1, 2])
    drawn = WholeLoop(lm)(lm.initial_state(2), start, u, drawing_for(2))
    later = next(i for i in drawn[1:5].flat if i not in drawn[0] and i not in start)
    lm.embedding.weight.data[later] = np.nan
    loop, state, plain = WholeLoop(lm), lm.initial_state(2), lm.initial_state(2)
    with pytest.raises(ValueError, match="no token can be drawn for row"):
        loop(state, start, u, drawing_for(2))
    for _ in range(2):
        plainly = np.stack(list(steps(lm.step, plain, start, u, drawing_for(2, [later]))))
        np.testing.assert_array_equal(loop(state, start, u, drawing_for(2, [later])), plainly)
        with pytest.raises(ValueError, match="no token can be drawn for row 1"):
            loop(state, np.array([1, later]), u, drawing_for(2))


@pytest.mark.parametrize("change, got", [
    ({"num_heads": 4, "hidden_dim": 16}, r"\(1, 3, 16\), \(3, 16\)"), ({"num_layers": 2}, r"\(2, 3, 8\), \(3, 8\)"),
    ({"cell": "lstm"}, r"\(1, 3, 8\), \(1, 3, 8\), \(3, 8\)"), ({"num_attention_layers": 0}, r"\(1, 3, 8\)"),
    ({"dtype": np.float64}, r"float64 \(1, 3, 8\), \(3, 8\)")])
def test_a_state_of_another_model(change, got):
    state = model(**change).initial_state(3)
    with pytest.raises(ValueError, match=rf"generate: state must hold float32 \(1, 3, 8\), \(3, 8\), .*{got}$"):
        WholeLoop(model())(state, np.zeros(3, int), np.zeros((1, 3)), drawing_for(3))


def test_a_state_of_another_batch():
    with pytest.raises(ValueError, match=r"float32 \(1, 2, 8\), \(2, 8\), .* got float32 \(1, 3, 8\), \(3, 8\)$"):
        WholeLoop(model())(model().initial_state(3), np.zeros(2, int), np.zeros((1, 2)), drawing_for(2))


def test_a_state_loads_what_fits():
    lm = model()
    arrays = lm.initial_state(2).arrays()
    shapes = "KeyValues: keys and values must be"
    for name, wrong, message in (
            ("hidden.0", (1, 3, 8), r"State: hidden.0 must be \(1, 2, 8\), got \(1, 3, 8\)"),
            ("keys.0", (2, 4, 16), rf"{shapes} \(2, T, 8\), got \(2, 4, 16\) and"),
            ("values.0", (2, 3, 8), rf"{shapes} \(2, T, 8\), got \(2, 0, 8\) and \(2, 3, 8\)")):
        with pytest.raises(ValueError, match=message):
            lm.initial_state(2).load({**arrays, name: np.zeros(wrong, np.float32)})


@pytest.mark.parametrize("context", [None, 6, 0])
def test_calls_on_a_state_that_others_move_too(context):
    """Between its calls the loop keeps what attention reads, unless the state is another, or was changed meanwhile."""
    lm, rng = model(num_attention_layers=2), np.random.default_rng(4)
    loop, states = WholeLoop(lm), [lm.initial_state(2, context) for _ in range(2)]
    drawings = [drawing_for(2) for _ in range(2)]

    def write(n):
        u = rng.random((n, 2))
        with threads.limited(1):
            plain = np.stack(list(steps(lm.step, states[0], np.array([3, 4]), u, drawings[0])))
        np.testing.assert_array_equal(loop(states[1], np.array([3, 4]), u, drawings[1]), plain)

    def between(change):
        for state in states:
            change(state)

    write(2)
    packed = loop.past.keys
    write(5)
    assert loop.past.keys is packed  # there was room
    between(lambda state: lm.step(state, np.array([5, 6])))
    write(3)
    between(lambda state: state.load({name: array[..., ::-1].copy() for name, array in state.arrays().items()}))
    write(3)
    between(lambda state: [past.select([1, 0]) for past in state.attention])
    write(3)
    write(60)  # more than there was room for
    states[:] = [lm.initial_state(2, context) for _ in range(2)]  # another text
    write(4)


def test_pieces_begin_on_cache_lines():
    packed = WholeLoop(model(num_layers=2, tie_weights=True)).packed
    past = PackedPast()
    past.read([KeyValues(2, 8)], 2, 2, 4, 3, 1, np.float32)
    for array in (packed.matrices, packed.vectors, past.keys, past.values):
        assert array.ctypes.data % scratch.ALIGNMENT == 0
    assert not (packed.places * packed.vectors.itemsize % scratch.ALIGNMENT).any()


def test_formulas_have_the_plain_loop(monkeypatch):
    monkeypatch.setattr(module, "WholeLoop", None)
    with formulas():
        assert len(model().generate([1, 2, 3], 4, rng=np.random.default_rng(0))) == 4


@pytest.mark.parametrize("context", [None, 4, 0])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_reading_at_once_is_reading_step_by_step(cell, context, monkeypatch):
    """Within rounding; in pieces where the text is longer than the context or than what is read at once."""
    monkeypatch.setattr(module, "READ", 8)
    lm = model(cell=cell, num_layers=2)
    ids = np.random.default_rng(0).integers(0, V, (2, 19))
    at_once, one_by_one = lm.initial_state(2, context), lm.initial_state(2, context)
    lm.read(at_once, ids)
    for column in ids.T:
        lm.step(one_by_one, column)
    expected = one_by_one.arrays()
    for name, array in at_once.arrays().items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_reading_records_nothing():
    lm = model()
    state = lm.initial_state(1)
    lm.read(state, np.array([[1, 2, 3]]))
    assert len(state.attention[0]) == 3
    assert all(type(array) is np.ndarray for array in state.arrays().values())


def test_without_compilation():
    code = ("import numpy as np\n"
            "from tinyllm.decoding.generate import generate\n"
            "from tinyllm.models import LanguageModel\n"
            "for cell in ('gru', 'lstm', 'rnn'):\n"
            "    lm = LanguageModel(7, 4, 6, num_heads=2, cell=cell, rng=np.random.default_rng(0))\n"
            "    choice = dict(max_tokens=9, temperature=0.8, top_k=5, top_p=0.9)\n"
            "    kernel = list(lm.stream([[1, 2, 3]] * 2, context=4, rng=np.random.default_rng(1), **choice))\n"
            "    plain = list(generate(lm.step, lm.initial_state(2, 4), [[1, 2, 3]] * 2, vocab_size=7,\n"
            "                          rng=np.random.default_rng(1), **choice))\n"
            "    print(np.array_equal(kernel, plain))\n")
    assert run_python("-W", "error", "-c", code, NUMBA_DISABLE_JIT="1").split() == ["True"] * 3
