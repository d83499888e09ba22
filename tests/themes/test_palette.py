"""Themes: complete, readable, told apart by everybody, and usable where there are fewer colours."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from rich._palettes import STANDARD_PALETTE
from rich.color import Color, ColorSystem

from themes.palette import FOLDER, LEVELS, RAMPS, ROLES, Palette, ThemeInvalid, catalogue, load, names
from tradetui.console.panes.paint import Paint
from tradetui.console.render.look import Look
from tradetui.console.render.pens import ALARM, BAR, DOWN, GROUND, HEAT, SELECT, UP, pen
from tradetui.console.screens.theme import textual_theme

SHIPPED = [load(name) for name in names()]

WRITTEN_ON = {
    "ground": "text faint stale title up down flat bid ask mid axis good warn bad own key focus",
    "bar": "text faint stale title up down flat bid ask mid good warn bad own key",
    "panel": "text faint title up down good warn bad own key",
    "select": "select_text up down bid ask good warn bad own",
    "unknown": "text faint",
    "cross": "cross_text",
    "alarm": "alarm_text",
    "live": "mode_text",
    "replay": "mode_text",
    "paper": "mode_text",
    "up": "tag_text",
    "down": "tag_text",
    "mid": "tag_text",
    "flat": "tag_text",
}
"""Roles of text by the role of the ground it is written on."""

PAIRS = [(fore, back) for back, fores in WRITTEN_ON.items() for fore in fores.split()]

LEAST = {"high-contrast": 7.0, "seed": 3.0}
"""Contrast, WCAG 2.2; 4.5 everywhere else. The colours of `seed` are given."""

MACHADO = {
    "normal": np.eye(3),
    "protan": np.array([
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998],
    ]),
    "deutan": np.array([
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881],
    ]),
    "tritan": np.array([
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900],
    ]),
}  # fmt: skip
"""How colours look to people without one kind of cone: Machado, Oliveira, Fernandes 2009, severity 1, linear RGB."""

XTERM = (
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255),
    (255, 255, 255),
)  # fmt: skip
"""The sixteen colours of xterm. Every terminal has its own, and they are much like these."""

each_theme = pytest.mark.parametrize("palette", SHIPPED, ids=lambda palette: palette.name)


def linear(colour: tuple[int, int, int]) -> np.ndarray:
    parts = np.asarray(colour) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def luminance(colour: tuple[int, int, int]) -> float:
    return float(np.array([0.2126, 0.7152, 0.0722]) @ linear(colour))


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(one: tuple[int, int, int], other: tuple[int, int, int], eye: str) -> float:
    """CIE76."""
    seen = MACHADO[eye]
    return float(np.linalg.norm(lab(seen @ linear(one)) - lab(seen @ linear(other))))


def in_256(colour: tuple[int, int, int]) -> int | None:
    return Color.from_rgb(*colour).downgrade(ColorSystem.EIGHT_BIT).number


def test_the_measure_itself() -> None:
    black, white = (0, 0, 0), (255, 255, 255)
    assert contrast(black, white) == pytest.approx(21)
    assert distance(black, white, "normal") == pytest.approx(100, abs=0.1)
    # The classic pair of green and red, which people without one kind of cone cannot tell apart.
    assert distance((0, 200, 83), (255, 23, 68), "normal") > 140
    assert distance((0, 200, 83), (255, 23, 68), "deutan") < 15


def test_what_is_shipped() -> None:
    assert names() == ["colour-safe", "classic", "high-contrast", "light", "red-up", "seed"]
    assert [palette.name for palette in SHIPPED if not palette.dark] == ["light"]


@each_theme
def test_text_can_be_read(palette: Palette) -> None:
    colours = palette.colours
    faint = [
        f"{fore} on {back}: {ratio:.2f}"
        for fore, back in PAIRS
        if (ratio := contrast(colours[fore], colours[back])) < LEAST.get(palette.name, 4.5)
    ]
    assert not faint


@pytest.mark.parametrize("eye", MACHADO)
@pytest.mark.parametrize("name", ["colour-safe", "light", "high-contrast"])
def test_up_and_down_are_told_apart_by_everybody(name: str, eye: str) -> None:
    colours = load(name).colours
    for one, other in (("up", "down"), ("bid", "ask"), ("good", "bad"), ("good", "warn")):
        assert distance(colours[one], colours[other], eye) >= 60, (one, other)


@each_theme
def test_up_and_down_differ_for_most(palette: Palette) -> None:
    for one, other in (("up", "down"), ("bid", "ask"), ("up_faint", "down_faint"), ("good", "bad")):
        assert distance(palette.colours[one], palette.colours[other], "normal") >= 50, (one, other)


@each_theme
@pytest.mark.parametrize("ramp", ["heat", "heat_bid", "heat_ask"])
def test_more_is_always_brighter_or_always_darker(palette: Palette, ramp: str) -> None:
    steps = palette.ramps[ramp]
    assert len(steps) == LEVELS
    grey = [luminance(step) for step in steps]
    rising = [after > before for before, after in itertools.pairwise(grey)]
    assert all(rising) if palette.dark else not any(rising)
    assert contrast(steps[0], palette.colours["ground"]) < 1.3, "little looks like nothing"
    assert len({in_256(step) for step in steps}) >= 12


@each_theme
def test_imbalance_goes_from_asks_over_even_to_bids(palette: Palette) -> None:
    steps = palette.ramps["balance"]
    assert steps[0] == palette.colours["ask"]
    assert steps[-1] == palette.colours["bid"]
    away = [contrast(step, palette.colours["ground"]) for step in steps]
    middle = LEVELS // 2
    assert away[0] > away[middle - 3] > away[middle] < away[middle + 3] < away[-1]
    assert len({in_256(step) for step in steps}) >= 9


@each_theme
def test_sixteen_colours(palette: Palette) -> None:
    sixteen = palette.sixteen
    for one, other in (("up", "down"), ("bid", "ask"), ("good", "bad"), ("good", "warn"), ("heat_bid", "heat_ask")):
        assert sixteen[one] != sixteen[other], (one, other)
    own = 0 if palette.dark else 15
    shown = {role: own if number < 0 else number for role, number in sixteen.items()}
    same = [(fore, back) for fore, back in PAIRS if shown[fore] == shown[back] and fore != "stale"]
    assert not same


@each_theme
def test_words_on_the_bar_can_be_read_in_sixteen_colours(palette: Palette) -> None:
    faint = [
        f"{fore}: {ratio:.1f}"
        for fore in WRITTEN_ON["bar"].split()
        if (ratio := contrast(XTERM[palette.sixteen[fore]], XTERM[palette.sixteen["bar"]])) < 2.9
    ]
    assert not faint


@each_theme
@pytest.mark.parametrize("colours", ["truecolor", "256", "16", "none"])
def test_every_pen_has_a_style(palette: Palette, colours: str) -> None:
    paint = Paint(palette, Look(colours))
    for role in (*range(len(ROLES)), *range(HEAT, HEAT + LEVELS * len(RAMPS))):
        assert paint.style(pen(role)) is paint.style(pen(role, GROUND))
    if colours != "none":
        assert paint.style(pen(UP)) != paint.style(pen(DOWN))
    assert paint.style(pen(UP, SELECT)) != paint.style(pen(UP))
    assert paint.style(pen(UP, ALARM)) != paint.style(pen(UP))
    assert paint.style(pen(UP, BAR)) != paint.style(pen(UP))


@each_theme
def test_textual_follows(palette: Palette) -> None:
    theme = textual_theme(palette)
    variables = theme.to_color_system().generate()
    assert theme.dark is palette.dark
    assert variables["background"].lower() == Color.from_rgb(*palette.colours["ground"]).name
    assert variables["text-muted"] == Color.from_rgb(*palette.colours["faint"]).name
    for text in textual_theme(palette, Look("16")).variables.values():
        colour = Color.parse(text)
        number = colour.downgrade(ColorSystem.STANDARD).number
        assert number is not None
        assert STANDARD_PALETTE[number] == colour.triplet, "it would be rounded to another colour"


# The person's own. --------------------------------------------------------------------------------------------------


def test_own_theme(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('like = "light"\ntitle = "Mine"\n[colours]\nup = "#0000FF"\n')
    palette = load("mine", tmp_path)
    assert palette.title == "Mine"
    assert palette.colours["up"] == (0, 0, 255)
    assert not palette.dark
    assert palette.colours["down"] == load("light").colours["down"]
    assert names(tmp_path)[-1] == "mine"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("colours = 3", "expected a table"),
        ('like = "colour-safe"\n[colours]\nup = "red"', "colours.up: 'red' is no colour such as '#1a2b3c'"),
        ('like = "colour-safe"\n[colours]\nuup = "#000000"', "unknown 'uup'; did you mean up?"),
        ('like = "colour-safe"\n[ramps]\nheat = ["#000000"]', "ramps.heat: expected a list of two or more"),
        ('like = "colour-safe"\n[sixteen]\nup = 16', "sixteen.up: expected a number from -1 to 15"),
        ('like = "colour-safe"\n[sixteen]\nup = true', "sixteen.up: expected a number"),
        ('like = "colour-save"', "like: there is no theme 'colour-save'"),
        ('like = "wrong"', "it is like itself (wrong -> wrong)"),
        ('like = "colour-safe"\ntitle = 4', "title: expected a text"),
        ('like = "colour-safe"\ndark = "yes"', "dark: expected true or false"),
        ('like = "colour-safe"\ncolors = {}', "unknown 'colors'; did you mean colours?"),
        ('[colours]\nup = "#000000"', "[colours]: missing ground"),
        ("a = = b", "at line 1"),
        ("a = " + "[" * 5000, "theme"),
    ],
)
def test_a_wrong_one_is_told(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    if told == "theme":
        told = str(file)
    with pytest.raises(ThemeInvalid) as caught:
        load("wrong", tmp_path)
    assert told in str(caught.value)
    assert str(file) in str(caught.value)
    found, problems = catalogue(tmp_path)
    assert len(problems) == 1
    assert [palette.name for palette in found] == names(), "the others are still there"


def test_names_that_cannot_be(tmp_path: Path) -> None:
    for name in ("Mine", "light"):
        (tmp_path / f"{name}.toml").write_text('like = "colour-safe"\n')
    (tmp_path / "latin.toml").write_bytes(b"title = '\xe4'")
    found, problems = catalogue(tmp_path)
    assert [palette.name for palette in found] == names()
    assert load("light", tmp_path) == load("light"), "nobody's own takes its place"
    told = "\n".join(problems)
    assert "latin.toml: not UTF-8 text" in told
    assert "Mine.toml: a theme's name is" in told
    assert "light.toml: there is a theme light already" in told
    for name in ("../console", "", "x" * 40, "nothing"):
        with pytest.raises(ThemeInvalid, match="there is no theme"):
            load(name, tmp_path)
    assert names(tmp_path / "missing") == names()


def test_no_role_is_forgotten_in_the_files() -> None:
    """A file says only what is known; what is not said comes from the theme it is like."""
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(names())
    for palette in SHIPPED:
        assert set(palette.colours) == set(ROLES)
        assert set(palette.sixteen) == {*ROLES, *RAMPS}
        assert set(palette.ramps) == set(RAMPS)
