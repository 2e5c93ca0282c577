"""A local Hub server for the real client, with the part of the HTTP API for push and download."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse

OWNER, READER = "hf_owner", "hf_reader"  # tokens of the user "me" and of a read-only user

Receive = Callable[[], Awaitable[dict]]
Send = Callable[[dict], Awaitable[None]]


@dataclass
class Repository:
    """A repository. Each commit is a full tree: contents by path."""

    private: bool = False
    gated: bool = False
    commits: list[dict[str, bytes]] = field(
        default_factory=lambda: [{".gitattributes": b"*.safetensors filter=lfs\n"}]
    )
    tags: dict[str, int] = field(default_factory=dict)  # indices of commits
    # Contents to send instead of the original ones, with the original headers.
    corrupt_files: dict[str, bytes] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, bytes]:
        """The files of the last commit, except the one that the Hub creates."""
        return {path: it for path, it in self.commits[-1].items() if path != ".gitattributes"}

    def index(self, revision: str) -> int | None:
        """Return the index of a commit by branch, tag or hash."""
        names = {"main": len(self.commits) - 1} | self.tags
        names |= {self.oid(number): number for number in range(len(self.commits))}
        return names.get(revision)

    def oid(self, index: int) -> str:
        return hashlib.sha1(f"{id(self)} {index}".encode()).hexdigest()


def is_large(content: bytes) -> bool:
    """Return whether the Hub puts a file into large file storage, as it does with binary files."""
    return b"\0" in content[:512]


def blob_id(content: bytes) -> str:
    """Return git's object id of a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def http_error(status: int, code: str = "", message: str = "") -> HTTPException:
    return HTTPException(status, message, {"X-Error-Code": code} if code else {})


def token(request: Request) -> str:
    """Return the request's token, "" for anonymous requests."""
    value = request.headers.get("authorization", "").removeprefix("Bearer ")
    if value not in ("", OWNER, READER):
        raise http_error(401, message="Invalid credentials in Authorization header")
    return value


def no_fault(number: int) -> None:
    """Inject no fault."""


class Hub:
    """The server, its contents and its faults.

    Attributes:
        fault: maps the number of a request since `reset` to a fault: a status to answer with,
            "cut" to abort the connection during the request, "lost" to abort it after the request
            was processed, before the answer, or None
        requests: method and path of all requests since `reset`
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}  # by "models/user/name"
        self.large_files: dict[str, bytes] = {}  # by SHA-256
        self.cards: list[str] = []  # model cards sent for validation
        self.api, self.address = routes(self), ""
        self.reset()

    def reset(self, fault: Callable[[int], int | str | None] = no_fault) -> None:
        """Reset the count of requests and set the faults."""
        self.fault, self.requests = fault, list[tuple[str, str]]()

    async def __call__(self, scope: dict, receive: Receive, send: Send) -> None:
        """ASGI application: the API with faults."""
        # The client requests this list once a day, independently of pushes and downloads.
        if scope["type"] != "http" or scope["path"] == "/api/agent-harnesses":
            return await self.api(scope, receive, send)
        fault = self.fault(len(self.requests))
        self.requests.append((scope["method"], scope["path"]))
        transport = receive.__self__.transport  # of uvicorn, whose API cannot abort connections
        if fault == "cut":
            await receive()
            return transport.abort()
        if isinstance(fault, int):
            while (await receive()).get("more_body"):
                pass
            answer = JSONResponse({"error": "at fault"}, fault, {"Retry-After": "0"})
            return await answer(scope, receive, send)

        async def drop(message: dict) -> None:
            transport.abort()

        return await self.api(scope, receive, drop if fault == "lost" else send)

    def find_repository(
        self, request: Request, kind: str, name: str, write: bool = False
    ) -> Repository:
        """Return a repository; raise an HTTP error if the token may not read it, or write to it."""
        repository = self.repositories.get(f"{kind}/{name}")
        user = token(request)
        if repository is None or (repository.private and user != OWNER):
            raise http_error(404 if user else 401, "RepoNotFound", "Repository not found")
        if repository.gated and user != OWNER and "resolve" in request.url.path:
            raise http_error(403 if user else 401, "GatedRepo", "Access is restricted")
        if write and user != OWNER:
            raise http_error(403 if user else 401, message="No write access")
        return repository

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Serve on a free port, in a thread."""
        config = uvicorn.Config(self, host="127.0.0.1", port=0, log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        (port,) = (socket.getsockname()[1] for it in server.servers for socket in it.sockets)
        self.address = f"http://127.0.0.1:{port}"
        try:
            yield
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


def routes(hub: Hub) -> FastAPI:
    """Return the routes that huggingface_hub uses, with classic large file storage."""
    app = FastAPI()

    @app.exception_handler(HTTPException)
    def report_error(request: Request, error: HTTPException) -> JSONResponse:
        headers = {"X-Error-Message": error.detail, **(error.headers or {})}
        return JSONResponse({"error": error.detail}, error.status_code, headers)

    @app.post("/api/repos/create")
    async def create(request: Request) -> JSONResponse:
        body = await request.json()
        user = token(request)
        kind, owner = f"{body.get('type', 'model')}s", body["organization"] or "me"
        if user != OWNER or owner != "me":
            raise http_error(403 if user else 401, message="No rights in this namespace")
        name = f"{owner}/{body['name']}"
        answer = {"url": f"{hub.address}/{'' if kind == 'models' else kind + '/'}{name}"}
        if f"{kind}/{name}" in hub.repositories:
            return JSONResponse(answer | {"error": "You already created this repository"}, 409)
        private = body.get("visibility") == "private"
        hub.repositories[f"{kind}/{name}"] = Repository(private)
        return JSONResponse(answer)

    @app.post("/api/validate-yaml")
    async def validate(request: Request) -> dict:
        hub.cards.append((await request.json())["content"])
        return {"warnings": [], "errors": []}

    @app.get("/api/{kind}/{owner}/{name}")
    @app.get("/api/{kind}/{owner}/{name}/revision/{revision}")
    def info(request: Request, kind: str, owner: str, name: str, revision: str = "main") -> dict:
        repository = hub.find_repository(request, kind, f"{owner}/{name}")
        index = find_commit(repository, revision)
        siblings = [{"rfilename": path} for path in repository.commits[index]]
        answer = {"id": f"{owner}/{name}", "private": repository.private, "siblings": siblings}
        return answer | {"sha": repository.oid(index), "tags": []}

    @app.get("/api/{kind}/{owner}/{name}/tree/{revision}")
    def tree(request: Request, kind: str, owner: str, name: str, revision: str) -> list[dict]:
        repository = hub.find_repository(request, kind, f"{owner}/{name}")
        return [
            {"type": "file", "path": path, "size": len(it), "oid": blob_id(it)}
            | (
                {"lfs": {"oid": digest(it), "size": len(it), "pointerSize": 1}}
                if is_large(it)
                else {}
            )
            for path, it in repository.commits[find_commit(repository, revision)].items()
        ]

    @app.post("/api/{kind}/{owner}/{name}/preupload/{revision}")
    async def preupload(
        request: Request, kind: str, owner: str, name: str, revision: str
    ) -> dict[str, list]:
        files = hub.find_repository(request, kind, f"{owner}/{name}", write=True).commits[-1]
        answers = []
        for file in (await request.json())["files"]:
            mode = "lfs" if is_large(base64.b64decode(file["sample"])) else "regular"
            content = files.get(file["path"])
            oid = content if content is None else (digest if mode == "lfs" else blob_id)(content)
            answers.append(
                {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}
            )
        return {"files": answers}

    @app.post("/{path:path}.git/info/lfs/objects/batch")
    async def batch(request: Request, path: str) -> dict:
        kind, owner, name = ("models/" * (path.count("/") == 1) + path).split("/")
        hub.find_repository(request, kind, f"{owner}/{name}", write=True)
        objects = (await request.json())["objects"]
        for item in objects:
            if item["oid"] not in hub.large_files:
                item["actions"] = {
                    "upload": {"href": f"{hub.address}/storage/{item['oid']}"},
                    "verify": {"href": f"{hub.address}/verify"},
                }
        return {"transfer": "basic", "objects": objects}

    @app.put("/storage/{oid}")
    async def store(request: Request, oid: str) -> Response:
        content = await request.body()
        if digest(content) != oid:
            raise http_error(400, message="The content does not match its hash")
        hub.large_files[oid] = content
        return Response()

    @app.post("/verify")
    async def verify(request: Request) -> Response:
        body = await request.json()
        if len(hub.large_files.get(body["oid"], b"")) != body["size"]:
            raise http_error(404, message="Not stored")
        return Response()

    @app.post("/api/{kind}/{owner}/{name}/commit/{revision}")
    async def commit(
        request: Request, kind: str, owner: str, name: str, revision: str
    ) -> dict[str, str]:
        repository = hub.find_repository(request, kind, f"{owner}/{name}", write=True)
        files = dict(repository.commits[-1])
        for line in (await request.body()).splitlines():
            key, value = (json.loads(line)[part] for part in ("key", "value"))
            if key == "header":
                last = repository.oid(len(repository.commits) - 1)
                if value.get("parentCommit", last) != last:
                    raise http_error(412, message="Another commit came in between")
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = hub.large_files[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        repository.commits.append(files)
        oid = repository.oid(len(repository.commits) - 1)
        return {"commitUrl": f"{hub.address}/{owner}/{name}/commit/{oid}", "commitOid": oid}

    @app.api_route("/{owner}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])
    def resolve(request: Request, owner: str, name: str, revision: str, path: str) -> Response:
        repository = hub.find_repository(request, "models", f"{owner}/{name}")
        index = find_commit(repository, revision)
        if path not in repository.commits[index]:
            raise http_error(404, "EntryNotFound", "Entry not found")
        content = repository.commits[index][path]
        oid = digest(content) if is_large(content) else blob_id(content)
        headers = {"X-Repo-Commit": repository.oid(index), "ETag": f'"{oid}"'}
        headers |= {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(content))}
        sent = repository.corrupt_files.get(path, content)
        if request.method == "HEAD":
            return Response(headers=headers | {"Content-Length": str(len(content))})
        if (span := request.headers.get("range", "")).startswith("bytes="):
            start = int(span.removeprefix("bytes=").split("-")[0])
            if start >= len(sent):
                raise http_error(416, message="Range not satisfiable")
            headers["Content-Range"] = f"bytes {start}-{len(sent) - 1}/{len(sent)}"
            return Response(sent[start:], 206, headers)
        return Response(sent, headers=headers)

    def find_commit(repository: Repository, revision: str) -> int:
        index = repository.index(revision)
        if index is None:
            raise http_error(404, "RevisionNotFound", "Invalid rev id")
        return index

    return app
