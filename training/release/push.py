"""Push files to a Hub repository in one commit, or not at all."""

import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, errors, get_session
from huggingface_hub.hf_api import ModelInfo, RepoUrl, SpaceInfo
from huggingface_hub.utils import httpx  # the HTTP client of huggingface_hub, of any name

from genmodels.hub import cause, explain_error
from training.core.tracking import warn

PAUSES = (5, 20, 60)  # seconds before the next attempts
TIMEOUT = 60  # seconds without an answer from the Hub before an attempt fails
PUSH_FAILED = 3  # exit code of a command whose push alone failed

# The server is busy or failed, or another commit came first: another attempt may succeed.
TRANSIENT_STATUS = {408, 409, 412, 429, 500, 502, 503, 504}

# Permanent push errors, such as a read-only token or an invalid repository id.
PERMANENT_ERRORS = (errors.HFValidationError, errors.LocalTokenNotFoundError)
PERMANENT_ERRORS += (errors.OfflineModeIsEnabled, PermissionError, ValueError)

# Errors of the client, the network and the disk; any other exception is a bug.
PUSH_ERRORS = (httpx.HTTPError, OSError, RuntimeError, ValueError)

Kind = Literal["model", "space"]
Files = Mapping[str, Path | bytes]  # by path in the repository


class PushError(Exception):
    """The push failed; nothing was committed, as far as the client knows."""


def push(
    name: str,
    files: Files,
    private: bool = False,
    kind: Kind = "model",
    replaced: Collection[str] = (),
    pauses: Sequence[float] = PAUSES,
) -> str:
    """Push files to a repository, which is created if needed -> its URL.

    All changes go in one commit; unchanged files make none, so a retry after a lost answer does
    not commit twice. The token is that of `hf auth login` or HF_TOKEN.

    Args:
        files: other files in the same top-level folders are deleted
        private: push to a private repository only
        replaced: further top-level names to delete if `files` lacks them
        pauses: seconds before each further attempt

    Raises PushError after a permanent error, or if the last attempt failed.
    """
    for pause in (*pauses, None):
        try:
            return attempt(name, files, private, kind, replaced)
        except PUSH_ERRORS as error:
            if pause is None or not is_transient(error):
                raise PushError(f"could not push to {name!r}: {explain_error(error)}") from error
            warn(f"push to {name!r} failed: {explain_error(error)}; next attempt in {pause} s")
            time.sleep(pause)


def attempt(name: str, files: Files, private: bool, kind: Kind, replaced: Collection[str]) -> str:
    """Try once to push; see `push`. Raises the client's errors."""
    hub = HfApi(token=True)
    url, info = create_repository(name, private, kind)
    folders = {path.split("/")[0] for path in files} | set(replaced)
    existing = [sibling.rfilename for sibling in info.siblings]
    stale = [path for path in existing if path.split("/")[0] in folders and path not in files]
    hub.create_commit(
        url.repo_id,
        [CommitOperationAdd(path, file) for path, file in files.items()]
        + [CommitOperationDelete(path, is_folder=False) for path in stale],
        commit_message=f"Publish {url.repo_name}",
        repo_type=kind,
        parent_commit=info.sha,  # never overwrite a commit that came in between
    )
    return str(url)


def create_repository(
    name: str, private: bool, kind: Kind = "model"
) -> tuple[RepoUrl, ModelInfo | SpaceInfo]:
    """Create a repository unless it exists -> its URL and its contents. Raises client errors."""
    get_session().timeout = TIMEOUT  # the client's default is to wait forever
    hub = HfApi(token=True)
    url = hub.create_repo(
        name,
        private=private or None,  # None: the owner's default
        repo_type=kind,
        space_sdk="gradio" if kind == "space" else None,
        exist_ok=True,
    )
    info = hub.repo_info(url.repo_id, repo_type=kind)
    if private and not info.private:
        remedy = "make it private in its settings"
        raise PermissionError(f"expected a private repository, got a public one; {remedy}")
    return url, info


def is_transient(error: BaseException) -> bool:
    """Return whether another attempt may succeed."""
    error = cause(error)
    if isinstance(error, errors.HfHubHTTPError):
        return error.response.status_code in TRANSIENT_STATUS
    return not isinstance(error, PERMANENT_ERRORS)
