"""python -m genmodels.metrics --samples DIR_OR_MODEL --reference DIR_OR_DATASET [...]

`accelerate launch -m genmodels.metrics` shares the work between processes.
"""

import dataclasses
import sys
from functools import partial
from json import dumps
from pathlib import Path
from typing import Annotated

from accelerate import Accelerator
from accelerate.utils import gather_object
from tyro.conf import arg

from genmodels.errors import run_command
from genmodels.metrics.evaluation import Evaluation, Processes, check_writable, evaluate


def run(evaluation: Annotated[Evaluation, arg(name="")], json: Path | None = None) -> None:
    """Compute metrics of generated samples against real images.

    Args:
        json: file for the values, their protocol and the notes
    """
    if json is not None:
        check_writable(json)
    names = (name.strip() for item in evaluation.metrics for name in item.split(","))
    evaluation = dataclasses.replace(evaluation, metrics=tuple(filter(None, names)))
    accelerator = Accelerator()
    processes = Processes(accelerator.process_index, accelerator.num_processes, gather_object)
    report = partial(print, file=sys.stderr) if accelerator.is_main_process else str
    results = evaluate(evaluation, processes, accelerator.device, report)
    if accelerator.is_main_process:
        numbers = {name: value for result in results for name, value in result.numbers.items()}
        protocol = [result.protocol for result in results]
        notes = list(dict.fromkeys(note for result in results for note in result.notes))
        lines = [f"{name}: {value:.6g}" for name, value in numbers.items()]
        print("\n".join([*lines, *protocol, *notes]))
        if json is not None:
            json.write_text(dumps({**numbers, "protocol": protocol, "notes": notes}, indent=1))
    accelerator.end_training()


def main() -> None:
    run_command(run, "python -m genmodels.metrics")


if __name__ == "__main__":
    main()
