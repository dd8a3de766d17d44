"""A long frame in a folder or a file, with its edges, nodes and settings beside it."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from eac.data.parsing import files, tabular
from eac.data.parsing.form import FORM_KEYS, Form
from eac.data.readers.cutting import PeriodRule
from eac.data.readers.frame import FrameStream
from eac.data.readers.layout import is_long, parts_of, read_long, settings_beside
from eac.errors import StreamError
from eac.typing import StrPath

KNOWN_KEYS = ("name", "target", "unit", "source", "period", "covariates", *FORM_KEYS)


def read_frame_stream(path: StrPath, form: Form | None = None) -> FrameStream:
    """The long frame in a folder or a file.

    A folder holds ``series.csv`` (or ``.parquet``, or parts of one frame), and when wanted
    ``edges.csv``, ``nodes.csv`` and a ``stream.yaml`` with ``name``, ``unit``, ``source``,
    ``period``, ``covariates`` and the keys of ``Form``. A single file ``<stem>.csv`` has its edges
    in ``<stem>_edges.csv`` or ``edges.csv`` beside it, and its settings in ``<stem>.yaml`` or
    ``stream.yaml``. Without edges there are none. A column ``period`` cuts the frame unless
    the settings say otherwise.

    Args:
        path: The folder or the file.
        form: How the columns are to be understood; goes before the settings.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> ds = pd.date_range("2024-01-01", periods=48, freq="h")
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "counts.csv"
        ...     pd.DataFrame({"unique_id": "a", "ds": ds, "y": range(48)}).to_csv(path, index=False)
        ...     print(read_frame_stream(path)[0].series.shape)
        torch.Size([48, 1])
    """
    path = Path(path)
    in_folder = path.is_dir() and files.table_suffix(path) != ".parquet"
    series = (files.find_table(path, "series") or path) if in_folder else path
    folder = path if in_folder else path.parent
    what, yaml = f"stream {series}", settings_beside(path)
    settings = files.read_settings(yaml, KNOWN_KEYS)
    form = Form.of_settings(yaml, settings).with_said(form or Form())
    frame = read_long(series, what, form)
    edges = _edge_file(series, folder, in_folder)
    nodes = folder / "nodes.csv"
    stem = path.resolve().name if in_folder else files.stem_of(path)
    stream = FrameStream(
        frame,
        tabular.read_text(edges, what, form) if edges.exists() or edges.is_symlink() else None,
        period=_period_rule(yaml, settings, frame),
        nodes=tabular.read_nodes(nodes, what) if in_folder and nodes.is_file() else None,
        covariates=[str(column) for column in files.list_of(yaml, settings, "covariates")],
        name=str(settings.get("name") or stem),
        form=replace(form, id_col=None, time_col=None, target_col=None),
        silent=is_long(tabular.column_names(parts_of(series)[0], form), form),
    )
    stream.target = str(settings.get("target") or "")
    stream.unit = str(settings.get("unit") or "")
    stream.source = str(settings.get("source") or "")
    return stream


def read_frame(path: StrPath, form: Form, what: str) -> tuple[pd.DataFrame, Form]:
    r"""The frame ``unique_id, ds, y`` of a file or folder, and how its values are to be understood.

    Args:
        path: As ``read_frame_stream`` takes it; its settings are used too.
        form: Goes before the settings.
        what: Begins the message of an error.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "counts.csv"
        ...     _ = path.write_text("sensor,ds,y\na,2024-01-01 00:00,3\n")
        ...     print(list(read_frame(path, Form(id_col="sensor"), "input")[0].columns))
        ['unique_id', 'ds', 'y']
    """
    path = Path(path)
    yaml = settings_beside(path)
    form = Form.of_settings(yaml, files.read_settings(yaml, KNOWN_KEYS)).with_said(form)
    in_folder = path.is_dir() and files.table_suffix(path) != ".parquet"
    series = (files.find_table(path, "series") or path) if in_folder else path
    return read_long(series, what, form), replace(form, id_col=None, time_col=None, target_col=None)


def _period_rule(yaml: Path, settings: dict, frame: pd.DataFrame) -> PeriodRule:
    rule = settings.get("period", "period" if "period" in frame.columns else None)
    if rule is not None and not isinstance(rule, str | list):
        raise StreamError(
            f"{yaml}: period is {rule!r}. Give the name of a column, an offset such as YS, or a "
            "list of time stamps."
        )
    return rule


def _edge_file(series: Path, folder: Path, in_folder: bool) -> Path:
    own = folder / f"{files.stem_of(series)}_edges.csv"
    shared = folder / "edges.csv"
    if in_folder or (shared.is_file() and not own.is_file()):
        return shared
    return own
