"""The training loop, the same for every objective."""

import itertools
import math
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from genmodels.errors import UserError, first_line
from genmodels.hub import explain_error
from genmodels.metrics.evaluation import Result
from genmodels.networks.classifier import Classifier
from genmodels.pipelines.base import LatentPipeline
from training.configs.config import Config
from training.core.batches import Batches, PrefetchedBatches, mix_seed
from training.core.checkpoints import WRITE_ERRORS, Checkpoints
from training.core.evaluation import evaluator
from training.core.interruption import Interrupted, Interruption, interruptible
from training.core.processes import call_on_all, call_on_main, check_equal
from training.core.setup import load, load_pretrained, load_test, run_settings, start
from training.core.tracking import Curves, LossMeter, read_curves, warn
from training.core.trainer import Trainer
from training.release.previews import preview
from training.release.publish import publish, push_folder
from training.release.push import PAUSES, PUSH_ERRORS, PushError, create_repository, is_transient
from training.release.records import run_record

RETRY_AFTER = 30  # seconds between two attempts to write the last checkpoint
ATTEMPTS = 20  # to write the last checkpoint: ten minutes to make room on the disk
FIT_BATCHES = 32  # for previews; evaluation and publishing fit to all data


def train(config: Config) -> LatentPipeline | Classifier:
    """Train a model, publish its EMA weights in `config.output_dir` and return it.

    Raises UserError before anything is written, FloatingPointError if training diverges, OSError
    if the disk is full, Interrupted, or PushError. The last good checkpoint survives them all.
    """
    run = Run(config)
    progress, is_main = run.progress, run.accelerator.is_main_process
    total = config.max_train_steps
    bar = tqdm(total=total, initial=progress.step, unit="step", disable=not is_main)
    started = time.perf_counter() - progress.seconds
    with (
        interruptible() as interruption,
        closing(run.curves),
        closing(bar),
        closing(run.batches),
    ):
        while progress.step < total:
            for network, losses in run.trainer.train_step(run.batches):
                run.losses.add(progress.step, network, losses)
            progress.seconds = time.perf_counter() - started
            bar.update()

            last = progress.step == total
            stop = interruption.agreed(run.accelerator, progress.step)
            saves = last or stop or progress.step % config.checkpointing_steps == 0
            if saves or progress.step % config.logging_steps == 0:
                bar.set_postfix({name: f"{value:.4g}" for name, value in run.report().items()})
            if last or progress.step % config.preview_steps == 0:
                run.log_preview()
            due = run.evaluation and progress.step % config.eval_every == 0
            if due and not last and not stop:
                run.evaluate()
            if saves:
                run.save(last, interruption)
                if config.hub_strategy == "every_save" and not last and not stop:
                    run.push_intermediate()
            if stop and not last:
                message = f"stopped after step {progress.step} of {total}"
                message += "; resume with --resume_from_checkpoint latest"
                if is_main:
                    bar.write(message, file=sys.stderr)
                raise Interrupted(stop, message)
        if run.evaluation:
            run.evaluate()
        if is_main:
            run.publish(run.folder)
            tqdm.write(f"published in {config.output_dir}")
    # Signal handlers are restored, so that Ctrl-C ends a push that waits.
    if config.push_to_hub and is_main:
        tqdm.write(f"pushed to {run.push(PAUSES)}")
    return run.pipeline


class Run:
    """The state of a run: new, or resumed from a checkpoint."""

    def __init__(self, config: Config) -> None:
        self.config, self.folder = config, Path(config.output_dir)
        self.accelerator = accelerator = start(config)
        self.images = images = call_on_all(accelerator, partial(load, config))
        if accelerator.is_main_process:
            tqdm.write(images.describe())
        settings = run_settings(config, images, accelerator)
        check_equal(accelerator, settings)
        self.checkpoints = Checkpoints(
            self.folder, config.checkpoints_total_limit, config.max_train_steps, settings
        )
        checkpoint = self.checkpoints.find(accelerator, config.resume_from_checkpoint)

        torch.manual_seed(mix_seed("weights", config.seed))
        labels = images.labels if config.conditional else None
        num_classes = len(images.classes) if config.conditional else None
        networks = config.architecture.networks(images.channels, images.side, num_classes)
        if (source := config.pretrained_model_name_or_path) is not None and not checkpoint:
            copy = partial(load_pretrained, source, config.objective, networks)
            call_on_all(accelerator, copy)
        self.trainer = Trainer(config, networks, accelerator)
        self.progress = self.trainer.progress
        if checkpoint:
            self.checkpoints.load(accelerator, checkpoint)

        common = (config.train_batch_size, config.seed, accelerator.device)
        ranks = (accelerator.process_index, accelerator.num_processes)
        random = (config.random_flip, config.resize_mode == "random_crop")
        batches = Batches(images.pixels, *common, *ranks, labels, *random)
        self.batches = PrefetchedBatches(batches)
        # Unaugmented, the same on every process; the pixels may already be on the device.
        self.clean_batches = Batches(batches.pixels, *common, labels=labels)
        self.losses = LossMeter(accelerator)
        self.pipeline = config.objective.pipeline(self.trainer.ema.networks)
        self.preview = preview(self.pipeline, self.clean_batches)
        self.evaluation = None
        if config.eval_every is not None:
            sampling = (config.eval_extractor, config.eval_samples, config.seed)
            test = partial(load_test, config, images.classes)
            build = partial(evaluator, self.pipeline, images, *sampling, test, accelerator)
            self.evaluation = call_on_all(accelerator, build)
        self.result: tuple[int, Result | None] = (0, None)  # step and result of the last evaluation
        if config.push_to_hub:
            call_on_main(accelerator, self.check_hub)
        self.checkpoints.begin(accelerator)
        self.curves = Curves(accelerator, self.folder, vars(config), checkpoint is not None)

    def report(self) -> dict[str, float]:
        """Log and return the mean losses since the last report. Call on every process.

        Raises FloatingPointError if a loss or a weight is not finite.
        """
        step, weights = self.progress.step, self.trainer.networks.parameters()
        try:
            means = self.losses.take()
            if not all(weight.isfinite().all() for weight in weights):
                raise FloatingPointError(f"training diverged: non-finite weights at step {step}")
        except FloatingPointError as error:
            raise FloatingPointError(f"{error}; {self.checkpoints.describe_last()}") from error
        self.curves.log(means, step)
        return means

    def fit(self, batches: int | None = None) -> None:
        """Fit the parts of the pipeline that no gradient trains to some batches, or to all data."""
        epoch = math.ceil(len(self.clean_batches.pixels) / self.clean_batches.size)
        numbers = range(epoch if batches is None else batches)
        self.config.objective.fit(self.pipeline, (self.clean_batches[n] for n in numbers))

    def log_preview(self) -> None:
        """Draw and log a sample grid. Call on every process."""
        if self.accelerator.is_main_process:
            self.fit(FIT_BATCHES)
            self.curves.log_preview(self.preview.draw(), self.progress.step)

    def evaluate(self) -> None:
        """Evaluate the EMA weights; publish the best in best/. Call on every process."""
        self.trainer.broadcast_buffers()
        self.fit()
        result = self.evaluation()
        self.curves.log(result.numbers, self.progress.step)
        self.result = self.progress.step, result
        if result.protocol != self.progress.protocol:  # scores are not comparable
            self.progress.best, self.progress.protocol = math.inf, result.protocol
        (score,) = result.numbers.values()
        if score < self.progress.best:
            try:
                if self.accelerator.is_main_process:
                    self.publish(self.folder / "best")
                self.progress.best = score
            except OSError as error:
                warn(f"could not keep the best model so far: {error}")

    def publish(self, folder: Path) -> None:
        """Publish the EMA weights. Call on the main process. Raises OSError on a full disk."""
        config, pipeline, (step, result) = self.config, self.pipeline, self.result
        self.fit()
        try:
            picture, curves = self.preview.draw(), read_curves(self.curves.file)
            record = run_record(config, self.images, self.progress, self.accelerator, pipeline)
            result = result if step == self.progress.step else None
            half = config.save_precision == "fp16"
            publish(folder, pipeline, picture, curves, record, result, half)
        except WRITE_ERRORS as error:
            raise OSError(
                f"could not publish in {folder}: {first_line(error)}; "
                f"{self.checkpoints.describe_last()}, resume with --resume_from_checkpoint latest"
            ) from error

    def check_hub(self) -> None:
        """Create the repository, so that permanent errors, such as a read-only token, fail now."""
        try:
            create_repository(self.config.repository, self.config.hub_private_repo)
        except PUSH_ERRORS as error:
            message = f"could not push to {self.config.repository!r}: {explain_error(error)}"
            if not is_transient(error):
                raise UserError(message) from error
            warn(f"{message}; training continues")

    def push(self, pauses: Sequence[float]) -> str:
        """Push the published model -> its URL. Call on the main process. Raises PushError."""
        config = self.config
        return push_folder(self.folder, config.repository, config.hub_private_repo, pauses)

    def push_intermediate(self) -> None:
        """Publish and push the current EMA weights; on failure, training continues."""
        if self.config.push_to_hub and self.accelerator.is_main_process:
            try:
                self.publish(self.folder)
                self.push(pauses=())
            except (OSError, PushError) as error:
                warn(f"{error}; training continues")

    def save(self, last: bool, interruption: Interruption) -> None:
        """Write a checkpoint; if the disk is full, training continues. Call on every process.

        The last one is retried. Raises OSError after ATTEMPTS, or if the run is interrupted.
        """
        for attempt in itertools.count(1):
            try:
                return self.checkpoints.save(self.accelerator, self.progress.step)
            except OSError as error:
                stop = interruption.agreed(self.accelerator, 0)
                if stop or (last and attempt == ATTEMPTS):
                    raise OSError(f"{error}; {self.checkpoints.describe_last()}") from error
                if self.accelerator.is_main_process:
                    follow = f"next attempt in {RETRY_AFTER} s" if last else "training continues"
                    warn(f"{error}; {follow}")
                if not last:
                    return None
                interruption.wait(RETRY_AFTER)
