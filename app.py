"""One screen that shows everything: python app.py [--host 127.0.0.1] [--port 7860] [--share]"""

import os
import sys
from pathlib import Path

import httpx
import tyro

from genmodels import ui

# A Space says in these where it expects the app.
HOST = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
PORT = int(os.environ.get("GRADIO_SERVER_PORT", 7860))


def main(host: str = HOST, port: int = PORT, share: bool = False) -> None:
    """Serve the app.

    Args:
        host: address to listen on; 0.0.0.0 for every one of this machine
        port: port to listen on
        share: also open a public link, for a week
    """
    app = ui.build(Path(__file__).parent / "checkpoints")
    try:
        app.launch(
            server_name=host,
            server_port=port,
            share=share,
            theme=ui.THEME,
            css=ui.CSS,
            ssr_mode=False,
            footer_links=["api", "settings"],
        )
    except (OSError, OverflowError, httpx.TransportError) as error:
        print(f"error: could not serve on {host}:{port}: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    tyro.cli(main)
