"""Push a published model, or the app as a Space, to the Hub.

python -m training.publishing FOLDER --hub_model_id NAME [--hub_private_repo]
python -m training.publishing --space NAME [--models ID ...] [--dry_run]
"""

import sys
from pathlib import Path
from typing import Annotated

import tyro

from genmodels.errors import UserError, run_command
from training.release.publish import published, push_folder
from training.release.push import PUSH_FAILED, PushError, push
from training.release.space import working_tree


def main(
    folder: Annotated[Path | None, tyro.conf.Positional] = None,
    hub_model_id: str | None = None,
    hub_private_repo: bool = False,
    space: str | None = None,
    models: tuple[str, ...] = (),
    dry_run: bool = False,
) -> None:
    """Push a published model, or the app as a Space, to the Hub in one commit.

    Args:
        folder: a run's output_dir, its folder best, or a folder of checkpoints/
        hub_model_id: repository of the model as user/name, created if needed
        hub_private_repo: push to a private repository only
        space: repository of the Space as user/name, created or updated
        models: Hub ids that the Space offers and downloads at build time
        dry_run: list the files with their sizes, push nothing
    """
    if (folder is None) == (space is None) or (folder is None) != (hub_model_id is None):
        raise UserError("expected FOLDER --hub_model_id NAME, or --space NAME")
    if folder is not None and models:
        raise UserError("expected --models only with --space, got a FOLDER")
    files = working_tree(models) if folder is None else published(folder)
    if dry_run:
        for path, file in files.items():
            size = len(file) if isinstance(file, bytes) else file.stat().st_size
            print(f"{size:>12,}  {path}")
        return
    try:
        if folder is None:
            url = push(space, files, hub_private_repo, "space")
        else:
            url = push_folder(folder, hub_model_id, hub_private_repo)
    except PushError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(PUSH_FAILED)
    print(f"pushed to {url}")


if __name__ == "__main__":
    run_command(main, "python -m training.publishing")
