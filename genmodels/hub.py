"""What goes wrong on the way to the Hub, in words."""

import httpx2  # the client of huggingface_hub
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

from .errors import reason

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


def why(error: BaseException) -> str:
    """Why the Hub gave or took nothing."""
    error = cause(error)
    for kind, words in WORDS.items():
        if isinstance(error, kind):
            file = error.response.url.path.split("/")[-1] if "{file}" in words else ""
            return words.format(file=file)
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return ANSWERS.get(status, f"the Hub answers with {status}")
    return reason(error)
