"""Files of repositories on the Hub, and in words what goes wrong on the way there."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import httpx2  # the client of huggingface_hub
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from genmodels.errors import UserError, first_line

# The first that fits: a gated repository is one that is not found too, and all are answers.
WORDS = {
    HFValidationError: "it is no id of a repository",
    OfflineModeIsEnabled: "HF_HUB_OFFLINE keeps from the network",
    LocalTokenNotFoundError: "log in by `hf auth login`, or set HF_TOKEN",
    GatedRepoError: "it is gated: ask for access on its page, then log in by `hf auth login`",
    RepositoryNotFoundError: "there is no such repository, or it is private and not for this token",
    RevisionNotFoundError: "it has no such revision",
    RemoteEntryNotFoundError: "it has no {file}",
    httpx2.TransportError: "the Hub cannot be reached",
}
ANSWERS = {
    401: "the token is missing or wrong: log in by `hf auth login`, or set HF_TOKEN",
    403: "the token is not for that",
    429: "the Hub was asked too often",
}


def cause(error: BaseException) -> BaseException:
    """What an error of huggingface_hub was made of, where it says less than that."""
    hides = isinstance(error, RuntimeError | OSError) and not isinstance(error, HfHubHTTPError)
    return error.__cause__ if hides and error.__cause__ is not None else error


def explain_error(error: BaseException) -> str:
    """Why the Hub gave or took nothing."""
    error = cause(error)
    for kind, words in WORDS.items():
        if isinstance(error, kind):
            file = error.response.url.path.split("/")[-1] if "{file}" in words else ""
            return words.format(file=file)
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return ANSWERS.get(status, f"the Hub answers with {status}")
    return first_line(error)


def download(source: str, wanted: Sequence[str], revision: str | None = None) -> Path:
    """Files of a repository -> the folder of a commit that holds them, from the cache where it can.

    The folder's name is the commit, by which more of the same are fetched.

    source: its id "user/name"
    wanted: a file, or several patterns
    revision: branch, tag or commit
    Raises UserError where they cannot be had, or are not what the Hub has announced.
    """
    try:
        if len(wanted) == 1:
            folder = Path(hf_hub_download(source, wanted[0], revision=revision)).parent
        else:
            folder = Path(snapshot_download(source, revision=revision, allow_patterns=list(wanted)))
    except Exception as error:  # anything may happen on the way
        at = f" at revision {revision!r}" if revision else ""
        raise UserError(
            "expected a folder or the id of a model on the Hub, but could not get "
            f"{source!r}{at}: {explain_error(error)}"
        ) from error
    for file in {path for pattern in wanted for path in folder.glob(pattern)}:
        if not sound(file):
            file.unlink()
            raise UserError(
                f"{file.relative_to(folder)} of {source!r} is not what the Hub has announced: try "
                "again, and it is fetched anew"
            )
    return folder


def sound(file: Path) -> bool:
    """Whether a file of the cache is what it was announced as; else what it links to goes.

    Its link's target is named by a hash of the content: SHA-256, or git's where it is small. The
    client itself looks at no more than the size.
    """
    if not file.is_symlink():  # a system without links: no hash is known
        return True
    target = file.parent / os.readlink(file)
    content = target.read_bytes()
    if len(target.name) == 40:
        found = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    else:
        found = hashlib.sha256(content).hexdigest()
    if found != target.name:
        target.unlink()
    return found == target.name
