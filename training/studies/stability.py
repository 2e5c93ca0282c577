"""How steadily objectives learn: the FID of small GANs against their steps, over several seeds."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from training.configs.presets import PRESETS
from training.core.loop import Run

CURVES = Path(__file__).parents[2] / "checkpoints" / "stability.json"
GAMES = ("gan-saturating-fashion", "wgan-fashion", "wgan-gp-fashion", "sngan-fashion")


def stability(
    steps: int = 2000, every: int = 250, seeds: int = 3, width: int = 16, output: Path = CURVES
) -> None:
    """Play each game anew from several seeds, with the FID of the averages as it goes.

    All with the same small networks, without residual blocks, by batches of 64, at one constant
    learning rate. What has been played already is kept.

    Args:
        steps: of the generator
        every: steps between two measurements, of 2,000 samples by domain
        seeds: games of each objective
        width: channels of generator and critic, a quarter of those of the presets
        output: file for the curves
    """
    settings = {"steps": steps, "every": every, "width": width}
    told = json.loads(output.read_text()) if output.exists() else {}
    if told.get("settings") != settings:
        told = {"settings": settings, "fid": {}}
    for name in GAMES:
        games = told["fid"].setdefault(name, [])
        for seed in range(len(games), seeds):
            games.append(play(name, steps, every, width, seed))
            output.write_text(json.dumps(told, indent=1))
            print(name, seed, games[-1], flush=True)


def play(name: str, steps: int, every: int, width: int, seed: int) -> list[float]:
    """A game of a preset in small -> its FID after each so many steps."""
    preset = PRESETS[name]
    with TemporaryDirectory() as folder:
        run = Run(
            replace(
                preset,
                architecture=replace(preset.architecture, width=width, blocks=0),
                train_batch_size=64,
                max_train_steps=steps,
                learning_rate=2e-4,
                lr_scheduler="constant",
                ema_halflife=100.0,
                seed=seed,
                eval_every=every,
                eval_samples=2000,
                eval_extractor="domain",
                report_to="none",
                output_dir=folder,
            )
        )
        distances = []
        for step in range(1, steps + 1):
            run.trainer.train_step(run.batches)
            if step % every == 0:
                run.sheet.fit(whole=True)
                distances.append(run.evaluation.measure().numbers["fid"])
        return distances
