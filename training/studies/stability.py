"""Training stability: the FID of small GANs by step, over several seeds."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from training.configs.presets import PRESETS
from training.core.loop import Run

CURVES = Path(__file__).parents[2] / "checkpoints" / "stability.json"
NAMES = ("gan-saturating-fashion", "wgan-fashion", "wgan-gp-fashion", "sngan-fashion")


def stability(
    steps: int = 2000, every: int = 250, seeds: int = 3, width: int = 16, output: Path = CURVES
) -> None:
    """Train each GAN from several seeds and record the FID of its EMA weights.

    All use the same small networks without residual blocks, a batch size of 64 and one constant
    learning rate. Finished runs are not repeated.

    Args:
        steps: generator steps
        every: steps between two FIDs, of 2,000 samples, with the domain extractor
        seeds: runs of each GAN
        width: channels of generator and critic; the presets use four times as many
        output: JSON file for the curves
    """
    settings = {"steps": steps, "every": every, "width": width}
    study = json.loads(output.read_text()) if output.exists() else {}
    if study.get("settings") != settings:
        study = {"settings": settings, "fid": {}}
    for name in NAMES:
        runs = study["fid"].setdefault(name, [])
        for seed in range(len(runs), seeds):
            runs.append(fid_curve(name, steps, every, width, seed))
            output.write_text(json.dumps(study, indent=1))
            print(name, seed, runs[-1], flush=True)


def fid_curve(name: str, steps: int, every: int, width: int, seed: int) -> list[float]:
    """Train a small version of a preset -> its FID at each `every` steps."""
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
                run.fit()
                distances.append(run.evaluation().numbers["fid"])
        return distances
