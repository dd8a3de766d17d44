"""LightningCLI for streams: ``eac run`` over all periods, ``eac fit`` and the like on one."""

import copy
import sys
from argparse import SUPPRESS
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from jsonargparse import Namespace
from jsonargparse.typing import PositiveFloat
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger

from eac.artifacts.resume_points import AtomicCheckpointIO
from eac.cli.discovery import import_extension_points
from eac.cli.limits import (
    check_optimizer,
    check_seed,
    check_settings,
    check_trainer,
    no_gpu,
    one_line,
)
from eac.cli.parser import SuggestingParser
from eac.cli.settings_files import with_files
from eac.data.batches.datamodule import PeriodData
from eac.data.core.stream import GraphStream
from eac.errors import ConfigError, EACError
from eac.protocols.protocol import ProtocolName
from eac.records.record import RUN_FILE
from eac.training.forecaster import Forecaster
from eac.training.peers import Peer
from eac.training.processes import end_after
from eac.training.trainers import quiet_lightning

TRAINER_DEFAULTS = {
    "max_epochs": 100,
    "use_distributed_sampler": False,  # PeriodData shares out each batch itself
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 1_000_000,
    "enable_model_summary": False,
}
PUBLISHED_PATIENCE = 6
MEASURED = ("test_past", "peers")
"""Settings of the ``run`` group that say what is measured in each period; a resumed run goes on."""
BUILD_ERRORS = (ValueError, TypeError, RuntimeError, ArithmeticError, MemoryError, LookupError)
"""What libraries raise of sizes and classes that cannot be."""


class StreamCLI(LightningCLI):
    """The ordinary LightningCLI with a stream, a protocol, and short flags for both.

    Args:
        args: Command line arguments.
        run: True for Lightning's own subcommands on one period; False to only build the model
            and the data, for a runner that makes one Trainer per period.
    """

    def __init__(self, args: Sequence[str], *, run: bool):
        import_extension_points()
        _search_here(args)
        quiet_lightning()
        self._one_period = run
        self._args = with_files(args)
        super().__init__(
            Forecaster,
            PeriodData,
            args=self._args,
            run=run,
            parser_class=SuggestingParser,
            parser_kwargs={"prog": "eac" if run else "eac run", "description": DESCRIPTION},
            trainer_defaults=TRAINER_DEFAULTS,
            seed_everything_default=42,
            save_config_callback=None,
            auto_configure_optimizers=False,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds short flags for what every run names, linked to where they are used."""
        parser.add_argument(
            "--stream", type=str | GraphStream, required=True, help="Path of a stream, or a class."
        )
        parser.add_argument(
            "--protocol", type=ProtocolName, default="strict", help="How errors are counted."
        )
        parser.add_argument(
            "--metrics.null_value",
            type=float | None,
            default=None,
            help="Targets equal to this are left out of the errors; null: as the protocol says.",
        )
        parser.link_arguments("stream", "data.stream")
        parser.link_arguments("protocol", "data.protocol")
        parser.link_arguments("seed_everything", "data.seed")
        parser.link_arguments("metrics.null_value", "data.null_value")
        parser.link_arguments("data.window", "model.backbone.init_args.window")
        parser.link_arguments("data.horizon", "model.backbone.init_args.horizon")
        for action in parser._actions:
            linked = getattr(action, "target", None) or ("", None)
            for one in (action, linked[1]):
                if getattr(one, "dest", "") in ("stream", "data.stream"):
                    # the file of a stream is a table; jsonargparse would read it as settings first
                    vars(one)["_enable_path"] = False
        _add_measured(parser, shown=not self._one_period)
        if not self._one_period:
            _add_run_arguments(parser)
            _add_period_arguments(parser)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parses, and refuses a seed that is none before it is used."""
        super().parse_arguments(parser, args)
        check_seed(self._settings()["seed_everything"])

    def before_instantiate_classes(self) -> None:
        """Refuses what cannot work; a number of epochs on the command line holds throughout."""
        self.config_dump = {}  # hyperparameters of modules that save them, which none here does
        config = self._settings()
        check_settings(config, all_periods=not self._one_period)
        if any(arg.partition("=")[0] == "--trainer.max_epochs" for arg in self._args):
            for callback in _as_list(config["trainer"].get("callbacks")):
                if callback["class_path"].endswith(".Shorter"):
                    callback["init_args"]["epochs"] = None

    def instantiate_classes(self) -> None:
        """Builds model and data, and says in one sentence what cannot be built."""
        try:
            super().instantiate_classes()
        except EACError:
            raise
        except (MisconfigurationException, *BUILD_ERRORS) as error:
            what = "trainer" if isinstance(error, MisconfigurationException) else "model or data"
            raise ConfigError(
                f"{what} cannot be built: {one_line(error)}.{no_gpu(error)}"
            ) from error
        check_optimizer(self.model)
        if not self._one_period:
            check_trainer(self.make_trainer)

    def _settings(self) -> Namespace:
        """The configuration of the command at hand."""
        return self.config[self.config["subcommand"]] if self._one_period else self.config

    def instantiate_trainer(self, **kwargs) -> Trainer | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Lightning's Trainer for one period; a runner makes its own for each."""
        return super().instantiate_trainer(**kwargs) if self._one_period else None

    def resolved_config(self) -> str:
        """The whole configuration, of group ``run`` what is ``MEASURED``, as YAML true anywhere."""
        config = self.config.clone()
        run = config.pop("run", Namespace())
        if kept := {name: run[name] for name in MEASURED if run.get(name)}:
            config["run"] = Namespace(**kept)
        _make_absolute(config)
        return self.parser.dump(config, skip_check=True)

    def make_trainer(self, directory: Path, callbacks: Sequence[Callback]) -> Trainer:
        """A fresh Trainer from the ``trainer`` group, with fresh callbacks and loggers."""
        group = copy.deepcopy(self.config["trainer"])
        for logger in _as_list(group.get("logger")):
            if isinstance(logger, Namespace) and "save_dir" in logger.get("init_args", ()):
                logger.init_args.save_dir = str(directory)
        made = dict(_trainer_parser().instantiate_classes(Namespace(trainer=group))["trainer"])
        made["callbacks"] = [*_with_defaults(_as_list(made["callbacks"]), made), *callbacks]
        if made["logger"] in (None, True):
            made["logger"] = CSVLogger(directory, name="log")
        made["plugins"] = [*_as_list(made["plugins"]), AtomicCheckpointIO()]
        made["default_root_dir"] = directory
        trainer = Trainer(**made)
        end_after(trainer, self.config["run"]["process_timeout"])
        return trainer


DESCRIPTION = "Continual forecasting on sensor networks that grow, shrink and drift."


@cache
def _trainer_parser() -> SuggestingParser:
    """Knows the settings of a Trainer, which take long to read from its signature."""
    parser = SuggestingParser()
    parser.add_lightning_class_args(Trainer, "trainer")
    return parser


def _search_here(args: Sequence[str]) -> None:
    """Lets a configuration of one's own name classes in modules of the current directory.

    Not one that a run keeps: a run directory is data, from whoever, and names no code to load.
    """
    kept = (Path(arg.partition("=")[2] or arg) for arg in args)
    if not any(path.name == "config.yaml" and path.with_name(RUN_FILE).is_file() for path in kept):
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.append(here)


def _add_measured(parser: LightningArgumentParser, *, shown: bool) -> None:
    """What ``config.yaml`` keeps of a run; a command on one period takes it and needs it not."""
    past = "Also test on every earlier period, and on each before training: the transfer matrix."
    peers = "Fitted in each period, in addition to the naive forecasts: [lightgbm]."
    helps = (past, peers) if shown else (SUPPRESS, SUPPRESS)
    parser.add_argument("--run.test_past", type=bool, default=False, help=helps[0])
    parser.add_argument("--run.peers", type=list[Peer], default=[], help=helps[1])


def _add_run_arguments(parser: LightningArgumentParser) -> None:
    parser.add_argument(
        "--run.dir", type=str, required=True, help="Directory that receives everything."
    )
    parser.add_argument(
        "--run.process_timeout",
        type=PositiveFloat,
        default=1800.0,
        help="Seconds after which a process that waits for another one of the run gives up.",
    )
    parser.add_argument(
        "--run.watch",
        type=bool,
        default=False,
        help="Keep running and train each period as it appears (also: --watch).",
    )
    parser.add_argument(
        "--run.watch_interval", type=float, default=10.0, help="Seconds between two looks."
    )
    parser.add_argument(
        "--run.watch_quiet",
        type=float,
        default=30.0,
        help="Seconds without a change in the files of the stream before a period is taken up.",
    )
    parser.add_argument(
        "--run.watch_timeout",
        type=float | None,
        default=None,
        help="Stop watching after this many seconds without a new period; null: never.",
    )


def _add_period_arguments(parser: LightningArgumentParser) -> None:
    parser.add_argument(
        "--run.divide_sensors",
        type=bool,
        default=False,
        help="Processes started by torchrun read, hold and train a share of the sensors each.",
    )
    parser.add_argument(
        "--run.partial",
        type=Literal["skip", "train"],
        default="skip",
        help="What to do with a last period that is not over yet (also: --partial train).",
    )
    parser.add_argument(
        "--run.accept_changes",
        type=bool,
        default=False,
        help="Go on where data of done periods changed (also: --accept-changes).",
    )
    parser.add_argument(
        "--run.redo",
        type=str | None,
        default=None,
        help="Name or position of the period to train again, with all that follow (also: --redo).",
    )


def _make_absolute(config: Namespace) -> None:
    """Lets the path of the stream be found from any directory."""
    stream = config["stream"]
    if isinstance(stream, str):
        config["stream"] = str(Path(stream).absolute())
    elif isinstance(stream, Namespace) and isinstance(stream.get("init_args.path"), str):
        stream["init_args.path"] = str(Path(stream["init_args.path"]).absolute())


def _as_list(value: object) -> list:
    if value is None or isinstance(value, bool):
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _with_defaults(callbacks: list[Callback], trainer: dict) -> list[Callback]:
    """The callbacks of the configuration, and early stopping where none is named.

    Lightning's own bar is shown where somebody asks for it: a run has one over all periods.
    """
    if not any(isinstance(callback, EarlyStopping) for callback in callbacks):
        callbacks = [*callbacks, EarlyStopping("val/MAE", patience=PUBLISHED_PATIENCE)]
    has_bar = any(isinstance(callback, ProgressBar) for callback in callbacks)
    if trainer["enable_progress_bar"] is None and not has_bar:
        trainer["enable_progress_bar"] = False
    return callbacks
