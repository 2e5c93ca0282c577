"""UI texts by key: one JSON file per language in locales/, named by its language code.

Explanations follow the browser's language (English or Russian); results and errors are in English.
"""

import json
from pathlib import Path

import gradio as gr
from gradio.i18n import I18nData

LOCALES = Path(__file__).with_name("locales")

I18N = gr.I18n(
    **{file.stem: json.loads(file.read_text("utf-8")) for file in LOCALES.glob("*.json")}
)

translate = I18nData  # a key, which the page replaces by its text


def label_and_info(key: str) -> dict[str, I18nData]:
    """Return the arguments of a component with a label and an explanation below it."""
    return {"label": translate(key), "info": translate(f"{key}_info")}
