"""Breaking backward formulas: from the source of an op, all its mutants, one small change each.

What is changed: functions whose name contains "backward" and lambdas given to Tensor.from_op, the functions of
the same file that these call, and the lines of an op that compute what only its backward reads.  Headers,
docstrings and errors stay.  How:

    a + b     a - b, a, b               -a          a                x += a      x -= a, x = a, nothing
    a - b     a + b, a, b - a           a > b       not (a > b)      x[i] = a    nothing
    a * b     a / b, a, b               if a        if not a         f(a)        nothing, if a statement
    a / b     a * b, a, b / a           x.T         x                exp(a)      a: tanh, sigmoid, sqrt, log too
    a @ b     b @ a                     0, 1, n     1, 0, n + 1      x.swapaxes(0, 1)   x: all of CAN_GO
    a ** b    a                         min, max    max, min         where(c, a, b)     where(c, b, a)

What is not changed, because no result depends on it:

    work      arithmetic with the size of a piece of work, a constant in capitals such as ROWS or CHUNK: how the
              rows are divided among tasks and how far beyond a row's end a vector reaches
    room      what is asked of scratch.take and np.empty: memory, whose content must not matter
    reach     a number in the end of a slice becomes smaller, not larger: who reads H numbers from the start of
              a longer view reads the same
"""
import ast
from typing import NamedTuple

INVERSE = {
    ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
OTHER = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
CAN_GO = {"exp", "tanh", "sigmoid", "sqrt", "log", "swapaxes", "transpose", "flip", "roll", "argsort", "cumsum"}
EXTREMES = {"min": "max", "max": "min"}
ROOM = {"take", "empty", "empty_like"}
NO_WORK = {"IGNORE"}  # in capitals, but no size


class Mutant(NamedTuple):
    """line; its statement before and after, as text; source: the whole file with the change."""

    line: int
    before: str
    after: str
    source: str


def mutants(source, called=()):
    """Every Mutant of this file, by line; called: functions of it that backward code elsewhere calls."""
    tree, found = ast.parse(source), {}
    for statement in _statements(_backward_code(tree, called)):
        for owner, field, index, new in _changes(statement):
            text = (lambda: _text(getattr(owner, field)[index])) if isinstance(new, ast.stmt) else (
                lambda: _text(statement))
            before, old = text(), _put(owner, field, index, new)
            changed = ast.unparse(tree)
            found.setdefault(changed, Mutant(old.lineno, before, text(), changed))
            _put(owner, field, index, old)
    found.pop(ast.unparse(tree), None)
    return sorted(found.values())


def called_backward(source):
    """The names of what the backward code of this file calls."""
    return {_name(n) for root in _backward_code(ast.parse(source)) for n in ast.walk(root)
            if isinstance(n, ast.Call)}


def _put(owner, field, index, new):
    """Put a node into the tree; returns the one that was there."""
    place, key = (owner.__dict__, field) if index is None else (getattr(owner, field), index)
    old, place[key] = place[key], new
    return old


def _text(statement):
    """The statement in one line; of a loop or a branch the header alone."""
    return ast.unparse(statement).split("\n")[0]


def _name(node):
    """The last name of what is called: sqrt for np.sqrt(x)."""
    f = node.func if isinstance(node, ast.Call) else node
    return f.attr if isinstance(f, ast.Attribute) else f.id if isinstance(f, ast.Name) else ""


def _backward_code(tree, called=()):
    """The functions, lambdas and lines that are changed; see above."""
    functions = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}
    roots = [f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef)
             and ("backward" in f.name or f.name in called)]
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and _name(call) == "from_op":
            roots += [a for a in call.args if isinstance(a, ast.Lambda)]
    roots += [line for f in functions.values() for line in _read_only_by(f, roots)]
    reached = []
    while roots:
        root = roots.pop()
        if root not in reached:
            reached.append(root)
            roots += [functions[n.func.id] for n in ast.walk(root)
                      if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in functions]
    return reached


def _statements(roots):
    """Every statement and lambda of these, each once."""
    found = {id(s): s for root in roots for s in ast.walk(root) if isinstance(s, ast.stmt)}
    found.update((id(root), root) for root in roots)
    return [s for s in found.values() if not isinstance(s, (ast.Raise, ast.Assert))]


def _read_only_by(function, backwards):
    """The assignments in this function to a name that is read in its backward and nowhere else."""
    inside = {id(n) for f in backwards if f is not function and f in ast.walk(function) for n in ast.walk(f)}
    reads = [n for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    theirs = {n.id for n in reads if id(n) in inside} - {n.id for n in reads if id(n) not in inside}
    return [s for s in function.body if isinstance(s, ast.Assign)
            and all(isinstance(t, ast.Name) and t.id in theirs for t in s.targets)]


def _changes(statement):
    """(owner, field, index, new node) for every change of this statement; index None where field is no list."""
    if isinstance(statement, ast.If) and not isinstance(statement.test, (ast.Compare, ast.UnaryOp)):
        yield statement, "test", None, ast.copy_location(ast.UnaryOp(ast.Not(), statement.test), statement.test)
    if not isinstance(statement, ast.FunctionDef):  # its header stays
        for owner, field, index, node, ends in _expressions(statement):
            for new in _replacements(node, ends):
                yield owner, field, index, ast.copy_location(new, node)
    for field in ("body", "orelse") if isinstance(statement, ast.stmt) else ():
        for index, line in enumerate(getattr(statement, field, [])):
            for new in _lines(line):
                yield statement, field, index, ast.fix_missing_locations(ast.copy_location(new, line))


def _lines(line):
    """What a whole statement becomes, one change each."""
    if _can_go(line):
        yield ast.Pass()
    if isinstance(line, ast.AugAssign):
        yield ast.Assign([line.target], line.value)
        if type(line.op) in OTHER:
            yield ast.AugAssign(line.target, OTHER[type(line.op)](), line.value)


def _can_go(line):
    """Whether a statement can be left out and the rest still runs."""
    if isinstance(line, ast.Assign):
        targets = [t for target in line.targets
                   for t in (target.elts if isinstance(target, ast.Tuple) else [target])]
        return all(isinstance(t, ast.Subscript) for t in targets)
    return isinstance(line, ast.AugAssign) or isinstance(line, ast.Expr) and isinstance(line.value, ast.Call)


def _expressions(node, ends=False):
    """(owner, field, index, child, ends) for the expressions below a node, without those of statements in it;
    ends: whether the child is in the end of a slice."""
    for field, value in ast.iter_fields(node):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, (ast.expr, ast.Slice, ast.keyword)) and not _changes_nothing(child):
                inside = field == "upper" or ends and not isinstance(child, ast.Slice)
                yield node, field, index, child, inside
                yield from _expressions(child, inside)


def _changes_nothing(node):
    """Whether an expression is about work or room."""
    if isinstance(node, ast.JoinedStr) or isinstance(node, ast.Call) and _name(node) in ROOM:
        return True
    sizes = isinstance(node, ast.BinOp) or isinstance(node, ast.Call) and _name(node) in EXTREMES
    return sizes and any(isinstance(n, ast.Name) and len(n.id) > 1 and n.id.isupper() and n.id not in NO_WORK
                         for n in ast.walk(node))


def _replacements(node, ends):
    """What an expression becomes, one change each; ends: it is in the end of a slice."""
    if isinstance(node, ast.BinOp):
        a, op, b = node.left, node.op, node.right
        if type(op) in OTHER:
            yield ast.BinOp(a, OTHER[type(op)](), b)
            yield a
            yield b if isinstance(op, (ast.Add, ast.Mult)) else ast.BinOp(b, op, a)
        elif isinstance(op, ast.MatMult):
            yield ast.BinOp(b, op, a)
        elif isinstance(op, ast.Pow):
            yield a
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        yield node.operand
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in INVERSE:
        yield ast.Compare(node.left, [INVERSE[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield ast.Constant({0: 1, 1: 0}.get(node.value, node.value + (-1 if ends else 1)))
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield node.value
    elif isinstance(node, ast.Call):
        name, arguments = _name(node), node.args
        if name == "where":
            yield ast.Call(node.func, [arguments[0], arguments[2], arguments[1]], [])
        elif name in CAN_GO:
            method = isinstance(node.func, ast.Attribute) and _name(node.func.value) != "np"
            yield node.func.value if method else arguments[0]
        elif name in EXTREMES and len(arguments) > 1:
            yield ast.Call(ast.Name(EXTREMES[name]), arguments, [])
