"""Evaluate the published models under one protocol and write the table of models.

python -m training.zoo measure [FOLDER ...] [--extractor inception-bf16]  # or accelerate launch -m
python -m training.zoo nearest [FOLDER ...]
python -m training.zoo time [FOLDER ...]
python -m training.zoo stability
python -m training.zoo cards [FOLDER ...]
python -m training.zoo table
"""

from genmodels.errors import run_command
from training.studies.stability import stability
from training.studies.zoo import clock, measure, nearest
from training.studies.zoo_table import cards, table

if __name__ == "__main__":
    subcommands = {
        "measure": measure,
        "nearest": nearest,
        "time": clock,
        "stability": stability,
        "cards": cards,
        "table": table,
    }
    run_command(subcommands, "python -m training.zoo")
