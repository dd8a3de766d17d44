"""What training cost: parameters and time."""

from eac.records.record import RunRecord
from eac.report.common.charts import Bars, SeriesChart
from eac.report.common.page_parts import Section, slots_of
from eac.report.common.tables import cost_table
from eac.report.sections.view import RunView


def section(view: RunView) -> Section:
    """Parameters and seconds of each period.

    Example:
        >>> from eac.records.sample import sample_run
        >>> [slot.key for slot in section(RunView(sample_run(), (), "MAE")).slots]
        ['parameters', 'seconds']
    """
    slots = slots_of(_parameters(view.run), _seconds(view.run))
    folded = (cost_table(view.run),)
    return Section(
        "cost", "Cost", slots=slots, folded=folded, fold="Parameters and time as a table"
    )


def _parameters(run: RunRecord) -> SeriesChart:
    """Parameters trained in each period beside those of the whole model."""
    names = tuple(period.name for period in run.periods)
    trained = tuple(period.trainable_parameters for period in run.periods)
    last = run.periods[-1]
    return SeriesChart(
        key="parameters",
        title="Parameters",
        alt=f"In the last period {last.trainable_parameters:,} of {last.total_parameters:,} "
        "parameters were trained.",
        x_label="period",
        y_label="parameters",
        marks=(
            Bars("in the model", names, tuple(p.total_parameters for p in run.periods), "muted"),
            Bars("trained", names, trained, "model"),
        ),
    )


def _seconds(run: RunRecord) -> SeriesChart:
    """Seconds of training in each period."""
    names = tuple(period.name for period in run.periods)
    times = tuple(period.fit_seconds for period in run.periods)
    return SeriesChart(
        key="seconds",
        title="Training time",
        alt=f"Seconds of training by period: {sum(times):.1f} s in all, {times[-1]:.1f} s in the "
        "last period.",
        x_label="period",
        y_label="seconds",
        marks=(Bars("training", names, times, "model"),),
    )
