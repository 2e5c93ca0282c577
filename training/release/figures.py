"""The lecture's claims about families of models, as pictures of their numbers."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

Numbers = Mapping[str, float]

TEAL, GREY = "#0d9488", "#94a3b8"
COLOURS = ("#0d9488", "#ea580c", "#8b5cf6")  # of seeds
CORNERS = ("quality", "diversity", "speed")
SLOW, FAST = 1, 10_000  # samples a second, at the centre of a triangle and at its corner


def triangles(numbers: Mapping[str, Numbers], speeds: Mapping[str, float]) -> Figure:
    """A triangle for each model: precision, recall and samples a second, this on a logarithm.

    Tackling the Generative Learning Trilemma with Denoising Diffusion GANs (Xiao et al., 2022),
    figure 1. https://arxiv.org/abs/2112.07804
    numbers: of each model; speeds: samples a second of those that have one
    """
    shown = [name for name in numbers if name in speeds and "precision" in numbers[name]]
    figure, axes = grid(len(shown), 5, 2.3, subplot_kw={"projection": "polar"})
    angles = np.array([90, 210, 330]) * np.pi / 180
    around = np.append(angles, angles[0])
    for axis, name in zip(axes, shown, strict=True):
        precision, recall, speed = numbers[name]["precision"], numbers[name]["recall"], speeds[name]
        part = math.log(speed / SLOW) / math.log(FAST / SLOW)
        values = np.clip([precision, recall, part], 0, 1)
        for ring in (0.5, 1):
            axis.plot(around, [ring] * 4, color=GREY, linewidth=0.6)
        axis.fill(angles, values, color=TEAL, alpha=0.35)
        axis.plot(around, np.append(values, values[0]), color=TEAL, linewidth=1.5)
        told = (f"{precision:.2f}", f"{recall:.2f}", f"{speed:,.0f} /s")
        for angle, corner, number in zip(angles, CORNERS, told, strict=True):
            axis.text(angle, 1.4, f"{corner}\n{number}", ha="center", va="center", fontsize=7)
        axis.set_title(name, fontsize=9, pad=30)
        axis.set_ylim(0, 1)
        axis.axis("off")
    return figure


def shares(numbers: Mapping[str, Numbers], classes: Sequence[str]) -> Figure:
    """How often each model draws each class: a row of bars beside an even share.

    numbers: of each model, "classes_0" and so on; classes: their names
    """
    shown = [name for name in numbers if "classes_0" in numbers[name]]
    figure, axes = grid(len(shown), 4, 1.9, sharey=True)
    places = range(len(classes))
    for axis, name in zip(axes, shown, strict=True):
        axis.bar(places, [numbers[name][f"classes_{label}"] for label in places], color=TEAL)
        axis.axhline(1 / len(classes), color=GREY, linewidth=1, linestyle="--")
        axis.set_title(f"{name}: {numbers[name]['classes']:.2f} classes", fontsize=8)
        axis.set_xticks(places, classes, rotation=90, fontsize=6)
        plain(axis)
    return figure


def curves(told: Mapping) -> Figure:
    """FID against steps, a panel for each game and a line for each seed, on a logarithm.

    told: what `stability` writes
    """
    games, every = told["fid"], told["settings"]["every"]
    figure, axes = grid(len(games), 4, 2.6, sharey=True)
    for axis, (name, seeds) in zip(axes, games.items(), strict=True):
        for distances, colour in zip(seeds, COLOURS, strict=False):
            steps = [every * (number + 1) for number in range(len(distances))]
            axis.plot(steps, distances, color=colour, linewidth=1.5, marker="o", markersize=3)
        axis.set_title(name.removesuffix("-fashion"), fontsize=9)
        axis.set_xlabel("steps of the generator", fontsize=8)
        axis.set_yscale("log")
        plain(axis)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
    axes[0].set_ylabel("FID by domain", fontsize=8)
    return figure


def losses(told: Sequence[Numbers]) -> Figure:
    """A run's curves: a panel for the terms of each player's loss, and one for each other number.

    told: "step" and the means of terms, "player/term", or what was measured then
    """
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for it in told:
        for name, value in it.items():
            if name != "step":
                panel, _, term = name.partition("/")
                found.setdefault(panel, {}).setdefault(term, []).append((it["step"], value))
    figure, axes = grid(len(found), min(len(found), 3) or 1, 2.6)
    for axis, (panel, terms) in zip(axes, found.items(), strict=True):
        for term, points in terms.items():
            marker = "." if len(points) < 50 else None  # or a lone one would not be seen
            axis.plot(*zip(*points, strict=True), label=term, linewidth=1, marker=marker)
        axis.set_title(panel, fontsize=9)
        axis.set_xlabel("steps", fontsize=8)
        if list(terms) != [""]:
            axis.legend(fontsize=7, frameon=False)
        plain(axis)
    return figure


def grid(count: int, columns: int, height: float, **layout: object) -> tuple[Figure, list]:
    """So many panels, in rows of a height in inches."""
    lines = max(math.ceil(count / columns), 1)
    figure = Figure((10, 0.3 + height * lines), dpi=120, layout="constrained")
    axes = list(figure.subplots(lines, columns, squeeze=False, **layout).flat)
    for axis in axes[count:]:
        axis.remove()
    return figure, axes[:count]


def plain(axis: object) -> None:
    axis.tick_params(which="both", labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)
