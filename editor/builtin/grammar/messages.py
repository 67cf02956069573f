"""What the grammar says when it refuses, in the language of the instruction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from editor.base import CannotDo, NotUnderstood
from prompts.languages import is_chinese

_chinese: ContextVar[bool] = ContextVar("_chinese", default=False)


class Contradiction(NotUnderstood):
    """Every word is understood, but not what to do: contradictions, units, amounts without a direction."""


class Beyond(CannotDo):
    """Every word is understood; the amount is beyond the operation's limits."""


@contextmanager
def speaking(text: str) -> Iterator[None]:
    """Within this, `say` speaks the language of `text`."""
    token = _chinese.set(is_chinese(text))
    try:
        yield
    finally:
        _chinese.reset(token)


def chinese() -> bool:
    """Whether the instruction being read is in Chinese."""
    return _chinese.get()


def say(template: str, *values: object) -> str:
    """`template` filled with `values`, in the language of the instruction being read."""
    return (CHINESE[template] if _chinese.get() else template).format(*values)


CHINESE: dict[str, str] = {
    "No part of the photo is named.": "没有说明照片的哪个部分。",
    "The amount of {} goes from {:g} to {:g} ({}); {:g} is beyond.":
        "{}的范围是 {:g} 到 {:g}（{}）；{:g} 超出了范围。",
    "The built-in editor enlarges up to {:g} times and invents no detail; "
    "a diffusion editor can (--editor, see `reedit editors`).":
        "内置编辑器最多放大 {:g} 倍，且不会凭空补出细节；扩散编辑器可以（--editor，见 `reedit editors`）。",
    "“{:g}” contradicts the direction given for {}.": "“{:g}”与{}的增减方向矛盾。",
    "{} is given in {}, not as “{}”.": "{}的单位是{}，不能写成“{}”。",
    "A colour temperature in kelvin belongs to a raw file; for a photo say warmer or cooler, "
    "or make it warmer by 20 %.": "开尔文色温只适用于 RAW 文件；对照片请说“暖一点”“冷一点”或“色温提高20%”。",
    "“{}” and “{}” contradict each other.": "“{}”与“{}”互相矛盾。",
    "Two amounts in one step: {}.": "一个步骤里有两个数值：{}。",
    "The rectangle {} (x, y, width, height) is empty.": "矩形 {}（x, y, 宽, 高）是空的。",
    "It is not said what to leave out.": "没有说明要排除什么。",
    "It is not clear which part is meant: {}.": "不清楚指的是哪个部分：{}。",
    "The built-in editor does not understand {} here.": "内置编辑器在这里不理解{}。",
    "The built-in editor cannot {}; a diffusion editor can (--editor, see `reedit editors`).":
        "内置编辑器无法{}；扩散编辑器可以（--editor，见 `reedit editors`）。",
    "There is nothing to do in this instruction.": "这条指令没有要做的事。",
    "A step must say what to do; “{}” says what not to do.": "步骤要说明做什么；“{}”说的是不做什么。",
    "“{}” says what is there, not what to do.": "“{}”说的是现状，没有说要做什么。",
    "No operation is named in “{}”.": "“{}”里没有说明要做什么操作。",
    "It is not said which part keeps its colour.": "没有说明哪个部分保留颜色。",
    "It is not said what becomes {}.": "没有说明把什么变成 {}。",
    "Less {} is not an operation; say what it should become.": "没有“减少 {}”这种操作；请说明要变成什么颜色。",
    "It is not said whether to increase or to reduce “{}”.": "没有说明“{}”是要提高还是降低。",
    "“{}” can be raised or lowered, not removed.": "“{}”可以提高或降低，不能去掉。",
    "The built-in editor cannot take {} out of a photo.": "内置编辑器无法从照片里去掉{}。",
    "To remove “{}”, show where it is: --mask MASK.png or --region X,Y,W,H.":
        "要去掉“{}”，请标出位置：--mask MASK.png 或 --region X,Y,W,H。",
    "To remove something, show where it is: --mask MASK.png or --region X,Y,W,H.":
        "要去掉东西，请标出位置：--mask MASK.png 或 --region X,Y,W,H。",
    "Two numbers of the same kind in one step.": "一个步骤里有两个同类的数值。",
    "Left and right contradict each other.": "左和右互相矛盾。",
    "Flip along one axis at a time.": "一次只能沿一个方向翻转。",
    "A rotation is given in degrees.": "旋转以度为单位。",
    "The size is not clear; say for example: resize to 1200 px wide.": "尺寸不明确；例如可以说：宽度改为1200像素。",
    "A size goes from 1 to 100000 pixels.": "尺寸的范围是 1 到 100000 像素。",
    "It is not said to what size.": "没有说明要改成多大。",
    "A size is given in pixels, in % or as a factor.": "尺寸以像素、百分比或倍数表示。",
    "An aspect ratio goes from 1:20 to 20:1.": "宽高比的范围是 1:20 到 20:1。",
    "Say how much to cut off, from which side, or to what to crop.": "请说明裁掉多少、从哪一边裁，或裁剪到什么。",
    "Crop one side at a time, or all of them.": "一次裁剪一边，或者四边一起。",
    "More than {} steps in one instruction; give fewer at a time.": "一条指令超过 {} 个步骤；请分几次提出。",
    "“The rest” of what? Say which part to keep.": "“其余”是相对什么？请说明保留哪个部分。",
    "Only one part can be kept as it is; give the others in a step of their own.":
        "一次只能保持一个部分不变；其他部分请单独成步。",
    "“{}” is to be changed and to be kept.": "“{}”既要改变又要保持不变。",
    "{} changes the whole photo; nothing can be kept from it.": "{}会改变整张照片，无法保持其中一部分不变。",
    "The instruction has {} characters; at most {} are read.": "指令有 {} 个字符；最多读取 {} 个。",
    "The instruction is too long: more than {} words; give fewer steps at a time.":
        "指令太长：超过 {} 个词；请减少一次的步骤。",
    'Put the words to write in quotation marks: write "HELLO" at the top.':
        "请把要写的文字放在引号里：在顶部写上“你好”。",
    "One text at a time, please: two quotations stand in one step.": "一次只能写一段文字：一个步骤里有两处引号。",
    "A quotation alone is no step; say where to write it.": "只有引号里的文字不成步骤；请说明写在哪里。",
    "The text to write must have 1 to {} characters.": "要写的文字须有 1 到 {} 个字符。",
    "Only a watermark can be tiled.": "只有水印可以平铺。",
    "Name one place for the text: top, bottom, left, right, centre, or a corner.":
        "请给文字指定一个位置：上、下、左、右、中间或一个角。",
    "There is nothing to crop to: the mask is empty.": "没有可裁剪的区域：蒙版是空的。",
    "Cannot crop to {}x{}: the photo has only {}x{} pixels; resize makes it larger.":
        "无法裁剪到 {}x{}：照片只有 {}x{} 像素；可以先放大。",
    "Cropping that much leaves nothing of the photo.": "裁掉这么多，照片就什么都不剩了。",
    "{:g}:{:g} is not an aspect ratio.": "{:g}:{:g} 不是宽高比。",
    "Rotating by an angle works up to {} pixels a side; resize the photo first.":
        "按角度旋转时每边最多 {} 像素；请先缩小照片。",
    "No horizon or upright line shows how far the photo leans; say by how much: “rotate by 2 degrees”.":
        "照片里没有地平线或竖直线能说明歪了多少；请说明角度，例如“顺时针旋转2度”。",
    "{}x{} would be {:.0f} MP; the limit is {} MP.": "{}x{} 将有 {:.0f} 百万像素；上限是 {} 百万像素。",
    "The mark covers almost the whole photo; there is nothing left to fill it from.":
        "标记几乎盖住了整张照片，没有内容可以用来填补。",
    "There is too little around the mark to fill it from; mark less, or give a larger photo.":
        "标记周围可用来填补的内容太少；请标小一点，或换一张更大的照片。",
    "There are no words to write; put them in quotation marks.": "没有要写的文字；请放在引号里。",
    "The text is too long for a photo of {}x{} pixels.": "对 {}x{} 像素的照片来说，文字太长了。",
    "No font on this machine has all the characters of “{}”; install one, for example the package {}.":
        "本机没有包含“{}”全部字符的字体；请安装一种，例如软件包 {}。",
    "{} changes the whole photo; it cannot be limited by --mask or --region.":
        "{}会改变整张照片，无法用 --mask 或 --region 限定范围。",
    "“{}” was found with low confidence ({:.0%}): check it, or say where it is with --mask or --region.":
        "“{}”的位置不太确定（置信度 {:.0%}）：请检查结果；也可以用 --mask 或 --region 标出它。",
}  # fmt: skip
"""English template -> Chinese."""

REASONS: dict[str, tuple[str, str]] = {
    "expression": ("change an expression", "改变表情"),
    "pose": ("change a pose or an action", "改变姿势或动作"),
    "clothes": ("change clothes, hair or make-up", "更换衣服、发型或妆容"),
    "move": ("move things", "移动物体"),
    "replace": ("replace one thing with another", "把一样东西换成另一样"),
    "generate": ("generate new content", "生成新的内容"),
    "translate": ("translate text in a picture", "翻译图中的文字"),
    "detail": ("invent detail", "凭空补出细节"),
    "body": ("change a body or an age", "改变体型或年龄"),
    "colorize": ("guess the colours of a black and white photo", "猜出黑白照片的颜色"),
    "add": ("add objects", "添加物体"),
    "light": ("light a scene from one side", "从某个方向打光"),
    "remove": ("remove objects without knowing where they are", "在不知道位置时去掉物体"),
}
"""What classical operations cannot do, to end the sentence "the built-in editor cannot ...", in both languages."""

UNITS: dict[str, str] = {
    "degrees": "度", "levels": "级", "exponent": "指数", "factor": "倍数", "opacity": "不透明度", "none": "无",
    "share": "比例", "share of the height": "占高度的比例", "share of the short side": "占短边的比例",
}  # fmt: skip


def unit(name: str) -> str:
    """An operation's unit for people: "strength -1..1", "EV", "degrees"."""
    return UNITS.get(name, name.replace("strength", "强度")) if _chinese.get() else name
