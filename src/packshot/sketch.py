"""
Pictures for the demo, drawn instead of shipped: five products on a light background.

    python -m packshot.sketch FOLDER

Each is what a supplier sends: several megapixels, soft shadows, a label, a little grain. They are
SVG inside, letters included, because a fresh machine may have no fonts. The same bytes every time.
A process of its own, so that no server has libvips in it. Nothing of the pipeline depends on this.
"""

import sys
from pathlib import Path
from typing import Final

import pyvips

SCALE: Final = 2  # the drawings are 1000 units wide and high
GRAIN: Final = 2.5  # standard deviation, in steps of 255
LETTERS: Final = {  # strokes in a box 60 wide and 100 high
    "A": "M0 100L30 0L60 100M11 64H49",
    "C": "M57 17C42-8 0-8 0 50C0 108 42 108 57 83",
    "E": "M52 0H0V100H52M0 48H44",
    "F": "M52 0H0V100M0 48H44",
    "G": "M57 17C42-8 0-8 0 50C0 108 42 108 58 83V56H34",
    "H": "M0 0V100M58 0V100M0 48H58",
    "I": "M30 0V100",
    "K": "M0 0V100M54 0L0 58M20 38L58 100",
    "L": "M0 0V100H50",
    "M": "M0 100V0L32 60L64 0V100",
    "N": "M0 100V0L58 100V0",
    "O": "M30 0C72 0 72 100 30 100C-12 100-12 0 30 0Z",
    "P": "M0 100V0H26C68 0 68 56 26 56H0",
    "R": "M0 100V0H26C68 0 68 54 26 54H0M28 54L58 100",
    "S": "M53 15C40-8 2-6 2 25C2 54 58 44 58 76C58 108 14 108 0 84",
    "T": "M0 0H60M30 0V100",
    "U": "M0 0V66C0 112 58 112 58 66V0",
}


def words(text: str, x: float, y: float, height: float, colour: str) -> str:
    """Return the text centred on `x`, its top at `y`."""
    advance = 92
    width = (len(text) - 1) * advance + 60
    strokes = "".join(
        f'<path transform="translate({place * advance} 0)" d="{LETTERS[letter]}"/>'
        for place, letter in enumerate(text)
        if letter in LETTERS
    )
    scale = height / 100
    return (
        f'<g transform="translate({x - width * scale / 2} {y}) scale({scale})" fill="none" stroke="{colour}" '
        f'stroke-width="12" stroke-linecap="round" stroke-linejoin="round">{strokes}</g>'
    )


def across(name: str, *colours: str) -> str:
    """Return a gradient from left to right, as light falls on something round."""
    stops = "".join(
        f'<stop offset="{place / (len(colours) - 1):.3f}" stop-color="{colour}"/>'
        for place, colour in enumerate(colours)
    )
    return f'<linearGradient id="{name}">{stops}</linearGradient>'


def shadow(x: float, y: float, width: float, height: float) -> str:
    """Return the two shadows of a thing that stands: a wide soft one, and a dark one where it touches."""
    return (
        f'<ellipse cx="{x + width / 3}" cy="{y}" rx="{1.7 * width}" ry="{1.9 * height}" '
        'fill="url(#dark)" opacity=".5"/>'
        f'<ellipse cx="{x}" cy="{y - height / 4}" rx="{1.3 * width}" ry="{height}" fill="url(#dark)"/>'
    )


def shine(x: float, y: float, width: float, height: float, opacity: float) -> str:
    """Return the soft reflection of a lamp."""
    return f'<ellipse cx="{x}" cy="{y}" rx="{width}" ry="{height}" fill="url(#bright)" opacity="{opacity}"/>'


def mug() -> str:
    """A mug of coffee, teal."""
    return f"""
    {across("body", "#1d4f4d", "#2f7f78", "#8fd0c4", "#4aa196", "#2d7d76", "#1b4d4b", "#2c6b67")}
    {across("inner", "#123231", "#2f7f78", "#5fb0a5")}
    {shadow(470, 770, 190, 34)}
    <path d="M640 420C800 390 820 640 632 650" fill="none" stroke="#1b4d4b" stroke-width="52"/>
    <path d="M640 418C792 392 808 630 632 642" fill="none" stroke="#3d948a" stroke-width="36"/>
    <path d="M640 410C780 386 796 620 632 634" fill="none" stroke="#8fd0c4" stroke-width="6" opacity=".7"/>
    <path d="M280 330L300 720C304 790 636 790 640 720L660 330Z" fill="url(#body)"/>
    <ellipse cx="470" cy="330" rx="190" ry="52" fill="#a9ddd3"/>
    <ellipse cx="470" cy="333" rx="176" ry="44" fill="url(#inner)"/>
    <path d="M304 352A176 44 0 0 0 636 352A190 42 0 0 0 304 352" fill="#2b1608"/>
    <path d="M330 362A150 26 0 0 0 520 374" fill="none" stroke="#8a5a34" stroke-width="5" opacity=".7"/>
    {shine(358, 555, 26, 170, 0.6)}
    <circle cx="480" cy="540" r="92" fill="none" stroke="#f4efe2" stroke-width="7"/>
    {words("COFFEE", 480, 514, 27, "#f4efe2")}{words("HOUSE", 480, 558, 18, "#f4efe2")}"""


def bottle() -> str:
    """A bottle of hair oil, amber glass."""
    return f"""
    {across("glass", "#3a1604", "#8a3f0c", "#e08a2c", "#b25d14", "#7c3609", "#4a1d05", "#8f4a16")}
    {across("cap", "#0c0c0e", "#3c3c42", "#8b8b94", "#2a2a2e", "#101013", "#2d2d33")}
    {across("paper", "#cfc6b4", "#f3ecdd", "#fffaf0", "#f1e9d9", "#c9bfab")}
    {shadow(500, 852, 142, 28)}
    <path d="M372 440C372 388 446 384 450 330H550C554 384 628 388 628 440V820C628 872 372 872 372 820Z"
      fill="url(#glass)"/>
    <rect x="438" y="190" width="124" height="150" rx="10" fill="url(#cap)"/>
    <path d="M452 200V330M468 200V330M484 200V330M500 200V330M516 200V330M532 200V330M548 200V330"
      stroke="#000" stroke-width="3" opacity=".45"/>
    <path d="M462 192C462 96 474 80 500 80S538 96 538 192Z" fill="#2b2b30"/>
    {shine(484, 140, 9, 44, 0.6)}
    <path d="M372 520Q500 544 628 520V760Q500 784 372 760Z" fill="url(#paper)"/>
    {words("ARGAN", 500, 580, 46, "#3b2412")}{words("HAIR OIL", 500, 652, 22, "#3b2412")}
    <path d="M420 700Q500 714 580 700" stroke="#b0763a" stroke-width="4" fill="none"/>
    {words("MOROCCO", 500, 726, 15, "#7a5a3a")}
    {shine(408, 640, 18, 230, 0.6)}"""


def tin() -> str:
    """A tin of tea."""
    leaf = "M0 0C26-30 70-30 92 0C70 30 26 30 0 0ZM8 0H84"
    leaves = "".join(
        f'<path transform="translate({338 + 70 * place} {y}) rotate({-40 + 80 * (place % 2)}) scale(.55)" '
        f'd="{leaf}"/>'
        for y in (494, 748)
        for place in range(5)
    )
    return f"""
    {across("metal", "#4d5358", "#aeb6bc", "#ffffff", "#c3cacf", "#80888e", "#4c5257", "#989fa5")}
    {across("wrap", "#20301c", "#4b6b3a", "#7d9f5f", "#5b7f47", "#395a2d", "#1d2f19", "#33502a")}
    {shadow(500, 826, 228, 40)}
    <path d="M290 260V800C290 862 710 862 710 800V260Z" fill="url(#metal)"/>
    <path d="M290 410Q500 466 710 410V770Q500 826 290 770Z" fill="url(#wrap)"/>
    <g fill="none" stroke="#d8e0b8" stroke-width="6" opacity=".75">{leaves}</g>
    {words("GREEN", 500, 548, 42, "#f3f0d8")}{words("TEA", 500, 614, 70, "#f3f0d8")}
    <path d="M282 232V330Q500 386 718 330V232Z" fill="url(#metal)"/>
    <path d="M282 330Q500 386 718 330" fill="none" stroke="#3a4045" stroke-width="4" opacity=".7"/>
    <ellipse cx="500" cy="232" rx="218" ry="56" fill="#dfe4e8"/>
    <ellipse cx="500" cy="230" rx="196" ry="47" fill="#c2c9ce"/>
    {shine(460, 224, 170, 34, 0.9)}
    {shine(366, 560, 26, 270, 0.6)}"""


def lamp() -> str:
    """A table lamp, switched on."""
    return f"""
    {across("shade", "#8a5a08", "#d99a1c", "#ffe08a", "#eab63a", "#c98a14", "#7d4f06", "#b47c18")}
    {across("steel", "#55504a", "#d8d2c8", "#fffdf8", "#8c857b", "#5d564d", "#a8a198")}
    <radialGradient id="glow"><stop offset="0" stop-color="#fffdf0"/><stop offset=".5" stop-color="#ffe9a8"/>
      <stop offset="1" stop-color="#d79a2a"/></radialGradient>
    <radialGradient id="pool"><stop offset="0" stop-color="#ffe29a"/><stop offset="1" stop-color="#ffe29a"
      stop-opacity="0"/></radialGradient>
    <ellipse cx="500" cy="806" rx="420" ry="110" fill="url(#pool)"/>
    {shadow(500, 834, 196, 34)}
    <path d="M312 800V812C312 866 688 866 688 812V800Z" fill="#4e4840"/>
    <ellipse cx="500" cy="800" rx="188" ry="46" fill="url(#steel)"/>
    <ellipse cx="500" cy="797" rx="176" ry="40" fill="#b9b2a6" opacity=".7"/>
    <rect x="487" y="420" width="26" height="380" fill="url(#steel)"/>
    <path d="M250 440C250 120 750 120 750 440Z" fill="url(#shade)"/>
    <ellipse cx="500" cy="440" rx="250" ry="56" fill="#7d4f06"/>
    <ellipse cx="500" cy="440" rx="236" ry="48" fill="url(#glow)"/>
    {shine(500, 432, 110, 52, 1)}
    <g transform="rotate(22 360 310)">{shine(360, 310, 26, 120, 0.75)}</g>
    <circle cx="500" cy="196" r="15" fill="url(#steel)"/>
    {words("LUMEN", 500, 816, 13, "#6b6458")}"""


def notebook() -> str:
    """A notebook, seen from above."""
    pages = "".join(f'<path d="M228 {822 + 4 * sheet}H772"/>' for sheet in range(8))
    blur = "".join(
        f'<rect x="{236 - grow}" y="{180 - grow}" width="{550 + 2 * grow}" height="{690 + 2 * grow}" '
        f'rx="{14 + grow}" opacity=".022"/>'
        for grow in range(0, 48, 3)
    )
    return f"""
    {across("cover", "#7d1d2a", "#9c2b39", "#a83443", "#962836", "#7a1c29")}
    <g transform="rotate(-9 500 500)">
    {blur}
    <rect x="222" y="168" width="556" height="690" rx="16" fill="#6b1722"/>
    <rect x="226" y="160" width="546" height="692" rx="8" fill="#f6f1e4"/>
    <g stroke="#cfc6b0" stroke-width="1.4">{pages}</g>
    <rect x="220" y="140" width="560" height="680" rx="16" fill="url(#cover)"/>
    <path d="M262 140V820" stroke="#5b121c" stroke-width="7" opacity=".7"/>
    <path d="M270 140V820" stroke="#d46a76" stroke-width="2" opacity=".7"/>
    <rect x="698" y="134" width="22" height="692" fill="#2a2126"/>
    <path d="M702 134V826" stroke="#7a6d74" stroke-width="3" opacity=".7"/>
    <rect x="366" y="300" width="250" height="170" rx="6" fill="#f3e9d2"/>
    <rect x="378" y="312" width="226" height="146" rx="3" fill="none" stroke="#b59a5a" stroke-width="3"/>
    {words("NOTES", 491, 346, 38, "#4a3520")}{words("PACKSHOT", 491, 412, 18, "#8a6a3a")}
    <path d="M300 170L640 150L420 800H300Z" fill="#fff" opacity=".06"/>
    </g>"""


PRODUCTS: Final = {"mug": mug, "bottle": bottle, "tin": tin, "lamp": lamp, "notebook": notebook}
SCENE: Final = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 1000" width="1000" height="1000">
<radialGradient id="dark"><stop offset="0" stop-opacity=".8"/><stop offset=".3" stop-opacity=".55"/>
<stop offset=".6" stop-opacity=".2"/><stop offset=".8" stop-opacity=".06"/><stop offset="1" stop-opacity="0"/>
</radialGradient><radialGradient id="bright"><stop offset="0" stop-color="#fff"/>
<stop offset=".5" stop-color="#fff" stop-opacity=".5"/><stop offset="1" stop-color="#fff" stop-opacity="0"/>
</radialGradient><radialGradient id="wall" cx=".45" cy=".35" r=".85"><stop offset="0" stop-color="#ffffff"/>
<stop offset=".7" stop-color="#ece9e4"/><stop offset="1" stop-color="#d3cec7"/></radialGradient>
<rect width="1000" height="1000" fill="url(#wall)"/>"""


def draw(svg: str) -> pyvips.Image:
    """Render the drawing with the grain of a camera."""
    image = pyvips.Image.svgload_buffer(svg.encode(), scale=SCALE).flatten()
    grain = pyvips.Image.gaussnoise(image.width, image.height, sigma=GRAIN, mean=0, seed=1)
    return (image + grain).cast("uchar").copy(interpretation="srgb")


def main() -> None:
    """Draw every product into the folder that is named on the command line."""
    folder = Path(sys.argv[1])
    for name, product in PRODUCTS.items():
        draw(f"{SCENE}{product()}</svg>").jpegsave(str(folder / f"{name}.jpg"), Q=92)


if __name__ == "__main__":
    main()
