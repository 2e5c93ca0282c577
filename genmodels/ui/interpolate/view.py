"""Components of the Interpolate tab: a path, a grid, traversals and a map."""

import functools
from collections.abc import Iterator

import gradio as gr

from genmodels.latents import INTERPOLATIONS
from genmodels.ui.app_state import AppState, SavedSample
from genmodels.ui.i18n import translate
from genmodels.ui.interpolate import actions
from genmodels.ui.interpolate.map_view import map_view, on_device
from genmodels.ui.latents import is_conditional
from genmodels.ui.models import Models
from genmodels.ui.pictures import ACCEPTED_PICTURE, example_images, gallery, large_image
from genmodels.ui.plots import FORMULAS
from genmodels.ui.validation import LATEST, check_component, connect_stop, show_user_errors

INITIAL_SEEDS = [10, 3]


def tab(shared: AppState) -> None:
    """Build the tab. It opens with the path between two seeds."""
    models = shared.models
    first = actions.first_model(models)
    gr.Markdown(translate("interpolate_intro"), latex_delimiters=FORMULAS)
    with gr.Row():
        model = gr.Dropdown(
            models.generators,
            value=first,
            label=translate("model"),
            info=translate("model_info"),
            allow_custom_value=True,
            scale=3,
        )
        label = gr.Number(
            0, label=translate("class"), precision=0, visible=is_conditional(models, first)
        )
    shared.link(model=model)
    model.change(
        show_user_errors(lambda name: gr.Number(visible=models.get(name).num_classes is not None)),
        model,
        label,
        show_progress="hidden",
        api_visibility="private",
    )
    path_view(shared, model, label, actions.initial_path(models, first, INITIAL_SEEDS))
    with gr.Accordion(translate("interpolate_grid"), open=False):
        grid_view(models, model, label)
    with gr.Accordion(translate("interpolate_traversals"), open=False):
        traversal_view(models, model, label)
    with gr.Accordion(translate("interpolate_map"), open=False):
        map_view(models, model, label)


def path_view(
    shared: AppState, model: gr.Dropdown, label: gr.Number, initial: actions.PathResult
) -> None:
    """Build and wire the path: its ends, its frames and its films."""
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            ends, seeds, start, end, interpolation, frames = path_inputs()
            button, stop = run_and_stop("interpolate_button")
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            frame, strip, note, gif, mp4, position = path_outputs(initial)
    samples = gr.State(initial.samples, time_to_live=3600)
    action = functools.partial(actions.interpolate, shared.models)

    @functools.wraps(action)  # the API names its parameters by the signature of the action
    def stream(*arguments: object) -> Iterator[tuple]:
        for result in action(*arguments):
            if result.frame is None:  # the previous path stays until there is a frame
                yield gr.skip(), gr.skip(), result.note, *[gr.skip()] * 4
            else:
                yield *result, 0

    settings = {
        "fn": show_user_errors(stream),
        "inputs": [
            model,
            label,
            ends,
            seeds,
            start,
            end,
            interpolation,
            frames,
            shared.saved_samples,
        ],
        "outputs": [frame, strip, note, gif, mp4, samples, position],
        **on_device(note),
    }
    click = button.click(
        **settings,
        api_name="interpolate",
        api_description="Interpolate between latents of a model. Ends: seeds (2 to "
        f"{actions.MAX_KEYS}, separated by commas), two pictures, or the last two samples saved in "
        f"the Generate tab. Interpolation: lerp, slerp or spline. Frames: 2 to "
        f"{actions.MAX_FRAMES}. Returns the first frame, some of the frames, a note, a GIF and an "
        "MP4.",
    )
    submit = seeds.submit(**settings, **LATEST, api_visibility="private")
    change = interpolation.input(**settings, **LATEST, api_visibility="private")
    connect_stop(stop, [click, submit, change], note)
    position.input(
        show_user_errors(actions.frame_at),
        [samples, position],
        frame,
        **LATEST,
        show_progress="hidden",
        api_name="frame",
        api_description="The frame at a position from 0 to 1 on the path interpolated last.",
    )
    shared.saved_samples.change(
        select_saved_pair,
        shared.saved_samples,
        [model, ends, label],
        show_progress="hidden",
        api_visibility="private",
    )


def select_saved_pair(saved: list[SavedSample]) -> list[object]:
    """Select the last two saved samples as the ends, if they come from one model."""
    if len(saved) < 2 or saved[-1].model != saved[-2].model:
        return [gr.skip()] * 3
    return [saved[-1].model, "samples", saved[-1].label or 0]


def path_inputs() -> tuple[gr.Radio, gr.Textbox, gr.Image, gr.Image, gr.Radio, gr.Slider]:
    """Build the inputs of a path; only those of the selected kind of ends are visible."""
    ends = gr.Radio(
        [(translate(f"interpolate_ends_{name}"), name) for name in actions.ENDS],
        value="seeds",
        label=translate("interpolate_ends"),
    )
    seeds = seeds_box(INITIAL_SEEDS, "interpolate_seeds")
    with gr.Row(visible=False) as pictures:
        start, end = (
            gr.Image(
                example_images()[index],
                label=translate(text),
                type="filepath",
                image_mode=None,
                format="png",
                height=160,
                min_width=120,
                sources=["upload", "clipboard"],
                elem_classes=["pixels", "held"],
            )
            for index, text in ((1, "interpolate_start"), (9, "interpolate_end"))
        )
        check_component(start, ACCEPTED_PICTURE)
        check_component(end, ACCEPTED_PICTURE)
    interpolation = gr.Radio(
        list(INTERPOLATIONS),
        value="slerp",
        label=translate("interpolate_method"),
        info=translate("interpolate_method_info"),
    )
    frames = gr.Slider(
        2, actions.MAX_FRAMES, actions.FRAMES, step=1, label=translate("interpolate_frames")
    )
    ends.change(
        lambda ends: [gr.Textbox(visible=ends == "seeds"), gr.Row(visible=ends == "pictures")],
        ends,
        [seeds, pictures],
        show_progress="hidden",
        api_visibility="private",
    )
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
                gif, mp4 = (
                    gr.DownloadButton(name, file, size="sm", min_width=80)
                    for name, file in (("GIF", initial.gif), ("MP4", initial.mp4))
                )
    strip = gallery(
        initial.strip,
        translate("interpolate_strip"),
        "strip",
        columns=actions.STRIP,
        show_label=False,
    )
    return frame, strip, note, gif, mp4, position


def run_and_stop(text: str) -> tuple[gr.Button, gr.Button]:
    """Build a primary button and a Stop button side by side."""
    with gr.Row():
        return (
            gr.Button(translate(text), variant="primary", min_width=100),
            gr.Button(translate("stop"), min_width=100),
        )


def seeds_box(seeds: list[int], text: str) -> gr.Textbox:
    """Build a text box for seeds separated by commas, with a label and a hint."""
    return gr.Textbox(
        ", ".join(map(str, seeds)),
        label=translate(text),
        info=translate(f"{text}_info"),
        max_lines=1,
    )


def grid_view(models: Models, model: gr.Dropdown, label: gr.Number) -> None:
    """Build and wire the grid between four seeds."""
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            seeds = seeds_box([10, 3, 13, 22], "interpolate_corner_seeds")
            side = gr.Slider(
                2, actions.MAX_SIDE, actions.SIDE, step=1, label=translate("interpolate_side")
            )
            button, stop = run_and_stop("interpolate_draw_grid")
            note = gr.Markdown(elem_classes="note")
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            grid = large_image(None, translate("interpolate_grid_image"))
    click = button.click(
        show_user_errors(functools.partial(actions.draw_grid, models)),
        [model, label, seeds, side],
        [grid, note],
        **on_device(note),
        api_name="corners",
        api_description="Interpolate between four corners: a grid of 2 to "
        f"{actions.MAX_SIDE} images per side. Seeds: top left, top right, bottom left and bottom "
        "right, separated by commas.",
    )
    connect_stop(stop, [click], note)


def traversal_view(models: Models, model: gr.Dropdown, label: gr.Number) -> None:
    """Build and wire the traversal of single dimensions."""
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            seed = gr.Textbox("0", label=translate("interpolate_traversal_seed"), max_lines=1)
            rows = gr.Slider(
                1, actions.MAX_ROWS, actions.ROWS, step=1, label=translate("interpolate_rows")
            )
            button = gr.Button(translate("interpolate_traverse"), variant="primary")
            note = gr.Markdown(elem_classes="note")
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            image = large_image(None, translate("interpolate_traversal_image"))
    button.click(
        show_user_errors(functools.partial(actions.draw_traversals, models)),
        [model, label, seed, rows],
        [image, note],
        **on_device(note),
        api_name="traverse",
        api_description=f"Traverse the 1 to {actions.MAX_ROWS} most sensitive dimensions of a "
        f"seed's latent from -{actions.LIMIT:g} to {actions.LIMIT:g}, for a VAE or a GAN: one row "
        "of images per dimension.",
    )
