"""Download from the Hub, explain its errors, and locate our own cache."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

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
from huggingface_hub.utils import httpx  # the HTTP client of huggingface_hub, of any name

from genmodels.errors import UserError, first_line

LOG_IN = "log in with `hf auth login` or set HF_TOKEN"

# The first match counts: GatedRepoError is a RepositoryNotFoundError, and most are HTTP errors.
REASONS = {
    HFValidationError: "invalid repository id",
    OfflineModeIsEnabled: "offline mode is on: unset HF_HUB_OFFLINE",
    LocalTokenNotFoundError: f"no token found: {LOG_IN}",
    GatedRepoError: "the repository is gated: request access on its page, then log in",
    RepositoryNotFoundError: "no such repository, or it is private and the token cannot read it",
    RevisionNotFoundError: "no such revision",
    RemoteEntryNotFoundError: "the repository has no {file}",
    httpx.TransportError: "the Hub cannot be reached",
}
STATUS_REASONS = {
    401: f"missing or invalid token: {LOG_IN}",
    403: "the token lacks permission",
    429: "rate limited by the Hub",
}


def cache_folder() -> Path:
    """Return GENMODELS_CACHE or ~/.cache/genmodels."""
    return Path(os.environ.get("GENMODELS_CACHE") or Path.home() / ".cache/genmodels")


def cause(error: BaseException) -> BaseException:
    """Return the exception behind a generic one of huggingface_hub, else the exception itself."""
    generic = isinstance(error, RuntimeError | OSError) and not isinstance(error, HfHubHTTPError)
    return error.__cause__ if generic and error.__cause__ is not None else error


def explain_error(error: BaseException) -> str:
    """Return in one line why a request to the Hub failed."""
    error = cause(error)
    for kind, reason in REASONS.items():
        if isinstance(error, kind):
            file = error.response.url.path.split("/")[-1] if "{file}" in reason else ""
            return reason.format(file=file)
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return STATUS_REASONS.get(status, f"the Hub responded with status {status}")
    return first_line(error)


def download(source: str, patterns: Sequence[str], revision: str | None = None) -> Path:
    """Download files of a repository "user/name", or find them in the cache.

    `patterns` is one file name, or several glob patterns. The local folder is named after the
    commit; pass its name as `revision` to get more files of the same commit.

    Raises:
        UserError: the files are not available, or their content does not match its hash.
    """
    try:
        if len(patterns) == 1:
            folder = Path(hf_hub_download(source, patterns[0], revision=revision)).parent
        else:
            folder = Path(snapshot_download(source, revision=revision, allow_patterns=[*patterns]))
    except Exception as error:  # the client raises many kinds, some undocumented
        got = repr(source) + (f" at revision {revision!r}" if revision else "")
        got = f"{got}: {explain_error(error)}"
        raise UserError(f"expected a folder or the id of a model on the Hub, got {got}") from error
    for file in {path for pattern in patterns for path in folder.glob(pattern)}:
        if not has_valid_hash(file):
            (file.parent / os.readlink(file)).unlink()
            file.unlink()
            raise UserError(
                f"{file.relative_to(folder)} of {source!r} does not match its hash on the Hub and "
                "was deleted from the cache: try again"
            )
    return folder


def has_valid_hash(file: Path) -> bool:
    """Return whether a cached file has the content that the Hub announced.

    The cache links to blobs named by SHA-256 (large files) or git's SHA-1; the client itself
    checks only the size. Without symbolic links there is no hash to compare, so the answer is yes.
    """
    if not file.is_symlink():
        return True
    blob = file.parent / os.readlink(file)
    content = blob.read_bytes()
    if len(blob.name) == 40:
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == blob.name
    return hashlib.sha256(content).hexdigest() == blob.name
