"""What the page of a benchmark says, put together from its cells and its diary."""

from collections.abc import Sequence

import pandas as pd

from eac.benchmark.config import Benchmark
from eac.benchmark.grid import Cell, read_result
from eac.benchmark.session import Session
from eac.records.record import RunRecord, read_run
from eac.report.benchmark.benchmark_page import Page
from eac.report.benchmark.benchmark_tables import TableView

NOT_OURS = "The data belong to their publishers and do not ship with the project."


def page_of(
    benchmark: Benchmark,
    frame: pd.DataFrame,
    cells: Sequence[Cell],
    diary: Sequence[Session],
    reference: str = "",
) -> Page:
    """Everything the tables and the page need; p is against ``reference``, or the best model."""
    results = [(cell, read_result(cell)) for cell in cells]
    runs = {c.stream: read_run(c.directory) for c, r in results if r is not None and r.done}
    failures = [
        f"{cell.name}: {result.error.strip().splitlines()[-1]}"
        for cell, result in results
        if result is not None and not result.done
    ]
    said = {stream.name: stream.source or "source not named" for stream in benchmark.streams}
    sources = [f"{name}: {run.source or said[name]}" for name, run in runs.items()]
    done = sum(result is not None and result.done for _, result in results)
    facts = _facts(benchmark, next(iter(runs.values())), diary)
    return Page(
        title=benchmark.name,
        frame=frame,
        views=_views(benchmark, reference),
        published=[path for path in benchmark.published if path.is_file()],
        facts=[f"cells: {done} of {len(cells)} finished", *facts],
        failures=failures,
        sources=[*sources, NOT_OURS],
    )


def _views(benchmark: Benchmark, reference: str) -> list[TableView]:
    shown = benchmark.tables
    return [
        TableView(
            stream=stream.name,
            metric=metric,
            kind=shown.kind,
            steps=shown.steps,
            summary=shown.summary,
            num_seeds=len(benchmark.seeds),
            datasets=stream.published,
            methods=_published_names(benchmark),
            reference=reference,
        )
        for metric in shown.metrics
        for stream in benchmark.streams
    ]


def _published_names(benchmark: Benchmark) -> dict[tuple[str, str], tuple[str, ...]]:
    """A method's name, followed by that of the backbone where it has one of its own."""
    return {
        (strategy.name, backbone.name): tuple(
            name + ending for name in strategy.published for ending in backbone.published or ("",)
        )
        for strategy in benchmark.strategies
        for backbone in benchmark.backbones
    }


def _facts(benchmark: Benchmark, run: RunRecord, diary: Sequence[Session]) -> list[str]:
    facts = [f"command: `{command}`" for command in dict.fromkeys(s.command for s in diary)]
    facts.append(f"seeds: {', '.join(map(str, benchmark.seeds))}")
    settings = [f"{key}={value}" for key, value in benchmark.options.items()]
    if settings:
        facts.append(f"settings of every run: {', '.join(settings)}")
    facts += [f"published numbers not at hand: {p}" for p in benchmark.published if not p.is_file()]
    facts.append("versions: " + ", ".join(f"{k} {v}" for k, v in run.versions.items()))
    if diary:
        seconds = sum(session.seconds for session in diary)
        count = "1 session" if len(diary) == 1 else f"{len(diary)} sessions"
        workers = ", ".join(sorted({f"{s.workers} at a time ({s.executor})" for s in diary}))
        facts.append(f"wall time: {seconds:,.0f} s in {count}; cells {workers}")
    return facts
