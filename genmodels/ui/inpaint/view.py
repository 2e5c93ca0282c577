"""Components of the Inpaint tab, and their events."""

import functools
from collections.abc import Iterator

import gradio as gr
from PIL import Image

from genmodels.ui.app_state import AppState, SavedSample
from genmodels.ui.components import (
    class_number,
    models_dropdown,
    picture_upload,
    run_and_stop,
    whole_slider,
)
from genmodels.ui.i18n import translate
from genmodels.ui.inpaint import actions
from genmodels.ui.pictures import ACCEPTED_PICTURE, example_images, gallery
from genmodels.ui.plots import FORMULAS
from genmodels.ui.validation import (
    EACH,
    LATEST,
    PRIVATE,
    QUIET,
    SEEDS,
    check_component,
    connect_stop,
    on_device,
    parse_int,
    show_user_errors,
)

FIRST_EXAMPLE = 9  # index of the example shown first

API_DESCRIPTION = f"""\
Inpaint a picture with 1 to {actions.MAX_METHODS} methods, each 'model: method' or a model alone.
The picture is cropped to a square, and converted to grey if the model is. Masks:
{", ".join(actions.MASK_KINDS)}; '{actions.BRUSH}' fills the paint in the layers of `drawing`.
1 to {actions.MAX_COMPLETIONS} completions per method; label of conditional models; seed from 0 to
{SEEDS - 1}; seamless smooths the border of the filled area. Returns one row of pictures per method
(the picture, the picture with the hole, completions), and the times."""


def tab(shared: AppState) -> None:
    """Build the tab. It opens with completions by up to two fast methods."""
    examples, names = example_images(), actions.inpainter_names(shared.models)
    fast = [name for name in names if name.endswith(actions.FAST_METHODS)][:2]
    rows, note = actions.initial_rows(shared.models, examples[FIRST_EXAMPLE], fast)

    gr.Markdown(translate("inpaint_about"), latex_delimiters=FORMULAS)
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            picture = picture_upload(examples[FIRST_EXAMPLE], "inpaint_picture", height=180)
            saved = gr.Button(translate("inpaint_saved"), size="sm")
            masks = [(translate(f"inpaint_mask_{kind}"), kind) for kind in actions.MASK_KINDS]
            mask = gr.Dropdown(masks, value="middle", label=translate("inpaint_mask"))
            with gr.Column(visible=False) as brush:
                gr.Markdown(translate("inpaint_paint"))
                drawing = drawing_input()
            settings = settings_inputs(names, fast, actions.needs_label(shared.models, fast))
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            hidden = [(None, "")] * (actions.MAX_METHODS - len(rows))
            outputs = [row_gallery(*row) for row in [*rows, *hidden]]
            outputs.append(gr.Markdown(note, elem_classes="note"))
            button, stop = run_and_stop("inpaint_button")
            images = [(image, None) for image in examples]
            held_out = gallery(images, translate("inpaint_examples"), "examples")

    def pick(event: gr.SelectData) -> Image.Image:
        return examples[parse_int(event.index, 0, len(examples) - 1, "as the example")]

    last_saved = show_user_errors(actions.last_saved)
    chosen = [
        held_out.select(pick, None, picture, **EACH, **PRIVATE),
        saved.click(last_saved, shared.saved_samples, picture, **PRIVATE),
        picture.upload(lambda: None, **PRIVATE),
        mask.input(lambda mask: gr.Column(visible=mask == actions.BRUSH), mask, brush, **QUIET),
    ]
    methods, _, label, *_ = settings
    canvas_value = show_user_errors(actions.canvas_value)
    gr.on([picture.change, mask.input], canvas_value, picture, drawing, **LATEST, **QUIET)

    def show_label(names: object) -> gr.Number:
        return gr.Number(visible=actions.needs_label(shared.models, names))

    methods.change(show_label, methods, label, **QUIET)

    def follow_saved(samples: list[SavedSample]) -> object:
        return actions.last_saved(samples) if samples else gr.skip()

    shared.saved_samples.change(follow_saved, shared.saved_samples, picture, **QUIET)
    inputs = [picture, mask, drawing, *settings]
    connect_stop(stop, connect_run(shared, inputs, outputs, button, chosen), outputs[-1])


def drawing_input() -> gr.ImageEditor:
    """Build the canvas for painting a mask: a brush and an eraser only."""
    side, color = actions.CANVAS_SIDE, actions.HOLE_COLOR
    drawing = gr.ImageEditor(
        show_label=False,
        sources=(),
        transforms=(),
        layers=False,
        format="png",
        canvas_size=(side, side),
        fixed_canvas=True,
        height=side + 60,
        brush=gr.Brush(side // 8, [color], color, "fixed"),
        eraser=gr.Eraser(side // 8),
        elem_id="inpaint-canvas",
    )
    check_component(drawing, ACCEPTED_PICTURE)
    return drawing


def settings_inputs(
    names: list[str], selected: list[str], label_visible: bool
) -> tuple[gr.Dropdown, gr.Slider, gr.Number, gr.Textbox, gr.Checkbox]:
    """Build the inputs below the mask."""
    methods = models_dropdown(names, selected, "inpaint_methods", actions.MAX_METHODS)
    default = actions.DEFAULT_COMPLETIONS
    count = whole_slider(1, actions.MAX_COMPLETIONS, default, "inpaint_count")
    label = class_number(0, label_visible, "inpaint_label_info")
    seed = gr.Textbox("0", label=translate("seed"), max_lines=1)
    return methods, count, label, seed, gr.Checkbox(label=translate("inpaint_seamless"))


def row_gallery(row: actions.Row | None, name: str) -> gr.Gallery:
    """Build the gallery of a method's row; hidden without a row."""
    return gallery(row, name, "completions captions", visible=row is not None)


def connect_run(
    shared: AppState,
    inputs: list[gr.components.Component],
    outputs: list[gr.components.Component],
    button: gr.Button,
    chosen: list[gr.events.Dependency],
) -> list[gr.events.Dependency]:
    """Run the methods on the button, on Enter in the seed, and after the events `chosen`.

    Returns the events that Stop cancels.
    """
    action = functools.partial(actions.inpaint, shared.models)

    @functools.wraps(action)  # the API names its parameters by the signature of the action
    def run(*values: object) -> Iterator[list[object]]:
        # Old rows stay until they are replaced. The first result hides those without a method.
        rows: list[object] = [gr.skip()] * actions.MAX_METHODS
        for index, row, note in action(*values):
            if row is None:
                yield [*[gr.skip()] * actions.MAX_METHODS, note]
            else:
                names = values[3]
                rows[len(names) :] = [row_gallery(None, "")] * (actions.MAX_METHODS - len(names))
                rows[index] = row_gallery(row, str(names[index]))
                yield [*rows, note]

    def run_unless_brush(picture: str, mask: str, *settings: object) -> Iterator[list[object]]:
        """Wait for the button if the user still has to paint."""
        if mask == actions.BRUSH:
            yield [gr.skip()] * (actions.MAX_METHODS + 1)
        else:
            yield from run(picture, mask, *settings)

    settings = {"inputs": inputs, "outputs": outputs, **on_device(outputs[-1])}
    click = button.click(
        show_user_errors(run), **settings, api_name="complete", api_description=API_DESCRIPTION
    )
    *_, seed, _ = inputs
    submit = seed.submit(show_user_errors(run), **settings, **LATEST, **PRIVATE)
    wait = show_user_errors(run_unless_brush)
    changes = [event.success(wait, **settings, **LATEST, **PRIVATE) for event in chosen]
    return [click, submit, *changes]
