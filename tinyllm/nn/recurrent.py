"""Recurrent layers: the ops of one layer and one direction, stacked and reversed as in PyTorch."""
import math

import numpy as np

from tinyllm.autograd import Tensor
from tinyllm.nn.module import Module, check_size, uniform
from tinyllm.ops.arrangement import concatenate, stack
from tinyllm.ops.dropout import dropout
from tinyllm.ops.gru import gru
from tinyllm.ops.lstm import lstm
from tinyllm.ops.rnn import rnn


class _Recurrent(Module):
    """num_layers layers, each over the outputs of the one before, in one direction or both.

    Parameters, for layer l (with the suffix _reverse for the direction that walks back in time):
    weight_ih_l (gates H, inputs), weight_hh_l (gates H, H), bias_ih_l and bias_hh_l (gates H,).
    All start from U(-1/sqrt(H), 1/sqrt(H)), as in PyTorch.
    """

    gates = 1

    def __init__(self, input_size, hidden_size, num_layers=1, *, bidirectional=False, dropout=0.0, rng,
                 dtype=np.float32):
        check_size(type(self).__name__, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        if not 0 <= dropout < 1:
            raise ValueError(f"{type(self).__name__}: dropout must be in [0, 1), got {dropout}")
        self.hidden_size, self.num_layers, self.dropout = hidden_size, num_layers, dropout
        self.directions = ("", "_reverse") if bidirectional else ("",)
        bound = 1 / math.sqrt(hidden_size)
        for layer in range(num_layers):
            inputs = hidden_size * len(self.directions) if layer else input_size
            for suffix in self.directions:
                for name, shape in [("weight_ih", (self.gates * hidden_size, inputs)),
                                    ("weight_hh", (self.gates * hidden_size, hidden_size)),
                                    ("bias_ih", (self.gates * hidden_size,)), ("bias_hh", (self.gates * hidden_size,))]:
                    setattr(self, f"{name}_l{layer}{suffix}", uniform(shape, bound, rng, dtype))

    def layer_weights(self, layer, suffix=""):
        """weight_ih, weight_hh, bias_ih, bias_hh of one layer and direction."""
        return [getattr(self, f"{name}_l{layer}{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]

    def initial_state(self, batch):
        """Zeros: (layers * directions, B, H)."""
        H = self.hidden_size
        return Tensor(np.zeros((self.num_layers * len(self.directions), batch, H), self.weight_hh_l0.dtype))

    def forward(self, x, state=None, valid=None, rng=None):
        """x (B, T, inputs) -> outputs (B, T, H or 2H) and the last states (layers * directions, B, H).

        state  the states to start from; left out, zeros
        valid  (B, T) True = real: a padded position leaves the state as it is
        rng    draws the dropout between layers; left out, there is none
        """
        state = self.initial_state(x.shape[0]) if state is None else state
        last = []
        for number in range(self.num_layers):
            x, ends = self.layer(number, x, state, valid, rng)
            last += ends
        return x, self._join(last)

    def layer(self, number, x, state, valid=None, rng=None):
        """One of the layers: its outputs (B, T, H or 2H) and the list of its directions' last states, each (B, H).

        x      what the layer reads; for every layer but the first, dropout comes before it
        state  the states of all layers, as in forward
        """
        if number:
            x = dropout(x, self.dropout, rng)
        outputs, last = [], []
        for direction, suffix in enumerate(self.directions):
            out, end = self._run(x, state, number * len(self.directions) + direction,
                                 self.layer_weights(number, suffix), valid, suffix == "_reverse")
            outputs.append(out)
            last.append(end)
        return concatenate(outputs, axis=-1) if len(outputs) > 1 else outputs[0], last

    op = None

    def _run(self, x, state, row, weights, valid, reverse):
        """One layer in one direction: outputs (B, T, H) and the last state (B, H)."""
        out = self.op(x, state[row], *weights, valid=valid, reverse=reverse)
        return out, out[:, 0 if reverse else -1]

    def _join(self, last):
        return stack(last, axis=0)


class RNN(_Recurrent):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""

    op = staticmethod(rnn)


class GRU(_Recurrent):
    """Gates r, z, n in PyTorch's order; ops/gru.py has the formula."""

    gates = 3
    op = staticmethod(gru)


class LSTM(_Recurrent):
    """Gates i, f, g, o in PyTorch's order; ops/lstm.py has the formula.  The state is a pair (h, c)."""

    gates = 4

    def initial_state(self, batch):
        """Zeros: h and c, each (layers * directions, B, H)."""
        return super().initial_state(batch), super().initial_state(batch)

    def _run(self, x, state, row, weights, valid, reverse):
        h, c = state
        out = lstm(x, h[row], c[row], *weights, valid=valid, reverse=reverse)
        return out[0], out[:, :, 0 if reverse else -1]

    def _join(self, last):
        return stack([ends[0] for ends in last], axis=0), stack([ends[1] for ends in last], axis=0)
