"""The words of the built-in critic, English and Chinese: what a finished picture shows, and corrective steps."""

from __future__ import annotations

from dataclasses import replace

from agent.types import Language
from editor.builtin.core import Op, Region
from editor.builtin.effects import region_words

ALREADY: dict[Language, str] = {"en": "Nothing needed doing: ", "zh": "无需修改："}
"""Before the readings of a photo that shows already what is asked for."""

DESCRIBED: dict[str, tuple[str, str]] = {
    "exposure": ("is lighter all over", "整体更亮"),
    "-exposure": ("is darker all over", "整体更暗"),
    "brightness": ("is brighter", "更明亮"),
    "-brightness": ("is darker", "更暗"),
    "contrast": (
        "has more contrast, its lights lighter and its darks darker",
        "对比更强，亮处更亮、暗处更暗",
    ),
    "-contrast": ("has softer contrast", "对比更柔和"),
    "gamma": ("has lighter mid-tones", "中间调更亮"),
    "-gamma": ("has darker mid-tones", "中间调更暗"),
    "highlights": ("has brighter highlights", "高光更亮"),
    "-highlights": ("has calmer highlights with detail in them", "高光更收敛且保有细节"),
    "shadows": ("has lighter shadows with detail in them", "阴影更亮且保有细节"),
    "-shadows": ("has deeper shadows", "阴影更深"),
    "blacks": ("has lifted blacks", "黑色被提亮"),
    "-blacks": ("has deeper blacks", "黑色更深"),
    "whites": ("has brighter whites", "白色更亮"),
    "-whites": ("has softer whites", "白色更柔和"),
    "auto_levels": ("uses the full range of tones", "色调充满整个范围"),
    "dehaze": ("is clear, without haze", "通透而没有雾霾"),
    "-dehaze": ("is veiled in haze", "笼罩在薄雾中"),
    "clarity": ("has crisper local contrast", "局部对比更清晰"),
    "-clarity": ("has softer local contrast", "局部对比更柔和"),
    "saturation": ("has stronger colours", "色彩更浓"),
    "-saturation": ("has weaker colours", "色彩更淡"),
    "vibrance": ("has livelier muted colours", "淡雅的色彩更鲜活"),
    "-vibrance": ("has quieter muted colours", "淡雅的色彩更安静"),
    "temperature": ("is warmer in colour", "色调更暖"),
    "-temperature": ("is cooler in colour", "色调更冷"),
    "tint": ("leans to magenta", "偏向品红"),
    "-tint": ("leans to green", "偏向绿色"),
    "hue": ("has its hues turned", "色相发生偏转"),
    "white_balance": ("has neutral whites, without a colour cast", "白色中性，没有色偏"),
    "recolor": ("is {color}, its shading kept", "呈{color}，明暗层次不变"),
    "color_pop": ("is in colour while everything else is grey", "保留色彩，其余部分为灰色"),
    "invert": ("is a negative: light is dark and colours are reversed", "成为负片，明暗与色彩反转"),
    "posterize": ("is made of a few flat tones", "只由少数几个平涂的色阶构成"),
    "black_and_white": ("is black and white", "为黑白"),
    "sepia": ("is a warm brown monochrome", "为温暖的棕褐色单色"),
    "fade": ("has lifted blacks and faded colours", "黑色发灰、色彩褪淡"),
    "split_tone": ("has one colour in its shadows and another in its highlights", "阴影与高光各带一种颜色"),
    "teal_orange": ("has teal shadows and orange lights", "阴影偏青、亮部偏橙"),
    "grain": ("has film grain", "带有胶片颗粒"),
    "vignette": ("darkens towards its corners", "向四角逐渐变暗"),
    "-vignette": ("lightens towards its corners", "向四角逐渐变亮"),
    "cross_process": ("has the shifted colours of cross-processed film", "呈现正负冲的偏移色彩"),
    "bleach_bypass": ("has hard contrast and pale colours", "对比强硬而色彩苍白"),
    "gradient_sky": ("deepens towards its top", "越往上越深"),
    "golden_hour": ("lies in low, golden light", "沐浴在低斜的金色阳光中"),
    "day_to_night": ("is a night scene: dark, bluish and muted", "为夜景，昏暗、偏蓝而素淡"),
    "snow": ("shows falling snow", "正在下雪"),
    "fog": ("lies in fog that thickens with distance", "笼罩在越远越浓的雾中"),
    "rain": ("shows falling rain", "正在下雨"),
    "blur": ("is blurred", "变得模糊"),
    "depth_blur": ("is out of focus, more so farther away", "虚化，越远越模糊"),
    "smooth": ("is smooth and even", "光滑匀净"),
    "sharpen": ("has crisper edges", "边缘更锐利"),
    "denoise": ("is free of noise", "没有噪点"),
    "pixelate": ("is made of square blocks", "由方块马赛克构成"),
    "glow": ("glows softly in its lights", "亮部泛着柔光"),
    "pencil": ("is a pencil drawing on white paper", "成为白纸上的铅笔画"),
    "stylize": ("looks painted", "如同绘画"),
    "crop": ("is cropped", "经过裁剪"),
    "aspect": ("has the asked aspect ratio", "为所要求的宽高比"),
    "rotate": ("is rotated", "经过旋转"),
    "straighten": ("has a level horizon", "地平线水平"),
    "flip": ("is mirrored", "经过翻转"),
    "resize": ("has the asked size", "为所要求的尺寸"),
    "border": ("has a border around it", "四周带有边框"),
    "inpaint": ("continues its surroundings, without the object", "延续周围的内容，物体已不在"),
    "text": ('shows the words "{text}"', "上有文字“{text}”"),
    "watermark": ('carries the watermark "{text}"', "带有水印“{text}”"),
    "yellowing": ("is yellow all over", "整体发黄"),
    "margin_chlorosis": ("is yellow along its margins and greener inside", "边缘发黄而内部较绿"),
    "interveinal_chlorosis": ("is yellow between veins that stay green", "叶脉间发黄而叶脉仍绿"),
    "tip_burn": ("has brown, dry tips and margins", "尖端与边缘枯褐"),
    "spots": ("has brown spots", "带有褐色斑点"),
    "wilting": ("is dull, darker and limp in colour", "色泽暗淡萎蔫"),
    "purpling": ("is flushed with reddish purple", "泛着紫红色"),
    "paling": ("is pale, light green to whitish", "苍白，浅绿至近白"),
    "browning": ("is brown and dry", "枯黄发褐"),
    "greening": ("is a healthy, saturated green", "呈健康浓郁的绿色"),
    "autumn": ("is in autumn colours from yellow to red", "呈由黄到红的秋色"),
}
"""operation, or "-operation" for its negative direction -> what the finished part shows (English, Chinese)."""

STEPS: dict[str, tuple[str, str]] = {
    "brightness": ("{adv}increase the brightness{of}", "{adv}提高{of}亮度"),
    "-brightness": ("{adv}reduce the brightness{of}", "{adv}降低{of}亮度"),
    "contrast": ("{adv}increase the contrast{of}", "{adv}提高{of}对比度"),
    "-contrast": ("{adv}reduce the contrast{of}", "{adv}降低{of}对比度"),
    "highlights": ("{adv}increase the highlights{of}", "{adv}提高{of}高光"),
    "-highlights": ("{adv}reduce the highlights{of}", "{adv}降低{of}高光"),
    "shadows": ("{adv}increase the shadows{of}", "{adv}提高{of}阴影"),
    "-shadows": ("{adv}reduce the shadows{of}", "{adv}降低{of}阴影"),
    "blacks": ("{adv}increase the blacks{of}", "{adv}提高{of}黑色色阶"),
    "-blacks": ("{adv}reduce the blacks{of}", "{adv}降低{of}黑色色阶"),
    "whites": ("{adv}increase the whites{of}", "{adv}提高{of}白色色阶"),
    "-whites": ("{adv}reduce the whites{of}", "{adv}降低{of}白色色阶"),
    "dehaze": ("{adv}reduce the haze{of}", "{adv}减少{of}雾霾"),
    "-dehaze": ("{adv}increase the haze{of}", "{adv}增加{of}雾霾"),
    "clarity": ("{adv}increase the clarity{of}", "{adv}提高{of}清晰度"),
    "-clarity": ("{adv}reduce the clarity{of}", "{adv}降低{of}清晰度"),
    "saturation": ("{adv}increase the saturation{of}", "{adv}提高{of}饱和度"),
    "-saturation": ("{adv}reduce the saturation{of}", "{adv}降低{of}饱和度"),
    "vibrance": ("{adv}increase the vibrance{of}", "{adv}提高{of}自然饱和度"),
    "-vibrance": ("{adv}reduce the vibrance{of}", "{adv}降低{of}自然饱和度"),
    "temperature": ("{adv}increase the color temperature{of}", "{adv}提高{of}色温"),
    "-temperature": ("{adv}reduce the color temperature{of}", "{adv}降低{of}色温"),
    "tint": ("{adv}increase the magenta tint{of}", "{adv}增加{of}洋红色调"),
    "-tint": ("{adv}reduce the magenta tint{of}", "{adv}减少{of}洋红色调"),
    "sharpen": ("{adv}sharpen{it}", "{adv}锐化{it}"),
    "blur": ("{adv}blur{it}", "{adv}模糊{it}"),
    "smooth": ("{adv}smooth{it}", "{adv}柔化{it}"),
    "denoise": ("{adv}denoise{it}", "{adv}给{it}降噪"),
    "vignette": ("add a {adj}vignette", "添加{adj}暗角"),
    "grain": ("add {adj}film grain", "添加{adj}胶片颗粒"),
    "glow": ("add a {adj}glow", "添加{adj}柔光"),
    "fog": ("add {adj}fog", "添加{adj}雾"),
    "snow": ("add {adj}snow", "添加{adj}雪"),
    "rain": ("add {adj}rain", "添加{adj}雨"),
    "fade": ("{adv}fade the photo", "{adv}褪色"),
    "yellowing": ("{adv}yellow{it}", "让{it}{adv}变黄"),
    "tip_burn": ("{adv}dry the tips{of}", "让{of}叶尖{adv}枯焦"),
    "spots": ("add {adj}brown spots to{it}", "在{it}上添加{adj}褐色斑点"),
    "greening": ("make{it} {adv}greener", "让{it}{adv}更绿"),
    "margin_chlorosis": ("{adv}turn the margins{of} yellow", "让{of}边缘{adv}变黄"),
    "interveinal_chlorosis": ("{adv}turn the areas between the veins{of} yellow", "让{of}叶脉之间{adv}变黄"),
    "paling": ("make{it} {adv}paler", "让{it}{adv}变淡"),
    "browning": ("{adv}turn{it} brown and dry", "让{it}{adv}枯黄"),
    "purpling": ("{adv}turn{it} purple", "让{it}{adv}发紫"),
    "wilting": ("{adv}wilt{it}", "让{it}{adv}枯萎"),
    "autumn": ("{adv}give{it} autumn colors", "让{it}{adv}呈现秋色"),
    "golden_hour": ("add {adj}golden hour light", "添加{adj}黄金时刻光线"),
}
"""operation, or "-operation" -> the step that does it, in the grammar. adv, adj: how much; of, it: the region."""

ADVERBS: dict[str, tuple[str, str]] = {
    "slightly": ("slightly ", "稍微"),
    "plain": ("", ""),
    "strongly": ("strongly ", "大幅"),
}
ADJECTIVES: dict[str, tuple[str, str]] = {
    "slightly": ("subtle ", "轻微"),
    "plain": ("", ""),
    "strongly": ("strong ", "强烈"),
}
"""How much -> (English, Chinese), before a verb and before a noun."""


def description(ops: tuple[Op, ...], *, chinese: bool) -> str:
    """A short paragraph on the finished picture: what each operation's part shows, and that the rest is as before."""
    sentences = []
    for op in ops:
        negative = op.amount < 1 if op.name == "gamma" else op.amount < 0
        key = f"-{op.name}" if negative and f"-{op.name}" in DESCRIBED else op.name
        shown = DESCRIBED[key][chinese].format(
            color=op.params.get("color", ""), text=op.params.get("text", "")
        )
        part = region_words(op.region, chinese=chinese) or ("照片" if chinese else "the photo")
        sentences.append(f"{part}{shown}" if chinese else f"{part} {shown}")
    named = {replace(op.region, noun="", text=""): op.region for op in ops}
    parts = [region_words(region, chinese=chinese) for region in named.values()]
    local = all(parts) and all(op.name != "color_pop" for op in ops)
    if chinese:
        rest = f"；{'、'.join(parts)}之外的一切与原来相同。" if local else "。"
        return "，".join(sentences) + rest
    rest = f"; everything outside {' and '.join(parts)} is as before." if local else "."
    text = ", ".join(sentences)
    return text[0].upper() + text[1:] + rest


def step(key: str, level: str, region: Region, *, chinese: bool) -> str | None:
    """The step of STEPS at a level ("slightly", "plain", "strongly") for a region; None when there is none."""
    if key not in STEPS:
        return None
    part = region_words(region, chinese=chinese)
    of = (f"{part}的" if chinese else f" of {part}") if part else ""
    it = (part or "照片") if chinese else f" {part or 'the photo'}"
    words = {"adv": ADVERBS[level][chinese], "adj": ADJECTIVES[level][chinese], "of": of, "it": it}
    text = STEPS[key][chinese].format(**words)
    return text.strip()
