"""One way to state and to check shapes, a letter per axis, the same in code and docs; and dtypes."""


def check_shapes(op, /, **arrays):
    """Check arrays against axis letters and return the size each letter stands for.

    check_shapes("attention", q=(q, "BTD"), k=(k, "BSD"))  ->  {"B": 2, "T": 5, ...}

    The first array with a letter fixes its size; a digit in front of a letter multiplies it
    ("3H H": the axes are written apart by spaces then).  Raises ValueError that names the op,
    the array, what was expected and what came.
    """
    sizes, fixed_by = {}, {}
    for name, (array, axes) in arrays.items():
        axes = axes.split() if " " in axes else list(axes)
        expected = ", ".join(axes) + ("," if len(axes) == 1 else "")
        if array.ndim != len(axes):
            raise ValueError(f"{op}: {name} must be ({expected}), got shape {array.shape}")
        for axis, size in zip(axes, array.shape):
            factor, letter = (int(axis[:-1]), axis[-1]) if len(axis) > 1 else (1, axis)
            if letter not in sizes:
                if size % factor:
                    raise ValueError(f"{op}: {name} must be ({expected}), got shape {array.shape}")
                sizes[letter], fixed_by[letter] = size // factor, name
            elif factor * sizes[letter] != size:
                raise ValueError(
                    f"{op}: {name} must be ({expected}) with {letter} = {sizes[letter]} "
                    f"as in {fixed_by[letter]}, got shape {array.shape}")
    return sizes


def check_floats(op, /, **arrays):
    """Raise ValueError that names the op unless all arrays are float32 or all are float64."""
    (first, a), *others = arrays.items()
    if a.dtype not in ("float32", "float64"):
        raise ValueError(f"{op}: {first} must be float32 or float64, got {a.dtype}")
    for name, b in others:
        if b.dtype != a.dtype:
            raise ValueError(f"{op}: {name} must be {a.dtype} as {first}, got {b.dtype}")
