"""Reverse-mode differentiation over a graph of array operations.

A Tensor remembers which tensors it was computed from and one function that turns
dL/d(itself) into dL/d(each parent).  backward() walks the graph once, every tensor
after all of its uses, and adds up what arrives: a value used twice receives the sum
of both gradients.

    dL/dx = sum over the uses y of x of  (dy/dx)^T dL/dy

The operators of Tensor (+, @, sum, ...) are ops like all others: tinyllm/ops binds them.
"""
import contextlib
import contextvars

import numpy as np

_recording = contextvars.ContextVar("recording", default=True)
_on_formulas = contextvars.ContextVar("on_formulas", default=False)


@contextlib.contextmanager
def _switched(variable, value):
    """Inside, the variable has this value, in this thread alone."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def no_grad():
    """Inside, ops compute values and remember nothing."""
    return _switched(_recording, False)


def recording():
    """Inside, ops remember again, in no_grad() too: for values that are themselves gradients."""
    return _switched(_recording, True)


def formulas():
    """Inside, every op runs its formula in Tensor arithmetic instead of its kernel."""
    return _switched(_on_formulas, True)


def on_formulas():
    """Whether an op has to run its formula: asked in one line, after its checks."""
    return _on_formulas.get()


def recorded(*parents):
    """Whether an op over these tensors will be walked backward, so that saving pays."""
    return _recording.get() and any(p.requires_grad for p in parents)


class Tensor:
    """An array and the way it was made.

    data           ndarray; float32 in training, float64 in gradient checks
    grad           dL/d(data) after backward(), same shape and dtype; None before
    requires_grad  whether backward() has to reach this tensor
    """

    __slots__ = ("data", "grad", "requires_grad", "_parents", "_backward")
    __array_ufunc__ = None  # array + tensor asks the Tensor, instead of making an array of objects

    def __init__(self, data, requires_grad=False):
        if isinstance(data, Tensor):
            raise TypeError("Tensor: data must be an array, got a Tensor (use .data or .detach())")
        self.data = np.asarray(data)
        if self.data.dtype.kind not in "fiub":
            raise TypeError(f"Tensor: data must be numbers, got dtype {self.data.dtype}")
        if requires_grad and self.data.dtype.kind != "f":
            raise TypeError(f"Tensor: only floating point has a gradient, got dtype {self.data.dtype}")
        self.grad = None
        self.requires_grad = requires_grad
        self._parents = ()
        self._backward = None

    @classmethod
    def from_op(cls, data, parents, backward):
        """The output of an op: backward(dout) returns one gradient per parent.

        A parent that does not require a gradient may get None.
        """
        wanted = recorded(*parents)
        out = cls(data, requires_grad=wanted)
        if wanted:
            out._parents, out._backward = parents, backward
        return out

    def backward(self, dout=None, retain_graph=False):
        """Add dL/d(leaf) to leaf.grad for every leaf that requires it.

        dout          dL/d(self), same shape as data; left out, data must be a scalar
                      and dL/d(self) is 1
        retain_graph  keep what the ops saved, so that backward can be called again;
                      otherwise it is freed as the walk goes and a second call raises

        Raises ValueError for a dout of another shape, RuntimeError where there is no graph
        or where it was freed by an earlier backward.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward: this tensor does not require a gradient (no_grad, or no parameter below it)")
        if dout is None:
            if self.data.size != 1:
                raise ValueError(f"backward: dout is needed for a tensor of shape {self.data.shape}")
            dout = np.ones_like(self.data)
        dout = np.asarray(dout, self.data.dtype)
        if dout.shape != self.data.shape:
            raise ValueError(f"backward: dout must have shape {self.data.shape}, got {dout.shape}")
        order = _parents_first(self)
        if any(node._backward is _freed for node in order):  # before any leaf has received something
            _freed(dout)
        grads, taken = {id(self): dout}, {id(dout)}
        while order:  # popped, so that memory is given back as the walk goes
            node = order.pop()
            grad = np.asarray(grads.pop(id(node)))  # sums of 0-dimensional arrays are NumPy scalars
            if node._backward is None:
                node.grad = _own(grad, taken) if node.grad is None else np.asarray(node.grad + grad)
                continue
            dparents = node._backward(grad)
            parents = node._parents
            if not retain_graph:
                node._parents, node._backward = (), _freed
            for parent, dparent in zip(parents, dparents, strict=True):
                if parent.requires_grad:
                    assert dparent is not None, "no gradient for a parent that requires one"
                    assert dparent.shape == parent.data.shape, "gradient of another shape"
                    assert dparent.dtype == parent.data.dtype, "gradient of another dtype"
                    seen = grads.get(id(parent))
                    grads[id(parent)] = dparent if seen is None else seen + dparent

    def detach(self):
        """The same data without its history."""
        return Tensor(self.data)

    def numpy(self):
        """The data: an ndarray, not a copy."""
        return self.data

    def __array__(self, dtype=None, copy=None):
        """For np.asarray; RuntimeError for a tensor with a history, which would be lost unnoticed."""
        if self.requires_grad:
            raise RuntimeError("Tensor: NumPy would lose the history of this tensor, use .detach() or .data")
        return np.array(self.data, dtype, copy=copy)

    def item(self):
        """The one number of a tensor of size 1, as Python's."""
        return self.data.item()

    @property
    def shape(self):
        return self.data.shape

    @property
    def dtype(self):
        return self.data.dtype

    @property
    def ndim(self):
        return self.data.ndim

    def __len__(self):
        return len(self.data)

    def __repr__(self):
        graph = ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({np.array2string(self.data, separator=', ', prefix='Tensor(')}{graph})"


def _freed(dout):
    raise RuntimeError(
        "backward: this graph was freed by an earlier backward; call that one with "
        "retain_graph=True to walk it again")


def _own(grad, taken):
    """grad, or a copy where anything else may hold its memory: clipping may write into what a leaf keeps."""
    shared = id(grad) in taken or isinstance(grad.base, np.ndarray)
    if shared or not grad.flags.writeable or not grad.flags.c_contiguous:
        return np.array(grad, order="C")
    taken.add(id(grad))
    return grad


def _parents_first(root):
    """The graph below root that requires gradients, each tensor before everything that uses it.

    A loop, not a recursion: the graph of a long sequence is deeper than Python's stack.
    """
    order, visited, stack = [], set(), [(root, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif id(node) not in visited:
            visited.add(id(node))
            stack.append((node, True))
            stack.extend((p, False) for p in node._parents if p.requires_grad)
    return order
