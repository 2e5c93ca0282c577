"""The Models tab: a table of all models, and the model card of each."""

import math
import re
from pathlib import Path

import gradio as gr
from huggingface_hub import ModelCard
from safetensors import SafetensorError, safe_open

from genmodels.hub import download
from genmodels.ui.app_state import AppState
from genmodels.ui.components import model_dropdown
from genmodels.ui.i18n import translate
from genmodels.ui.models import Models, num_bytes
from genmodels.ui.plots import FORMULAS
from genmodels.ui.validation import EACH, PRIVATE, show_user_errors

HEADERS = ["Model", "Family", "Parameters", "MB", "Data", "FID (Inception)", "Protocol"]
DESCRIBE = "Load a model, by its name or Hub id: its size, and its card in Markdown."


def tab(shared: AppState) -> None:
    """Build the tab."""
    models = shared.models
    gr.Markdown(translate("models_what"), latex_delimiters=FORMULAS)
    label = translate("models_table")
    table = gr.Dataframe(rows(models), headers=HEADERS, label=label, interactive=False)
    with gr.Row(equal_height=True):
        first = next(iter(models.names), None)
        name = model_dropdown(models.names, first, "models_any", scale=3)
        button = gr.Button(translate("models_load"), min_width=200)
    card = gr.Markdown(elem_classes="card")

    def describe(name: str) -> str:
        megabytes = num_bytes(models.get(name)) / 1e6
        return f"**{name}**: {megabytes:.1f} MB in memory\n\n{card_text(models, name)}"

    def describe_row(event: gr.SelectData) -> tuple[str, str]:
        return event.row_value[0], describe(event.row_value[0])

    event = (show_user_errors(describe), name, card)
    button.click(*event, concurrency_id="device", api_name="describe", api_description=DESCRIBE)
    event = (show_user_errors(describe_row), None, [name, card])
    table.select(*event, concurrency_id="device", **EACH, **PRIVATE)


def card_text(models: Models, name: str) -> str:
    """Return a model card in Markdown without metadata and images, or nothing if unreadable."""
    folder = models.folders.get(name)
    try:
        folder = download(name, ["README.md"]) if folder is None else folder
        card = ModelCard.load(folder / "README.md")
    except Exception:  # missing or invalid, and not needed to use the model
        return ""
    return re.sub(r"!\[[^]]*\]\([^)]*\)", "", card.text).strip()


def rows(models: Models) -> list[list[str]]:
    """Return a table row, in the order of HEADERS, per model; of Hub models only the name."""
    local = [row(name, folder) for name, folder in models.folders.items()]
    return local + [[name, *[""] * (len(HEADERS) - 1)] for name in models.repositories]


def row(name: str, folder: Path) -> list[str]:
    """Return the table row of a local model, without loading its weights."""
    files = list(folder.glob("*/*.safetensors"))
    try:
        values = sum(map(count_values, files))
    except (OSError, SafetensorError):
        return [name, "broken", *[""] * (len(HEADERS) - 2)]
    family, datasets, fid, protocol, parameters = read_card_metadata(folder / "README.md")
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    return [name, family, f"{parameters or values:,}", f"{megabytes:.1f}", datasets, fid, protocol]


def count_values(file: Path) -> int:
    """Count the values of a weights file by its header, BatchNorm statistics included."""
    with safe_open(file, "pt") as weights:
        shapes = [weights.get_slice(key).get_shape() for key in weights.keys()]  # noqa: SIM118
    return sum(math.prod(shape) for shape in shapes)


def read_card_metadata(file: Path) -> tuple[str, str, str, str, int]:
    """Read the family, datasets, Inception FID, its protocol, and parameters; empty if missing."""
    try:
        data = ModelCard.load(file).data
        fids = [
            ((result.metric_args or {}), result.metric_value)
            for result in data.eval_results or []
            if result.metric_type == "fid"
        ]
        fids = [it for it in fids if str(it[0].get("extractor")).startswith("inception")]
        fid, protocol = "", ""
        if fids:
            arguments, value = max(fids, key=lambda it: protocol_rank(it[0]))
            fid = f"{value:.1f}"
            variant = arguments["extractor"].removeprefix("inception").replace("-", ", ")
            protocol = f"{arguments.get('count') or 0:,} samples{variant}"
        parameters = (data.get("genmodels") or {}).get("parameters") or 0
        family = (data.tags or [""])[0]
        datasets = ", ".join(name.split("/")[-1] for name in data.datasets or [])
        return family, datasets, fid, protocol, parameters
    except Exception:  # cards are written by hand too
        return "", "", "", "", 0


def protocol_rank(protocol: dict) -> tuple[bool, int]:
    """Rank protocols of the FID, the most common one highest, so that models are comparable."""
    count = protocol.get("count") or 0
    return count == 10_000, count
