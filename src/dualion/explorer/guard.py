"""Which requests are answered, and what every answer says to the browser.

The page is for one person on one machine. Another site that this person looks at must not be able
to read the store through their browser, not even by a name that points at 127.0.0.1 (DNS
rebinding), and nothing that a store holds may run as a script.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.message import Message

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}

_HERE = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?", re.IGNORECASE)


def refusal(headers: Message) -> str | None:
    """Say why a request is not answered; None: it is.

    Parameters
    ----------
    headers
        Of the request.
    """
    hosts = headers.get_all("Host") or []
    if len(hosts) != 1 or not _HERE.fullmatch(hosts[0].strip()):
        return "this page answers to 127.0.0.1 and localhost only"
    host = hosts[0].strip()
    # A tunnel may change the port, so the origin is held against the host it was asked by.
    origins = headers.get_all("Origin") or []
    if any(origin.strip().lower() != f"http://{host}".lower() for origin in origins):
        return "asked by another site"
    site = headers.get("Sec-Fetch-Site", "none")
    if site not in {"same-origin", "none"} and headers.get("Sec-Fetch-Mode") != "navigate":
        return "asked by another site"
    return None
