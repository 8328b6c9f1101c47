#!/usr/bin/env python3
"""Makes the fonts of this folder out of Debian's. See README.md."""

import os
import sys

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTCollection, TTFont

NOTO = os.environ.get("NOTO", "/usr/share/fonts")
HERE = os.path.dirname(os.path.abspath(__file__))

ASCII = range(0x20, 0x7F)
LATIN = range(0xA0, 0x100)

# The letters, marks and digits of Arabic, Persian and Urdu, with the punctuation
# that stands among them; brackets and Latin come from the toolkit's own font.
ARABIC = [*ASCII, 0xA0, 0xAB, 0xBB, 0x60C, 0x61B, 0x61F, *range(0x621, 0x63B), *range(0x640, 0x656),
          *range(0x660, 0x66D), 0x670, 0x671, 0x679, 0x67E, 0x686, 0x688, 0x691, 0x698, 0x6A9, 0x6AF,
          0x6BA, 0x6BE, 0x6C1, 0x6C3, 0x6CC, 0x6D2, *range(0x6F0, 0x6FA)]


def chinese():
    """The 3,755 characters of GB 2312 level 1, and its punctuation."""
    all = {*ASCII, *LATIN}
    for high in [*range(0xA1, 0xA4), *range(0xB0, 0xD8)]:
        for low in range(0xA1, 0xFF):
            try:
                all.add(ord(bytes([high, low]).decode("gb2312")))
            except UnicodeDecodeError:
                pass
    return all


def write(font, unicodes, features, name, metrics=None):
    options = Options()
    options.layout_features = features
    options.hinting = False
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=unicodes)
    subsetter.subset(font)
    if metrics:
        # Noto leaves room for towers of marks that no text here has; lines would
        # be half again as high as those of other scripts.
        ascent, descent = metrics
        font["hhea"].ascent = font["OS/2"].sTypoAscender = ascent
        font["hhea"].descent = font["OS/2"].sTypoDescender = -descent
        font["OS/2"].usWinAscent, font["OS/2"].usWinDescent = ascent, descent
        font["hhea"].lineGap = font["OS/2"].sTypoLineGap = 0
    font["head"].modified = font["head"].created
    font.recalcTimestamp = False
    path = os.path.join(HERE, name)
    font.save(path)
    print(name, os.path.getsize(path))


for weight in "Regular", "Bold":
    arabic = TTFont(f"{NOTO}/truetype/noto/NotoSansArabic-{weight}.ttf")
    write(arabic, ARABIC, ["*"], f"arabic-{weight.lower()}.ttf", metrics=(1160, 470))
collection = TTCollection(f"{NOTO}/opentype/noto/NotoSansCJK-Regular.ttc")
sc = [f for f in collection.fonts if f["name"].getDebugName(4) == "Noto Sans CJK SC"]
if len(sc) != 1:
    sys.exit("NotoSansCJK-Regular.ttc has no Noto Sans CJK SC: is it Debian's fonts-noto-cjk?")
write(sc[0], chinese(), [], "chinese-regular.otf")
