"""Train a model: accelerate launch -m training PRESET [--field value ...].

Exit codes: 0 after success or --help, 1 for an I/O error or diverged training, 2 for an error that
the user can fix, 3 if only the push to the Hub failed, 128 + signal number after an interruption.
"""

import inspect
import re
import signal
import sys

import tyro

from genmodels.errors import UserError, exit_with
from training.configs.config import Config
from training.configs.presets import PRESETS
from training.configs.training_json import load_config
from training.core.interruption import Interrupted
from training.core.loop import train
from training.objectives import OBJECTIVES
from training.release.push import PUSH_FAILED, PushError

PROGRAM = "accelerate launch -m training"
USAGE = f"""\
usage: {PROGRAM} PRESET [--field value ...]
       {PROGRAM} PRESET --help
       {PROGRAM} --config RUN/training.json [--field value ...]

Train a preset, or repeat a published run from its training.json, and save the model in its
--output_dir. Flags override the fields of the preset or the file. Presets by objective:
"""


def usage() -> str:
    """Return the usage text: each objective with its summary, paper and presets."""
    text = USAGE
    for name, objective in OBJECTIVES.items():
        summary = inspect.getdoc(objective).split("\n")[0]
        paper = re.search(r"https://[^\s,;]+[^\s,;.]", objective.__doc__).group()
        presets = [key for key, preset in PRESETS.items() if type(preset.objective) is objective]
        text += f"\n{name}: {summary}\n  {paper}\n  {', '.join(presets)}\n"
    return text


def parse(arguments: list[str]) -> Config:
    """Return the configuration of a command line (without the program name).

    Exits with 0 after --help, with 2 if tyro rejects a flag; raises UserError for other mistakes.
    """
    if arguments and arguments[0] in ("-h", "--help"):
        print(usage(), end="")
        sys.exit(0)
    first, *flags = arguments or ["nothing"]
    if first.split("=")[0] == "--config":
        file = first.partition("=")[2] or (flags.pop(0) if flags else "")
        program, default = f"{PROGRAM} --config {file}", load_config(file)
    elif first not in PRESETS:
        raise UserError(
            f"expected a preset ({', '.join(PRESETS)}) or --config FILE first, got {first}"
        )
    elif any(flag.split("=")[0] == "--config" for flag in flags):
        raise UserError(f"expected a preset or --config, got both {first} and --config")
    else:
        program, default = f"{PROGRAM} {first}", PRESETS[first]
    return tyro.cli(Config, default=default, args=flags, prog=program, use_underscores=True)


def main() -> None:
    try:
        train(parse(sys.argv[1:]))
    except Interrupted as interrupted:
        sys.exit(128 + interrupted.signal)
    except KeyboardInterrupt:  # before the first step, or a second Ctrl-C
        sys.exit(128 + signal.SIGINT)
    except PushError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(PUSH_FAILED)
    except (FloatingPointError, OSError) as error:
        sys.exit(f"error: {error}")
    except UserError as error:
        exit_with(error)


if __name__ == "__main__":
    main()
