"""Unconditional generation: a model, a seed, and what the model draws from it."""

import random
import time
from pathlib import Path

import gradio as gr
import torch
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from PIL import Image

from genmodels import images

from .asking import answering, whole
from .models import Models
from .sharing import Shared
from .words import Words, say

WORDS: Words = {
    "generate_what": (
        "Each picture begins as a list of random numbers, the *latent*, which the model turns into "
        "an image. The seed fixes the numbers: the same seed draws the same pictures.",
        "Каждая картинка начинается со списка случайных чисел, *латента*, который модель "
        "превращает в изображение. Зерно задаёт эти числа: то же зерно рисует те же картинки.",
    ),
}

MOST = 64  # images at once
FIRST = 32  # images at first sight
SEEDS = 2**32  # a seed is below it


def tab(shared: Shared) -> None:
    """Build the tab. It opens with images of the first model, so that there is something to see."""

    models = shared.models

    def generate(model: str, count: int, seed: str) -> tuple[list[Image.Image], str, str]:
        return draw(models, model, count, seed)

    first = models.names[0] if models.names else None
    try:
        samples, note, archive = draw(models, first, FIRST, 0)
    except ValueError as error:  # the app serves its other models all the same
        samples, note, archive = None, str(error), None

    gr.Markdown(say("generate_what"))
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            model = gr.Dropdown(
                models.names,
                value=first,
                label="Model",
                info="One of these, or the id of one on the Hub: user/name",
                allow_custom_value=True,
            )
            count = gr.Slider(1, MOST, value=FIRST, step=1, label="Images")
            seed = gr.Textbox("0", label="Seed", info=f"A whole number below {SEEDS}", max_lines=1)
            with gr.Row():
                new_seed = gr.Button("New seed", min_width=100)
                button = gr.Button("Generate", variant="primary", min_width=100)
            note = gr.Markdown(note, label="Time", elem_classes="note")
            download = gr.DownloadButton("Download as ZIP", archive, size="sm")
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            gallery = gr.Gallery(
                samples,
                label="Samples",
                show_label=False,
                format="png",
                columns=8,
                height="auto",
                object_fit="contain",
                elem_classes="pixels",
                interactive=False,
                buttons=["download", "fullscreen"],
            )

    shared.link(model=model, seed=seed)
    inputs, outputs = [model, count, seed], [gallery, note, download]
    settings = {
        "fn": answering(generate),
        "inputs": inputs,
        "outputs": outputs,
        "concurrency_id": "device",
        "show_progress": "minimal",
        "show_progress_on": note,  # not over the pictures, which stay when something is wrong
    }
    button.click(
        **settings,
        api_name="generate",
        api_description=f"Images of a model (a name in checkpoints/ or a Hub id): 1 to {MOST} of "
        f"them, by a seed from 0 to {SEEDS - 1}. Gives the images, the time and a ZIP archive.",
    )
    fresh = new_seed.click(
        lambda: str(random.randrange(SEEDS)), None, seed, api_visibility="private"
    )
    for event in (seed.submit, fresh.then):
        event(**settings, api_visibility="private")


def draw(
    models: Models, model: object, count: object, seed: object
) -> tuple[list[Image.Image], str, str]:
    """Draw images of a model -> them, the time that it took in words, and a file to download.

    Raises ValueError for an unknown model, a count outside 1 to MOST, or what is no seed.
    """
    count, seed = whole(count, 1, MOST, "images"), whole(seed, 0, SEEDS - 1, "as the seed")
    pipeline = models.get(model)
    start = time.perf_counter()
    samples = pipeline(batch_size=count, generator=torch.Generator().manual_seed(seed)).images
    seconds = time.perf_counter() - start
    name = f"{Path(model).name}-seed-{seed}.zip"
    archive = save_bytes_to_cache(images.to_zip(samples), name, get_upload_folder())
    return samples, f"{count} image{'s' if count > 1 else ''} in {seconds:.2f} s", archive
