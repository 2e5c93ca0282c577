"""accelerate launch -m training PRESET [--field value ...]"""

import inspect
import re
import signal
import sys

import tyro

from genmodels.errors import UserError, exit_with
from training.configs.config import Config
from training.configs.presets import PRESETS
from training.core.interruption import Interrupted
from training.core.loop import train
from training.objectives import OBJECTIVES
from training.release.push import PUSH_FAILED, PushError

USAGE = """\
usage: accelerate launch -m training PRESET [--field value ...]
       accelerate launch -m training PRESET --help

Train a preset and publish it in its --output_dir. The presets, by what they minimise:
"""


def usage() -> str:
    """The objectives, each with its first sentence, its paper and its presets."""
    text = USAGE
    for name, objective in OBJECTIVES.items():
        sentence = inspect.getdoc(objective).split("\n")[0]
        paper = re.search(r"https://[^\s,;]+[^\s,;.]", objective.__doc__).group()
        presets = [key for key, preset in PRESETS.items() if type(preset.objective) is objective]
        text += f"\n{name}: {sentence}\n  {paper}\n  {', '.join(presets)}\n"
    return text


def parse(arguments: list[str]) -> Config:
    """The command line after the program -> a preset with its fields overridden.

    Raises UserError where the preset is missing or unknown, or a value is out of range. Exits with
    2 for an unknown field or a value of another type, and with 0 after --help.
    """
    if arguments and arguments[0] in ("-h", "--help"):
        print(usage(), end="")
        sys.exit(0)
    name = arguments[0] if arguments else "none"
    if name not in PRESETS:
        raise UserError(f"expected a preset ({', '.join(PRESETS)}), but got {name}")
    program = f"accelerate launch -m training {name}"
    return tyro.cli(
        Config, default=PRESETS[name], args=arguments[1:], prog=program, use_underscores=True
    )


def main() -> None:
    try:
        train(parse(sys.argv[1:]))
    except Interrupted as interrupted:
        sys.exit(128 + interrupted.signal)
    except KeyboardInterrupt:  # before the first step, or a second one
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
