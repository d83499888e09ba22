"""Pens as styles of the terminal's, by theme and by what the terminal can show."""

from __future__ import annotations

from rich.color import Color, ColorSystem
from rich.style import Style

from themes.palette import LEVELS, RAMPS, ROLES, Palette
from tradetui.console.render.look import Look
from tradetui.console.render.pens import BOLD, DIM, GROUND, HEAT, OLD, REVERSE, UNDERLINE, back_of, fore_of

INVERSE = {
    ROLES.index(name) for name in ("bar", "select", "alarm", "live", "replay", "paper", "cross", "up", "down", "mid")
}
"""Backgrounds that become reverse video where there are no colours."""

SYSTEMS = {
    "truecolor": ColorSystem.TRUECOLOR, "256": ColorSystem.EIGHT_BIT, "16": ColorSystem.STANDARD,
    "none": ColorSystem.STANDARD,
}  # fmt: skip

PLAIN_OLD = 8
"""Bright black: what is old, on a terminal of 16 colours."""


class Paint:
    """Styles by pen; made once each."""

    def __init__(self, palette: Palette, look: Look) -> None:
        self.palette = palette
        self.look = look
        self._styles: dict[int, Style] = {}
        self._starts: dict[int, str] = {}
        self._system = SYSTEMS[look.colours]

    def style(self, pen: int) -> Style:
        """Return the style of a pen."""
        style = self._styles.get(pen)
        if style is None:
            style = self._styles[pen] = self._make(pen)
        return style

    def start(self, pen: int) -> str:
        """Return the sequence that begins a text of this pen, whatever was before it."""
        start = self._starts.get(pen)
        if start is None:
            rendered = self.style(pen).render("-", color_system=self._system)
            codes = rendered.partition("-")[0].removeprefix("\x1b[").removesuffix("m")
            start = self._starts[pen] = f"\x1b[0;{codes}m" if codes else "\x1b[0m"
        return start

    def colour(self, role: int) -> tuple[int, int, int]:
        """Return a role's colour."""
        if role >= HEAT:
            ramp, level = divmod(role - HEAT, LEVELS)
            return self.palette.ramps[RAMPS[ramp]][level]
        return self.palette.colours[ROLES[role]]

    def _make(self, pen: int) -> Style:
        fore, back, colours = fore_of(pen), back_of(pen), self.look.colours
        bold, dim = bool(pen & BOLD), bool(pen & DIM)
        if colours == "none":
            reverse = bool(pen & REVERSE) or back in INVERSE
            return Style(bold=bold, dim=dim or bool(pen & OLD), underline=bool(pen & UNDERLINE), reverse=reverse)
        if colours == "16":
            one, other = self._sixteen(fore, pen), self._sixteen(back, pen, ground=True)
        else:
            one, other = self._full(fore, pen), self._full(back, pen, ground=True)
        return Style(
            color=one, bgcolor=other, bold=bold, dim=dim, underline=bool(pen & UNDERLINE), reverse=bool(pen & REVERSE)
        )

    def _sixteen(self, role: int, pen: int, *, ground: bool = False) -> Color:
        name = RAMPS[(role - HEAT) // LEVELS] if role >= HEAT else ROLES[role]
        number = self.palette.sixteen[name]
        if pen & OLD and role != GROUND and not (ground and number < 1):
            number = PLAIN_OLD if not ground else 0
        return Color.default() if number < 0 else Color.from_ansi(number)

    def _full(self, role: int, pen: int, *, ground: bool = False) -> Color:
        red, green, blue = self.colour(role)
        if pen & OLD and role != GROUND:
            grey = (red * 30 + green * 59 + blue * 11) // 100
            base = self.palette.colours["ground"]
            # Halfway to the ground, without colour.
            red, green, blue = ((grey + 2 * part if ground else grey + part) // (3 if ground else 2) for part in base)
        return Color.from_rgb(red, green, blue)
