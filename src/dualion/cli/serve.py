"""``dualion serve``: a store for other programs to ask, over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from dualion.cli.selection import StoreOption, reading
from dualion.errors import InputError


def serve(
    *,
    store: StoreOption = None,
    optimade: Annotated[
        bool, typer.Option("--optimade", help="Serve the OPTIMADE API, version 1.2.")
    ] = False,
    host: Annotated[
        str, typer.Option("--host", help="Where to listen; another one opens it to the network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: a free one.")] = 5001,
) -> None:
    """Serve the records of a store, reading only, until Ctrl-C.

    Records that are added later are served after the next start.
    """
    if not optimade:
        raise InputError("nothing to serve", where="serve", remedy="say --optimade")
    from dualion.store.optimade.server import optimade_server

    with (
        reading(store) as opened,
        optimade_server(opened, host=host, port=port) as server,
    ):
        typer.echo(f"http://{host}:{server.server_address[1]}/v1/structures (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("")
