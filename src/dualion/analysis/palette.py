"""The colours of pages, once: for the report of a run and for the explorer."""

from __future__ import annotations

# The two ions are Okabe-Ito blue and vermilion, darkened or lightened to be read as text.
LIGHT = {
    "paper": "#ffffff",
    "ink": "#1c1e21",
    "faint": "#5d6167",
    "line": "#d9dbde",
    "control": "#8a8e94",
    "tint": "#f4f5f6",
    "chosen": "#edf4fa",
    "first": "#0072b2",
    "second": "#b84a00",
    "warn": "#fff4d6",
    "warn-line": "#d9a400",
    "bad": "#b3261e",
}
DARK = {
    "paper": "#1b1d21",
    "ink": "#e6e7e9",
    "faint": "#a3a7ad",
    "line": "#3a3d43",
    "control": "#71757c",
    "tint": "#24272c",
    "chosen": "#22374a",
    "first": "#56b4e9",
    "second": "#e69f00",
    "warn": "#352c12",
    "warn-line": "#b58900",
    "bad": "#ff8a80",
}


def palette_css(*, toggled: bool = False) -> str:
    """Return the colours as variables of a style sheet, after what the reader's system prefers.

    Parameters
    ----------
    toggled
        Let the attribute ``data-theme`` of the page (``light`` or ``dark``) overrule the system.
    """
    light, dark = _variables(LIGHT), _variables(DARK)
    if not toggled:
        return (
            f"\n:root {{ color-scheme: light dark; {light} }}\n"
            f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
        )
    return (
        f":root {{ color-scheme: light dark; {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
        f':root[data-theme="light"] {{ color-scheme: light; {light} }}\n'
        f':root[data-theme="dark"] {{ color-scheme: dark; {dark} }}\n'
    )


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in colours.items())
