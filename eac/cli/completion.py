"""Completion of commands and flags in a shell: a fixed text, so that a shell starts fast."""

from eac.cli.short_help import MORE, RUN_FLAGS, STREAM_FLAGS
from eac.errors import ConfigError

SHELLS = ("bash", "zsh")
READING_FLAGS = (
    "--id-col --time-col --target-col --frequency --date-format --dayfirst --time-zone --hours "
    "--steps-per-day --missing-values --decimal --sheet --max-empty --max-nodes --memory-gib"
)
DATA_FLAGS = "--json --window --horizon --expect --nearest --to"


def _names(flags: tuple[tuple[str, str], ...]) -> str:
    return " ".join(flag.split()[0] for flag, _ in flags)


TRAINING = f"{_names(STREAM_FLAGS)} {_names(MORE)} --data.period"
FLAGS = {
    "run": f"{_names(RUN_FLAGS)} {_names(MORE)} --run.test_past --metrics.null_value",
    "fit": TRAINING,
    "validate": TRAINING,
    "test": TRAINING,
    "recipes": "",
    "predict": f"--run --input --output --edges --level --period --trust {READING_FLAGS}",
    "backtest": "--output --delay --level --refit --policy --trust",
    "monitor": "--input --time-zone --forecasts --output --reference --alarms --policy --ask",
    "serve": "--host --port --input --state --history --time-zone --follow --policy --alarms "
    "--no-monitor --trust --threads --max-body --rate",
    "report": "--all --metric --json --markdown --latex --csv --html --figures",
    "compare": "--metric --reference --brief --markdown --latex --csv --html",
    "benchmark": "--config --out --executor --workers --threads --address --seeds --only --on "
    "--stream --set --tables-only --docs --reference",
    "artifacts": "list diff export import use rollback --output --json --trust",
    "export": "--format --output --period --trust",
    "doctor": "--repair",
    "study": "heterogeneity spectrum",
    "data": f"check describe connect convert subset --nodes {DATA_FLAGS} {READING_FLAGS}",
}

_BASH = """\
_eac() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" offered=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        offered="{commands} --help --version --print_completion"
    else
        case "${{COMP_WORDS[1]}}" in
{cases}
        esac
    fi
    COMPREPLY=($(compgen -W "$offered" -- "$current"))
}}
complete -o default -F _eac eac
"""
_ZSH = """\
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
autoload -Uz bashcompinit && bashcompinit
"""


def completion(shell: str) -> str:
    """A script that teaches a shell the commands; files are completed as ever.

    Raises:
        ConfigError: If there is no script for this shell.
    """
    if shell not in SHELLS:
        raise ConfigError(
            f"--print_completion {shell or 'SHELL'}: give bash or zsh, as in: "
            'eval "$(eac --print_completion bash)"'
        )
    cases = "\n".join(f'            {name}) offered="{words}" ;;' for name, words in FLAGS.items())
    script = _BASH.format(commands=" ".join(FLAGS), cases=cases)
    return script if shell == "bash" else _ZSH + script
