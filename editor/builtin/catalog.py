"""Every operation of the built-in editor, one row each."""

from __future__ import annotations

from editor.builtin.core import Operation, Region

LEAF = Region("named", "leaf")
FOLIAGE = Region("named", "foliage")
TREES = Region("named", "foliage", minus=Region("named", "grass"))
SKY = Region("named", "sky")
SKIN = Region("named", "skin")
SUBJECT = Region("named", "subject")
BACKGROUND = Region("named", "background")

_SIGNED = (-1.0, 1.0)
_UNIT = "strength -1..1"

# fmt: off
_ROWS = (
    # tone -----------------------------------------------------------------------------------------------
    Operation("exposure", "tone", "tone:exposure", "exposure in stops", "EV", (0.33, 0.7, 1.3), (-5, 5), exact=True),
    Operation("brightness", "tone", "tone:brightness", "brightness of the mid-tones", _UNIT, (0.1, 0.2, 0.4), _SIGNED, exact=True),
    Operation("contrast", "tone", "tone:contrast", "contrast about the middle", _UNIT, (0.12, 0.25, 0.5), _SIGNED, exact=True),
    Operation("gamma", "tone", "tone:gamma", "gamma; above 1 brightens", "exponent", (1.1, 1.25, 1.6), (0.2, 5), exact=True),
    Operation("highlights", "tone", "tone:highlights", "brightness of the bright parts", _UNIT, (0.2, 0.4, 0.8), _SIGNED, exact=True),
    Operation("shadows", "tone", "tone:shadows", "brightness of the dark parts", _UNIT, (0.2, 0.4, 0.8), _SIGNED, exact=True),
    Operation("blacks", "tone", "tone:blacks", "the darkest tones", _UNIT, (0.2, 0.4, 0.8), _SIGNED, exact=True),
    Operation("whites", "tone", "tone:whites", "the lightest tones", _UNIT, (0.2, 0.4, 0.8), _SIGNED, exact=True),
    Operation("auto_levels", "tone", "tone:auto_levels", "stretch the tones to the full range", exact=True, levels=(0.5, 1, 1)),
    Operation("dehaze", "tone", "tone:dehaze", "remove haze (negative: add it)", _UNIT, (0.3, 0.55, 0.85), _SIGNED, exact=True),
    Operation("clarity", "tone", "tone:clarity", "local contrast of the mid-tones", _UNIT, (0.2, 0.4, 0.8), _SIGNED, exact=True),
    # colour ---------------------------------------------------------------------------------------------
    Operation("saturation", "colour", "colour:saturation", "saturation, relative (-1 = grey)", "share", (0.12, 0.3, 0.6), (-1, 2), exact=True),
    Operation("vibrance", "colour", "colour:vibrance", "saturation of the muted colours, skin spared", _UNIT, (0.2, 0.45, 0.8), _SIGNED, exact=True),
    Operation("temperature", "colour", "colour:temperature", "colour temperature; positive is warmer", _UNIT, (0.15, 0.35, 0.7), _SIGNED, exact=True),
    Operation("tint", "colour", "colour:tint", "tint; positive is magenta, negative green", _UNIT, (0.15, 0.35, 0.7), _SIGNED, exact=True),
    Operation("hue", "colour", "colour:hue", "rotate all hues", "degrees", (15, 40, 90), (-180, 180), exact=True),
    Operation("white_balance", "colour", "colour:white_balance", "remove a colour cast", exact=True, levels=(0.4, 0.85, 1)),
    Operation("recolor", "colour", "colour:recolor", "give a region another colour, its shading kept", levels=(0.35, 1.0, 1.0), params="color: name or #rrggbb; plain: one even colour", exact=True),
    Operation("color_pop", "colour", "colour:color_pop", "grey everywhere but in the named region", levels=(0.7, 1, 1), scope="photo", exact=True),
    Operation("invert", "colour", "colour:invert", "negative", exact=True, levels=(1, 1, 1)),
    Operation("posterize", "colour", "colour:posterize", "few tone levels", "levels", (8, 5, 3), (2, 64), exact=True),
    Operation("black_and_white", "colour", "colour:black_and_white", "black and white", exact=True, levels=(0.6, 1, 1)),
    # film -----------------------------------------------------------------------------------------------
    Operation("sepia", "film", "film:sepia", "warm brown monochrome", exact=True, levels=(0.5, 0.92, 1)),
    Operation("fade", "film", "film:fade", "lifted blacks, muted colours", exact=True),
    Operation("split_tone", "film", "film:split_tone", "one colour in the shadows, another in the highlights", exact=True, params="shadows, highlights: colour names"),
    Operation("teal_orange", "film", "film:teal_orange", "cinema look: teal shadows, orange skin and lights", exact=True),
    Operation("grain", "film", "film:grain", "film grain", exact=True, scope="region"),
    Operation("vignette", "film", "film:vignette", "darken (negative: lighten) towards the corners", _UNIT, (0.35, 0.55, 0.85), _SIGNED, exact=True),
    Operation("cross_process", "film", "film:cross_process", "cross-processed slide film", exact=True),
    Operation("bleach_bypass", "film", "film:bleach_bypass", "silver left in the film: hard and pale", exact=True),
    # light and weather ----------------------------------------------------------------------------------
    Operation("gradient_sky", "light", "light:gradient_sky", "a graduated filter over the sky", region=SKY, params="color: optional name"),
    Operation("golden_hour", "light", "light:golden_hour", "low, warm sun"),
    Operation("day_to_night", "light", "light:day_to_night", "night: dark, blue, muted", levels=(0.5, 0.8, 1.0)),
    Operation("snow", "weather", "weather:snow", "falling snow, light settling on upward faces", scope="photo"),
    Operation("fog", "weather", "weather:fog", "fog that thickens towards the horizon", scope="photo"),
    Operation("rain", "weather", "weather:rain", "rain streaks, grey light", scope="photo"),
    # detail and effect ----------------------------------------------------------------------------------
    Operation("blur", "detail", "detail:blur", "Gaussian or lens-like blur", scope="photo", exact=True),
    Operation("depth_blur", "detail", "detail:depth_blur", "blur that grows with the distance from the subject", scope="photo", region=BACKGROUND),
    Operation("smooth", "detail", "detail:smooth", "even, soft skin; features and fine texture stay", region=SKIN, exact=True),
    Operation("sharpen", "detail", "detail:sharpen", "unsharp mask", exact=True),
    Operation("denoise", "detail", "detail:denoise", "remove noise", exact=True),
    Operation("pixelate", "effect", "effect:pixelate", "mosaic", exact=True),
    Operation("glow", "effect", "effect:glow", "soft glow of the highlights (Orton)"),
    Operation("pencil", "effect", "effect:pencil", "pencil drawing", params="color: bool"),
    Operation("stylize", "effect", "effect:stylize", "painting-like", params="style: oil, watercolor, cartoon"),
    # geometry -------------------------------------------------------------------------------------------
    Operation("crop", "geometry", "geometry:crop", "cut off: a share of each side, a side, or to a region", "share", (0.05, 0.1, 0.25), (0, 0.95), scope="photo", exact=True, params="side: all|left|right|top|bottom; to: region; width,height: pixels; pixels: off a side"),
    Operation("aspect", "geometry", "geometry:aspect", "crop to an aspect ratio, centred on the subject", "none", (1, 1, 1), (0, 1), scope="photo", exact=True, params="ratio: (w, h); print: either way round, as the photo lies"),
    Operation("rotate", "geometry", "geometry:rotate", "rotate; positive is clockwise; quarter turns are lossless", "degrees", (2, 90, 180), (-360, 360), scope="photo", exact=True),
    Operation("straighten", "geometry", "geometry:straighten", "level the horizon (0 = find it), cropping the corners", "degrees", (0, 0, 0), (-30, 30), scope="photo", exact=True),
    Operation("flip", "geometry", "geometry:flip", "mirror", "none", (1, 1, 1), (0, 1), scope="photo", exact=True, params="axis: horizontal|vertical"),
    Operation("resize", "geometry", "geometry:resize", "another size in pixels", "factor", (0.75, 0.5, 0.25), (0.01, 4), scope="photo", exact=True, params="width, height: pixels or None; longest: pixels"),
    Operation("border", "geometry", "geometry:border", "a frame around the picture", "share of the short side", (0.02, 0.05, 0.1), (0.001, 0.5), scope="photo", exact=True, params="color: name; pixels: int"),
    # retouch and text -----------------------------------------------------------------------------------
    Operation("inpaint", "retouch", "retouch:inpaint", "fill the region from its surroundings", levels=(1, 1, 1), scope="photo", region=Region("mask")),
    Operation("text", "text", "text:text", "write words on the picture", "share of the height", (0.04, 0.07, 0.12), (0.005, 1), scope="photo", exact=True, params="text, position, color, outline: bool"),
    Operation("watermark", "text", "text:watermark", "translucent words over the picture", "opacity", (0.2, 0.35, 0.6), (0.02, 1), scope="photo", exact=True, params="text, position or 'tiled', color"),
    # plants ---------------------------------------------------------------------------------------------
    Operation("yellowing", "plant", "plant:yellowing", "the whole leaf yellows (chlorosis)", region=LEAF),
    Operation("margin_chlorosis", "plant", "plant:margin_chlorosis", "the leaf yellows from its margins inwards", region=LEAF),
    Operation("interveinal_chlorosis", "plant", "plant:interveinal_chlorosis", "yellow between green veins", region=LEAF),
    Operation("tip_burn", "plant", "plant:tip_burn", "brown, dry tips and margins", region=LEAF),
    Operation("spots", "plant", "plant:spots", "brown necrotic spots", region=LEAF, params="color: optional name; fine: bool"),
    Operation("wilting", "plant", "plant:wilting", "the colours of wilting: dull, brownish, dark", region=LEAF),
    Operation("purpling", "plant", "plant:purpling", "reddish purple over the leaf", region=LEAF),
    Operation("paling", "plant", "plant:paling", "the leaf turns pale, light green to whitish", region=LEAF),
    Operation("browning", "plant", "plant:browning", "brown and dry all over", region=LEAF),
    Operation("greening", "plant", "plant:greening", "healthy, saturated green", region=FOLIAGE),
    Operation("autumn", "plant", "plant:autumn", "autumn colours, varied from yellow to red", region=TREES),
)
# fmt: on

OPERATIONS: dict[str, Operation] = {row.name: row for row in _ROWS}
