"""What every test shares: one seeded generator, and Hypothesis without a deadline (a first example may compile)."""
import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("tinyllm", deadline=None, max_examples=20, derandomize=True)
settings.load_profile("tinyllm")


@pytest.fixture
def rng():
    return np.random.default_rng(0)
