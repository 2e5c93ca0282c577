"""The one loop, for every objective."""

import math
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import torch
from tqdm import tqdm

from genmodels.errors import UserError, first_line
from genmodels.hub import explain_error
from genmodels.metrics.evaluation import Result
from genmodels.networks.classifier import Classifier
from genmodels.pipelines.base import LatentPipeline
from training.configs.config import Config
from training.core.batches import Batches
from training.core.checkpoints import WRITE_ERRORS, Checkpoints
from training.core.evaluation import evaluator, load_test_split
from training.core.interruption import Interrupted, Interruption, interruptible
from training.core.setup import load, load_pretrained, start
from training.core.tracking import Curves, Losses, warn
from training.core.trainer import Trainer
from training.release.previews import sheet
from training.release.publish import publish, push_folder
from training.release.push import PAUSES, PushError, create_repository, is_transient

PATIENCE = 30  # seconds between two attempts to write the last checkpoint


def train(config: Config) -> LatentPipeline | Classifier:
    """Train, and publish what the averages make in `config.output_dir`.

    Raises UserError for invalid data or a wrong checkpoint, before anything is written;
    FloatingPointError when a loss is no longer finite, Interrupted after SIGTERM or Ctrl-C, OSError
    where the disk is full, and PushError where all is done but the push. The last good checkpoint is
    kept in any case.
    """
    run = Run(config)
    progress = run.progress
    bar = tqdm(
        total=config.max_train_steps,
        initial=progress.step,
        unit="step",
        disable=not run.accelerator.is_main_process,
    )
    clock = time.perf_counter() - progress.seconds
    with interruptible() as interruption, closing(run.curves), closing(bar):
        while progress.step < config.max_train_steps:
            for name, terms in run.trainer.train_step(run.batches):
                run.losses.add(progress.step, name, terms)
            progress.seconds = time.perf_counter() - clock
            bar.update()

            last = progress.step == config.max_train_steps
            stop = interruption.agreed(run.accelerator, progress.step)
            saves = last or stop or progress.step % config.checkpointing_steps == 0
            if saves or progress.step % config.logging_steps == 0:
                bar.set_postfix({name: f"{value:.4g}" for name, value in run.report().items()})
            if last or progress.step % config.preview_steps == 0:
                run.show()
            due = run.evaluation and progress.step % config.eval_every == 0
            if due and not last and not stop:
                run.evaluate()
            if saves:
                run.save(last, interruption)
                if config.hub_strategy == "every_save" and not last and not stop:
                    run.push_meanwhile()
            if stop and not last:
                steps = f"step {progress.step} of {config.max_train_steps}"
                message = f"stopped after {steps}: go on with --resume_from_checkpoint latest"
                if run.accelerator.is_main_process:
                    bar.write(message, file=sys.stderr)
                raise Interrupted(stop, message)
        if run.evaluation:
            run.evaluate()
        if run.accelerator.is_main_process:
            run.publish(Path(config.output_dir))
            tqdm.write(f"published in {config.output_dir}")
    # With the signals given back, so that one ends a push that is waiting.
    if config.push_to_hub and run.accelerator.is_main_process:
        tqdm.write(f"pushed to {run.push(PAUSES)}")
    return run.sheet.published


class Run:
    """All that a run is played with, at its first step or as a checkpoint left it.

    Raises UserError for what is wrong with the data or the checkpoint, before anything is written.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.accelerator = accelerator = start(config)
        with accelerator.main_process_first():  # it fills the cache of datasets for the others
            self.real = real = load(config)
        self.checkpoints = Checkpoints(config, real, accelerator)
        resumed = self.checkpoints.find(config.resume_from_checkpoint)
        accelerator.wait_for_everyone()  # until all have looked, before one writes

        torch.manual_seed(config.seed)
        labels = real.labels if config.conditional else None
        num_classes = len(real.classes) if config.conditional else None
        networks = config.architecture.networks(real.channels, real.side, num_classes)
        if config.pretrained_model_name_or_path is not None and not resumed:
            with accelerator.main_process_first():  # it fetches the weights for the others
                load_pretrained(config, networks)
        self.trainer = Trainer(config, networks, accelerator)
        self.progress = self.trainer.progress
        if resumed:
            self.checkpoints.load(accelerator, resumed)

        self.batches = Batches(
            real.pixels,
            config.train_batch_size,
            config.seed,
            accelerator.device,
            accelerator.process_index,
            accelerator.num_processes,
            labels,
            config.random_flip,
        )
        self.losses = Losses(accelerator)
        self.sheet = sheet(
            config.objective,
            config.objective.pipeline(self.trainer.ema.networks),
            # The same on every process; of pixels that lie where those of the training do.
            Batches(
                self.batches.pixels,
                config.train_batch_size,
                config.seed,
                accelerator.device,
                labels=labels,
            ),
        )
        self.evaluation = None
        if config.eval_every is not None:
            self.evaluation = evaluator(
                self.sheet.published,
                real,
                config.eval_extractor,
                config.eval_samples,
                config.seed,
                lambda: load_test_split(config),
                accelerator,
            )
        self.measured: tuple[int, Result | None] = (0, None)  # at which step, and what
        if accelerator.is_main_process:
            if config.push_to_hub:
                self.look_at_hub()
            self.checkpoints.begin()
        self.curves = Curves(accelerator, config, resumed=resumed is not None)

    def report(self) -> dict[str, float]:
        """Log the mean of each term of each loss since the last time, on every process.

        Raises FloatingPointError where a term or a weight is not finite.
        """
        try:
            means = self.losses.take()
            if not all(weight.isfinite().all() for weight in self.trainer.networks.parameters()):
                raise FloatingPointError(f"at step {self.progress.step} a weight is not finite")
        except FloatingPointError as error:
            raise FloatingPointError(f"{error}; {self.checkpoints.last()}") from error
        self.curves.log(means, self.progress.step)
        return means

    def show(self) -> None:
        """Draw a sample grid. To be called on every process."""
        if self.accelerator.is_main_process:
            self.sheet.fit()
            self.curves.show(self.sheet.draw(), self.progress.step)

    def evaluate(self) -> None:
        """Measure, and publish the best so far in a folder of its own. On every process."""
        self.sheet.fit(whole=True)
        result = self.evaluation.measure()
        self.curves.log(result.numbers, self.progress.step)
        self.measured = self.progress.step, result
        if result.protocol != self.progress.protocol:  # no score can be compared with another's
            self.progress.best, self.progress.protocol = math.inf, result.protocol
        if result.numbers[self.evaluation.score] < self.progress.best:
            try:
                if self.accelerator.is_main_process:
                    self.publish(Path(self.config.output_dir) / "best")
                self.progress.best = result.numbers[self.evaluation.score]
            except OSError as error:
                warn(f"the best so far is not kept: {error}")

    def publish(self, folder: Path) -> None:
        """Raises OSError where there is no room for it."""
        step, measured = self.measured
        try:
            publish(
                folder,
                self.sheet,
                self.config,
                self.real,
                self.progress,
                measured if step == self.progress.step else None,
                self.accelerator,
            )
        except WRITE_ERRORS as error:
            raise OSError(
                f"could not publish in {folder}: {first_line(error)}; "
                f"{self.checkpoints.last()}, from which --resume_from_checkpoint latest goes on"
            ) from error

    def look_at_hub(self) -> None:
        """Make the repository now: what keeps from pushing is better known before the training.

        Raises UserError where that would not pass by itself.
        """
        try:
            create_repository(self.config.repository, self.config.hub_private_repo)
        except Exception as error:  # anything may happen on the way
            message = f"could not push to {self.config.repository!r}: {explain_error(error)}"
            if not is_transient(error):
                raise UserError(message) from error
            warn(f"{message}; training goes on")

    def push(self, pauses: Sequence[float]) -> str:
        """Push what was published -> its address. Raises PushError. On the main process."""
        config = self.config
        return push_folder(
            Path(config.output_dir), config.repository, config.hub_private_repo, pauses
        )

    def push_meanwhile(self) -> None:
        """Publish and push the averages as they are, or go on without: the next save is soon."""
        if self.config.push_to_hub and self.accelerator.is_main_process:
            try:
                self.publish(Path(self.config.output_dir))
                self.push(pauses=())
            except (OSError, PushError) as error:
                warn(f"{error}; training goes on")

    def save(self, last: bool, interruption: Interruption) -> None:
        """Write a checkpoint, or on a full disk go on without. To be called on every process.

        The last one is waited for, until there is room or the run is asked to stop. Raises OSError
        where it is then not written.
        """
        while True:
            try:
                return self.checkpoints.save(self.accelerator, self.progress.step)
            except OSError as error:
                if interruption.agreed(self.accelerator, 0):
                    raise
                if self.accelerator.is_main_process:
                    goes = f"next attempt in {PATIENCE} s" if last else "training goes on"
                    warn(f"{error}; {goes}")
                if not last:
                    return None
                interruption.wait(PATIENCE)
