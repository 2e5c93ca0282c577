"""A Hub on loopback, for the real client: as much of its HTTP API as a push and a pull ask for."""

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

OWNER, READER = "hf_owner", "hf_reader"  # tokens: of the user "me", and of one who may only read

Receive = Callable[[], Awaitable[dict]]
Send = Callable[[dict], Awaitable[None]]


@dataclass
class Repository:
    """A repository, of which each commit is a whole tree: contents by path."""

    private: bool = False
    gated: bool = False
    commits: list[dict[str, bytes]] = field(
        default_factory=lambda: [{".gitattributes": b"*.safetensors filter=lfs\n"}]
    )
    tags: dict[str, int] = field(default_factory=dict)  # places of commits
    # What is sent in place of a file's content, without a word of it in the headers.
    tampered: dict[str, bytes] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, bytes]:
        """The last commit's, without the one that the Hub has made itself."""
        return {path: it for path, it in self.commits[-1].items() if path != ".gitattributes"}

    def place(self, revision: str) -> int | None:
        """The number of a commit by its branch, tag or hash."""
        names = {"main": len(self.commits) - 1} | self.tags
        names |= {self.oid(number): number for number in range(len(self.commits))}
        return names.get(revision)

    def oid(self, place: int) -> str:
        return hashlib.sha1(f"{id(self)} {place}".encode()).hexdigest()


def large(content: bytes) -> bool:
    """Whether it lies in large file storage: if its beginning is no text, as the real one sees."""
    return b"\0" in content[:512]


def blob_id(content: bytes) -> str:
    """What git calls a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def refusal(status: int, code: str = "", message: str = "") -> HTTPException:
    return HTTPException(status, message, {"X-Error-Code": code} if code else {})


def token(request: Request) -> str:
    """Of whom a request is; nothing for anybody's."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if given not in ("", OWNER, READER):
        raise refusal(401, message="Invalid credentials in Authorization header")
    return given


def sound(number: int) -> None:
    """No fault at any request."""


class Hub:
    """The server, what it holds and what goes wrong with it.

    fault: what a request ends in, by its number from 0 since `begin`: a status to answer with,
        "cut" to break the connection in the middle of the request, "lost" to do it after the
        request was granted, before the answer, or None
    requests: method and path of all that came since
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}  # by "models/user/name"
        self.stored: dict[str, bytes] = {}  # large files by SHA-256
        self.cards: list[str] = []  # that were to be validated
        self.api, self.address = routes(self), ""
        self.begin()

    def begin(self, fault: Callable[[int], int | str | None] = sound) -> None:
        """Count requests anew."""
        self.fault, self.requests = fault, list[tuple[str, str]]()

    async def __call__(self, scope: dict, receive: Receive, send: Send) -> None:
        """As an ASGI application: the API, with its faults."""
        # That the client also asks for a list of agents, once a day, is no part of any exchange.
        if scope["type"] != "http" or scope["path"] == "/api/agent-harnesses":
            return await self.api(scope, receive, send)
        fault = self.fault(len(self.requests))
        self.requests.append((scope["method"], scope["path"]))
        transport = receive.__self__.transport  # of uvicorn, whose own words cannot break it off
        if fault == "cut":
            await receive()
            return transport.abort()
        if isinstance(fault, int):
            while (await receive()).get("more_body"):
                pass
            answer = JSONResponse({"error": "at fault"}, fault, {"Retry-After": "0"})
            return await answer(scope, receive, send)

        async def lose(message: dict) -> None:
            transport.abort()

        return await self.api(scope, receive, lose if fault == "lost" else send)

    def find(self, request: Request, kind: str, name: str, writes: bool = False) -> Repository:
        """A repository that the request's token may see, or write into."""
        repository = self.repositories.get(f"{kind}/{name}")
        given = token(request)
        if repository is None or (repository.private and given != OWNER):
            raise refusal(404 if given else 401, "RepoNotFound", "Repository not found")
        if repository.gated and given != OWNER and "resolve" in request.url.path:
            raise refusal(403 if given else 401, "GatedRepo", "Access is restricted")
        if writes and given != OWNER:
            raise refusal(403 if given else 401, message="You may not write here")
        return repository

    @contextmanager
    def serving(self) -> Iterator[None]:
        """On a free port, in a thread."""
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
    """The routes that huggingface_hub asks for, with classic large file storage."""
    app = FastAPI()

    @app.exception_handler(HTTPException)
    def refuse(request: Request, error: HTTPException) -> JSONResponse:
        headers = {"X-Error-Message": error.detail, **(error.headers or {})}
        return JSONResponse({"error": error.detail}, error.status_code, headers)

    @app.post("/api/repos/create")
    async def create(request: Request) -> JSONResponse:
        asked = await request.json()
        given = token(request)
        kind, owner = f"{asked.get('type', 'model')}s", asked["organization"] or "me"
        if given != OWNER or owner != "me":
            raise refusal(403 if given else 401, message="No rights in this namespace")
        name = f"{owner}/{asked['name']}"
        told = {"url": f"{hub.address}/{'' if kind == 'models' else kind + '/'}{name}"}
        if f"{kind}/{name}" in hub.repositories:
            return JSONResponse(told | {"error": "You already created this repository"}, 409)
        private = asked.get("visibility") == "private"
        hub.repositories[f"{kind}/{name}"] = Repository(private)
        return JSONResponse(told)

    @app.post("/api/validate-yaml")
    async def validate(request: Request) -> dict:
        hub.cards.append((await request.json())["content"])
        return {"warnings": [], "errors": []}

    @app.get("/api/{kind}/{owner}/{name}")
    @app.get("/api/{kind}/{owner}/{name}/revision/{revision}")
    def info(request: Request, kind: str, owner: str, name: str, revision: str = "main") -> dict:
        repository = hub.find(request, kind, f"{owner}/{name}")
        place = placed(repository, revision)
        siblings = [{"rfilename": path} for path in repository.commits[place]]
        told = {"id": f"{owner}/{name}", "private": repository.private, "siblings": siblings}
        return told | {"sha": repository.oid(place), "tags": []}

    @app.get("/api/{kind}/{owner}/{name}/tree/{revision}")
    def tree(request: Request, kind: str, owner: str, name: str, revision: str) -> list[dict]:
        repository = hub.find(request, kind, f"{owner}/{name}")
        return [
            {"type": "file", "path": path, "size": len(it), "oid": blob_id(it)}
            | ({"lfs": {"oid": digest(it), "size": len(it), "pointerSize": 1}} if large(it) else {})
            for path, it in repository.commits[placed(repository, revision)].items()
        ]

    @app.post("/api/{kind}/{owner}/{name}/preupload/{revision}")
    async def preupload(
        request: Request, kind: str, owner: str, name: str, revision: str
    ) -> dict[str, list]:
        files = hub.find(request, kind, f"{owner}/{name}", writes=True).commits[-1]
        told = []
        for asked in (await request.json())["files"]:
            mode = "lfs" if large(base64.b64decode(asked["sample"])) else "regular"
            there = files.get(asked["path"])
            oid = there if there is None else (digest if mode == "lfs" else blob_id)(there)
            told.append(
                {"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}
            )
        return {"files": told}

    @app.post("/{path:path}.git/info/lfs/objects/batch")
    async def batch(request: Request, path: str) -> dict:
        kind, owner, name = ("models/" * (path.count("/") == 1) + path).split("/")
        hub.find(request, kind, f"{owner}/{name}", writes=True)
        objects = (await request.json())["objects"]
        for asked in objects:
            if asked["oid"] not in hub.stored:
                asked["actions"] = {
                    "upload": {"href": f"{hub.address}/storage/{asked['oid']}"},
                    "verify": {"href": f"{hub.address}/verify"},
                }
        return {"transfer": "basic", "objects": objects}

    @app.put("/storage/{oid}")
    async def store(request: Request, oid: str) -> Response:
        content = await request.body()
        if digest(content) != oid:
            raise refusal(400, message="The content is not what was announced")
        hub.stored[oid] = content
        return Response()

    @app.post("/verify")
    async def verify(request: Request) -> Response:
        asked = await request.json()
        if len(hub.stored.get(asked["oid"], b"")) != asked["size"]:
            raise refusal(404, message="Not stored")
        return Response()

    @app.post("/api/{kind}/{owner}/{name}/commit/{revision}")
    async def commit(
        request: Request, kind: str, owner: str, name: str, revision: str
    ) -> dict[str, str]:
        repository = hub.find(request, kind, f"{owner}/{name}", writes=True)
        files = dict(repository.commits[-1])
        for line in (await request.body()).splitlines():
            key, value = (json.loads(line)[part] for part in ("key", "value"))
            if key == "header":
                last = repository.oid(len(repository.commits) - 1)
                if value.get("parentCommit", last) != last:
                    raise refusal(412, message="A commit has happened since")
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = hub.stored[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        repository.commits.append(files)
        oid = repository.oid(len(repository.commits) - 1)
        return {"commitUrl": f"{hub.address}/{owner}/{name}/commit/{oid}", "commitOid": oid}

    @app.api_route("/{owner}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])
    def resolve(request: Request, owner: str, name: str, revision: str, path: str) -> Response:
        repository = hub.find(request, "models", f"{owner}/{name}")
        place = placed(repository, revision)
        if path not in repository.commits[place]:
            raise refusal(404, "EntryNotFound", "Entry not found")
        content = repository.commits[place][path]
        oid = digest(content) if large(content) else blob_id(content)
        headers = {"X-Repo-Commit": repository.oid(place), "ETag": f'"{oid}"'}
        headers |= {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(content))}
        sent = repository.tampered.get(path, content)
        if request.method == "HEAD":
            return Response(headers=headers | {"Content-Length": str(len(content))})
        if (asked := request.headers.get("range", "")).startswith("bytes="):
            begin = int(asked.removeprefix("bytes=").split("-")[0])
            if begin >= len(sent):
                raise refusal(416, message="Nothing is left")
            headers["Content-Range"] = f"bytes {begin}-{len(sent) - 1}/{len(sent)}"
            return Response(sent[begin:], 206, headers)
        return Response(sent, headers=headers)

    def placed(repository: Repository, revision: str) -> int:
        place = repository.place(revision)
        if place is None:
            raise refusal(404, "RevisionNotFound", "Invalid rev id")
        return place

    return app
