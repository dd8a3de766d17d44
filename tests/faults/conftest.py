"""What the tests of faults share: the workshop, runs without a fault, figures of what was tried."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.disk import Entry, operations, read_log
from tests.faults.runs import arguments, kept, write_stream
from tests.faults.workshop import Fault, Workshop


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    """Runs commands in processes of their own."""
    made = Workshop()
    yield made
    made.close()


@pytest.fixture(scope="session")
def stream(tmp_path_factory) -> Path:
    """Three periods, with files of their own."""
    return write_stream(tmp_path_factory.mktemp("stream"))


@dataclass(frozen=True)
class Whole:
    """A run without a fault.

    Attributes:
        run: Its directory.
        kept: What it keeps.
        log: All that it did to files.
        contents: Folder with what it wrote.
        stream: What it was trained on.
    """

    run: Path
    kept: dict[str, Any]
    log: list[Entry]
    contents: Path
    stream: Path

    @property
    def operations(self) -> list[tuple[str, Path]]:
        """Kind and path of every operation on a file."""
        return operations(self.log)


@pytest.fixture(scope="session")
def whole(workshop, stream, tmp_path_factory) -> Callable[[str], Whole]:
    """A run without a fault, by its recipe."""
    known: dict[str, Whole] = {}

    def give(recipe: str) -> Whole:
        if recipe not in known:
            root = tmp_path_factory.mktemp("whole")
            run, log = root / "run", root / "log"
            fault = Fault("log", folder=str(log))
            workshop.run(*arguments(recipe, stream, run), fault=fault).check(0)
            known[recipe] = Whole(run, kept(run), read_log(log), log, stream)
        return known[recipe]

    return give


@pytest.fixture
def figure(record_property) -> Callable[[str, int], None]:
    """Adds to a figure that is printed at the end."""
    return lambda what, number: record_property(f"figure: {what}", number)


def pytest_terminal_summary(terminalreporter) -> None:
    """Prints how much was tried, summed over the tests that passed."""
    figures: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            if name.startswith("figure: "):
                figures[name.removeprefix("figure: ")] += value
    if figures:
        terminalreporter.section("what was tried")
        for name, value in sorted(figures.items()):
            terminalreporter.write_line(f"{value:>8,}  {name}")
