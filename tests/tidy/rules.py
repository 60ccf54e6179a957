"""What our code does not do: each rule takes a syntax tree and yields (line, breach). Pure, and tested itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator

FUNCTION_LINES_MAX = 70

Breach = tuple[int, str]


def long_functions(tree: ast.Module) -> Iterator[Breach]:
    """Functions longer than 70 lines, docstring included, decorators not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield node.lineno, f"{node.name}() has {length} lines, and {FUNCTION_LINES_MAX} is the limit"


def bare_tasks(tree: ast.Module) -> Iterator[Breach]:
    """Tasks that nobody awaits: their exceptions are lost. A TaskGroup's `create_task` is not one of them."""
    for call, name in _calls(tree):
        receiver, _, method = name.rpartition(".")
        unowned = receiver in {"", "asyncio"} or receiver.endswith(("loop", "loop()"))
        if method in {"create_task", "ensure_future"} and unowned:
            yield call.lineno, f"{name}() makes a task that can lose its exception"


def naps(tree: ast.Module) -> Iterator[Breach]:
    """`sleep` with a constant other than 0: a guess at how long something takes."""
    for call, name in _calls(tree):
        if name in {"time.sleep", "asyncio.sleep", "sleep"} and call.args:
            duration = call.args[0]
            if isinstance(duration, ast.Constant) and duration.value != 0:
                yield call.lineno, f"{name}({duration.value}) guesses how long something takes"


def prints(tree: ast.Module) -> Iterator[Breach]:
    """`print` in a program that may run as a service."""
    for call, name in _calls(tree):
        if name == "print":
            yield call.lineno, "print() goes nowhere when the controller runs as a service"


def swallowed(tree: ast.Module) -> Iterator[Breach]:
    """Handlers of every exception that do nothing, and `suppress(Exception)`, which is the same."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _catches_all(node.type) and all(map(_idle, node.body)):
            yield node.lineno, "every exception is caught here, and none is told"
    for call, name in _calls(tree):
        if name.rpartition(".")[2] == "suppress" and any(map(_catches_all, call.args)):
            yield call.lineno, f"{name}() swallows every exception"


def shells(tree: ast.Module) -> Iterator[Breach]:
    """Anything that hands a string to a shell."""
    for call, name in _calls(tree):
        asked = any(
            keyword.arg == "shell" and isinstance(keyword.value, ast.Constant) and keyword.value.value
            for keyword in call.keywords
        )
        if asked or name in {"os.system", "os.popen"} or name.endswith("create_subprocess_shell"):
            yield call.lineno, f"{name}() hands a string to a shell"


def open_doors(tree: ast.Module) -> Iterator[Breach]:
    """String constants that are an address on every interface; only an operator may choose one."""
    everywhere = ("0.0.0.0", "[::]")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(everywhere):
            yield node.lineno, f"{node.value!r} is an address on every interface"


def substance(tree: ast.Module) -> Iterator[Breach]:
    """Whatever an `__init__.py` holds beyond its docstring, imports and `__all__`: it would have no test file."""
    for node in tree.body:
        imports = isinstance(node, ast.Import | ast.ImportFrom)
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        exports = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        if not (imports or docstring or exports):
            yield node.lineno, "an __init__.py holds more than a docstring, imports and __all__"


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    """Every call with what is called, as written: `asyncio.sleep`, `loop.create_task`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def _catches_all(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(map(_catches_all, kind.elts))
    return kind is None or ast.unparse(kind) in {"Exception", "BaseException"}


def _idle(statement: ast.stmt) -> bool:
    """Whether a statement does nothing: `pass`, `continue`, `...`, a string."""
    bare = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return bare or isinstance(statement, ast.Pass | ast.Continue)
