"""``dualion explore``: a page in the browser to look at a barrier store."""

from __future__ import annotations

from typing import Annotated

import typer

from dualion.cli.selection import StoreOption, reading

PORT = 8737


def explore(
    *,
    store: StoreOption = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="On this machine; 0: any that is free.")
    ] = PORT,
    browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = False,
) -> None:
    """Look at a store in the browser: map, table, profiles, paths in space, hop networks.

    Reads only, and answers to this machine only. Ctrl-C ends it.
    """
    from dualion.explorer.server import ExplorerServer
    from dualion.explorer.view import store_text

    with reading(store) as opened, ExplorerServer(opened, port) as server:
        typer.echo(f"{store_text(opened)}: {server.url}  (Ctrl-C ends)")
        if browser:
            import webbrowser

            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("")
