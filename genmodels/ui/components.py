"""Components that several tabs use."""

import gradio as gr
from PIL import Image

from genmodels.ui.i18n import label_and_info, translate
from genmodels.ui.pictures import ACCEPTED_PICTURE
from genmodels.ui.validation import check_component


def run_and_stop(key: str) -> tuple[gr.Button, gr.Button]:
    """Create a primary button and a Stop button side by side."""
    with gr.Row():
        run = gr.Button(translate(key), variant="primary", min_width=100)
        return run, gr.Button(translate("stop"), min_width=100)


def model_dropdown(
    names: list[str], value: str | None, key: str = "model", scale: int | None = None
) -> gr.Dropdown:
    """Create a choice of a model, which also takes the id of one on the Hub."""
    texts = label_and_info(key)
    return gr.Dropdown(names, value=value, **texts, allow_custom_value=True, scale=scale)


def models_dropdown(names: list[str], value: list[str], key: str, most: int) -> gr.Dropdown:
    """Create a choice of up to `most` models, which also takes ids on the Hub."""
    settings = {"multiselect": True, "max_choices": most, "allow_custom_value": True}
    return gr.Dropdown(names, value=value, **label_and_info(key), **settings)


def fitting_radio(choices: list[tuple[str, str]], value: str | None, key: str) -> gr.Radio:
    """Create a choice whose options depend on the selected model.

    Its event has to check the value, because an API client may choose another model.
    """
    radio = gr.Radio(choices, value=value, **label_and_info(key))
    radio.preprocess = lambda payload: payload  # gradio only accepts the first model's options
    return radio


def class_number(value: int, visible: bool, info: str | None = None) -> gr.Number:
    """Create the input of a class. info: key of an explanation"""
    info = info and translate(info)
    return gr.Number(value, label=translate("class"), info=info, precision=0, visible=visible)


def picture_upload(value: Image.Image, key: str, height: int, min_width: int = 160) -> gr.Image:
    """Create the upload of a picture, whose value is a file."""
    picture = gr.Image(
        value,
        label=translate(key),
        type="filepath",
        image_mode=None,
        format="png",
        height=height,
        min_width=min_width,
        sources=["upload", "clipboard"],
        elem_classes=["pixels", "held"],
    )
    check_component(picture, ACCEPTED_PICTURE)
    return picture


def whole_slider(least: int, most: int, value: int, key: str) -> gr.Slider:
    """Create a slider of whole numbers."""
    return gr.Slider(least, most, value, step=1, label=translate(key))


def grid_gallery(key: str) -> gr.Gallery:
    """Create a gallery of grids of images, two per row."""
    return gr.Gallery(
        label=translate(key),
        show_label=False,
        format="png",
        columns=2,
        height="auto",
        object_fit="contain",
        elem_classes="grids",
        interactive=False,
    )
