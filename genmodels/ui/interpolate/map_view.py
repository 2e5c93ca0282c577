"""Components of the latent map in the Interpolate tab."""

import functools

import gradio as gr

from genmodels.ui.i18n import translate
from genmodels.ui.interpolate import map_actions
from genmodels.ui.interpolate.map_actions import LIMIT
from genmodels.ui.models import Models
from genmodels.ui.pictures import large_image
from genmodels.ui.validation import EACH, LATEST, show_user_errors


def on_device(note: gr.components.Component) -> dict[str, object]:
    """Return the event settings of a model's computation, with its progress in a note."""
    return {"concurrency_id": "device", "show_progress": "minimal", "show_progress_on": note}


def map_view(models: Models, model: gr.Dropdown, label: gr.Number) -> None:
    """Build and wire a map of the latent space, and the point of it that was clicked."""
    gr.Markdown(translate("interpolate_map_intro"))
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            button = gr.Button(translate("interpolate_draw_map"), variant="primary")
            horizontal, vertical = (
                gr.Slider(-LIMIT, LIMIT, 0, step=0.01, label=translate(text))
                for text in ("interpolate_horizontal", "interpolate_vertical")
            )
            point = large_image(None, translate("interpolate_point"), "point")
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            image = large_image(None, translate("interpolate_map"), "map")
            note = gr.HTML(elem_classes="note")
    button.click(
        show_user_errors(functools.partial(map_actions.draw_map, models)),
        [model, label],
        [image, note],
        **on_device(note),
        api_name="map",
        api_description="A map of the latent space of a VAE or a GAN: samples on a plane, with a "
        "legend of the class colours.",
    )
    decode = {
        "fn": show_user_errors(functools.partial(map_actions.decode_point, models)),
        "inputs": [model, label, horizontal, vertical],
        "outputs": point,
        **LATEST,
        "show_progress": "hidden",
    }
    horizontal.input(
        **decode,
        api_name="decode_point",
        api_description="Decode the point of the map at a horizontal and a vertical coordinate "
        f"from -{LIMIT:g} to {LIMIT:g}.",
    )
    vertical.input(**decode, api_visibility="private")

    def select_point(model: str, event: gr.SelectData) -> list[float]:
        return map_actions.coordinates_at(models, model, event.index)

    select = image.select(
        show_user_errors(select_point),
        model,
        [horizontal, vertical],
        **EACH,
        api_visibility="private",
    )
    select.success(**decode, api_visibility="private")
