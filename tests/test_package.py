"""Facts about the package as a whole: its modules, its metadata, what importing it costs."""

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import jaxtyping
import pytest
import torch

import eac
from eac.data.series.scaling import Scaler

PACKAGE = Path(__file__).resolve().parents[1] / "eac"
MODULES = sorted(PACKAGE.rglob("*.py"))
ROOMS = sorted({module.parent for module in MODULES})
MAX_ARGUMENTS = 6
MAX_LINES = 300
MAX_BODY = 45
MAX_FILES = 15


def _name(module: Path) -> str:
    return str(module.relative_to(PACKAGE.parent))


def _heavy_modules_after(statement: str) -> set[str]:
    code = (
        f"{statement}\nimport sys\n"
        "print(*(m for m in ('torch', 'lightning', 'pandas') if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def _argument_count(function: ast.FunctionDef) -> int:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return sum(argument.arg not in ("self", "cls") for argument in named)


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function after its signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_version_is_that_of_the_installed_distribution():
    assert importlib.metadata.version("eac") == eac.__version__


def test_newest_entry_of_the_changelog_is_this_version_or_unreleased():
    text = (PACKAGE.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", text, flags=re.MULTILINE)
    assert newest is not None
    assert newest[1] in (eac.__version__, "Unreleased")


def test_importing_the_package_loads_nothing_heavy():
    assert _heavy_modules_after("import eac") == set()


def test_wrong_shape_is_caught_while_testing():
    with pytest.raises(jaxtyping.TypeCheckError):
        Scaler.identity(3).transform(torch.zeros(2, 4, 3))


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_inits_of_rooms_hold_only_a_docstring(module: Path):
    if module.name != "__init__.py" or module.parent == PACKAGE:
        return
    body = ast.parse(module.read_text(encoding="utf-8")).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_functions_take_few_arguments(module: Path):
    functions = [
        node
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name != "__init__"
    ]
    crowded = [f.name for f in functions if _argument_count(f) > MAX_ARGUMENTS]
    assert not crowded, f"{_name(module)}: {crowded} take more than {MAX_ARGUMENTS} arguments"


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_modules_and_functions_are_short(module: Path):
    text = module.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES, "cut it where a responsibility ends"
    functions = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = [f"{f.name}: {_body_lines(f)}" for f in functions if _body_lines(f) > MAX_BODY]
    assert not long, f"{_name(module)}: bodies over {MAX_BODY} lines: {long}"


@pytest.mark.parametrize("room", ROOMS, ids=_name)
def test_rooms_hold_few_files(room: Path):
    files = [module for module in room.glob("*.py") if module.name != "__init__.py"]
    one_file_each = room.name == "strategies"
    assert one_file_each or len(files) <= MAX_FILES, f"{_name(room)} holds {len(files)} files"
