"""One self-contained page that shows several runs side by side."""

from eac.files import write_text
from eac.records.record import StrPath
from eac.report.common.page_parts import Section, render, slots_of
from eac.report.compare.comparison import Compared, tables
from eac.report.compare.verdicts import ONE_SEED, charts, verdicts


def write_comparison(compared: Compared, path: StrPath, *, metric: str = "MAE") -> None:
    """Writes the page of a comparison.

    Raises:
        RunError: If a library of the extra ``report`` is missing.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from eac.records.sample import sample_run
        >>> compared = Compared(("a", "b"), (sample_run((8.0,)), sample_run((7.0,))), remarks=())
        >>> with TemporaryDirectory() as folder:
        ...     write_comparison(compared, f"{folder}/page.html")
        ...     print("<html" in Path(folder, "page.html").read_text())
        True
    """
    by_period, by_horizon, significance, cost = tables(compared, metric)
    first, count = compared.runs[0], len(compared.periods)
    source = f" Data: {first.source.rstrip('.')}." if first.source else ""
    about = f"{count} period{'' if count == 1 else 's'}, protocol {first.protocol}.{source}"
    sections = [
        Section(
            "errors",
            "Errors",
            (
                "The best of a row is bold, the second underlined. Dashed: the best naive "
                "forecast, where it is the same for all runs.",
            ),
            slots=slots_of(*charts(compared, metric)),
            tables=(by_period, by_horizon),
        ),
        Section("differences", "Are the differences more than chance?", first=(significance,)),
        Section("cost", "Cost", first=(cost,)),
    ]
    content = render(
        "tables.html.j2",
        title=f"{first.stream}: {len(compared.runs)} runs compared",
        about=f"{about} {ONE_SEED}",
        verdicts=verdicts(compared, metric),
        banners=list(compared.remarks),
        sections=sections,
        made="Made by eac from the records of the runs.",
    )
    write_text(path, content)
