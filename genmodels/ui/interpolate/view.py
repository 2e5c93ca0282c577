"""Components of the Interpolate tab: a path, a grid, traversals and a map."""

from functools import partial

import gradio as gr

from genmodels.latents import INTERPOLATIONS
from genmodels.ui.app_state import AppState, SavedSample
from genmodels.ui.components import (
    class_number,
    model_dropdown,
    picture_upload,
    run_and_stop,
    whole_slider,
)
from genmodels.ui.i18n import label_and_info, translate
from genmodels.ui.interpolate import actions, map_actions
from genmodels.ui.interpolate.map_actions import LIMIT
from genmodels.ui.latents import is_conditional
from genmodels.ui.models import Models
from genmodels.ui.pictures import example_images, gallery, large_image
from genmodels.ui.plots import FORMULAS
from genmodels.ui.validation import (
    EACH,
    FOLLOW,
    LATEST,
    PRIVATE,
    QUIET,
    connect_stop,
    map_results,
    on_device,
    show_user_errors,
)

INITIAL_SEEDS = [10, 3]

INTERPOLATE = f"""\
Interpolate between latents of a model. Ends: seeds (2 to {actions.MAX_KEYS}, separated by \
commas), two pictures, or the last two samples saved in the Generate tab. Interpolation: lerp, \
slerp or spline. Frames: 2 to {actions.MAX_FRAMES}. Returns the first frame, some of the frames, \
a note, a GIF and an MP4."""
FRAME = "The frame at a position from 0 to 1 on the path interpolated last."
CORNERS = f"""\
Interpolate between four corners: a grid of 2 to {actions.MAX_SIDE} images per side. Seeds: top \
left, top right, bottom left and bottom right, separated by commas."""
TRAVERSE = f"""\
Traverse the 1 to {actions.MAX_ROWS} most sensitive dimensions of a seed's latent from \
-{actions.LIMIT:g} to {actions.LIMIT:g}, for a VAE or a GAN: one row of images per dimension."""
MAP = """\
A map of the latent space of a VAE or a GAN: samples on a plane, with a legend of the class \
colours."""
DECODE_POINT = f"""\
Decode the point of the map at a horizontal and a vertical coordinate from -{LIMIT:g} to \
{LIMIT:g}."""


def tab(shared: AppState) -> None:
    """Build the tab. It opens with the path between two seeds."""
    models = shared.models
    first = actions.first_model(models)
    gr.Markdown(translate("interpolate_intro"), latex_delimiters=FORMULAS)
    with gr.Row():
        model = model_dropdown(models.generators, first, scale=3)
        label = class_number(0, is_conditional(models, first))
    shared.link(model=model)

    def show_label(name: str) -> gr.Number:
        return gr.Number(visible=models.get(name).num_classes is not None)

    model.change(show_user_errors(show_label), model, label, **QUIET)
    path_view(shared, model, label, actions.initial_path(models, first, INITIAL_SEEDS))
    for name, view in (("grid", grid_view), ("traversals", traversal_view), ("map", map_view)):
        with gr.Accordion(translate(f"interpolate_{name}"), open=False):
            view(models, model, label)


def path_view(
    shared: AppState, model: gr.Dropdown, label: gr.Number, initial: actions.PathResult
) -> None:
    """Build and wire the path: its ends, its frames and its films."""
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            inputs = path_inputs()
            button, stop = run_and_stop("interpolate_button")
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            *outputs, position = path_outputs(initial)
    samples = gr.State(initial.samples, time_to_live=3600)
    ends, seeds, _, _, interpolation, _ = inputs
    frame, _, note, *_ = outputs

    def values(result: actions.PathResult) -> tuple:
        if result.frame is None:  # the previous path stays until there is a frame
            return gr.skip(), gr.skip(), result.note, *[gr.skip()] * 4
        return *result, 0

    event = {
        "fn": show_user_errors(map_results(values, partial(actions.interpolate, shared.models))),
        "inputs": [model, label, *inputs, shared.saved_samples],
        "outputs": [*outputs, samples, position],
        **on_device(note),
    }
    click = button.click(**event, api_name="interpolate", api_description=INTERPOLATE)
    submit = seeds.submit(**event, **LATEST, **PRIVATE)
    change = interpolation.input(**event, **LATEST, **PRIVATE)
    connect_stop(stop, [click, submit, change], note)
    event = (show_user_errors(actions.frame_at), [samples, position], frame)
    position.input(*event, **FOLLOW, api_name="frame", api_description=FRAME)
    saved = shared.saved_samples
    saved.change(select_saved_pair, saved, [model, ends, label], **QUIET)


def select_saved_pair(saved: list[SavedSample]) -> list[object]:
    """Select the last two saved samples as the ends, if they come from one model."""
    if len(saved) < 2 or saved[-1].model != saved[-2].model:
        return [gr.skip()] * 3
    return [saved[-1].model, "samples", saved[-1].label or 0]


def path_inputs() -> tuple[gr.Radio, gr.Textbox, gr.Image, gr.Image, gr.Radio, gr.Slider]:
    """Build the inputs of a path; only those of the selected kind of ends are visible."""
    kinds = [(translate(f"interpolate_ends_{name}"), name) for name in actions.ENDS]
    ends = gr.Radio(kinds, value="seeds", label=translate("interpolate_ends"))
    seeds = seeds_box(INITIAL_SEEDS, "interpolate_seeds")
    with gr.Row(visible=False) as pictures:
        start = picture_upload(example_images()[1], "interpolate_start", height=160, min_width=120)
        end = picture_upload(example_images()[9], "interpolate_end", height=160, min_width=120)
    interpolation = gr.Radio(
        list(INTERPOLATIONS), value="slerp", **label_and_info("interpolate_method")
    )
    frames = whole_slider(2, actions.MAX_FRAMES, actions.FRAMES, "interpolate_frames")

    def show_inputs(ends: str) -> tuple[gr.Textbox, gr.Row]:
        return gr.Textbox(visible=ends == "seeds"), gr.Row(visible=ends == "pictures")

    ends.change(show_inputs, ends, [seeds, pictures], **QUIET)
    return ends, seeds, start, end, interpolation, frames


def path_outputs(
    initial: actions.PathResult,
) -> tuple[gr.Image, gr.Gallery, gr.Markdown, gr.DownloadButton, gr.DownloadButton, gr.Slider]:
    """Build the outputs of a path, filled with an initial one."""
    with gr.Row():
        with gr.Column(scale=1, min_width=200):
            frame = large_image(initial.frame, translate("interpolate_frame"), "frame")
        with gr.Column(scale=2, min_width=280):
            position = gr.Slider(0, 1, 0, step=0.01, label=translate("interpolate_position"))
            note = gr.Markdown(initial.note, elem_classes="note")
            with gr.Row():
                gif = gr.DownloadButton("GIF", initial.gif, size="sm", min_width=80)
                mp4 = gr.DownloadButton("MP4", initial.mp4, size="sm", min_width=80)
    label = translate("interpolate_strip")
    strip = gallery(initial.strip, label, "strip", columns=actions.STRIP, show_label=False)
    return frame, strip, note, gif, mp4, position


def seeds_box(seeds: list[int], key: str) -> gr.Textbox:
    """Build a text box for seeds separated by commas."""
    return gr.Textbox(", ".join(map(str, seeds)), **label_and_info(key), max_lines=1)


def grid_view(models: Models, model: gr.Dropdown, label: gr.Number) -> None:
    """Build and wire the grid between four seeds."""
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            seeds = seeds_box([10, 3, 13, 22], "interpolate_corner_seeds")
            side = whole_slider(2, actions.MAX_SIDE, actions.SIDE, "interpolate_side")
            button, stop = run_and_stop("interpolate_draw_grid")
            note = gr.Markdown(elem_classes="note")
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            grid = large_image(None, translate("interpolate_grid_image"))
    action, inputs = partial(actions.draw_grid, models), [model, label, seeds, side]
    event = (show_user_errors(action), inputs, [grid, note])
    click = button.click(*event, **on_device(note), api_name="corners", api_description=CORNERS)
    connect_stop(stop, [click], note)


def traversal_view(models: Models, model: gr.Dropdown, label: gr.Number) -> None:
    """Build and wire the traversal of single dimensions."""
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            seed = gr.Textbox("0", label=translate("interpolate_traversal_seed"), max_lines=1)
            rows = whole_slider(1, actions.MAX_ROWS, actions.ROWS, "interpolate_rows")
            button = gr.Button(translate("interpolate_traverse"), variant="primary")
            note = gr.Markdown(elem_classes="note")
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            image = large_image(None, translate("interpolate_traversal_image"))
    action, inputs = partial(actions.draw_traversals, models), [model, label, seed, rows]
    event = (show_user_errors(action), inputs, [image, note])
    button.click(*event, **on_device(note), api_name="traverse", api_description=TRAVERSE)


def map_view(models: Models, model: gr.Dropdown, label: gr.Number) -> None:
    """Build and wire a map of the latent space, and the point of it that was clicked."""
    gr.Markdown(translate("interpolate_map_intro"))
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            button = gr.Button(translate("interpolate_draw_map"), variant="primary")
            horizontal, vertical = (
                gr.Slider(-LIMIT, LIMIT, 0, step=0.01, label=translate(f"interpolate_{name}"))
                for name in ("horizontal", "vertical")
            )
            point = large_image(None, translate("interpolate_point"), "point")
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            image = large_image(None, translate("interpolate_map"), "map")
            note = gr.HTML(elem_classes="note")
    event = (show_user_errors(partial(map_actions.draw_map, models)), [model, label], [image, note])
    button.click(*event, **on_device(note), api_name="map", api_description=MAP)
    decode = {
        "fn": show_user_errors(partial(map_actions.decode_point, models)),
        "inputs": [model, label, horizontal, vertical],
        "outputs": point,
        **FOLLOW,
    }
    horizontal.input(**decode, api_name="decode_point", api_description=DECODE_POINT)
    vertical.input(**decode, **PRIVATE)

    def select_point(model: str, event: gr.SelectData) -> list[float]:
        return map_actions.coordinates_at(models, model, event.index)

    coordinates = [horizontal, vertical]
    select = image.select(show_user_errors(select_point), model, coordinates, **EACH, **PRIVATE)
    select.success(**decode, **PRIVATE)
