"""Public docstrings show what the thing does: how many have a runnable example, held from below.

The doctests themselves run with the suite. Raise ``HELD`` when examples are added.
"""

import ast
import importlib
import inspect
from pathlib import Path

import eac
from tests.conftest import REPOSITORY

HELD = 0.885
"""Share of the public classes and functions of the package, the commands aside, with an example."""


def has_example(node: ast.ClassDef | ast.FunctionDef) -> bool:
    """Whether the docstring, or that of a method, has a line to run."""
    inside = [node, *(part for part in node.body if isinstance(part, ast.FunctionDef))]
    return any(">>>" in (ast.get_docstring(part) or "") for part in inside)


def public_names() -> dict[str, bool]:
    """Every public class and function, by file and name, and whether it has an example."""
    found = {}
    for path in sorted((REPOSITORY / "eac").rglob("*.py")):
        where = path.relative_to(REPOSITORY)
        if where.parts[1] == "cli":
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name[0] != "_":
                found[f"{Path(where)}:{node.name}"] = has_example(node)
    return found


def test_the_share_of_public_names_with_an_example_does_not_fall():
    found = public_names()
    without = [name for name, has in found.items() if not has]
    share = 1 - len(without) / len(found)
    assert share >= HELD, f"{share:.3f} of {len(found)} have one; without: {without[-20:]}"


def test_every_name_that_the_package_exports_has_an_example():
    without = []
    for name, module in eac._PUBLIC.items():
        thing = getattr(importlib.import_module(module), name)
        parts = [thing, *(part for _, part in inspect.getmembers(thing, inspect.isfunction))]
        if not any(">>>" in (part.__doc__ or "") for part in parts):
            without.append(name)
    assert without == []
