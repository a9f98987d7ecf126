"""The promises that hold for every op and model alike, over the one list of cases."""
import numpy as np
import pytest

from tests.oracle import DTYPES, FORMULA_TOLERANCE, assert_close
from tinyllm import formulas, gradcheck, ops
from tinyllm.autograd import Tensor
from tinyllm.cases import CASES


def test_every_op_has_a_case():
    """A backward without a case is an error (attention_weights has no backward)."""
    missing = {*ops.PRIMITIVES, *ops.COMPOSITES} - {case.op for case in CASES} - {"attention_weights"}
    assert not missing


def test_names_are_distinct():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_gradients(case):
    rng = np.random.default_rng(1)
    f, arrays, parameters = case.build(rng)
    gradcheck(f, *arrays, parameters=parameters, rng=rng)


def _run(case, dtype):
    """The output and every gradient, under one random dout."""
    f, arrays, parameters = case.build(np.random.default_rng(2))
    tensors = [Tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    if parameters:
        for parameter in parameters.parameters():
            parameter.data = parameter.data.astype(dtype)
        learnt = parameters.parameters()
    else:
        learnt = []
    out = f(*tensors)
    out.backward(np.random.default_rng(3).standard_normal(out.shape).astype(dtype))
    return [out.data, *[t.grad for t in tensors], *[p.grad for p in learnt]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", [c for c in CASES if c.op not in ops.PRIMITIVES], ids=lambda case: case.name)
def test_kernel_equals_formula(case, dtype):
    kernel = _run(case, dtype)
    with formulas():
        formula = _run(case, dtype)
    for ours, expected in zip(kernel, formula, strict=True):
        assert ours.dtype == dtype
        assert_close(ours, expected, FORMULA_TOLERANCE[dtype])
