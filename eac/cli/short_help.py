"""Help for a newcomer: the flags that matter, without loading the libraries that train."""

STREAM_FLAGS = (
    ("-c NAME", "a recipe (eac recipes lists them) or a YAML file; later ones win"),
    ("--stream PATH", "the stream; check it first with: eac data check PATH"),
    ("--protocol NAME", "how errors are counted: strict (default) or published"),
    ("--trainer.max_epochs N", "passes over the training part, at most (default: 100)"),
    ("--trainer.accelerator NAME", "cpu, gpu or auto (default)"),
    ("--data.batch_size N", "windows in a training batch (default: 64)"),
    ("--data.horizon N", "steps to forecast (default: 12); past steps: --data.window N"),
    ("--model.strategy NAME", "EAC, OnlineAll, Retrain, ...; its settings are .rank and the like"),
    ("--model.backbone NAME", "STGNN, SeasonalMLP, STID, ..."),
    ("--seed_everything N", "random seed (default: 42)"),
)
RUN_FLAGS = (
    *STREAM_FLAGS[:2],
    ("--run.dir DIR", "receives everything; eac report DIR shows it"),
    ("--resume DIR", "go on with an interrupted run, or train periods that have appeared"),
    ("--watch", "keep running and train each period as it appears"),
    *STREAM_FLAGS[2:],
)
MORE = (
    ("--help_all", "every setting there is (some 200)"),
    ("--print_config", "the whole configuration as YAML, to copy from"),
    ("--model.strategy.help NAME", "settings of one strategy; --model.backbone.help NAME"),
)
WHAT = {
    "run": "Trains and tests a stream, period after period, and prints its table.",
    "fit": "Trains on one period (--data.period NAME), with Lightning's own loop.",
    "validate": "Measures on the validation part of one period (--data.period NAME).",
    "test": "Measures on the test part of one period (--data.period NAME).",
}
RECIPE = "-c eac --stream datasets/sample"


def short_help(command: str) -> str:
    """Usage, what the command does, its main flags and an example."""
    running = command == "run"
    flags = RUN_FLAGS if running else STREAM_FLAGS
    where = " --run.dir runs/first" if running else " --data.period 0"
    directory = " --run.dir DIR" if running else ""
    return "\n".join(
        [
            f"usage: eac {command} -c RECIPE --stream PATH{directory} [FLAGS]",
            "",
            WHAT[command],
            "",
            *(f"  {flag:<28} {text}" for flag, text in flags),
            "",
            "more:",
            *(f"  {flag:<28} {text}" for flag, text in MORE),
            "",
            f"example:  eac {command} {RECIPE}{where}",
        ]
    )
