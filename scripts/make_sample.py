"""Makes the sample stream in ``datasets/sample``; the same settings always give the same values.

Usage: ``python scripts/make_sample.py [FOLDER]``
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from eac.data.manage.convert import convert
from eac.data.simulator.synthetic import SyntheticStream

SAMPLE = Path(__file__).resolve().parent.parent / "datasets" / "sample"


def sample_stream() -> SyntheticStream:
    """Five periods of four weeks, half-hourly: sensors join, leave and return."""
    return SyntheticStream(
        num_nodes=30,
        num_periods=5,
        steps_per_period=4 * 7 * 48,
        steps_per_day=48,
        substeps=2,
        start="2024-01-01",
        growth=0.13,
        shrink=0.06,
        returning=0.5,
        sensor_share=0.6,
        drift=0.6,
        missing=0.03,
        shuffle=True,
        seed=7,
        name="sample",
    )


def make_sample(folder: Path) -> None:
    """Writes the sample into ``folder`` as a table folder; other files there are left alone."""
    with tempfile.TemporaryDirectory() as temporary:
        made = convert(sample_stream(), Path(temporary) / "sample", "table")
        shutil.copytree(made, folder, dirs_exist_ok=True)


def main() -> None:
    """Writes the sample stream into the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Make the sample stream.")
    parser.add_argument("folder", nargs="?", type=Path, default=SAMPLE)
    folder = parser.parse_args().folder
    make_sample(folder)
    print(f"wrote {folder}")


if __name__ == "__main__":
    main()
