"""The page and its two calls, over HTTP; nothing that a browser sends is kept."""

import base64
import io
import threading
from urllib.parse import urlsplit

import flask
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.serving import BaseWSGIServer, make_server

from simgan_jax.errors import UserError
from simgan_jax.refinement.refiner import STRONGEST, Refine
from simgan_jax.serving.uploads import refined, show

MOST_BYTES, MOST_FILES = 2**28, 2000
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# The page is served whole from here; pictures are made in it.
POLICY = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "connect")),
        "img-src 'self' data: blob:",
    ]
)


def create_app(refiner: Refine, host: str = LOOPBACK[0]) -> flask.Flask:
    """The page that refines with a refiner, as a WSGI application.

    Calls:
        GET /: the page.
        POST /preview: one picture ("file"); JSON with before and after as data URLs.
        POST /refined: files and "strength"; the refined file, or a zip archive of several.

    What goes wrong is JSON with "error" and status 400, 403 or 413.

    Args:
        refiner: of `load_refiner`.
        host: address it is served at. On the loopback address only names of this machine are answered,
            so that no page from elsewhere reaches it under a name of its own.
    """
    app = flask.Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=MOST_BYTES, MAX_FORM_PARTS=MOST_FILES)
    # One picture at a time: a refiner takes all cores, and memory.
    busy = threading.Lock()

    @app.before_request
    def only_from_here() -> None:
        name = urlsplit(f"//{flask.request.host}").hostname
        if host in LOOPBACK and name not in LOOPBACK:
            flask.abort(403, "this page is for this machine alone")
        origin = flask.request.headers.get("Origin")
        if origin and urlsplit(origin).netloc != flask.request.host:
            flask.abort(403, "called from another page")

    @app.get("/")
    def page() -> str:
        return flask.render_template(
            "demo.html",
            name=str((refiner.config or {}).get("name", "refiner")),
            channels="grey" if refiner.channels == 1 else "colour",
            strongest=STRONGEST,
        )

    @app.post("/preview")
    def preview() -> dict[str, str]:
        with busy:
            shown = show(refiner, flask.request.files["file"])
        urls = [f"data:image/png;base64,{base64.b64encode(x).decode()}" for x in shown[:2]]
        return {"before": urls[0], "after": urls[1], "note": shown.note}

    @app.post("/refined")
    def download() -> flask.Response:
        try:
            strength = float(flask.request.form.get("strength", 1))
        except ValueError as error:
            raise UserError("strength is no number") from error
        with busy:
            name, content = refined(refiner.at(strength), flask.request.files.getlist("file"))
        return flask.send_file(io.BytesIO(content), as_attachment=True, download_name=name)

    app.register_error_handler(UserError, _mistake)
    app.register_error_handler(HTTPException, _refused)
    app.after_request(_guarded)
    return app


def server(refiner: Refine, host: str, port: int) -> BaseWSGIServer:
    """A server of the page, not yet started.

    Args:
        refiner: of `load_refiner`.
        host: address to listen at.
        port: 0 takes a free one.

    Raises:
        UserError: it cannot listen there.
    """
    try:
        return make_server(host, port, create_app(refiner, host), threaded=True)
    except (OSError, SystemExit) as error:
        raise UserError(
            f"cannot listen at {host}:{port}; give another --port, or 0 for a free one"
        ) from error


def _mistake(error: UserError) -> tuple[dict[str, str], int]:
    return {"error": str(error)}, 400


def _refused(error: HTTPException) -> tuple[dict[str, str], int]:
    if isinstance(error, RequestEntityTooLarge):
        most = f"{MOST_BYTES // 2**20} MiB and {MOST_FILES:,} files"
        return {"error": f"more than {most} at once; use python -m simgan_jax.refine"}, 413
    return {"error": error.description or error.name}, error.code or 500


def _guarded(response: flask.Response) -> flask.Response:
    """The response with headers that let a browser do little with it, and keep nothing."""
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
