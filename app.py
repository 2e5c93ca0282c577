"""The Gradio app: python app.py [--models DIR_OR_REPO ...] [--extractor FOLDER] [--share]"""

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

# Idle threads must not spin: with many users on few cores, that doubles the response time.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import httpx
import tyro
from huggingface_hub import RepoCard
from tyro.conf import UseAppendAction

from genmodels import ui
from genmodels.errors import UserError, exit_with
from genmodels.ui.models import Models
from training.studies import laboratory

ROOT = Path(__file__).parent
# The local checkpoints, and on a Space the models that its front matter names.
FRONT_MATTER = RepoCard.load(ROOT / "README.md", repo_type="space").data
MODELS = (str(ROOT / "checkpoints"), *(FRONT_MATTER.get("models") or ()))

# Set on a Space.
HOST = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
PORT = int(os.environ.get("GRADIO_SERVER_PORT", 7860))


def main(
    models: tuple[str, ...] = MODELS,
    extractor: Annotated[tuple[str, ...], UseAppendAction] = (),
    host: str = HOST,
    port: int = PORT,
    share: bool = False,
) -> None:
    """Serve the app.

    Args:
        models: model folders, folders that contain model folders, or Hub ids
        extractor: folder of a classifier (python -m training classifier-...) that the Metrics tab
            offers as a feature extractor; repeat the flag for several
        host: address to listen on; 0.0.0.0 for all network interfaces
        port: port to listen on
        share: also create a public link, valid for a week
    """
    tools = ui.Laboratory(
        laboratory.run,
        laboratory.train_critics,
        list(laboratory.EXPERIMENTS),
        list(laboratory.DATASETS),
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Check the port before loading models, which takes longer.
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        sys.exit(serving_error(host, port, error))
    try:
        app = ui.build(Models(models), tools, extractor)
    except UserError as error:
        exit_with(error)
    try:
        app.launch(
            server_name=host,
            server_port=port,
            share=share,
            theme=ui.THEME,
            css=ui.CSS,
            head=ui.HEAD,
            i18n=ui.I18N,
            ssr_mode=False,
            run_history=False,
            max_file_size="5mb",
            footer_links=["api", "settings"],
        )
    except (OSError, httpx.TransportError) as error:
        sys.exit(serving_error(host, port, error))


def serving_error(host: str, port: int, error: Exception) -> int:
    """Print why the app cannot listen -> the exit code."""
    print(f"error: could not serve on {host}:{port}: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    tyro.cli(main)
