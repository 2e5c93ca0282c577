"""Walks through a latent space: a path, a grid between corners, single dimensions, and a map."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

from genmodels.errors import UserError
from genmodels.latents import latent_map
from genmodels.latents.interpolation import INTERPOLATIONS, between_corners, traverse
from genmodels.media.image import image_grid, to_pil, to_video
from genmodels.pipelines import LatentPipeline
from genmodels.pipelines.adversarial import AdversarialPipeline
from genmodels.pipelines.autoencoding import AutoencodingPipeline
from genmodels.ui.app_state import AppState, SavedSample
from genmodels.ui.i18n import Texts, translate
from genmodels.ui.latent_map import build_map
from genmodels.ui.latents import (
    check_vector_latents,
    decode_batches,
    encode_pictures,
    is_conditional,
    parse_label,
    parse_seeds,
    seed_latents,
)
from genmodels.ui.models import Models
from genmodels.ui.pictures import (
    ACCEPTED_PICTURE,
    example_images,
    gallery,
    large_image,
    open_picture,
    write_download,
)
from genmodels.ui.plots import FORMULAS
from genmodels.ui.validation import (
    LATEST,
    check_component,
    connect_stop,
    parse_choice,
    parse_float,
    parse_int,
    parse_seed,
    show_user_errors,
)

TEXTS: Texts = {
    "interpolate_what": (
        "A path between two latents $z_0$ and $z_1$, each point of which the model turns into a "
        r"picture, $x_t = G(\mathrm{slerp}(z_0, z_1; t))$. Move the slider to go along it.",
        "Путь между двумя латентами $z_0$ и $z_1$: каждую его точку модель превращает в картинку, "
        r"$x_t = G(\mathrm{slerp}(z_0, z_1; t))$. Двигайте ползунок, чтобы пройти по нему.",
    ),
    "interpolate_ends": ("Ends of the path", "Концы пути"),
    "interpolate_ends_seeds": ("seeds", "зёрна"),
    "interpolate_ends_pictures": ("two pictures", "две картинки"),
    "interpolate_ends_kept": ("the last two kept", "две последние взятые"),
    "interpolate_seeds": ("Seeds", "Зёрна"),
    "interpolate_seeds_info": (
        "Two to six whole numbers: the path visits them all",
        "От двух до шести целых чисел: путь проходит через все",
    ),
    "interpolate_one": ("From", "Откуда"),
    "interpolate_other": ("To", "Куда"),
    "interpolate_way": ("Path", "Путь"),
    "interpolate_way_info": (
        "lerp: straight; slerp: along great circles; spline: without bends",
        "lerp: по прямой; slerp: по большим кругам; spline: без изломов",
    ),
    "interpolate_count": ("Frames", "Кадров"),
    "interpolate_button": ("Walk", "Пройти"),
    "interpolate_frame": ("The place on the path", "Место на пути"),
    "interpolate_position": ("From start to end", "От начала до конца"),
    "interpolate_strip": ("Frames of the path", "Кадры пути"),
    "interpolate_gif": ("GIF", "GIF"),
    "interpolate_mp4": ("MP4", "MP4"),
    "interpolate_corners": ("Between four corners", "Между четырьмя углами"),
    "interpolate_corner_seeds": ("Seeds of the corners", "Зёрна углов"),
    "interpolate_corner_seeds_info": (
        "Row by row: the upper two and the lower two",
        "Построчно: два верхних и два нижних",
    ),
    "interpolate_side": ("Pictures to a side", "Картинок на стороне"),
    "interpolate_grid": ("Grid", "Сетка"),
    "interpolate_draw_grid": ("Draw the grid", "Нарисовать сетку"),
    "interpolate_dimensions": ("One number of the latent at a time", "По одному числу латента"),
    "interpolate_base": ("Seed of the latent", "Зерно латента"),
    "interpolate_rows": ("Numbers", "Чисел"),
    "interpolate_traversals": ("Each row moves one number", "Каждая строка меняет одно число"),
    "interpolate_traverse": ("Move the numbers", "Менять числа"),
    "interpolate_map": ("Map of the latent space", "Карта латентного пространства"),
    "interpolate_map_what": (
        "A plane through the latent space of a VAE, a picture in each of its places. Colours tell "
        "which class a classifier takes it for; the plane is that on which the classes' means lie "
        "furthest apart. Click anywhere: that point is decoded.",
        "Плоскость в латентном пространстве VAE, в каждом её месте картинка. Цвет показывает, к "
        "какому классу её относит классификатор; плоскость выбрана так, чтобы средние классов "
        "лежали на ней дальше всего друг от друга. Щёлкните куда угодно: эта точка декодируется.",
    ),
    "interpolate_draw_map": ("Draw the map", "Нарисовать карту"),
    "interpolate_across": ("Across", "По горизонтали"),
    "interpolate_down": ("Down", "По вертикали"),
    "interpolate_point": ("What is at the point", "Что в этой точке"),
}

KEYS = 6  # latents that a path visits at most
FIRST = [10, 3]  # seeds
FRAMES = 17  # of a path at first sight
MOST_FRAMES = 64
STRIP = 8  # of them that are seen side by side
RATE, SCALE = 8.0, 6  # frames a second of a film, and how far it is enlarged
SIDE, MOST_SIDE = 7, 10  # pictures to a side of a grid
ROWS, MOST_ROWS = 6, 12  # numbers of a latent that are moved
REACH = 3.0  # how far from 0 a number of a latent goes
VALUES = 9  # that it takes
ENDS = ["seeds", "pictures", "kept"]


def film(samples: list[Tensor], name: str) -> str:
    """A film in a file, named with its suffix, that a visitor may have."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        to_video(samples, file, RATE, SCALE)
        return write_download(file.read_bytes(), name)


def strip(samples: list[Tensor]) -> list[Image.Image]:
    """Some of the samples, at even distances, both ends among them."""
    places = torch.linspace(0, len(samples) - 1, min(STRIP, len(samples))).round().long()
    return to_pil(torch.stack([samples[place] for place in places]))


def at(samples: Tensor, position: object) -> Image.Image:
    """The sample at a place from 0 to 1 of a path that has been walked."""
    if not isinstance(samples, Tensor):
        raise UserError("expected a path that has been walked")
    part = parse_float(position, 0, 1, "as the place on the path")
    return to_pil(samples[round(part * (len(samples) - 1)), None])[0]


def traversals(
    pipeline: LatentPipeline, seed: int, rows: int, label: int | None
) -> tuple[Image.Image, str]:
    """Move the numbers of a latent that matter most -> a row of pictures for each, and in words
    which they are."""
    check_vector_latents(pipeline)
    (latent,) = seed_latents(pipeline, [seed])
    spreads = latent_map.spreads(lambda latents: pipeline.decode(latents, label), latent, REACH)
    chosen = spreads.topk(min(rows, len(spreads))).indices.tolist()
    values = torch.linspace(-REACH, REACH, VALUES)
    latents = torch.cat([traverse(latent, dimension, values) for dimension in chosen])
    *_, samples = decode_batches(pipeline, latents, label)
    which = ", ".join(map(str, chosen))
    note = f"Rows: numbers {which} of {len(spreads)}, counted from 0: those that change the "
    note += f"picture most. Columns: from -{REACH:g} to {REACH:g}."
    return image_grid(torch.stack(samples), columns=VALUES), note


def first_model(models: Models) -> str | None:
    """The model to begin with: one that decodes at once, best of all one that encodes as well."""
    encoding = (name for name, kind in models.kinds.items() if kind is AutoencodingPipeline)
    return next(encoding, next(iter(models.generators), None))


class Walk(NamedTuple):
    """What the tab shows of a path."""

    frame: Image.Image | None
    strip: list[Image.Image] | None
    note: str
    gif: str | None
    mp4: str | None
    samples: Tensor | None  # (T, C, S, S) in [-1, 1]


def walk(
    name: str, pipeline: LatentPipeline, keys: Tensor, way: str, count: int, label: int | None
) -> Iterator[Walk]:
    """Walk a path through latents (K, *Z) -> its frames as they come, and at last its films."""
    latents = INTERPOLATIONS[way](keys, torch.linspace(0, 1, count))
    for samples in decode_batches(pipeline, latents, label):
        note = f"{len(samples)} of {count} frames"
        yield Walk(to_pil(samples[0][None])[0], strip(samples), note, None, None, None)
    all_of_them = torch.stack(samples)
    shown = Walk(to_pil(all_of_them[:1])[0], strip(samples), note, None, None, all_of_them)
    yield shown
    stem = Path(name).name
    gif, mp4 = (film(samples, f"{stem}-{way}.{suffix}") for suffix in ("gif", "mp4"))
    yield shown._replace(note=f"{count} frames by {way}", gif=gif, mp4=mp4)


def pair(kept: list[SavedSample]) -> bool:
    """Whether there is a path between the last two."""
    return len(kept) > 1 and kept[-1].model == kept[-2].model


def begin(models: Models, name: str | None) -> Walk:
    """What is seen at first, or what is wrong."""
    nothing = Walk(None, None, "Choose a model, and press.", None, None, None)
    try:
        pipeline = models.get(name)
        if not isinstance(pipeline, AutoencodingPipeline | AdversarialPipeline):
            return nothing  # it would take too long
        label = None if pipeline.num_classes is None else 0
        *_, shown = walk(name, pipeline, seed_latents(pipeline, FIRST), "slerp", FRAMES, label)
    except UserError as error:  # the app serves its other models all the same
        return nothing._replace(note=str(error))
    return shown


def tab(shared: AppState) -> None:
    """Build the tab. It opens with the path between two seeds."""
    models = shared.models
    first = first_model(models)
    gr.Markdown(translate("interpolate_what"), latex_delimiters=FORMULAS)
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
    build_path(shared, model, label, begin(models, first))
    with gr.Accordion(translate("interpolate_corners"), open=False):
        build_grid(models, model, label)
    with gr.Accordion(translate("interpolate_dimensions"), open=False):
        build_traversals(models, model, label)
    with gr.Accordion(translate("interpolate_map"), open=False):
        build_map(models, model, label)


def build_path(shared: AppState, model: gr.Dropdown, label: gr.Number, shown: Walk) -> None:
    """Two ends, what lies between them, and the films of it."""
    models, given = shared.models, example_images()
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            ends = gr.Radio(
                [(translate(f"interpolate_ends_{name}"), name) for name in ENDS],
                value="seeds",
                label=translate("interpolate_ends"),
            )
            seeds = gr.Textbox(
                "10, 3",
                label=translate("interpolate_seeds"),
                info=translate("interpolate_seeds_info"),
                max_lines=1,
            )
            with gr.Row(visible=False) as pictures:
                one, other = (
                    gr.Image(
                        example,
                        label=translate(name),
                        type="filepath",
                        image_mode=None,
                        format="png",
                        height=160,
                        min_width=120,
                        sources=["upload", "clipboard"],
                        elem_classes=["pixels", "held"],
                    )
                    for example, name in (
                        (given[1], "interpolate_one"),
                        (given[9], "interpolate_other"),
                    )
                )
                check_component(one, ACCEPTED_PICTURE)
                check_component(other, ACCEPTED_PICTURE)
            way = gr.Radio(
                list(INTERPOLATIONS),
                value="slerp",
                label=translate("interpolate_way"),
                info=translate("interpolate_way_info"),
            )
            count = gr.Slider(2, MOST_FRAMES, FRAMES, step=1, label=translate("interpolate_count"))
            with gr.Row():
                button = gr.Button(
                    translate("interpolate_button"), variant="primary", min_width=100
                )
                stop = gr.Button(translate("stop"), min_width=100)
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            with gr.Row():
                with gr.Column(scale=1, min_width=200):
                    frame = large_image(shown.frame, translate("interpolate_frame"), "frame")
                with gr.Column(scale=2, min_width=280):
                    position = gr.Slider(
                        0, 1, 0, step=0.01, label=translate("interpolate_position")
                    )
                    note = gr.Markdown(shown.note, elem_classes="note")
                    with gr.Row():
                        gif = gr.DownloadButton(
                            translate("interpolate_gif"), shown.gif, size="sm", min_width=80
                        )
                        mp4 = gr.DownloadButton(
                            translate("interpolate_mp4"), shown.mp4, size="sm", min_width=80
                        )
            strips = gallery(
                shown.strip,
                translate("interpolate_strip"),
                "strip",
                columns=STRIP,
                show_label=False,
            )
    walked = gr.State(shown.samples, time_to_live=3600)

    def interpolate(
        model: str,
        label: int,
        ends: str,
        seeds: str,
        one: str,
        other: str,
        way: str,
        count: int,
        kept: list[SavedSample],
    ) -> Iterator[tuple]:
        parse_choice(ends, ENDS, "ends of the path")
        parse_choice(way, list(INTERPOLATIONS), "a path")
        count = parse_int(count, 2, MOST_FRAMES, "frames")
        wanted = parse_seeds(seeds, 2, KEYS) if ends == "seeds" else []
        given = [open_picture(one), open_picture(other)] if ends == "pictures" else []
        pipeline = models.get(model)
        told = parse_label(pipeline, label)
        if ends == "seeds":
            keys = seed_latents(pipeline, wanted)
        elif ends == "pictures":
            note = "looking for the latents of the pictures"
            yield [*[gr.skip()] * 2, note, *[gr.skip()] * 4]
            keys = encode_pictures(pipeline, given, told)
        else:
            both = [sample for sample in kept if sample.model == model][-2:]
            if len(both) < 2:
                raise UserError(
                    f"expected two kept samples of {model}: click them in the tab Generate"
                )
            told, other_label = (sample.label for sample in both)
            if told != other_label:
                raise UserError(
                    "expected two kept samples of one class, between which the path stays, but got "
                    f"{told} and {other_label}"
                )
            keys = torch.stack([sample.latent for sample in both])
        for shown in walk(model, pipeline, keys, way, count, told):
            yield [*shown, 0]

    settings = {
        "inputs": [model, label, ends, seeds, one, other, way, count, shared.saved_samples],
        "outputs": [frame, strips, note, gif, mp4, walked, position],
        "concurrency_id": "device",
        "show_progress": "minimal",
        "show_progress_on": note,
    }
    events = [
        button.click(
            show_user_errors(interpolate),
            **settings,
            api_name="interpolate",
            api_description=f"A path between latents of a model: of seeds (2 to {KEYS}, with "
            f"commas between them), of two pictures, or of the last two samples kept in the tab "
            f"Generate. By lerp, slerp or spline, of 2 to {MOST_FRAMES} frames. Gives the first "
            "frame, some of the frames, words, a GIF and an MP4.",
        ),
        seeds.submit(show_user_errors(interpolate), **settings, **LATEST, api_visibility="private"),
        way.input(show_user_errors(interpolate), **settings, **LATEST, api_visibility="private"),
    ]
    connect_stop(stop, events, note)
    position.input(
        show_user_errors(at),
        [walked, position],
        frame,
        **LATEST,
        show_progress="hidden",
        api_name="frame",
        api_description="The frame at a place from 0 to 1 of the path walked last.",
    )
    shared.saved_samples.change(
        lambda kept: (
            [kept[-1].model, "kept", kept[-1].label or 0] if pair(kept) else [gr.skip()] * 3
        ),
        shared.saved_samples,
        [model, ends, label],
        show_progress="hidden",
        api_visibility="private",
    )
    ends.change(
        lambda ends: [gr.Textbox(visible=ends == "seeds"), gr.Row(visible=ends == "pictures")],
        ends,
        [seeds, pictures],
        show_progress="hidden",
        api_visibility="private",
    )


def build_grid(models: Models, model: gr.Dropdown, label: gr.Number) -> None:
    """Four latents in the corners, and what lies between."""

    def corners(model: str, label: int, seeds: str, side: int) -> Iterator[tuple]:
        wanted, side = parse_seeds(seeds, 4, 4), parse_int(side, 2, MOST_SIDE, "pictures to a side")
        pipeline = models.get(model)
        latents = between_corners(seed_latents(pipeline, wanted), side, side)
        for samples in decode_batches(pipeline, latents, parse_label(pipeline, label)):
            note = f"{len(samples)} of {side * side}"
            yield image_grid(torch.stack(samples), columns=side), note

    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            seeds = gr.Textbox(
                "10, 3, 13, 22",
                label=translate("interpolate_corner_seeds"),
                info=translate("interpolate_corner_seeds_info"),
                max_lines=1,
            )
            side = gr.Slider(2, MOST_SIDE, SIDE, step=1, label=translate("interpolate_side"))
            with gr.Row():
                button = gr.Button(
                    translate("interpolate_draw_grid"), variant="primary", min_width=100
                )
                stop = gr.Button(translate("stop"), min_width=100)
            note = gr.Markdown(elem_classes="note")
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            grid = large_image(None, translate("interpolate_grid"))
    event = button.click(
        show_user_errors(corners),
        [model, label, seeds, side],
        [grid, note],
        concurrency_id="device",
        show_progress="minimal",
        show_progress_on=note,
        api_name="corners",
        api_description=f"A grid of 2 to {MOST_SIDE} pictures to a side between the samples of "
        "four seeds (with commas between them) in its corners.",
    )
    connect_stop(stop, [event], note)


def build_traversals(models: Models, model: gr.Dropdown, label: gr.Number) -> None:
    """One number of a latent at a time."""

    def move(model: str, label: int, seed: str, rows: int) -> tuple[Image.Image, str]:
        seed, rows = parse_seed(seed), parse_int(rows, 1, MOST_ROWS, "rows")
        pipeline = models.get(model)
        return traversals(pipeline, seed, rows, parse_label(pipeline, label))

    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            seed = gr.Textbox("0", label=translate("interpolate_base"), max_lines=1)
            rows = gr.Slider(1, MOST_ROWS, ROWS, step=1, label=translate("interpolate_rows"))
            button = gr.Button(translate("interpolate_traverse"), variant="primary")
            note = gr.Markdown(elem_classes="note")
        with gr.Column(scale=3, min_width=320, elem_classes="first-in-hand"):
            grid = large_image(None, translate("interpolate_traversals"))
    button.click(
        show_user_errors(move),
        [model, label, seed, rows],
        [grid, note],
        concurrency_id="device",
        show_progress="minimal",
        show_progress_on=note,
        api_name="traverse",
        api_description=f"Rows (1 to {MOST_ROWS}) of pictures of a VAE or a GAN, in each of which "
        f"one number of a seed's latent goes from -{REACH:g} to {REACH:g}: those that matter most.",
    )
