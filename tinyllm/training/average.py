"""A moving average of the weights: often better than the last weights, at the price of a second copy.

    a = d_t a + (1 - d_t) w        d_t = min(d, (1 + t) / (10 + t)) after step t = 1, 2, ...

The decay grows from small values, so that the weights of the first steps are forgotten soon.
"""
import contextlib


class WeightAverage:
    """The average of some parameters with decay d in (0, 1); arrays has one for each, in their dtype."""

    def __init__(self, parameters, decay):
        self.parameters, self.decay = parameters, decay
        self.arrays = [parameter.data.copy() for parameter in parameters]

    def move(self, step):
        """Take in the weights after step 1, 2, ..."""
        new = 1 - min(self.decay, (1 + step) / (10 + step))
        for average, parameter in zip(self.arrays, self.parameters):
            change = parameter.data - average
            change *= average.dtype.type(new)
            average += change

    @contextlib.contextmanager
    def in_place(self):
        """Inside, the parameters are their average."""
        weights = [parameter.data for parameter in self.parameters]
        for parameter, average in zip(self.parameters, self.arrays):
            parameter.data = average
        try:
            yield
        finally:
            for parameter, data in zip(self.parameters, weights):
                parameter.data = data
