import importlib

import pytest

from tinyllm import metrics


@pytest.mark.parametrize("name", metrics.__all__)
def test_every_name_is_that_of_its_file(name):
    module = importlib.import_module(f"tinyllm.metrics.{metrics.FILES[name]}")
    assert callable(getattr(metrics, name))
    assert getattr(metrics, name) is getattr(module, name)
