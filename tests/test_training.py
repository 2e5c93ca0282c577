import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate.state import AcceleratorState
from huggingface_hub import ModelCard
from PIL import Image
from safetensors.torch import load_file

import genmodels
from genmodels import data
from genmodels.errors import UserError
from genmodels.media.image import from_pixels
from genmodels.networks.classifier import Classifier
from tests.conftest import FASHION, FIRST_PRESETS, ROOT
from training.configs.config import Config
from training.configs.presets import PRESETS
from training.core import setup
from training.core.checkpoints import step_of
from training.core.ema import EMA
from training.core.loop import Run, train
from training.objectives import OBJECTIVES
from training.objectives.adversarial import Adversarial
from training.release import figures, model_cards, records

Small = Callable[..., Config]


def load_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Return all tensors of a run's last checkpoint and published model, by file and name."""
    last = max(folder.glob("checkpoint-*"), key=step_of)
    tensors = {}
    for file in [*last.glob("*.safetensors"), *folder.glob("[!.]*/diffusion*.safetensors")]:
        for name, tensor in load_file(file).items():
            tensors[f"{file.relative_to(folder)}:{name}"] = tensor
    for file in last.glob("optimizer*.bin"):
        for index, state in torch.load(file)["state"].items():
            for name, tensor in state.items():
                tensors[f"{file.name}:{index}:{name}"] = tensor
    return tensors


def assert_equal(one: Path, other: Path) -> None:
    tensors, other_tensors = load_tensors(one), load_tensors(other)
    assert tensors.keys() == other_tensors.keys()
    assert len(tensors) > 10
    assert [name for name in tensors if not torch.equal(tensors[name], other_tensors[name])] == []


# A preset per objective, and one per kind of conditional network.
NAMES = [
    *FIRST_PRESETS.values(),
    "vae-fashion-conditional",
    "sngan-fashion-conditional",
    "diffusion-fashion-conditional",
]
GENERATORS = [name for name in NAMES if name != "classifier-fashion"]


@pytest.mark.parametrize("name", GENERATORS)
def test_training_publishes_a_pipeline(name: str, small: Small) -> None:
    config = small(name, preview_steps=2, checkpointing_steps=1, checkpoints_total_limit=2)
    pipeline = train(config)
    folder = Path(config.output_dir)
    rng = torch.Generator().manual_seed(1)
    loaded = genmodels.load(folder)(4, rng, output_type="pt").images
    assert torch.equal(loaded, pipeline(4, rng.manual_seed(1), output_type="pt").images)
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == [
        "checkpoint-3",
        "checkpoint-4",
    ]
    assert [path.name for path in sorted((folder / "samples").iterdir())] == [
        "0000002.png",
        "0000004.png",
    ]
    columns, rows = (10, 6) if config.conditional else (8, 8)
    assert Image.open(folder / "samples.png").size == (columns * 30 + 2, rows * 30 + 2)
    assert not list(folder.glob(".[!.]*"))


def test_fp16_weights_give_nearly_the_same_samples(small: Small) -> None:
    sizes, samples = [], []
    for precision in ("fp32", "fp16"):
        config = small(
            "vae-fashion",
            save_precision=precision,
            output_dir=f"{small('ae-fashion').output_dir}-{precision}",
        )
        train(config)
        folder = Path(config.output_dir)
        sizes.append(sum(file.stat().st_size for file in folder.glob("autoencoder/*.safetensors")))
        pipeline = genmodels.load(folder)
        assert pipeline.dtype == torch.float32
        samples.append(pipeline(8, torch.Generator().manual_seed(0), output_type="pt").images)
    assert sizes[1] < 0.6 * sizes[0]
    assert not torch.equal(*samples)
    assert (samples[0] - samples[1]).abs().max() < 2 / 255


def test_training_publishes_a_classifier_with_its_error(small: Small) -> None:
    config = small("classifier-fashion", eval_every=2)
    trained = train(config)
    folder = Path(config.output_dir)
    loaded = Classifier.from_pretrained(folder).eval()
    real = data.load(FASHION, split="test")
    with torch.no_grad():
        samples = from_pixels(real.pixels[:])
        logits = loaded(samples)
        assert torch.equal(logits, trained(samples))
    error = (logits.argmax(1) != real.labels).double().mean().item()
    card = (folder / "README.md").read_text()
    assert f"| error {error:.4g} | of the 200 images of split test |" in card
    assert "pipeline_tag: image-classification" in card
    assert "8 Bag, 9 Ankle boot." in card
    assert Image.open(folder / "samples.png").size == (10 * 30 + 2, 6 * 30 + 2)
    assert not list(folder.glob(".[!.]*"))


def train_and_get_losses(config: Config, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """Train and return the logged values of each loss."""
    logged: dict[str, list[float]] = {}

    def log(self: object, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            logged.setdefault(name, []).append(value)

    monkeypatch.setattr("accelerate.Accelerator.log", log)
    train(config)
    return logged


# The Bernoulli likelihood of gray levels has a high entropy that no decoder can remove.
@pytest.mark.parametrize(("likelihood", "share"), [("normal", 0.5), ("bernoulli", 0.75)])
def test_vae_learns_to_reconstruct(
    likelihood: str, share: float, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = OBJECTIVES["vae"](likelihood=likelihood)
    settings = {"max_train_steps": 40, "learning_rate": 2e-3, "logging_steps": 10}
    losses = train_and_get_losses(small("vae-fashion", objective=vae, **settings), monkeypatch)
    first, *_, last = losses["autoencoder/reconstruction"]
    assert len(losses["autoencoder/reconstruction"]) == 4
    assert last < share * first


def test_wgan_gp_critic_distance_grows_then_shrinks(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small("wgan-gp-fashion", max_train_steps=70, learning_rate=2e-3, logging_steps=10)
    distances = [
        -loss for loss in train_and_get_losses(config, monkeypatch)["critic/negative distance"]
    ]
    assert max(distances) > 1.5 * distances[0]
    assert distances[-1] < 0.5 * max(distances)


@pytest.mark.parametrize("name", NAMES)
def test_resume_equals_uninterrupted(name: str, small: Small, tmp_path: Path) -> None:
    uninterrupted, resumed = str(tmp_path / "uninterrupted"), str(tmp_path / "resumed")
    # The learning rate of `small` is constant, so a shorter run can be extended.
    fields = {"gradient_accumulation_steps": 2, "max_train_steps": 4}
    train(small(name, output_dir=uninterrupted, **fields))
    train(small(name, output_dir=resumed, **fields | {"max_train_steps": 2}))
    train(small(name, output_dir=resumed, resume_from_checkpoint="latest", **fields))
    assert_equal(Path(uninterrupted), Path(resumed))


@pytest.mark.parametrize("name", [name for name in GENERATORS if name in FIRST_PRESETS.values()])
def test_run_starts_from_pretrained_weights(name: str, small: Small, tmp_path: Path) -> None:
    first = small(name, learning_rate=1e-2, seed=7)
    train(first)
    fields = {"learning_rate": 1e-12, "max_train_steps": 1}
    scratch = train(small(name, output_dir=str(tmp_path / "scratch"), **fields))
    fields |= {"pretrained_model_name_or_path": first.output_dir}
    finetuned = train(small(name, output_dir=str(tmp_path / "finetuned"), **fields))
    source, *others = (
        torch.nn.utils.parameters_to_vector(
            weight
            for part, network in pipeline.components.items()
            if isinstance(network, torch.nn.Module)
            and part != "prior"  # the prior is fitted without gradients
            for weight in network.parameters()
        )
        for pipeline in (genmodels.load(first.output_dir), finetuned, scratch)
    )
    distances = [(other.detach() - source.detach()).abs().max() for other in others]
    assert distances[0] < 1e-5 < 1e-2 < distances[1]


def test_mismatched_pretrained_models_are_rejected(small: Small, tmp_path: Path) -> None:
    source = str(ROOT / "checkpoints/vae-fashion")
    for name, sentence in (
        ("vae-fashion", "expected the autoencoder in .* with blocks 0, got 1"),
        ("gan-fashion", "expected generator in .*, got autoencoder"),
        ("classifier-fashion", "expected no --pretrained_model_name_or_path with a classifier"),
    ):
        with pytest.raises(UserError, match=sentence):
            train(small(name, pretrained_model_name_or_path=source))
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["vae-fashion", "r3gan-fashion", "diffusion-fashion"])
def test_seed_determines_the_run(name: str, small: Small, tmp_path: Path) -> None:
    for folder, seed in [("one", 0), ("again", 0), ("other", 1)]:
        train(small(name, output_dir=str(tmp_path / folder), seed=seed, max_train_steps=2))
    assert_equal(tmp_path / "one", tmp_path / "again")
    with pytest.raises(AssertionError):
        assert_equal(tmp_path / "one", tmp_path / "other")


@pytest.mark.parametrize("name", GENERATORS)
def test_bfloat16_trains_and_publishes_float32(name: str, small: Small) -> None:
    config = small(name, mixed_precision="bf16", max_train_steps=2)
    pipeline = train(config)
    assert pipeline.dtype == torch.float32
    assert genmodels.load(config.output_dir)(1, output_type="pt").images.isfinite().all()


def launch(
    *arguments: str, processes: int = 1, program: tuple[str, ...] = ("-m", "training")
) -> subprocess.Popen:
    """Start the training command, or another program, in one or more CPU processes."""
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    torchrun += ["--standalone"]  # on a free port, since tests may run in parallel
    return subprocess.Popen(
        [sys.executable, *(torchrun if processes > 1 else []), *program, *arguments],
        cwd=ROOT,
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(run: subprocess.Popen) -> None:
    """Wait for a run to succeed."""
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output


def tiny(folder: Path, **fields: object) -> list[str]:
    flags = {
        "dataset_name": FASHION,
        "latent_dim": 8,
        "width": 8,
        "blocks": 0,
        "train_batch_size": 8,
        "max_train_steps": 4,
        "lr_scheduler": "constant",
        "mixed_precision": "no",
        "output_dir": folder,
        "report_to": "none",
    }
    return [
        word
        for name, value in (flags | fields).items()
        if value is not None
        for word in (f"--{name}", str(value))
    ]


def script(path: Path, source: str) -> tuple[str]:
    """Write a program for `launch`."""
    path.write_text(source)
    return (str(path),)


@pytest.fixture(scope="module")
def two_process_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of runs with two processes: each preset uninterrupted, and resumed."""
    folder = tmp_path_factory.mktemp("two_process_runs")
    program = script(folder / "two_processes.py", TWO_PROCESSES)
    finish(launch(str(folder), *NAMES, processes=2, program=program))
    return folder


# One launch trains all presets, because starting takes longer than training.
TWO_PROCESSES = """
import os, sys
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from tests.conftest import shrink
from training.core.loop import Run, train

folder, *names = sys.argv[1:]
Accelerator.end_training = lambda self: None  # keep the group
for name in names:
    fields = {"gradient_accumulation_steps": 2, "max_train_steps": 4}
    for subfolder, more in [
        ("uninterrupted", {}),
        ("resumed", {"max_train_steps": 2}),
        ("resumed", {"resume_from_checkpoint": "latest"}),
    ]:
        AcceleratorState._reset_state()
        train(shrink(name, output_dir=f"{folder}/{name}/{subfolder}", **fields | more))
    AcceleratorState._reset_state()
    run = Run(shrink(name, output_dir=f"{folder}/{name}/updates", **fields))
    for network in run.config.objective.update_order(0) * 2:
        run.trainer.update(network, run.batches)
    torch.save(
        {
            "sample": run.batches[0].samples.sum(),
            "weights": list(run.trainer.networks.parameters()),
        },
        f"{folder}/{name}/rank{run.accelerator.process_index}.pt",
    )
run.accelerator.wait_for_everyone()
os._exit(0)  # the exit of the interpreter may hang in gloo's threads
"""


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_resume_bit_equal(name: str, two_process_runs: Path) -> None:
    assert_equal(two_process_runs / name / "uninterrupted", two_process_runs / name / "resumed")
    card = (two_process_runs / name / "uninterrupted" / "README.md").read_text()
    assert "on 2 processes with" in card


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_share_gradients(name: str, two_process_runs: Path) -> None:
    """Both processes have the same weights after updates on different samples."""
    one, other = (torch.load(two_process_runs / name / f"rank{rank}.pt") for rank in (0, 1))
    assert one["sample"] != other["sample"]
    for weight, other_weight in zip(one["weights"], other["weights"], strict=True):
        assert torch.equal(weight, other_weight)


def test_failed_publishing_leaves_no_partial_model(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small("vae-fashion")

    def fail(self: object, path: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(model_cards.ModelCard, "save", fail)
    with pytest.raises(OSError, match="no space"):
        train(config)
    assert not (Path(config.output_dir) / "model_index.json").exists()
    monkeypatch.undo()
    train(dataclasses.replace(config, resume_from_checkpoint="latest"))
    assert genmodels.load(config.output_dir)


def test_card_has_the_command_and_the_dataset(small: Small) -> None:
    config = small("gan-saturating-fashion", seed=5, mixed_precision="bf16")
    train(config)
    card = (Path(config.output_dir) / "README.md").read_text()
    assert (
        "`accelerate launch -m training gan-saturating-fashion --dataset_name "
        "tests/data/fashion_mnist --train_batch_size 8 --max_train_steps 4 --seed 5 "
        "--latent_dim 8 --width 8`"
    ) in card
    assert "1,000 grayscale images, 28x28 pixels" in card
    assert "| Dataset | folder fashion_mnist, split `train`: 1,000" in card
    assert "datasets:" not in card
    command = records.training_command(PRESETS["vae-fashion"])
    assert command == "accelerate launch -m training vae-fashion"


def test_local_folder_with_a_slash_is_not_a_hub_dataset(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(FASHION, tmp_path / "data" / "mine")
    monkeypatch.chdir(tmp_path)
    train(small("vae-fashion", dataset_name="data/mine"))
    card = ModelCard.load(tmp_path / "vae-fashion" / "README.md")
    assert card.data.datasets is card.data.license is None
    assert "| Dataset | folder mine, split `train`: 1,000" in card.text


def test_folder_of_images_is_not_a_hub_dataset(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my/photos").mkdir(parents=True)
    for index in range(3):  # fewer than a batch
        Image.new("RGB", (40, 32), (80 * index, 0, 0)).save(f"my/photos/{index}.jpg")
    config = small("wgan-gp-fashion", train_data_dir="my/photos", resolution=32, output_dir=".")
    with pytest.raises(UserError, match="expected a new or empty --output_dir"):
        train(config)
    train(dataclasses.replace(config, output_dir="runs/photos"))
    card = Path("runs/photos/README.md").read_text()
    assert "# photos\n" in card
    assert "| Dataset | folder photos: 3 RGB images, 32x32 pixels |" in card
    assert "datasets:" not in card


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of two colour images of 100 x 100 pixels."""
    folder = tmp_path_factory.mktemp("photos")
    for index in range(2):
        Image.effect_noise((100, 100), 50 + index).convert("RGB").save(folder / f"{index}.png")
    return str(folder)


@pytest.mark.parametrize("name", [name for name in PRESETS if "-photos" in name])
def test_photo_presets_train(name: str, photos: str, small: Small) -> None:
    run = Run(small(name, train_data_dir=photos, train_batch_size=2))
    losses = [loss for _, losses in run.trainer.train_step(run.batches) for loss in losses.values()]
    assert all(loss.isfinite() for loss in losses)
    side = int(name.rpartition("photos")[2])
    assert run.pipeline.sample_shape == (3, side, side)
    if issubclass(type(run.config.objective), Adversarial) and "inpaint" not in name:
        assert run.config.objective.diffaugment == ("color", "translation", "cutout")


def test_image_sides_that_the_network_rejects_are_user_errors(photos: str, small: Small) -> None:
    """Without --resolution the images decide."""
    for name, sides in (("gan-fashion", "96 or 112"), ("diffusion-fashion", "96 or 104")):
        with pytest.raises(UserError, match=f"expected --resolution .*got 100; try {sides}"):
            train(small(name, train_data_dir=photos))
        assert not Path(small(name).output_dir).exists()


def test_ema_follows_weights_and_buffers_with_its_halflife() -> None:
    network = torch.nn.BatchNorm1d(1)
    ema = EMA({"it": network}, ema_halflife=10.0)
    network.weight.data.fill_(0.0)
    ema.update_parameters(torch.nn.ModuleDict({"it": network}))  # the first update copies
    network.weight.data.fill_(1.0)
    network.running_mean.fill_(1.0)
    network.num_batches_tracked.fill_(7)
    for _ in range(1000):  # after the ramp: the full half-life applies from step 200 on
        ema.update_parameters(torch.nn.ModuleDict({"it": network}))
    ema.networks["it"].weight.data.fill_(0.0)
    ema.networks["it"].running_mean.fill_(0.0)
    for _ in range(10):
        ema.update_parameters(torch.nn.ModuleDict({"it": network}))
    assert ema.networks["it"].weight.item() == pytest.approx(0.5, abs=1e-5)
    assert ema.networks["it"].running_mean.item() == pytest.approx(0.5, abs=1e-5)
    assert ema.networks["it"].num_batches_tracked.item() == 7


def test_trackers_receive_losses_and_previews(small: Small, tmp_path: Path) -> None:
    store = Path(os.environ["TRACKIO_DIR"])
    for tracker in ("trackio", "tensorboard"):
        train(small("vae-fashion", report_to=tracker, output_dir=str(tmp_path / tracker)))
    assert b"autoencoder/reconstruction" in (store / "genmodels.db").read_bytes()
    assert len(list((store / "media/genmodels/trackio").rglob("*.png"))) == 1
    events = b"".join(file.read_bytes() for file in (tmp_path / "tensorboard").rglob("events*"))
    assert b"autoencoder/reconstruction" in events
    assert b"samples" in events


def test_curves_continue_after_an_incomplete_line_and_are_published(small: Small) -> None:
    fields = {"report_to": "none", "logging_steps": 1, "eval_every": 2, "eval_extractor": "domain"}
    config = small("gan-fashion", max_train_steps=2, eval_samples=20, **fields)
    train(config)
    folder = Path(config.output_dir)
    file = folder / "curves.jsonl"
    with file.open("a") as curves:
        curves.write('{"step": 3, "critic/re')
    train(dataclasses.replace(config, max_train_steps=4, resume_from_checkpoint="latest"))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 2, 3, 4, 4]
    assert rows[0].keys() == {"step", "critic/real", "critic/fake", "generator/-log D"}
    assert rows[2].keys() == {"step", "fid"}
    assert [len(axis.lines) for axis in figures.losses(rows).axes] == [2, 1, 1]
    assert figures.losses([]).axes == []
    for published in (folder, folder / "best"):
        assert Image.open(published / "curves.png").width > 1000
        assert "](curves.png)" in (published / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", [1, 1, 1, 1, 1, 1]),
        ("constant_with_warmup", [0, 0.5, 1, 1, 1, 1]),
        ("linear", [0, 0.5, 1, 0.75, 0.5, 0.25]),
        ("cosine", [0, 0.5, 1, 0.854, 0.5, 0.146]),
    ],
)
def test_learning_rate_follows_its_schedule_for_every_network(
    name: str, expected: list[float], small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    step = torch.optim.RMSprop.step

    def record(self: torch.optim.Optimizer, *arguments: object, **fields: object) -> object:
        rates.extend(group["lr"] for group in self.param_groups)
        return step(self, *arguments, **fields)

    monkeypatch.setattr(torch.optim.RMSprop, "step", record)
    fields = {"lr_scheduler": name, "lr_warmup_steps": 2, "learning_rate": 1e-4}
    config = small("wgan-fashion", max_train_steps=6, **fields)
    train(config)
    updates = config.objective.critic_updates + 1  # critic updates and one generator update
    expected = [rate * 1e-4 for rate in expected for _ in range(updates)]
    assert rates == pytest.approx(expected, rel=1e-2, abs=1e-12)


def test_gradient_accumulation_equals_one_large_batch(small: Small, tmp_path: Path) -> None:
    """Needs a critic without batch normalisation and a generator that ignores its latents."""
    weights = []
    for folder, passes, size in [("one", 1, 16), ("many", 4, 4)]:
        fields = {"gradient_accumulation_steps": passes, "train_batch_size": size}
        run = Run(small("wgan-gp-fashion", output_dir=str(tmp_path / folder), **fields))
        run.trainer.networks["generator"] = ConstantGenerator()
        objective = dataclasses.replace(run.trainer.config.objective, penalty_weight=0.0)
        run.trainer.config = dataclasses.replace(run.trainer.config, objective=objective)
        run.trainer.update("critic", run.batches)
        weights.append([weight.clone() for weight in run.trainer.networks["critic"].parameters()])
    for one, many in zip(*weights, strict=True):
        assert torch.allclose(one, many, atol=1e-5)


class ConstantGenerator(torch.nn.Module):
    """A generator with constant samples."""

    config = SimpleNamespace(latent_dim=8)

    def forward(self, latents: torch.Tensor, labels: None) -> torch.Tensor:
        return torch.zeros(len(latents), 1, 28, 28)


def test_conditional_run_needs_classes(small: Small, tmp_path: Path) -> None:
    Image.new("L", (28, 28)).save(tmp_path / "one.png")
    config = small("vae-fashion-conditional", train_data_dir=str(tmp_path))
    with pytest.raises(UserError, match=r"expected class labels in .* for --conditional"):
        train(config)


# accelerate shards on accelerators only; these patches make it shard on the CPU.
SHARDED = """
import os, sys
os.environ |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
os.environ |= {"FSDP_AUTO_WRAP_POLICY": "NO_WRAP", "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT"}
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from genmodels.errors import UserError
from tests.conftest import shrink
from training.core.loop import train

kind = property(lambda self: DistributedType.FSDP, lambda self, value: None)
AcceleratorState.distributed_type = kind
AcceleratorState.fsdp_plugin = FullyShardedDataParallelPlugin()

end, Accelerator.end_training = Accelerator.end_training, lambda self: None  # keep the group
folder, *names = sys.argv[1:]
for name in names:
    for fields in ({"max_train_steps": 2}, {"resume_from_checkpoint": "latest"}):
        AcceleratorState._reset_state()
        try:
            train(shrink(name, output_dir=f"{folder}/{name}", **fields))
        except UserError as error:
            print(error)
end(Accelerator())
"""


def test_sharded_runs_save_and_resume(tmp_path: Path) -> None:
    names = ["vae-fashion", "sngan-fashion", "diffusion-fashion", "wgan-gp-fashion"]
    program = script(tmp_path / "sharded.py", SHARDED)
    run = launch(str(tmp_path), *names, processes=2, program=program)
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output
    assert "expected DDP, got FSDP: FSDP cannot train with a gradient penalty" in output
    for name in names[:-1]:
        assert (tmp_path / name / "checkpoint-4" / "pytorch_model_fsdp_0").is_dir()
        samples = genmodels.load(tmp_path / name)(2, output_type="pt").images
        assert samples.isfinite().all()


def test_ema_averages_full_sharded_weights() -> None:
    torch.distributed.init_process_group("gloo", "tcp://127.0.0.1:29519", rank=0, world_size=1)
    try:
        networks = torch.nn.ModuleDict({"it": torch.nn.Linear(4, 4)})
        ema = EMA({"it": networks["it"]}, ema_halflife=1.0)
        mesh = torch.distributed.init_device_mesh("cpu", (1,))
        torch.distributed.fsdp.fully_shard(networks["it"], mesh=mesh)
        ema.update_parameters(networks)
        full_weight = networks["it"].weight.full_tensor()
        assert torch.equal(ema.networks["it"].weight, full_weight)
        assert type(ema.networks["it"].weight.data) is torch.Tensor
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler")
def test_compiled_run_trains_the_same_model(small: Small, tmp_path: Path) -> None:
    config = small("vae-fashion", torch_compile=True, output_dir=str(tmp_path / "compiled"))
    run = Run(config)
    assert run.trainer.states["autoencoder"].model is not run.trainer.networks["autoencoder"]
    shutil.rmtree(config.output_dir)
    compiled = train(config)
    AcceleratorState._reset_state(reset_partial_state=True)
    eager = train(small("vae-fashion"))
    latents = eager.draw(4, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(eager.decode(latents), compiled.decode(latents), atol=1e-2)
        loaded = genmodels.load(config.output_dir)
        assert torch.equal(loaded.decode(latents), compiled.decode(latents))


def test_run_without_bfloat16_support_uses_float32(
    small: Small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Emulated bfloat16 is about a hundred times slower than float32."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")  # as set by accelerate launch
    for supported, option, precision in (
        (True, "bf16", "bf16"),
        (False, "bf16", "no"),
        (False, None, "no"),
        (True, None, "bf16"),
        (True, "no", "no"),
    ):
        config = small("vae-fashion", mixed_precision=option)
        AcceleratorState._reset_state(reset_partial_state=True)
        monkeypatch.setattr(setup, "supports_bf16", lambda supported=supported: supported)
        assert setup.start(config).mixed_precision == precision
        assert ("has no bfloat16" in capsys.readouterr().err) == (not supported)
