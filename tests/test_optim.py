import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import DTYPES, FORMULA_TOLERANCE, TORCH_TOLERANCE, assert_close, torch_or_skip
from tinyllm import Tensor, formulas
from tinyllm.kernels import threads
from tinyllm.optim import SGD, Adam, AdamW, clip_grad_norm_, warmup_cosine

OPTIMIZERS = [
    (SGD, {"lr": 0.1}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    (Adam, {"lr": 0.01}),
    (Adam, {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    (AdamW, {"lr": 0.01}),
    (AdamW, {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
]


def parameters(rng, dtype=np.float64, shapes=((7, 5), (5,), (17_000,), ())):
    """Some over one chunk, one without an axis."""
    return [Tensor(np.asarray(rng.standard_normal(shape), dtype), requires_grad=True) for shape in shapes]


def draw_gradients(rng, params):
    for p in params:
        p.grad = np.asarray(rng.standard_normal(p.shape), p.dtype)


def copies(params):
    return [Tensor(p.data.copy(), requires_grad=True) for p in params]


# --- worked examples: p = 1, two steps with g = 2 and then g = 4


def two_steps(optimizer, p):
    values = []
    for g in (2.0, 4.0):
        p.grad = np.array([g])
        optimizer.step()
        values.append(p.data.item())
    return values


def one():
    return Tensor(np.array([1.0]), requires_grad=True)


def test_sgd_by_hand():
    """d = 2, p = 1 - 0.1 * 2 = 0.8;   then d = 0.5 * 2 + 4 = 5, p = 0.8 - 0.1 * 5 = 0.3."""
    p = one()
    assert two_steps(SGD([p], lr=0.1, momentum=0.5), p) == pytest.approx([0.8, 0.3])


def test_adam_by_hand():
    """At t = 1 the corrections undo the means: m / (1 - b1) = g and v / (1 - b2) = g^2, p moves by lr sign g.

    b1 = b2 = 1/2: m = 1, v = 2, then m = 0.5 + 2 = 2.5, v = 1 + 8 = 9; corrected by 1 - 1/4: 10/3 and 12, so
    the second step is lr (10/3) / sqrt(12).
    """
    p = one()
    after = two_steps(Adam([p], lr=0.1, betas=(0.5, 0.5), eps=0), p)
    assert after == pytest.approx([0.9, 0.9 - 0.1 * (10 / 3) / math.sqrt(12)])


def test_adamw_by_hand():
    """As Adam, after p is shrunk by 1 - lr weight_decay = 0.95."""
    p = one()
    after = two_steps(AdamW([p], lr=0.1, betas=(0.5, 0.5), eps=0, weight_decay=0.5), p)
    assert after == pytest.approx([0.85, 0.85 * 0.95 - 0.1 * (10 / 3) / math.sqrt(12)])


def test_clipping_by_hand():
    """(3, 4) has norm 5; the norm 5 clipped to 1 leaves a fifth."""
    a, b, c = one(), one(), one()
    a.grad, b.grad = np.array([3.0]), np.array([4.0])
    assert clip_grad_norm_([a, b, c], 1.0) == 5
    np.testing.assert_allclose([a.grad[0], b.grad[0]], [0.6, 0.8], rtol=1e-6)
    assert c.grad is None


# --- formula and kernel, PyTorch


@given(size=st.integers(1, 70), seed=st.integers(0, 999), which=st.sampled_from(OPTIMIZERS),
       dtype=st.sampled_from(DTYPES))
def test_kernel_equals_formula(size, seed, which, dtype):
    rng = np.random.default_rng(seed)
    make, options = which
    ours = parameters(rng, dtype, shapes=((size,), (2, size), ()))
    theirs = copies(ours)
    kernel, formula = make(ours, **options), make(theirs, **options)
    for _ in range(3):
        draw_gradients(rng, ours)
        for p, q in zip(ours, theirs):
            q.grad = p.grad.copy()
        kernel.step()
        with formulas():
            formula.step()
    expected = formula.state_dict()
    for name, array in kernel.state_dict().items():
        assert_close(array, expected[name], FORMULA_TOLERANCE[dtype])
    for p, q in zip(ours, theirs):
        assert p.dtype == q.dtype == dtype
        assert_close(p.data, q.data, FORMULA_TOLERANCE[dtype])


@pytest.mark.parametrize("make, options", OPTIMIZERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_ten_steps_of_torch(rng, make, options, dtype):
    torch = torch_or_skip()
    ours = parameters(rng, dtype)
    theirs = [torch.nn.Parameter(torch.tensor(p.data)) for p in ours]

    def groups(params):
        return [{"params": params[:2], "lr": 0.03, "weight_decay": 0.2}, {"params": params[2:]}]

    optimizer = make(groups(ours), **options)
    expected = getattr(torch.optim, make.__name__)(groups(theirs), **options)
    for step in range(10):
        draw_gradients(rng, ours)
        if step == 4:
            ours[1].grad = None  # a skipped parameter counts no step
        for p, q in zip(ours, theirs):
            q.grad = None if p.grad is None else torch.tensor(p.grad)
        norm = clip_grad_norm_(ours, 2.0)
        assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_(theirs, 2.0)), rel=1e-5)
        optimizer.step()
        expected.step()
    for p, q in zip(ours, theirs):
        assert_close(p.data, q.detach(), TORCH_TOLERANCE[dtype])


def test_adam_finds_a_minimum(rng):
    target = rng.standard_normal(10)
    p = Tensor(np.zeros(10), requires_grad=True)
    optimizer = Adam([p], lr=0.05)
    for _ in range(500):
        optimizer.zero_grad()
        ((p - Tensor(target)) ** 2).sum().backward()
        optimizer.step()
    assert_close(p.data, target, 1e-3)


# --- what stays


def test_without_a_gradient_nothing_moves(rng):
    p, q = params = parameters(rng, shapes=((3,), (3,)))
    optimizer = AdamW(params, weight_decay=0.5)
    draw_gradients(rng, params)
    q.grad, before = None, q.data.copy()
    optimizer.step()
    assert (q.data == before).all()
    assert "0.t" in optimizer.state_dict() and "1.t" not in optimizer.state_dict()
    optimizer.zero_grad()
    assert p.grad is None


def test_steps_are_in_place_in_any_memory_order(rng):
    data = np.asfortranarray(rng.standard_normal((3, 4)))
    turned, straight = Tensor(data, requires_grad=True), Tensor(data.copy(order="C"), requires_grad=True)
    for p in (turned, straight):
        p.grad = np.broadcast_to(np.arange(4.0), (3, 4))  # cannot be written to, and has no memory of its own
        Adam([p], lr=0.1).step()
    assert turned.data is data
    assert (turned.data == straight.data).all()


@pytest.mark.parametrize("make, options", OPTIMIZERS)
def test_resumed_equals_uninterrupted(make, options):
    def run(breaks):
        rng = np.random.default_rng(3)
        params = parameters(rng, np.float32)
        optimizer = make(params, **options)
        for step in range(10):
            if step in breaks:
                saved = {name: array.copy() for name, array in optimizer.state_dict().items()}
                params = copies(params)
                optimizer = make(params, lr=123.0)
                optimizer.load_state_dict(saved)
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + step // 6)
            draw_gradients(rng, params)
            if step == 2:
                params[0].grad = None
            optimizer.step()
        return [p.data.tobytes() for p in params], {k: v.tobytes() for k, v in optimizer.state_dict().items()}

    assert run(breaks=()) == run(breaks=(0, 3, 7))


def test_state_is_a_copy(rng):
    params = parameters(rng, shapes=((3,),))
    optimizer = Adam(params)
    draw_gradients(rng, params)
    optimizer.step()
    state = optimizer.state_dict()
    before = {name: array.copy() for name, array in state.items()}
    optimizer.step()
    assert all((state[name] == before[name]).all() for name in state)
    options = [f"group0.{name}" for name in ("betas", "eps", "lr", "weight_decay")]
    assert sorted(state) == ["0.m", "0.t", "0.v", *options]


@pytest.mark.parametrize("make, options", OPTIMIZERS)
def test_same_bits_for_any_number_of_threads(make, options):
    results = []
    for count in (1, 2):
        rng = np.random.default_rng(5)
        with threads.limited(count):
            params = parameters(rng, np.float32)
            optimizer = make(params, **options)
            norms = []
            for _ in range(3):
                draw_gradients(rng, params)
                norms.append(clip_grad_norm_(params, 1.0))
                optimizer.step()
        results.append((norms, [p.data.tobytes() for p in params]))
    assert results[0] == results[1]


# --- clipping


@pytest.mark.parametrize("dtype", DTYPES)
def test_clipping_kernel_equals_formula(rng, dtype):
    ours = parameters(rng, dtype)
    draw_gradients(rng, ours)
    theirs = copies(ours)
    for p, q in zip(ours, theirs):
        q.grad = p.grad.copy()
    with formulas():
        expected = clip_grad_norm_(theirs, 3.0)
    assert clip_grad_norm_(ours, 3.0) == pytest.approx(expected, rel=1e-12)
    for p, q in zip(ours, theirs):
        assert p.grad.dtype == dtype
        assert_close(p.grad, q.grad, FORMULA_TOLERANCE[dtype])


def test_small_gradients_are_left_alone(rng):
    params = parameters(rng)
    draw_gradients(rng, params)
    before = [p.grad.tobytes() for p in params]
    norm = clip_grad_norm_(params, 1e9)
    assert norm == clip_grad_norm_(params, math.inf) > 0
    assert [p.grad.tobytes() for p in params] == before


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_a_norm_that_is_not_finite_is_told_and_nothing_is_scaled(rng, number):
    params = parameters(rng, np.float32)
    draw_gradients(rng, params)
    params[2].grad[16_999] = number
    before = [p.grad.tobytes() for p in params]
    assert not math.isfinite(clip_grad_norm_(params, 1.0))
    assert [p.grad.tobytes() for p in params] == before


def test_clipping_one_tensor_none_and_the_same_twice():
    p, q = one(), one()
    assert clip_grad_norm_([p], 1.0) == 0
    assert clip_grad_norm_([], 1.0) == 0
    p.grad = np.array([3.0])
    q.grad = np.broadcast_to(4.0, (1,))  # cannot be written to
    assert clip_grad_norm_([p, p, q], 2.5) == 5
    np.testing.assert_allclose([p.grad[0], q.grad[0]], [1.5, 2.0], rtol=1e-6)
    assert clip_grad_norm_(p, 1.0) == pytest.approx(1.5)


# --- schedule


def test_warmup_cosine():
    """Half of the warm-up gives half; half of the rest gives the middle between 1 and the floor."""
    def at(progress):
        return warmup_cosine(progress, warmup_fraction=0.2, floor=0.1)

    assert [at(p) for p in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([0, 0.5, 1, 0.55, 0.1])
    assert at(1.7) == at(1)
    assert warmup_cosine(0, 0, 0.1) == 1
    assert [warmup_cosine(p, 1, 0.1) for p in (0, 0.5, 1)] == [0, 0.5, 1]


@pytest.mark.parametrize("arguments, message", [
    ((-0.1, 0.1, 0.1), "progress must be at least 0, got -0.1"),
    ((math.nan, 0.1, 0.1), "progress must be at least 0, got nan"),
    ((0.5, 1.5, 0.1), "warmup_fraction must be in 0..1, got 1.5"),
    ((0.5, 0.1, -1), "floor must be in 0..1, got -1"),
])
def test_a_wrong_schedule_is_named(arguments, message):
    with pytest.raises(ValueError, match=f"warmup_cosine: {message}"):
        warmup_cosine(*arguments)


# --- wrong input


FROZEN = np.zeros(2)
FROZEN.flags.writeable = False


@pytest.mark.parametrize("params, options, message", [
    ([], {}, "Adam: params must hold at least one Tensor"),
    ([np.zeros(2)], {}, "Adam: parameter 0 must be a Tensor, got ndarray"),
    ([one(), Tensor(np.zeros(2))], {},
     "parameter 1 must be a Tensor made with requires_grad=True, got one without"),
    ([one() * 2], {}, "parameter 0 must be .*, got the result of an op"),
    ([Tensor(FROZEN, requires_grad=True)], {}, "parameter 0 must have an array that can be written to"),
    ([{"params": one(), "learning_rate": 1}], {},
     "options of a group must be among lr, betas, eps, weight_decay, got learning_rate"),
    ([{"lr": 1}], {}, 'every group must be a dict with "params"'),
    ([one()], {"lr": -1}, "lr must be a number of at least 0, got -1"),
    ([one()], {"lr": math.nan}, "lr must be a number of at least 0, got nan"),
    ([{"params": one(), "eps": -1}], {}, "eps must be a number of at least 0, got -1"),
    ([one()], {"betas": (0.9, 1.0)}, r"betas must be two numbers in 0..1, below 1, got \(0.9, 1.0\)"),
    ([one()], {"betas": (0.9,)}, r"betas must be two numbers in 0..1, below 1, got \(0.9,\)"),
])
def test_wrong_input_is_named(params, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Adam(params, **options)


def test_a_parameter_given_twice_is_named():
    p = one()
    with pytest.raises(ValueError, match="SGD: each parameter must be given once"):
        SGD([{"params": p}, {"params": [p]}], lr=1)


def test_a_wrong_gradient_is_named_before_anything_moves():
    p, q = one(), one()
    p.grad, q.grad = np.ones(1), np.ones(1, np.float32)
    with pytest.raises(ValueError, match=r"gradient of parameter 1 must be \(1,\) float64, got .* float32"):
        SGD([p, q], lr=1).step()
    assert p.data == 1


def test_wrong_state_is_named_entry_by_entry_and_not_taken_over():
    p = one()
    optimizer = Adam([p])
    p.grad = np.ones(1)
    optimizer.step()
    before = optimizer.state_dict()
    wrong = {**before, "0.m": np.zeros(2), "1.m": np.zeros(1), "group0.lr": np.array(7.0)}
    del wrong["0.v"]
    with pytest.raises(ValueError) as error:
        optimizer.load_state_dict(wrong)
    for part in ("Adam.load_state_dict: ", "0.v: missing", "1.m: not in this optimizer",
                 r"0.m: expected (1,) float64, got (2,) float64"):
        assert part in str(error.value)
    assert all((optimizer.state_dict()[name] == before[name]).all() for name in before)
