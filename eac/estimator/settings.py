"""What a forecaster was made with, and the arguments of ``eac run`` that follow from it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from eac.errors import RunError
from eac.estimator.frames import Columns
from eac.files import write_json
from eac.typing import StrPath

FILE = "forecaster.json"


@dataclass(frozen=True)
class Settings:
    """What a forecaster was made with; kept beside its run.

    Attributes:
        horizon: Steps to forecast.
        freq: Time between two steps; None finds it.
        recipe: Name or path of a recipe.
        window: Past steps that a forecast looks at; None takes the recipe's.
        seed: Random seed.
        settings: Further settings of ``eac run``, by name.
        columns: What the columns of frames are called.

    Example:
        >>> Settings(12, "h", "practical", None, 42, {}).arguments(Path("x"))[:2]
        ['-c', 'practical']
    """

    horizon: int
    freq: str | None
    recipe: str
    window: int | None
    seed: int
    settings: dict[str, Any]
    columns: Columns = field(default_factory=Columns)

    def arguments(self, path: Path) -> list[str]:
        """The arguments of ``eac run`` for the readings and the run in ``path``."""
        given = {
            "seed_everything": self.seed,
            "data.horizon": self.horizon,
            **({} if self.window is None else {"data.window": self.window}),
            **self.settings,
        }
        options = [f"--{name}={json.dumps(value)}" for name, value in given.items()]
        folders = ["--stream", str(path / "stream"), "--run.dir", str(path / "run")]
        return ["-c", self.recipe, *folders, *options]

    def write(self, path: Path) -> None:
        """Keeps them in a folder."""
        write_json(path / FILE, asdict(self))

    @staticmethod
    def read(path: StrPath) -> "Settings":
        """What ``write`` kept.

        Raises:
            RunError: If there is nothing.
        """
        file = Path(path) / FILE
        if not file.is_file():
            raise RunError(f"{path} holds no {FILE}. Give a folder that save() wrote.")
        said = json.loads(file.read_text(encoding="utf-8"))
        return Settings(**said | {"columns": Columns(**said["columns"])})
