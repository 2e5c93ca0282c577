"""Components of the inpainting tab, and their events."""

from collections.abc import Iterator
from typing import NamedTuple

import gradio as gr
from PIL import Image

from genmodels.ui.app_state import AppState, SavedSample
from genmodels.ui.i18n import translate
from genmodels.ui.inpaint import actions
from genmodels.ui.pictures import ACCEPTED_PICTURE, example_images, gallery
from genmodels.ui.plots import FORMULAS
from genmodels.ui.validation import (
    EACH,
    LATEST,
    SEEDS,
    check_component,
    connect_stop,
    parse_int,
    show_user_errors,
)

FIRST_EXAMPLE = 9  # index of the example shown first
QUIET = {"show_progress": "hidden", "api_visibility": "private"}

API_DESCRIPTION = f"""\
Inpaint a picture with 1 to {actions.MAX_METHODS} methods, each 'model: method' or a model alone.
The picture is cropped to a square, and converted to grey if the model is. Masks:
{", ".join(actions.MASK_KINDS)}; '{actions.BRUSH}' fills the paint in the layers of `drawing`.
1 to {actions.MAX_COMPLETIONS} completions per method; label of conditional models; seed from 0 to
{SEEDS - 1}; seamless smooths the border of the filled area. Returns one row of pictures per method
(the picture, the picture with the hole, completions), and the times."""


class Inputs(NamedTuple):
    """Inputs of the endpoint, in its order."""

    picture: gr.Image
    mask: gr.Dropdown
    drawing: gr.ImageEditor
    methods: gr.Dropdown
    count: gr.Slider
    label: gr.Number
    seed: gr.Textbox
    seamless: gr.Checkbox


def tab(shared: AppState) -> None:
    """Build the tab. It opens with completions by up to two fast methods."""
    examples, names = example_images(), actions.inpainter_names(shared.models)
    fast = [name for name in names if name.endswith(actions.FAST_METHODS)][:2]
    rows, note = actions.initial_rows(shared.models, examples[FIRST_EXAMPLE], fast)

    gr.Markdown(translate("inpaint_about"), latex_delimiters=FORMULAS)
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            picture = picture_input(examples[FIRST_EXAMPLE])
            saved = gr.Button(translate("inpaint_saved"), size="sm")
            mask = gr.Dropdown(
                [(translate(f"inpaint_mask_{kind}"), kind) for kind in actions.MASK_KINDS],
                value="middle",
                label=translate("inpaint_mask"),
            )
            with gr.Column(visible=False) as brush:
                gr.Markdown(translate("inpaint_paint"))
                drawing = drawing_input()
            settings = settings_inputs(names, fast, actions.needs_label(shared.models, fast))
            inputs = Inputs(picture, mask, drawing, *settings)
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            hidden = [(None, "")] * (actions.MAX_METHODS - len(rows))
            outputs = [row_gallery(*row) for row in [*rows, *hidden]]
            outputs.append(gr.Markdown(note, elem_classes="note"))
            with gr.Row():
                button = gr.Button(translate("inpaint_button"), variant="primary", min_width=100)
                stop = gr.Button(translate("stop"), min_width=100)
            held_out = gallery(
                [(image, None) for image in examples], translate("inpaint_examples"), "examples"
            )

    def pick(event: gr.SelectData) -> Image.Image:
        return examples[parse_int(event.index, 0, len(examples) - 1, "as the example")]

    chosen = [
        held_out.select(pick, None, picture, **EACH, api_visibility="private"),
        saved.click(
            show_user_errors(actions.last_saved),
            shared.saved_samples,
            picture,
            api_visibility="private",
        ),
        picture.upload(lambda: None, api_visibility="private"),
        mask.input(lambda mask: gr.Column(visible=mask == actions.BRUSH), mask, brush, **QUIET),
    ]
    connect_inputs(shared, inputs)
    connect_stop(stop, connect_run(shared, inputs, outputs, button, chosen), outputs[-1])


def picture_input(value: Image.Image) -> gr.Image:
    """Build the upload of a picture."""
    picture = gr.Image(
        value,
        label=translate("inpaint_picture"),
        type="filepath",
        image_mode=None,
        format="png",
        height=180,
        sources=["upload", "clipboard"],
        elem_classes=["pixels", "held"],
    )
    check_component(picture, ACCEPTED_PICTURE)
    return picture


def drawing_input() -> gr.ImageEditor:
    """Build the canvas for painting a mask: a brush and an eraser only."""
    drawing = gr.ImageEditor(
        show_label=False,
        sources=(),
        transforms=(),
        layers=False,
        format="png",
        canvas_size=(actions.CANVAS_SIDE, actions.CANVAS_SIDE),
        fixed_canvas=True,
        height=actions.CANVAS_SIDE + 60,
        brush=gr.Brush(actions.CANVAS_SIDE // 8, [actions.HOLE_COLOR], actions.HOLE_COLOR, "fixed"),
        eraser=gr.Eraser(actions.CANVAS_SIDE // 8),
        elem_id="inpaint-canvas",
    )
    check_component(drawing, ACCEPTED_PICTURE)
    return drawing


def settings_inputs(
    names: list[str], selected: list[str], label_visible: bool
) -> tuple[gr.Dropdown, gr.Slider, gr.Number, gr.Textbox, gr.Checkbox]:
    """Build the inputs below the mask."""
    methods = gr.Dropdown(
        names,
        value=selected,
        multiselect=True,
        max_choices=actions.MAX_METHODS,
        allow_custom_value=True,
        label=translate("inpaint_methods"),
        info=translate("inpaint_methods_info"),
    )
    count = gr.Slider(
        1,
        actions.MAX_COMPLETIONS,
        value=actions.DEFAULT_COMPLETIONS,
        step=1,
        label=translate("inpaint_count"),
    )
    label = gr.Number(
        0,
        label=translate("class"),
        info=translate("inpaint_label_info"),
        precision=0,
        visible=label_visible,
    )
    seed = gr.Textbox("0", label=translate("seed"), max_lines=1)
    return methods, count, label, seed, gr.Checkbox(label=translate("inpaint_seamless"))


def row_gallery(row: actions.Row | None, name: str) -> gr.Gallery:
    """Build the gallery of a method's row; hidden without a row."""
    return gallery(row, name, "completions", visible=row is not None)


def connect_inputs(shared: AppState, inputs: Inputs) -> None:
    """Let the inputs follow each other: the canvas, the class, the last saved sample."""
    gr.on(
        [inputs.picture.change, inputs.mask.input],
        show_user_errors(actions.canvas_value),
        inputs.picture,
        inputs.drawing,
        **LATEST,
        **QUIET,
    )
    inputs.methods.change(
        lambda names: gr.Number(visible=actions.needs_label(shared.models, names)),
        inputs.methods,
        inputs.label,
        **QUIET,
    )

    def follow_saved(samples: list[SavedSample]) -> object:
        return actions.last_saved(samples) if samples else gr.skip()

    shared.saved_samples.change(follow_saved, shared.saved_samples, inputs.picture, **QUIET)


def connect_run(
    shared: AppState,
    inputs: Inputs,
    outputs: list[gr.components.Component],
    button: gr.Button,
    chosen: list[gr.events.Dependency],
) -> list[gr.events.Dependency]:
    """Run the methods on the button, on Enter in the seed, and after the events `chosen`.

    Returns the events that Stop cancels.
    """

    def run(
        picture: str,
        mask: str,
        drawing: object,
        methods: list[str],
        count: int,
        label: int,
        seed: str,
        seamless: bool,
    ) -> Iterator[list[object]]:
        request = actions.parse_request(
            shared.models, picture, mask, drawing, methods, count, label, seed, seamless
        )
        # Old rows stay until they are replaced. Superfluous ones are hidden with the first result.
        unused = actions.MAX_METHODS - len(methods)
        rows = [*[gr.skip()] * len(methods), *[row_gallery(None, "")] * unused]
        for index, row, note in actions.inpaint(request):
            if row is None:
                yield [*[gr.skip()] * actions.MAX_METHODS, note]
            else:
                rows[index] = row_gallery(row, request.inpainters[index].name)
                yield [*rows, note]

    def run_unless_brush(picture: str, mask: str, *settings: object) -> Iterator[list[object]]:
        """Wait for the button if the user still has to paint."""
        if mask == actions.BRUSH:
            yield [gr.skip()] * (actions.MAX_METHODS + 1)
        else:
            yield from run(picture, mask, *settings)

    settings = {
        "inputs": list(inputs),
        "outputs": outputs,
        "concurrency_id": "device",
        "show_progress": "minimal",
        "show_progress_on": outputs[-1],
    }
    private = {"api_visibility": "private", **LATEST}
    click = button.click(
        show_user_errors(run), **settings, api_name="complete", api_description=API_DESCRIPTION
    )
    submit = inputs.seed.submit(show_user_errors(run), **settings, **private)
    changes = [
        event.success(show_user_errors(run_unless_brush), **settings, **private) for event in chosen
    ]
    return [click, submit, *changes]
