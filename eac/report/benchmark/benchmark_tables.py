"""The tables of a benchmark, from its tidy results: errors, costs, and transfer."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from eac.errors import ConfigError
from eac.records.newcomers import NEW_IN_FIRST
from eac.report.benchmark.over_seeds import spread
from eac.report.benchmark.published_numbers import published_text
from eac.report.benchmark.ranked import MODEL, NAIVE, label, model_label, of_stream, unranked_notes
from eac.report.common.markup import Entry, MarkedTable, marks
from eac.report.common.significance import HAS_SCIPY, wilcoxon_p

NEW_SENSORS = "new, week 1"


@dataclass(frozen=True)
class TableView:
    """What one table of errors shows.

    Attributes:
        stream: Rows of the results to show.
        metric: "MAE", "RMSE", "MAPE" or "WAPE".
        kind: "point" or "cumulative".
        steps: Columns.
        summary: Key of the mean over steps, "mean" or "avg".
        num_seeds: Seeds that each row should have.
        datasets: Names of the stream in the published numbers.
        methods: Names in the published numbers of each strategy and backbone; of each strategy
            on its own backbone with "" for the backbone.
        reference: Strategy that the others are tested against, or "STRATEGY on BACKBONE"; the best
            trained model by default.

    Example:
        >>> view = TableView("bergen", "MAE", "point", ("3", "6"), summary="mean", num_seeds=5)
        >>> view.steps
        ('3', '6')
    """

    stream: str
    metric: str
    kind: str
    steps: tuple[str, ...]
    summary: str
    num_seeds: int
    datasets: tuple[str, ...] = ()
    methods: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    reference: str = ""


@dataclass(frozen=True)
class _Row:
    """One strategy on one backbone.

    Attributes:
        strategy: Name, "naive: ..." for a naive forecast.
        backbone: Name, "" for a naive forecast.
        by_seed: Mean error over periods, one row per seed, one column per shown horizon.
        by_pair: Error at the summary horizon, by period and seed.
        costs: Tuned parameters in the first and in later periods, seconds, peak MiB.
        targets: What its test targets are.
        is_ranked: Whether they are those of the reference.
    """

    strategy: str
    backbone: str
    by_seed: pd.DataFrame
    by_pair: pd.Series
    costs: tuple[str, ...]
    targets: str
    is_ranked: bool

    @property
    def label(self) -> str:
        """Name for the reader."""
        return label(self.strategy)

    @property
    def name(self) -> str:
        """The same, with the backbone where there is one."""
        return model_label(self.strategy, self.backbone)


def error_table(
    frame: pd.DataFrame, view: TableView, published: pd.DataFrame | None = None
) -> MarkedTable:
    """One row per strategy and backbone: mean and deviation over seeds, significance and costs.

    Example:
        >>> said = {"stream": "pm10", "period": "a", "after": "a", "group": "all", "kind": "point"}
        >>> said |= {"metric": "MAE", "horizon": "mean", "backbone": "STGNN", "seed": 1}
        >>> said |= {"trainable_parameters": 40, "fit_seconds": 1.0, "peak_memory_mib": 300.0}
        >>> pairs = (("EAC", 8.0), ("TEAM", 9.0))
        >>> frame = pd.DataFrame([said | {"strategy": n, "value": error} for n, error in pairs])
        >>> view = TableView("pm10", "MAE", "point", (), "mean", num_seeds=1)
        >>> [row[0].text for row in error_table(frame, view).rows]
        ['EAC', 'TEAM']
    """
    frame, ranked = of_stream(frame, view.stream, view.reference)
    rows = _rows(frame, view, ranked)
    columns = [*view.steps, view.summary]
    means = [[_mean(r.by_seed, c) if r.is_ranked else None for r in rows] for c in columns]
    marked = [marks(values) for values in means]
    best = _reference(rows, view)
    theirs, joined = _published(rows, view, published), _new_sensors(frame, rows)
    entries = []
    for index, row in enumerate(rows):
        errors = [
            Entry(_spread(row.by_seed, column), marked[position][index])
            for position, column in enumerate(columns)
        ]
        extra = [Entry(theirs[index])] if any(theirs) else []
        extra += [Entry(joined[index] or "-")] if any(joined) else []
        p_value = [Entry(_p_text(row, best))] if HAS_SCIPY else []
        costs = [Entry(text) for text in row.costs]
        entries.append((Entry(row.label), Entry(row.backbone), *errors, *extra, *p_value, *costs))
    heads = [_head(c, view.kind) for c in view.steps]
    header = ("strategy", "backbone", *heads, _head(view.summary, view.kind))
    header += ("published",) if any(theirs) else ()
    header += (NEW_SENSORS,) if any(joined) else ()
    header += ("p",) if HAS_SCIPY else ()
    header += ("tuned first", "tuned later", "fit seconds", "peak MiB")
    spare = (
        "peak MiB",
        "tuned first",
        "published",
        NEW_SENSORS,
        "fit seconds",
        "tuned later",
        *heads,
    )
    return MarkedTable(
        _title(view), header, tuple(entries), _notes(rows, best, view, any(joined)), spare
    )


def _rows(frame: pd.DataFrame, view: TableView, ranked: str) -> list[_Row]:
    mine = frame[frame.group == "all"]
    mine = mine[mine.period.astype(str) == mine.after.astype(str)]
    mine = mine[(mine.kind == view.kind) & (mine.metric == view.metric)]
    models = mine[[*MODEL, "targets"]].astype(str).drop_duplicates()
    rows = [_row(mine, model, view, ranked) for model in models.itertuples(index=False, name=None)]
    return sorted(rows, key=lambda row: row.strategy.startswith(NAIVE))


def _reference(rows: list[_Row], view: TableView) -> _Row:
    """The row that the others are tested against."""
    if not view.reference:
        return _best_trained(rows, view.summary)
    found = [r for r in rows if view.reference in (r.label, r.name)]
    if len(found) != 1:
        known = ", ".join(row.name for row in rows)
        raise ConfigError(
            f"reference {view.reference!r} names {len(found)} rows of the table of {view.stream}. "
            f"Give one of: {known}."
        )
    return found[0]


def _best_trained(rows: list[_Row], summary: str) -> _Row:
    """The trained model with the lowest mean error; tests of significance compare with it."""
    ranked = [row for row in rows if row.is_ranked]
    trained = [row for row in ranked if not row.strategy.startswith(NAIVE)] or ranked
    means = [_mean(row.by_seed, summary) for row in trained]
    return trained[int(np.argmin([np.inf if mean is None else mean for mean in means]))]


def _row(mine: pd.DataFrame, model: tuple[str, str, str], view: TableView, ranked: str) -> _Row:
    strategy, backbone, targets = model
    own = mine[(mine.strategy == strategy) & (mine.backbone == backbone)]
    own = own.assign(seed=own.seed.fillna(-1))
    shown = own[own.horizon.isin([*view.steps, view.summary])]
    by_seed = shown.pivot_table(index="seed", columns="horizon", values="value", observed=True)
    pairs = own[own.horizon == view.summary].astype({"period": str})
    by_pair = pairs.set_index(["period", "seed"]).value
    costs = _costs(own, strategy)
    return _Row(strategy, backbone, by_seed, by_pair, costs, targets, targets == ranked)


def _costs(own: pd.DataFrame, strategy: str) -> tuple[str, ...]:
    if strategy.startswith(NAIVE):
        return ("0", "0", "0", "-")
    periods = own.astype({"period": str}).drop_duplicates(["period", "seed"])
    order = list(dict.fromkeys(periods.period))
    tuned = periods.groupby("period").trainable_parameters.mean()
    later = f"{tuned[order[1:]].mean():,.0f}" if len(order) > 1 else "-"
    seconds = periods.groupby("seed").fit_seconds.sum().mean()
    peak = periods.drop_duplicates("seed").peak_memory_mib.astype(float).mean()
    memory = "-" if np.isnan(peak) else f"{peak:,.0f}"
    return (f"{tuned[order[0]]:,.0f}", later, f"{seconds:.1f}", memory)


def _mean(by_seed: pd.DataFrame, column: str) -> float | None:
    value = by_seed[column].mean() if column in by_seed else float("nan")
    return None if np.isnan(value) else float(value)


def _spread(by_seed: pd.DataFrame, column: str) -> str:
    mean = _mean(by_seed, column)
    return spread([] if mean is None else by_seed[column].tolist())


def _p_text(row: _Row, best: _Row) -> str:
    if row is best:
        return "reference"
    if not row.is_ranked:
        return "-"
    ours, theirs = _paired(row.by_pair, best.by_pair)
    p = wilcoxon_p(ours, theirs) if len(ours) else None
    return "-" if p is None else f"{p:.3f}" if p >= 0.001 else "< 0.001"


def _paired(ours: pd.Series, theirs: pd.Series) -> tuple[list[float], list[float]]:
    """Errors on the same periods and seeds; what has no seed is paired with every seed."""
    table = {}
    for name, series in (("ours", ours), ("theirs", theirs)):
        table[name] = series.unstack("seed")
    seeds = [s for s in table["ours"] if s != -1] or [s for s in table["theirs"] if s != -1] or [-1]
    full = {}
    for name, values in table.items():
        single = values.get(-1)
        full[name] = pd.DataFrame({s: values.get(s, single) for s in seeds}).stack()
    both = pd.DataFrame(full).dropna()
    return both.ours.tolist(), both.theirs.tolist()


def _published(rows: list[_Row], view: TableView, published: pd.DataFrame | None) -> list[str]:
    if published is None or not view.datasets:
        return [""] * len(rows)
    return [
        published_text(
            published,
            view.datasets,
            view.methods.get((row.strategy, row.backbone))
            or view.methods.get((row.strategy, ""), ()),
            metric=view.metric,
            horizon="Avg",
        )
        for row in rows
    ]


def _new_sensors(frame: pd.DataFrame, rows: list[_Row]) -> list[str]:
    """MAE of new sensors in their first week, before any training on them; '' where unknown."""
    mine = frame[frame.group == f"{NEW_IN_FIRST} week"]
    found = []
    for row in rows:
        own = mine[(mine.strategy == row.strategy) & (mine.backbone == row.backbone)]
        by_seed = own.assign(seed=own.seed.fillna(-1)).groupby("seed").value.mean()
        found.append(spread(by_seed.tolist()) if len(by_seed) else "")
    return found


def _head(column: str, kind: str) -> str:
    return column if not column.isdigit() else f"@{column}" if kind == "point" else f"≤{column}"


def _title(view: TableView) -> str:
    how = "at single steps" if view.kind == "point" else "over the steps up to each"
    return f"{view.stream}: {view.metric} {how}"


def _notes(rows: list[_Row], best: _Row, view: TableView, joined: bool) -> tuple[str, ...]:
    models = [(row.strategy, row.backbone, row.targets) for row in rows]
    unranked = unranked_notes(models, best.targets)
    notes = [
        *unranked,
        "Mean over periods, then mean ± deviation over seeds; best in bold, second underlined.",
        "Tuned: parameters trained in the first period, and on average in later ones. Fit seconds: "
        "training of all periods. Peak: memory of the process, libraries included.",
    ]
    if joined:
        notes.append(
            f"{NEW_SENSORS}: MAE of new sensors in their first week, over all steps, by the model "
            "of the period before."
        )
    if HAS_SCIPY:
        chosen = "the best trained model" + (" that is ranked" if unranked else "")
        named = best.name + ("" if view.reference else f", {chosen},")
        notes.append(
            f"p: Wilcoxon signed-rank test, two-sided and uncorrected, against {named} over "
            "periods x seeds. The periods of one seed are not independent of each other."
        )
    else:
        notes.append("No significance: install scipy (pip install 'eac[benchmark]').")
    for row in rows:
        if len(row.by_seed) < view.num_seeds and not row.strategy.startswith(NAIVE):
            notes.append(f"{row.name}: {len(row.by_seed)} of {view.num_seeds} seeds so far.")
    return tuple(notes)
