"""What is offered: each model with its family, its size and the card that tells how it was made."""

import math
import re
from pathlib import Path

import gradio as gr
from huggingface_hub import ModelCard
from safetensors import SafetensorError, safe_open

from genmodels.hub import download
from genmodels.ui.app_state import AppState
from genmodels.ui.i18n import Texts, translate
from genmodels.ui.models import Models, size
from genmodels.ui.plots import FORMULAS
from genmodels.ui.validation import EACH, show_user_errors

TEXTS: Texts = {
    "models_what": (
        "What is offered here. Every model maps a normal latent to an image, "
        "$G: \\mathcal N(0, I) \\to x$; how it was trained stands in its card.",
        "Что здесь есть. Каждая модель переводит нормальный латент в изображение, "
        "$G: \\mathcal N(0, I) \\to x$; как она обучена, сказано в её карточке.",
    ),
    "models_table": ("Models", "Модели"),
    "models_any": ("A model here or on the Hub", "Модель отсюда или с Hub"),
    "models_any_info": (
        "user/name; its weights are safetensors, and no code comes with it",
        "user/name; веса только safetensors, чужой код не исполняется",
    ),
    "models_load": ("Load and read its card", "Загрузить и прочитать карточку"),
}

HEADERS = ["model", "family", "parameters", "MB", "data", "FID", "protocol"]


def tab(shared: AppState) -> None:
    """Build the tab."""
    models = shared.models
    gr.Markdown(translate("models_what"), latex_delimiters=FORMULAS)
    table = gr.Dataframe(
        rows(models), headers=HEADERS, label=translate("models_table"), interactive=False
    )
    with gr.Row(equal_height=True):
        name = gr.Dropdown(
            models.names,
            label=translate("models_any"),
            info=translate("models_any_info"),
            allow_custom_value=True,
            value=models.names[0] if models.names else None,
            scale=3,
        )
        button = gr.Button(translate("models_load"), min_width=200)
    card = gr.Markdown()

    def describe(name: str) -> str:
        pipeline = models.get(name)
        return f"**{name}**: {size(pipeline) / 1e6:.1f} MB in memory\n\n{text(models, name)}"

    def chosen(event: gr.SelectData) -> tuple[str, str]:
        return event.row_value[0], describe(event.row_value[0])

    button.click(
        show_user_errors(describe),
        name,
        card,
        concurrency_id="device",
        api_name="describe",
        api_description="Load a model, by its name or Hub id: its size, and its card in Markdown.",
    )
    table.select(
        show_user_errors(chosen),
        None,
        [name, card],
        concurrency_id="device",
        **EACH,
        api_visibility="private",
    )


def text(models: Models, name: str) -> str:
    """A model's card in Markdown, without its metadata and pictures, which are files beside it."""
    folder = models.folders.get(name)
    try:
        folder = download(name, ["README.md"]) if folder is None else folder
        card = ModelCard.load(folder / "README.md")
    except Exception:  # there may be none, or one that cannot be read
        return ""
    return re.sub(r"!\[[^]]*\]\([^)]*\)", "", card.text).strip()


def rows(models: Models) -> list[list[str]]:
    """A row of HEADERS for each model. Of those on the Hub only the name is known at first."""
    local = [row(name, folder) for name, folder in models.folders.items()]
    return local + [[name, *[""] * (len(HEADERS) - 1)] for name in models.repositories]


def row(name: str, folder: Path) -> list[str]:
    """A folder's row, for which no weight is read. One that is broken says so."""
    weights = list(folder.glob("*/*.safetensors"))
    try:
        numbers = sum(map(parameters, weights))
    except (OSError, SafetensorError):
        return [name, "broken", *[""] * (len(HEADERS) - 2)]
    family, data, fid, protocol, count = told(folder / "README.md")
    megabytes = sum(file.stat().st_size for file in weights) / 1e6
    return [name, family, f"{count or numbers:,}", f"{megabytes:.1f}", data, fid, protocol]


def parameters(file: Path) -> int:
    """Numbers in a file of weights, by its header, BatchNorm's statistics among them."""
    with safe_open(file, "pt") as weights:
        shapes = [weights.get_slice(key).get_shape() for key in weights.keys()]  # noqa: SIM118
    return sum(math.prod(shape) for shape in shapes)


def told(card: Path) -> tuple[str, str, str, str, int]:
    """What a card's metadata say: family, data, the FID with its protocol, and how many parameters.
    Each may be nothing."""
    try:
        data = ModelCard.load(card).data
        results = [it for it in data.eval_results or [] if it.metric_type == "fid"]
        results.sort(key=lambda it: usual(it.metric_args or {}))
        fid, protocol = "", ""
        if results:
            fid, protocol = f"{results[-1].metric_value:.1f}", results[-1].metric_name
        count = (data.get("genmodels") or {}).get("parameters") or 0
        return (data.tags or [""])[0], ", ".join(data.datasets or []), fid, protocol or "", count
    except Exception:  # there may be none, or one that cannot be read
        return "", "", "", "", 0


def usual(protocol: dict) -> tuple[bool, bool, int]:
    """How near a protocol is to that by which most are compared, so that one column holds it."""
    inception = str(protocol.get("extractor")).startswith("inception")
    count = protocol.get("count") or 0
    return count == 10_000, inception, count
