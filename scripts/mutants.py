"""Small changes of the code, one at a time, and whether a test notices each.

    python scripts/mutants.py --count 60 --seed 1

Each change is made in a copy of the repository, and the tests that import the changed module are
run on it until the first failure. A change that no test notices is listed as survived; look at it:
it asks for a test, or it changes nothing that matters; docs/mutants.md says which. Given again, the
command goes on.
"""

import argparse
import ast
import copy
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("data", "nn", "metrics", "strategies", "training")
COPIED = ("eac", "tests", "configs", "conftest.py", "pyproject.toml", "README.md", "CHANGELOG.md")
LINKED = ("datasets", "docs", "examples", "scripts", "Makefile", "setup.py", "LICENSE")
PRELOADED = (
    "torch",
    "lightning.pytorch",
    "torch_geometric",
    "pandas",
    "jsonargparse",
)
MOST_FILES, ENOUGH_FILES, FARTHEST = 8, 3, 3
APART = ("cli", "commands", "contracts", "parity", "faults", "examples_of_extension")
"""Folders of tests that start whole commands, or compare whole runs; too slow for each change."""
CASES = {
    "tests/contracts/test_strategies.py::"
    "test_a_plan_changes_nothing_and_comes_out_the_same_again": "{}",
    "tests/contracts/test_grid.py::"
    "test_the_strategy_trains_what_its_plan_says_of_the_backbone": "{}-STGNN",
}
"""Cases of contract tests, by the class they are about."""
FATES = {0: "survived", 1: "killed", 2: "killed"}
"""What the exit status of the tests says; 2: the tests cannot even be collected."""
BROKEN = 99
SECONDS = 600
"""For the tests of one change; where they take longer without a failure, it counts as survived."""

_OPPOSITE: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


@dataclass(frozen=True)
class Mutant:
    """One change: in ``file``, ``before`` at this place becomes ``after``."""

    file: str
    line: int
    column: int
    before: str
    after: str


def main() -> int:
    """Makes the changes, runs their tests, writes the list; 1 when too few are noticed."""
    parser = argparse.ArgumentParser(
        description="Small changes of the code, and whether a test notices each."
    )
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "mutants.md")
    parser.add_argument("--state", type=Path, default=ROOT / "build" / "mutants.json")
    parser.add_argument("--minutes", type=float, default=60, help="stop after, and go on next time")
    arguments = parser.parse_args()
    chosen = draw(arguments.count, arguments.seed)
    known: dict[str, str] = {}
    if arguments.state.is_file():
        known = json.loads(arguments.state.read_text(encoding="utf-8"))
    for name in PRELOADED:
        __import__(name)
    end = time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as folder:
        place = _copy(Path(folder) / "repository")
        for mutant in chosen:
            key = json.dumps(asdict(mutant))
            if key in known or time.monotonic() > end:
                continue
            begin = time.monotonic()
            known[key] = _fate(mutant, place)
            seconds = time.monotonic() - begin
            print(f"{known[key]:<10} {seconds:4.0f} s  {_said(mutant)}", flush=True)
            arguments.state.parent.mkdir(parents=True, exist_ok=True)
            arguments.state.write_text(json.dumps(known, indent=1), encoding="utf-8")
    fates = [(m, known[json.dumps(asdict(m))]) for m in chosen if json.dumps(asdict(m)) in known]
    return _report(fates, arguments)


def draw(count: int, seed: int) -> list[Mutant]:
    """Changes drawn from all that the rooms offer, each with the same chance."""
    files = [path for room in ROOMS for path in sorted((ROOT / "eac" / room).rglob("*.py"))]
    offered = [mutant for path in files for mutant in _mutants(path)]
    return random.Random(seed).sample(offered, count)


def _mutants(path: Path) -> Iterator[Mutant]:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    for node in _code(tree):
        for changed in _changes(node):
            before = ast.get_source_segment(source, node)
            if before and hasattr(node, "lineno"):
                after = ast.unparse(changed)
                after = f"({after})" if isinstance(node, ast.BinOp | ast.BoolOp) else after
                name = str(path.relative_to(ROOT))
                yield Mutant(name, node.lineno, node.col_offset, before, after)  # pyright: ignore[reportAttributeAccessIssue]


SILENT = ("annotation", "returns", "decorator_list", "bases")


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that do something: no annotation, docstring, decorator or message of an error."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in SILENT or isinstance(node, ast.Raise):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                yield from _code(child)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    changed = copy.deepcopy(node)
    if isinstance(changed, ast.Compare) and type(changed.ops[0]) in _OPPOSITE:
        changed.ops[0] = _OPPOSITE[type(changed.ops[0])]()
        yield changed
    elif isinstance(changed, ast.BinOp | ast.BoolOp) and type(changed.op) in _OPPOSITE:
        changed.op = _OPPOSITE[type(changed.op)]()
        yield changed
    elif isinstance(changed, ast.UnaryOp) and isinstance(changed.op, ast.Not):
        yield changed.operand
    elif isinstance(changed, ast.Constant) and isinstance(changed.value, bool):
        yield ast.Constant(not changed.value)
    elif isinstance(changed, ast.Constant) and isinstance(changed.value, int | float):
        yield ast.Constant(changed.value + 1)
    elif isinstance(changed, ast.Return) and not _is_none(changed.value):
        yield ast.Return(ast.Constant(None))


def _is_none(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _copy(place: Path) -> Path:
    """A copy of the repository to change; what tests only read is linked."""
    place.mkdir()
    for name in COPIED:
        source = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__")
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=ignored)
        else:
            shutil.copy(source, place / name)
    for name in LINKED:
        (place / name).symlink_to(ROOT / name)
    return place


def _fate(mutant: Mutant, place: Path) -> str:
    """``killed``, ``survived`` or ``too slow``, after the tests of the changed module."""
    target = place / mutant.file
    original = target.read_text(encoding="utf-8")
    lines = original.splitlines(keepends=True)
    start = sum(len(line.encode()) for line in lines[: mutant.line - 1]) + mutant.column
    content = original.encode()
    length = len(mutant.before.encode())
    changed = content[:start] + mutant.after.encode() + content[start + length :]
    target.write_bytes(changed)
    try:
        return _run(tests_of(mutant.file, place), place)
    finally:
        target.write_text(original, encoding="utf-8")


def tests_of(file: str, place: Path) -> list[str]:
    """Tests that run the module: its examples, the file of its own name, then near and short ones.

    Where few tests name a module, those count that name a module which imports it. A class that
    contract tests are given by name brings its own cases of them.
    """
    room, name = file.split("/")[1], f"test_{Path(file).stem}"
    texts = {p: p.read_text(encoding="utf-8") for p in sorted((place / "tests").rglob("test_*.py"))}
    texts = {p: text for p, text in texts.items() if p.parent.name not in APART}
    steps, far = {file: 0}, 0
    found: dict[Path, int] = {}
    while len(found) < ENOUGH_FILES and far < FARTHEST:
        for module in [module for module, step in steps.items() if step == far]:
            dotted = _dotted(module)
            known = {p: far for p, text in texts.items() if p.stem == name or dotted in text}
            found = known | found
            steps = dict.fromkeys(_users(dotted, place), far + 1) | steps
        far += 1
    ranked = sorted(
        found,
        key=lambda p: (p.stem != name, found[p], p.parent.name != room, p.stat().st_size),
    )
    named = [str(path.relative_to(place)) for path in ranked[:MOST_FILES]]
    return [file, *named, *_contracts(file, place)]


def _dotted(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def _users(module: str, place: Path) -> list[str]:
    """Modules of the package that import this one."""
    room, _, name = module.rpartition(".")
    said = (f"from {module} import", f"from {room} import {name}")
    files = sorted((place / "eac").rglob("*.py"))
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    return [str(p.relative_to(place)) for p, text in texts.items() if any(s in text for s in said)]


def _contracts(file: str, place: Path) -> list[str]:
    """The cases of contract tests that are about a class of the file, and a run as a whole."""
    room = file.split("/")[1]
    if room == "nn":
        return ["tests/contracts/test_backbones.py"]
    if file.startswith(("eac/data/parsing", "eac/data/readers")):
        return ["tests/first_contact/test_readings.py"]
    if room != "strategies":
        return ["tests/training/test_runner.py"]
    tree = ast.parse((place / file).read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    known = sorted(path.stem.replace("_", "") for path in (place / file).parent.glob("*.py"))
    own = [name for name in names if name.lower() in known] or ["EAC"]
    return [f"{contract}[{case.format(own[0])}]" for contract, case in CASES.items()]


def _run(tests: list[str], place: Path) -> str:
    """Runs tests in a process forked from this one, which has loaded the libraries once."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(_pytest(tests, place))
        finally:  # whatever happens here, the parent alone cleans up
            os._exit(BROKEN)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return FATES.get(os.waitstatus_to_exitcode(status), "not run")
        time.sleep(0.2)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "too slow"


def _pytest(tests: list[str], place: Path) -> int:
    """The exit status of the tests, in the copy and without a word."""
    os.chdir(place)
    os.setsid()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.dont_write_bytecode = True
    sys.path[:] = [str(place), *(p for p in sys.path if Path(p).resolve() != ROOT)]
    import pytest

    options = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "--rootdir", str(place)]
    return int(pytest.main([*options, *tests]))


def _said(mutant: Mutant) -> str:
    before, after = (" ".join(text.split()) for text in (mutant.before, mutant.after))
    short = [text if len(text) < 60 else f"{text[:57]}..." for text in (before, after)]
    return f"{mutant.file}:{mutant.line}  {short[0]}  ->  {short[1]}"


def _report(fates: list[tuple[Mutant, str]], arguments: argparse.Namespace) -> int:
    killed = sum(fate == "killed" for _, fate in fates)
    share = killed / max(1, len(fates))
    command = f"python scripts/mutants.py --count {arguments.count} --seed {arguments.seed}"
    lines = [
        "# Mutants",
        "",
        "Small changes of the code, drawn at random, and whether a test notices each.",
        f"Of {len(fates)} changes {killed} were noticed: {share:.0%}.",
        "",
        f"    {command}",
        "",
        "| fate | place | before | after |",
        "|---|---|---|---|",
    ]
    for mutant, fate in sorted(fates, key=lambda pair: (pair[1], pair[0].file, pair[0].line)):
        place, _, change = _said(mutant).partition("  ")
        before, _, after = change.replace("|", "\\|").partition("  ->  ")
        lines.append(f"| {fate} | `{place}` | `{before}` | `{after}` |")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("\n".join([*lines, ""]), encoding="utf-8")
    print(f"{killed} of {len(fates)} killed ({share:.0%}); wrote {arguments.out}")
    return 0 if share >= 0.85 else 1


if __name__ == "__main__":
    sys.exit(main())
