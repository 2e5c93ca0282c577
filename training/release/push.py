"""Files to a repository on the Hub: in one commit, or not at all."""

import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_session
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
)
from huggingface_hub.hf_api import ModelInfo, RepoUrl, SpaceInfo

from genmodels.hub import cause, explain_error
from training.core.tracking import warn

PAUSES = (5, 20, 60)  # seconds before the next attempt
SILENCE = 60  # seconds without a word from the Hub, after which an attempt has failed
PUSH_FAILED = 3  # exit code of a command of which all but the push succeeded

# Answers after which another attempt may do better: busy, broken, or a commit came in between.
PASSING = {408, 409, 412, 429, 500, 502, 503, 504}

Kind = Literal["model", "space"]


class PushError(Exception):
    """What was to be pushed is not on the Hub, not even a part of it."""


def push(
    name: str,
    files: Mapping[str, Path | bytes],
    private: bool = False,
    kind: Kind = "model",
    replaced: Collection[str] = (),
    pauses: Sequence[float] = PAUSES,
) -> str:
    """Put files into a repository, which is made where there is none -> its address.

    In one commit, or without one where nothing has changed: so what was granted while the answer
    was lost is not done twice. The token is the one of `hf auth login` or of HF_TOKEN.

    files: by their path in the repository; what else lies in a folder of theirs goes
    private: only ever into a private repository
    replaced: names beside those of the files that go too
    Raises PushError after an attempt that no other would mend, or the last one.
    """
    for pause in (*pauses, None):
        try:
            return attempt(name, files, private, kind, replaced)
        except Exception as error:  # anything may happen on the way
            if pause is None or not is_transient(error):
                raise PushError(f"could not push to {name!r}: {explain_error(error)}") from error
            warn(f"the push to {name!r} failed: {explain_error(error)}; next attempt in {pause} s")
            time.sleep(pause)


def attempt(
    name: str,
    files: Mapping[str, Path | bytes],
    private: bool,
    kind: Kind,
    replaced: Collection[str],
) -> str:
    """As `push`, once. Raises what the client does."""
    hub = HfApi(token=True)
    address, found = create_repository(name, private, kind)
    folders = {path.split("/")[0] for path in files} | set(replaced)
    there = [sibling.rfilename for sibling in found.siblings]
    stale = [path for path in there if path.split("/")[0] in folders and path not in files]
    hub.create_commit(
        address.repo_id,
        [CommitOperationAdd(path, file) for path, file in files.items()]
        + [CommitOperationDelete(path, is_folder=False) for path in stale],
        commit_message=f"Publish {address.repo_name}",
        repo_type=kind,
        parent_commit=found.sha,  # another's commit since then is none that may be overwritten
    )
    return str(address)


def create_repository(
    name: str, private: bool, kind: Kind = "model"
) -> tuple[RepoUrl, ModelInfo | SpaceInfo]:
    """A repository's address and what lies in it; it is made where there is none.

    Raises PermissionError for a public one where it is to be private, and what the client does.
    """
    get_session().timeout = SILENCE  # by itself it would wait forever
    hub = HfApi(token=True)
    address = hub.create_repo(
        name,
        private=private or None,  # None: as its owner has it by default
        repo_type=kind,
        space_sdk="gradio" if kind == "space" else None,
        exist_ok=True,
    )
    found = hub.repo_info(address.repo_id, repo_type=kind)
    if private and not found.private:
        raise PermissionError("it is public, but was to be private: make it so in its settings")
    return address, found


def is_transient(error: BaseException) -> bool:
    """Whether another attempt may succeed."""
    error = cause(error)
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in PASSING
    lasting = (HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled, PermissionError)
    return not isinstance(error, (*lasting, ValueError))
