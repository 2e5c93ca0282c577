"""Figures for model cards and the zoo: loss curves, trade-offs, class frequencies, stability."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

Numbers = Mapping[str, float]

TEAL, GREY = "#0d9488", "#94a3b8"
SEED_COLOURS = ("#0d9488", "#ea580c", "#8b5cf6")
CORNERS = ("quality", "diversity", "speed")
SLOW, FAST = 1, 10_000  # samples per second at the centre of a triangle and at its corner


def triangles(metrics: Mapping[str, Numbers], speeds: Mapping[str, float]) -> Figure:
    """Plot a triangle per model that has a speed: precision, recall and log samples per second.

    Tackling the Generative Learning Trilemma with Denoising Diffusion GANs (Xiao et al., 2022),
    figure 1. https://arxiv.org/abs/2112.07804
    """
    models = [name for name in metrics if name in speeds and "precision" in metrics[name]]
    figure, axes = grid(len(models), 5, 2.3, subplot_kw={"projection": "polar"})
    angles = np.array([90, 210, 330]) * np.pi / 180
    closed = np.append(angles, angles[0])
    for axis, name in zip(axes, models, strict=True):
        precision, recall, speed = metrics[name]["precision"], metrics[name]["recall"], speeds[name]
        log_speed = math.log(speed / SLOW) / math.log(FAST / SLOW)
        values = np.clip([precision, recall, log_speed], 0, 1)
        for ring in (0.5, 1):
            axis.plot(closed, [ring] * 4, color=GREY, linewidth=0.6)
        axis.fill(angles, values, color=TEAL, alpha=0.35)
        axis.plot(closed, np.append(values, values[0]), color=TEAL, linewidth=1.5)
        labels = (f"{precision:.2f}", f"{recall:.2f}", f"{speed:,.0f} /s")
        for angle, corner, label in zip(angles, CORNERS, labels, strict=True):
            axis.text(angle, 1.4, f"{corner}\n{label}", ha="center", va="center", fontsize=7)
        axis.set_title(name, fontsize=9, pad=30)
        axis.set_ylim(0, 1)
        axis.axis("off")
    return figure


def class_frequencies(metrics: Mapping[str, Numbers], classes: Sequence[str]) -> Figure:
    """Plot how often each model generates each class; the dashed line is a uniform frequency."""
    models = [name for name in metrics if "classes_0" in metrics[name]]
    figure, axes = grid(len(models), 4, 1.9, sharey=True)
    labels = range(len(classes))
    for axis, name in zip(axes, models, strict=True):
        axis.bar(labels, [metrics[name][f"classes_{label}"] for label in labels], color=TEAL)
        axis.axhline(1 / len(classes), color=GREY, linewidth=1, linestyle="--")
        axis.set_title(f"{name}: {metrics[name]['classes']:.2f} classes", fontsize=8)
        axis.set_xticks(labels, classes, rotation=90, fontsize=6)
        style(axis)
    return figure


def stability_curves(study: Mapping) -> Figure:
    """Plot FID by step, a panel per GAN and a line per seed; study: as `stability` writes it."""
    runs, every = study["fid"], study["settings"]["every"]
    figure, axes = grid(len(runs), 4, 2.6, sharey=True)
    for axis, (name, seeds) in zip(axes, runs.items(), strict=True):
        for distances, colour in zip(seeds, SEED_COLOURS, strict=False):
            steps = [every * (number + 1) for number in range(len(distances))]
            axis.plot(steps, distances, color=colour, linewidth=1.5, marker="o", markersize=3)
        axis.set_title(name.removesuffix("-fashion"), fontsize=9)
        axis.set_xlabel("generator steps", fontsize=8)
        axis.set_yscale("log")
        style(axis)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
    axes[0].set_ylabel("FID (domain)", fontsize=8)
    return figure


def losses(curves: Sequence[Numbers]) -> Figure:
    """Plot a run's curves.jsonl: a panel for each network's losses, and one for each metric."""
    panels: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in curves:
        for name, value in row.items():
            if name != "step":
                panel, _, loss = name.partition("/")
                panels.setdefault(panel, {}).setdefault(loss, []).append((row["step"], value))
    figure, axes = grid(len(panels), min(len(panels), 3) or 1, 2.6)
    for axis, (panel, lines) in zip(axes, panels.items(), strict=True):
        for loss, points in lines.items():
            marker = "." if len(points) < 50 else None  # a single point needs one to be visible
            axis.plot(*zip(*points, strict=True), label=loss, linewidth=1, marker=marker)
        axis.set_title(panel, fontsize=9)
        axis.set_xlabel("steps", fontsize=8)
        if list(lines) != [""]:
            axis.legend(fontsize=7, frameon=False)
        style(axis)
    return figure


def grid(count: int, columns: int, height: float, **layout: object) -> tuple[Figure, list]:
    """Return a figure of `count` panels in rows of `height` inches, and its axes."""
    rows = max(math.ceil(count / columns), 1)
    figure = Figure((10, 0.3 + height * rows), dpi=120, layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, **layout).flat)
    for axis in axes[count:]:
        axis.remove()
    return figure, axes[:count]


def style(axis: object) -> None:
    axis.tick_params(which="both", labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)
