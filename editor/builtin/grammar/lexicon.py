# ruff: noqa: E501 - long rows of phrases read better than broken ones
"""The vocabulary: kind -> meaning -> the phrases that carry it, English (American spelling) and simplified Chinese.

Data only. `words` builds its index from here when the first text is parsed; British spelling, traditional
characters, plurals and the inflections of the first word of a verb are derived there. A phrase stands once.
"""

from __future__ import annotations

from typing import Any

# A signed meaning is "operation" or "-operation"; "operation<" starts one level lower than the words say.
LEXICON: dict[str, dict[Any, str]] = {
    # words without content ------------------------------------------------------------------------------
    "stop": {
        "": "please|kindly|pls|can you|could you|would you|i want you to|i want to|i want|i would like to|i'd like to|"
        "i would like|i'd like|let's|let us|want|wish|would like|try to|you can|should|should be|must be|must|needs|"
        "need|needs to be|need to be|be|being|is|are|was|can|could|will|would|just|simply|also|both|overall|entire|"
        "whole|complete|all|each|every|some|more of|kind of|sort of|look like|like|look|looks|looking|appear|appears|seem|feel|"
        "feeling|that|which|so|so that|there|now|here|first|firstly|next|finally|lastly|even|still|yet|tightly|effect|"
        "effects|filter|style|treatment|scene|level|levels of|amount|amount of|value|degree of|version of|version|"
        "setting|slider|adjustment|area|areas|region|part|parts|portion|section|side of|one|ones|using|use of|"
        "natural|nice|naturally|nicely|evenly|uniformly|globally|shade|shade of|hint of|piece|"
        "very own|own|stand out|result|thanks|thank you|thank you very much|thx|cheers|u|ur|plz|for me|go ahead and|would you mind|do you mind|sick|diseased|dying|ailing|final|current|existing|original|again|further|hand|light from|nothing else|nothing more|that is all|that's all|only that|tbh|imo|than it is now|than it is|than it was|than now|than before|than this|than the original|than the original photo|gimme|ugh|omg|hey|hi|hello|can we|can we get|could we|"
        "请|请你|帮我|帮忙|麻烦|谢谢|谢谢你|谢谢啦|多谢|感谢|辛苦了|辛苦|哦|哈|嘛|啦|给我|拜托|求|麻烦你|能不能|可以|可不可以|想要|想|我想|我要|我想要|希望|要|需要|应该|这|那|这个|那个|它|"
        "它们|整个|整张|整幅|整体|全图|全部|所有|全|整|的|地|得|了|着|呢|吧|吗|啊|呀|一下|一张|一幅|一个|一只|一条|"
        "一片|一朵|一辆|一层|一种|一圈|一道|一块|一行|张|幅|个|层|种|都|也|很自然|自然|看起来|看上去|显得|效果|滤镜|风格|"
        "样式|处理|部分|区域|地方|那部分|这部分|程度|数值|值|画面感|场景|首先|先|第一步|最后|使用|用|为了|有|具有|带|带有|"
        "出|出来|起来|比现在|比现在的|比原来|比原来的|比原图|比之前|比之前的|比原片|一键|上|上去|下来|里|里面|中|内|感觉|感|是|会|能|点的|所|一次|再|现有|当前|原来的|原|本"
    },
    "photo": {
        "": "photo|photos|photograph|photographs|photography|picture|pictures|image|images|pic|pics|shot|snapshot|portrait|portraits|selfie|headshot|film|"
        "frame contents|everything|the lot|"
        "whole thing|overall tone|overall tones|light|lighting|exposure level|"
        "照片|照|图片|图像|图|相片|画面|影像|片子|整张照片|整张图|色调|影调|光线|整体色调"
    },
    "pron": {"": "it|its|itself|me|us|them|they|this|these|those|he|him|she|her|his|他|她|此"},
    "det": {"": "the|a|an|my|our|your|their|all the|all of the|both the|any"},
    "of": {"": "of|off|off of|off the|in|on|onto|inside|within|from the|from|over|across|around|about|at|near|under|behind|throughout|在|从|对|对于|于|关于|沿|沿着|位于|往"},
    "to": {"": "to|to focus on|into|to be|as|so it is|to become|until|up to|down to|to look|towards|toward|成|为|至|到|向|朝|朝向|成为"},
    "by": {"": "by|for|with|with a|with an|through|size|sized|按|以|用来|跟|使得"},
    "ba": {"": "把|将|给|让|使|令|叫|替"},
    "verb": {
        "": "make|turn|change|set|give|apply|convert|adjust|get|let|have|do|use|render|become|go|transform|put|bring|"
        "modify|tweak|alter|edit|shift|take|perform|create|process|produce|show it|push|pull|leave it|want it|simulate|mimic|imitate|evoke|suggest|emphasize|accentuate|draw attention|draw the eye|draw focus|"
        ""
        "做|做成|变|变得|变成|变为|改|改成|改为|调|调成|调整|调整成|调整为|调节|设置|设为|设成|设置为|应用|转|转成|转为|"
        "转换|转换成|转换为|处理成|弄|弄成|搞|更改|修改|呈现|呈现出|显示|进行|偏|发|泛|来|来个|出现|长出|产生|打造|打造成|制作|制作成|营造"
    },
    "repair": {"": "fix|fix up|fixing|correct|repair|remedy|mend|cure|counteract|compensate for|修|修正|校正|矫正|纠正|改正|挽救|补救|救|救一下|救救|拯救|调回来|调回去|拉回来|改回来|调正常|恢复正常"},
    "sep": {
        "weak": "and|plus|as well as|and also|along with|together with|or|并|并且|和|与|及|以及|且|而且|又|还",
        "strong": "then|and then|after that|afterwards|followed by|but|while|however|and finally|next to that|and next|"
        "然后|接着|随后|同时|之后|而|但|但是|不过|并同时|然后再|接下来|最后再|另外|此外",
    },
    # direction and degree -------------------------------------------------------------------------------
    "up": {
        "": "more|higher|stronger|increase|boost|raise|lift|bump|bump up|up|enhance|strengthen|intensify|amplify|"
        "turn up|crank up|push up|bring up|pump up|deeper|greater|extra|additional|increased|high|improve|bigger dose of|"
        "heighten|elevate|step up|dial up|bring out|pull up|open up|gain|"
        "更|更加|更多|再多|提高|增加|增强|加强|提升|加大|升高|调高|拉高|提|强化|加重|更高|更强|高|加深|"
        "上调|推高|多|增大|改善|提一提|调大|拉大|再高|变高|突出",
    },
    "down": {
        "": "less|lower|weaker|reduce|decrease|cut|cut down|lessen|diminish|drop|minimize|tone down|turn down|bring down|"
        "pull down|pull back|weaken|dial down|dial back|lower down|subdue|tame|suppress|low|decreased|reduced|lowered|"
        "ease off|limit|restrain|kill|nuke|not so|not as|fewer|down|"
        "降低|减少|减小|减弱|削弱|调低|拉低|压低|减|下调|更低|更少|更弱|低|别那么|不那么|不要那么|"
        "不要太|少|抑制|降|减淡|变低|没那么|减轻|调小",
    },
    "add": {
        "": "add|include|introduce|overlay|superimpose|insert|place|give it|add in|draw|generate|plus a|throw in|sprinkle|"
        "加|加上|添加|加入|增添|加个|添|添上|叠加|插入|放|放上|放置|画|画上|画一|生成|加一个|打|打上|附加",
    },
    "remove": {
        "": "remove|delete|erase|eliminate|get rid of|take out|take away|clean up|clear away|cut out|strip|clear up|cut through|"
        "heal|retouch away|wipe out|take off|clear out|"
        "去掉|去除|移除|删除|删掉|消除|擦除|擦掉|清除|抹掉|抹去|除去|去|移走|修掉|抠掉|拿掉|消掉",
    },
    "degree": {
        0: "a few|few|a notch|notch|a little bit of|just a little|slightly|slight|a bit|a bit of|bit|little bit|a little|a little bit|a touch|touch of|a touch of|subtle|subtly|"
        "gently|gentle|mild|mildly|lightly|faint|faintly|a hint of|a tad|a tiny bit|somewhat|softly|minor|marginally|"
        "a dash of|delicate|modest|modestly|a little more of|just a bit|a lil|lil|a lil bit|lil bit|a smidge|a smidgen|a hair|a wee bit|a pinch of|"
        "一些|稍微|稍稍|略微|轻微|一点|一点点|些|点|略|稍|微微|些许|少许|适度|淡淡|轻轻|有点|有些|稍许|微|小幅|细微|淡|少量|零星|强一点|强一些|强点|轻度|轻一点|轻一些|轻点|淡一点|淡一些|淡点|弱一点|弱一些|弱点",
        1: "moderately|moderate|medium|fairly|quite|rather|noticeably|noticeable|适中|中等|适当|比较|较为",
        2: "many|much|strongly|strong|very|a lot|a lot of|lots of|heavily|heavy|significantly|considerably|dramatically|"
        "drastically|intensely|intense|extremely|hugely|massively|way|far|really|deeply|bold|boldly|substantially|"
        "a great deal|greatly|highly|severely|severe|thick|dense|a ton of|pronounced|aggressive|aggressively|extra strong|"
        "大幅|大幅度|明显|强烈|非常|很|极|极其|十分|大大|显著|特别|超|超级|许多|很多|大量|浓|浓浓|浓重|浓郁|强|重度|剧烈|严重|极度|狠狠|大|厚|大大地|重一点|重一些|重点儿|浓一点|浓一些",
        3: "completely|fully|totally|entirely|maximum|maximally|as much as possible|to the max|all the way|"
        "完全|彻底|最大|最大程度|拉满|全然",
    },
    "too": {"": "too|overly|excessively|too much|太|过|过于|偏于|太过"},
    "enough": {"": "not enough|enough|too little|insufficient|lacks|lacking|不够|不足|缺乏|缺少"},
    "not": {
        "": "not|don't|do not|never|doesn't|does not|no|nor|without|isn't|avoid|stop|dont|cannot|can't|refuse|"
        "不要|别|勿|不|不用|没有|没|不能|不可|禁止|无需|避免|请勿|不许|无"
    },
    "keep": {
        "": "keep|keeping|preserve|preserving|leave|leaving|maintain|maintaining|retain|retaining|protect|protecting|stay|stays|staying|remain|remains|"
        "without changing|without touching|without affecting|without altering|without modifying|without losing|留下|"
        "do not touch|don't touch|do not change|don't change|do not affect|don't affect|do not alter|don't alter|"
        "not changing|not touching|not affecting|"
        "保持|保留|不改变|不影响|不要改变|不要影响|不要动|别动|不碰|不要碰|不修改|维持|不变动|不破坏"
    },
    "unchanged": {
        "": "unchanged|untouched|as is|as it is|as they are|as it was|intact|the same|same|alone|unaffected|unaltered|"
        "不变|原样|不动|完整|如初|一致|不要变|别变|不用变|不用动|不要改|别改|不用改|不改|保持不变|不受影响|不要受影响"
    },
    "rest": {
        "": "rest|the rest|the rest of|everything else|all else|other areas|other parts|other things|others|other colors|"
        "anything else|remaining|the others|background elements|composition|texture|textures|details|detail|shading|"
        "shape|shapes|identity|structure of|natural look|realism|realistic look|original composition|content|"
        "其他|其它|其余|其他部分|其它部分|其余部分|其他地方|其他区域|别的|构图|纹理|细节|形状|内容|身份|明暗",
    },
    "except": {"": "everywhere but|everywhere except|except|except for|everything except|everything except for|all except|all except for|everything but|all but|other than|apart from|"
               "anything but|besides|excluding|outside of|outside|everything outside|everything behind|everything around|everything surrounding|everything other than|aside from|surroundings of"},
    "chu": {"": "除|除了|除去了"},
    "wai": {"": "以外|之外|外|以外的部分|之外的部分|以外的一切|以外的地方|以外的区域|之外的地方|之外的区域"},
    "incolor": {"": "in color|in full color|colored|in colors|in its color|in its original color|in its colors|in original color|彩色|保持彩色|保留颜色|保留色彩|有颜色|原色|保留彩色|留彩色|保留原色|有色彩"},
    "only": {"": "only|solely|nothing but|exclusively|只|仅|只有|仅仅|单独|只在|只对|只把"},
    # one-word tone and colour -------------------------------------------------------------------------------
    "prop": {
        "exposure": "exposure|ev|exposure compensation|曝光|曝光度|曝光量|曝光补偿",
        "brightness": "brightness|lightness|brightness level|luminance|luminosity|brilliance|midtones|mid tones|mid-tones|亮度|明度|中间调|明亮度",
        "-brightness": "darkness",
        "contrast": "contrast|tonal contrast|contrasts|punch|对比度|对比|反差|明暗对比",
        "gamma": "gamma|伽马|伽玛|gamma值",
        "highlights": "highlights|highlight|blown highlights|blown out highlights|clipped highlights|burnt out highlights|bright parts|bright areas|brights|brightest parts|高光|亮部|高光部分|亮的部分|过曝的高光|溢出的高光|高光溢出",
        "shadows": "shadows|shadow|dark parts|dark areas|darks|shadow detail|shadow details|阴影|暗部|阴影部分|暗的部分",
        "blacks": "blacks|black point|black level|black levels|黑色色阶|黑场|黑位|黑色部分",
        "whites": "whites|white point|white level|white levels|白色色阶|白场|白位|白色部分",
        "-dehaze": "haze|haziness|mist haze|雾霾|薄雾感|灰蒙蒙|雾霾感|朦胧感|霾",
        "clarity": "clarity|local contrast|local contrast in the midtones|local contrast in the mid tones|microcontrast|micro contrast|midtone contrast|definition|texture contrast|structure|清晰度|通透度|通透感|局部对比度|质感|质感对比|结构",
        "saturation": "saturation|color saturation|colorfulness|color intensity|chroma|colors|color|vividness|intensity of the colors|饱和度|色彩饱和度|彩度|颜色饱和度|色彩浓度|鲜艳度|饱和|色彩|颜色",
        "vibrance": "vibrance|vibrancy|自然饱和度|鲜明度",
        "temperature": "temperature|temp|color temperature|warmth|white balance temperature|色温|暖度|暖意|温暖度|暖调|暖色",
        "-temperature": "coolness|冷调|冷色|冷度",
        "tint": "magenta tint|green magenta tint|洋红色调",
        "hue": "hue|hues|色相|色调角度",
        "sharpen": "sharpness|edge sharpness|crispness|acutance|锐度|锐利度",
        "denoise<": "smoothness|光滑度|平滑度",
        "-denoise": "noise|digital noise|color noise|luminance noise|image noise|graininess|noisiness|噪点|噪声|杂色|噪音",
    },
    "quality": {
        "brightness": "bright|brighter|lighter|light up|lit|well lit|brightened|亮|更亮|明亮|更明亮|光亮|变亮|亮堂",
        "-brightness": "dark|darker|dim|dimmer|darkened|dimmed|暗|更暗|变暗|昏暗|更黑暗|偏暗|发暗|幽暗|更昏暗",
        "contrast": "contrasty|contrastier|contrasted|high contrast|higher contrast|高对比度|高对比|高反差|强对比",
        "-contrast": "flat|flatter|low contrast|lower contrast|低对比度|低对比|低反差|平淡",
        "temperature": "warm|warmer|warmed|warmer in tone|warm tone|warm tones|warm toned|warmer tone|warmer tones|warm look|warm glow|暖|更暖|偏暖|温暖|更温暖|暖和|暖色调|暖调子|暖洋洋|变暖|暖色系|更暖和",
        "-temperature": "蓝色调|冷蓝|青色调|cool|cooler|cold|colder|chilly|cooled|cool tone|cool tones|cold tone|cold tones|cooler tone|cooler tones|cool toned|冷|更冷|偏冷|冷色调|冷调子|清冷|变冷|冷色系",
        "sharpen": "sharp|sharper|crisp|crisper|sharpened|锐利|更锐利|锐|清晰锐利",
        "clarity": "clear|clearer|defined|more defined|清晰|更清晰|通透|更通透|清楚|更清楚",
        "blur": "blurry|blurred|blurrier|out of focus|defocused|unfocused|模糊|更模糊",
        "blur<": "soft|softer|softened|smoother|smooth|柔和|更柔和|柔软|平滑|更平滑|光滑|更光滑|细腻|更细腻",
        "saturation": "saturated|colorful|more colorful|richer|rich|richer colors|rich colors|vivid|more vivid|saturated colors|vivid colors|鲜艳|更鲜艳|浓艳|艳丽|艳|色彩丰富|丰富|饱满|变鲜艳|鲜亮|太淡|过淡|颜色深|颜色更深|颜色浓|颜色更浓|色彩浓|颜色重|的颜色深|的颜色浓",
        "-saturation": "desaturated|muted|duller|dull|washed out|pale colors|muted colors|desaturated colors|unsaturated|colorless|颜色淡|颜色更淡|色彩淡|颜色浅|颜色更浅|色彩浅|的颜色淡|的颜色浅|素一点|素净|素雅|清淡|暗淡|淡雅|灰暗",
        "vibrance": "vibrant|lively|lively colors|vibrant colors|明快|鲜活|生动|鲜明",
        "dehaze": "haze free|dehazed|hazeless",
        "-dehaze": "hazy|hazier|milky|朦胧|雾蒙蒙|迷蒙|迷濛",
        "grain": "grainy|grainier|有颗粒感|颗粒感",
        "-denoise": "noisy|noisier|噪点多|噪点重",
        "exposure": "overexposed|overexposure|overexposing|brighter exposure|过曝",
        "-exposure": "underexposed|underexposure|欠曝|曝光不足的|曝光不足",
    },
    "action": {
        "exposure": "overexpose",
        "-exposure": "underexpose",
        "brightness": "brighten|brighten up|dodge|lighten|lighten up|illuminate|light up the|提亮|调亮|加亮|打亮|点亮|照亮|增亮|变明亮",
        "-brightness": "darken|dim down|dim the|darken down|burn in|压暗|调暗|加暗|减暗|弄暗|降暗|暗化",
        "temperature": "warm up|warm the|调暖|加暖|暖化|调暖色温",
        "-temperature": "cool down|cool off|chill|调冷|冷化|调冷色温",
        "sharpen": "sharpen|sharpen up|crispen|锐化|加锐",
        "blur": "blur|blur out|defocus|unfocus|gaussian blur|lens blur|blurring|虚化|模糊化|模糊处理|高斯模糊|弄模糊|糊化|散焦",
        "blur<": "soften|smooth out|smooth down|smoothen|smooth over|柔化|柔焦|柔化处理",
        "smooth": "skin smoothing|skin softening|磨皮|磨皮处理|柔肤|嫩肤",
        "denoise": "denoise|denoising|noise reduction|reduce noise|noise removal|despeckle|降噪|去噪|除噪|去噪点|减噪|去除噪点|消除噪点",
        "saturation": "saturate|oversaturate|加饱和",
        "-saturation": "desaturate|mute|wash out|mute the colors|减饱和|去饱和|降饱和|去饱和度",
        "dehaze": "dehaze|defog|dehazing|clear the haze|clear the fog|clear the mist|clear the air|clear up the haze|clear up the fog|clear away the haze|clear away the fog|去雾|除雾|去霾|去朦胧|去灰|去雾霾",
        "-shadows": "deeper shadows|deeper shadow|deep shadows|darker shadows|deepen the shadows|deepen shadows|crush the shadows|crush shadows|darken the shadows|压暗阴影|加深阴影|加深暗部|压暗暗部",
        "shadows": "lift the shadows|open the shadows|open up the shadows|recover the shadows|recover shadows|recover shadow details|recover detail in the shadows|recover details in the shadows|fill light|recover shadow detail|bring out shadow detail|bring out detail in the shadows|bring out details in the shadows|bring out more detail in the shadows|提亮阴影|提亮暗部|恢复阴影|还原暗部细节|恢复暗部细节|恢复暗部|补光|还原暗部",
        "-highlights": "recover the highlights|recover highlights|recover highlight detail|recover highlight details|recover detail in the highlights|recover details in the highlights|tame the highlights|bring back the highlights|restore the highlights|restore highlights|恢复高光|还原高光|压暗高光|压高光|恢复高光细节|还原高光细节|恢复亮部细节|找回高光",
        "-blacks": "crush the blacks|crush blacks|crushed blacks|deepen the blacks|deeper blacks|deepen blacks|deep blacks|blacker blacks|make the blacks blacker|make the blacks deeper|压暗黑色|压黑|加深黑色|加深黑场",
        "whites": "brighten the whites|whiter whites|make the whites whiter|make whites whiter|whiten the whites|提亮白色",
        "contrast": "increase the difference between light and dark|s curve|s形曲线|s曲线|加强反差|拉开反差|加对比",
        "-contrast": "flatten the contrast|flatten|减对比",
        "pixelate": "pixelate|pixelize|mosaic|pixelated|censor|pixelation|a mosaic|block out|像素化|马赛克|打码|打马赛克|加马赛克|马赛克效果|遮挡|打上马赛克",
        "clarity": "add definition|add structure|add clarity",
        "inpaint": "inpaint|fill in the hole|heal the spot|content aware fill|内容识别填充|修补",
        "color_pop": "color pop|selective color|color splash|color isolation|局部彩色|单色保留|局部留色|留色|抽色",
        "depth_blur": "depth blur|bokeh|shallow depth of field|depth of field|portrait mode|background bokeh|bokeh blur|tilt shift|tilt shift effect|tilt shift miniature|miniature|miniature effect|移轴|移轴效果|移轴摄影|微缩景观|景深|浅景深|景深虚化|景深模糊|大光圈|景深效果|焦外虚化|人像模式",
        "auto_levels": "auto levels|auto level|autolevels|auto contrast|auto tone|normalize|equalize|normalize the levels|stretch the tones|stretch the levels|auto adjust|auto enhance|fix the levels|fix levels|adjust levels|adjust the levels|correct levels|correct the levels|level correction|levels correction|自动色阶|自动对比度|自动调整|自动色调|色阶拉伸|自动增强|拉伸色阶|色阶调整|调整色阶|校正色阶|修正色阶",
        "white_balance": "white balance|auto white balance|neutral white balance|white balance correction|wb|auto wb|fix wb|fix the wb|wb fix|correct wb|awb|fix the white balance|correct the white balance|neutralize|remove the color cast|remove color cast|neutralize the color cast|fix the color cast|correct the color cast|color cast|balance the colors|fix the colors|correct colors|correct the colors|color correct|白平衡|自动白平衡|校正白平衡|修正白平衡|去除偏色|去偏色|校正偏色|纠正偏色|色偏校正|校色|消除偏色|修正偏色|偏色|白平衡校准|校准白平衡|白平衡校正|白平衡矫正|白平衡修正|色偏|去除色偏|校正色偏",
        "invert": "invert|negative|a negative|color negative|invert the colors|invert colors|inverted colors|film negative|photo negative|反相|反色|负片|颜色反转|反转颜色|负片效果|颜色反相|色彩反转|反转色彩",
        "posterize": "posterize|posterization|a poster effect|poster effect|reduce to tone levels|reduce to|reduce it to|reduce the photo to|reduce the image to|reduce the picture to|limit to|limit it to|减少到|减少为|减到|色调分离|海报化|色阶分离|色调分离效果|海报效果",
        "black_and_white": "black and white|b&w|b and w|bw|b/w|monochrome|monochromatic|grayscale|gray scale|greyscale|shades of gray|black and white photo|decolorize|remove all color|remove the color|remove all colors|remove the colors|remove color|remove colors|no color|without color|black and white look|"
        "黑白|黑白照|黑白照片|单色|灰度|灰阶|灰度图|黑白色|去色|黑白化|黑白效果|黑白风格|去掉颜色|去除颜色|去掉色彩|去掉所有颜色|无色",
    },
    "look": {
        "sepia": "sepia|sepia tone|sepia toned|sepia toning|sepia look|sepia filter|棕褐色调|棕褐色|怀旧棕色|深褐色调|棕褐|褐色调|怀旧色调|乌贼墨色|复古棕色|复古棕褐色调|复古棕褐色",
        "fade": "fade|faded|faded look|fade effect|faded blacks|matte|matte look|matte finish|lifted blacks|film fade|washed film|fade the blacks|fade the colors|褪色|褪色感|褪色效果|哑光|磨砂感|褪色胶片|做旧褪色|胶片褪色|褪色风格|消褪|掉色",
        "split_tone": "split tone|split toning|split toned|duotone|dual tone|split tone look|分离色调|色调分离调色|双色调|分割色调|双色",
        "teal_orange": "teal and orange|orange and teal|teal orange|teal & orange|cinematic teal and orange|teal and orange grade|teal and orange look|teal and orange color grade|teal and orange grading|青橙|青橙色调|橙青色调|橙青|青橙调|青橙风格|电影青橙",
        "grain": "grain|film grain|grains|noise grain|film noise|analog grain|颗粒|胶片颗粒|噪点颗粒|胶片颗粒感|电影颗粒|颗粒效果",
        "vignette": "vignette|vignetting|dark vignette|vignette effect|darkened corners|darker corners|暗角|黑角|晕影|暗角效果|四角压暗|四角变暗|压暗四角",
        "-vignette": "white vignette|light vignette|bright vignette|白色暗角|亮角|白角|白色晕影",
        "cross_process": "cross process|cross processed|cross processing|cross processed look|cross processed slide film|xpro|正片负冲|交叉冲印|交叉冲洗|正片负冲效果|正负冲|正负冲效果|反转负冲",
        "bleach_bypass": "bleach bypass|bleach bypassed|bleach bypass look|skip bleach|silver retention|跳漂|漂白旁路|留银|跳过漂白|漂白效果|银盐保留|留银冲洗|跳漂白",
        "gradient_sky": "gradient|graduated filter|gradient filter|nd grad|graduated nd filter|graduated nd|grad filter|graduated density|color gradient|渐变|渐变滤镜|渐变镜|天空渐变|渐变灰|渐变效果|渐变色",
        "golden_hour": "golden hour|golden hour light|golden hour look|golden hour lighting|golden light|golden sunlight|warm low sun|low warm sun|sunset light|sunset glow|late afternoon light|黄金时刻|黄金时段|黄金时刻的光线|夕阳光|夕阳余晖|日落余晖|金色阳光|夕照|金色光线|黄昏光线|夕阳效果|落日余晖|夕阳的光线|金色时刻",
        "day_to_night": "day to night|day into night|day for night|night|nighttime|night time|a night scene|night scene|night shot|nightfall|at night|daytime into night|daytime to nighttime|day to nighttime|黑夜|夜晚|夜景|晚上|夜间|夜里|白天变黑夜|白天变成黑夜|白天变夜晚|白天变成夜晚|日转夜|白天变晚上|白天变成晚上|白天转夜晚|由白天变成夜晚|白天换成黑夜|天黑|天黑了|天黑下来",
        "snow": "snow|falling snow|snowfall|snowflakes|snowing|snowy|a snowfall|it snow|snowy weather|下雪天|雪|下雪|飘雪|雪花|落雪|大雪|小雪|降雪|飘落的雪花|雪景|飘雪花",
        "fog": "fog|foggy|misty|mist|a fog|fogginess|foggy weather|morning mist|雾|雾气|薄雾|大雾|浓雾|起雾|晨雾|有雾|迷雾|雾天",
        "rain": "rain|rainy|raining|rainfall|falling rain|raindrops|rain streaks|rainy weather|下雨天|it rain|drizzle|雨|下雨|雨天|雨丝|雨水|大雨|小雨|降雨|雨滴|细雨",
        "blur": "blur effect|模糊效果|虚化效果",
        "glow": "glow|soft glow|orton|orton effect|bloom|orton glow|glow effect|dreamy glow|glowing|柔光|辉光|奥顿|奥顿效果|光晕|柔光效果|发光|柔焦光晕|泛光",
        "pencil": "pencil|pencil drawing|pencil sketch|sketch|a sketch|drawing|pencil look|graphite drawing|black and white pencil drawing|line drawing|hand drawn sketch|铅笔画|素描|铅笔素描|铅笔|速写|素描画|线稿|手绘素描",
        ("pencil", "color"): "colored pencil drawing|color pencil drawing|colored pencil sketch|colored pencil|color pencil|color sketch|彩色铅笔画|彩铅|彩铅画|彩色素描|彩色铅笔",
        ("stylize", "oil"): "oil painting|oil paint|painting|oil|a painting|painterly|oil painting look|painted look|oil painted|油画|油画风格|绘画|油画效果|画作",
        ("stylize", "watercolor"): "watercolor|watercolor painting|water color|watercolors|aquarelle|水彩|水彩画|水彩风格|水彩效果",
        ("stylize", "cartoon"): "cartoon|comic|cartoonish|cartoon style|cartoon look|comic book|cartoonize|comic style|anime style cartoon|卡通|卡通风格|漫画|漫画风格|卡通画|卡通化|卡通效果|动漫风格",
        "sharpen": "sharpening|sharpening filter|unsharp mask|usm锐化",
    },
    "fadeword": {"": "recover|restore|rescue|salvage|bring back|恢复|还原|找回|修复"},
    "crush": {"": "crush|deepen|compress|clip|压|下压|压一压"},
    "depth": {"": "depth|depth falloff|a depth effect|depth effect|gradually with distance|with distance|lens like falloff|like a dslr|like with a dslr|dslr like|dslr style|like a portrait lens|like a fast lens|by depth|with depth|depth like|像单反一样|像单反|单反效果|单反那样|按景深|按深度|深度|带景深|层次感|按距离"},
    # colours of things ---------------------------------------------------------------------------------------
    "recolor": {
        "": "recolor|color in|colorize|paint|dye|change the color of|change color of|change the color|change color|change colors of|change the colors of|the color of|color of|the color|repaint|turn the color of|swap the color of|replace the color of|make the color of|alter the color of|"
        "改色|换色|换个颜色|上色|染|染成|涂成|涂|刷成|颜色改成|颜色改为|颜色换成|颜色变成|颜色变为|颜色调成|的颜色改成|的颜色改为|的颜色换成|的颜色变成|的颜色变为|颜色设为|的颜色|重新上色|上成|涂上|改变颜色|更改颜色|染上",
    },
    "tintword": {
        "": "tint|tone|tones|color balance|the color balance|tinge|cast|tone of|tinted|hued|tinting|toned|toning|tinge of|wash|color tint|color wash|color tone|color filter|染色|色彩倾向|偏色调|色彩滤镜|调子|色调偏",
    },
    "swap": {"": "replace|swap|substitute|exchange|replacing|replaced|换成|替换|替换成|替换为|换|换掉|替换掉|取代|换为|更换|更换成|更换为"},
    "colorish": {
        "blue": "bluer|blueish|blue ish|bluish|偏蓝|更蓝|蓝一点|蓝一些|发蓝|蓝一点点|泛蓝|蓝些",
        "green": "greener|green ish|greenish|偏绿|更绿|绿一点|绿一些|发绿|泛绿|绿些|变绿一点",
        "red": "redder|red ish|reddish|ruddier|偏红|更红|红一点|红一些|发红|泛红|红些|变红一点",
        "yellow": "yellower|yellow ish|yellowish|发黄|偏黄|更黄|黄一点|黄一些|泛黄|黄些",
        "purple": "purpler|purplish|偏紫|更紫|紫一点|紫一些|泛紫|紫些",
        "pink": "pinker|pinkish|偏粉|更粉|粉一点|粉一些|粉些",
        "orange": "oranger|orangish|orangey|偏橙|更橙|橙一点|橙一些|偏橘",
        "magenta": "偏洋红|偏品红",
        "cyan": "偏青|更青|青一点|青一些",
        "brown": "browner|brownish|偏棕|更棕|偏褐|发褐",
        "grey": "grayer|grayish",
        "gold": "偏金|更金黄",
        "white": "whiter|whitish|whiten|whitened|whitening|更白|白一点|白一些|变白一点|白些|美白",
        "black": "blacker|更黑|黑一些",
    },
    "shade": {
        "light": "pale|pastel shade of|soft shade of|light shade of|浅",
        "dark": "deep|dark shade of|deep shade of|深|暗色|墨",
        "plain": "pure|plain|rich shade of|hot|neon|true|solid|纯|鲜|亮丽|正",
    },
    # regions -------------------------------------------------------------------------------------------------
    "region": {
        "subject": "subject|main subject|foreground|foreground subject|object in focus|main object|central object|focus of the photo|person|people|product|figure|主体|主题|前景|人物|主要物体|主角|人|人像|产品|被摄体|主体物",
        "background": "background|bg|backdrop|surroundings|backgrounds|背景|后景|后面|周围|周围环境",
        "sky": "sky|skies|heavens|clouds|cloudy sky|clear sky|clear blue sky|天空|天|天际|云|云彩|云层|天上|蓝天",
        "foliage": "foliage|leaves|plant|plants|tree|trees|vegetation|greenery|bush|bushes|shrub|shrubs|forest|canopy|crop plants|植物|植被|树叶|树|树木|绿植|枝叶|灌木|森林|叶丛|树林|草木|叶片们",
        "leaf": "leaf|leaf blade|leaf surface|leaf tissue|whole leaf|entire leaf|叶子|叶片|叶|叶面|整片叶子|整片叶片|叶身|整个叶片|整个叶子|叶色|绿叶|黄叶",
        "some leaves": "older leaves|older leaf|oldest leaves|old leaves|young leaves|younger leaves|youngest leaves|new leaves|newest leaves|upper leaves|upper leaf|lower leaves|lower leaf|lowest leaves|bottom leaves|top leaves|老叶|新叶|嫩叶|幼叶|顶叶|下部叶片|下部叶|下部老叶|上部叶片|上部叶|中下部叶片|基部叶片|底部叶片",
        "grass": "grass|lawn|meadow|turf|field of grass|草|草地|草坪|草原|草丛|青草",
        "skin": "skin|skin tone|skin tones|complexion|皮肤|肤色|肌肤",
        "face": "face|faces|facial area|head|脸|脸部|面部|人脸|脸蛋",
        "water": "water|sea|ocean|lake|river|pond|waters|water surface|stream|pool|水|水面|海|海面|大海|湖|湖面|湖水|河|河流|河水|海水|池塘|水体",
        "ground": "ground|floor|soil|bare ground|bare soil|bare earth|sandy ground|land|earth|sand|desert|road|地面|土地|土壤|大地|沙地|沙漠|道路|路面|泥土|地板",
        "fruit": "fruit|fruits|apple|apples|tomato|tomatoes|berry|berries|banana|bananas|strawberry|strawberries|cherries|peaches|lemons|mango|mangoes|grapes|pear|pears|水果|果实|果子|苹果|番茄|西红柿|香蕉|草莓|樱桃|桃子|柠檬|芒果|葡萄|橘子|橙子",
        "flower": "flower|flowers|blossom|blossoms|petal|petals|bloom of the flower|flower petals|花|花朵|花瓣|鲜花|花儿",
    },
    "place": {
        "left": "left|left side|left half|left third|left part|left hand side|left edge|left border side|left margin side|left of the frame|左|左边|左侧|左半边|左半部分|左面|左方|左半|左部",
        "right": "right|right side|right half|right third|right part|right hand side|right edge|right of the frame|右|右边|右侧|右半边|右半部分|右面|右方|右半|右部",
        "top": "top|top half|top third|top part|upper half|upper part|upper third|top side|top edge|upper side|top of the frame|upper|上方|上边|顶部|上半部分|上半部|上侧|上面|顶端|上部|顶边|上半",
        "bottom": "bottom|bottom half|bottom third|bottom part|lower half|lower part|lower third|bottom side|bottom edge|lower side|bottom of the frame|下方|下边|底部|下半部分|下半部|下侧|下面|底端|下部|底边|下半|最下面",
        "center": "center|middle|center part|middle part|central area|central part|central|image center|中心|中央|中间|正中|正中间|中部|居中|正中央",
        "corners": "corners|four corners|all corners|all four corners|corner|四角|角落|四个角|四周角落|边角",
        "edges": "edges|borders area|outer edges|all edges|each side|every side|each edge|periphery|outer area|sides|边缘|每边|各边|四周|四边|周边|外围|边缘部分",
        "top-left": "top left|upper left|top left corner|upper left corner|top left hand corner|左上|左上角|左上方|左上部",
        "top-right": "top right|upper right|top right corner|upper right corner|top right hand corner|右上|右上角|右上方|右上部",
        "bottom-left": "bottom left|lower left|bottom left corner|lower left corner|bottom left hand corner|左下|左下角|左下方|左下部",
        "bottom-right": "bottom right|lower right|bottom right corner|lower right corner|bottom right hand corner|右下|右下角|右下方|右下部",
    },
    # plants --------------------------------------------------------------------------------------------------
    "margin": {"": "margin|margins|leaf margin|leaf margins|leaf edges|leaf edge|edge|rim|rims|edges of the leaf|edges of the leaves|margins of the leaf|margins of the leaves|outer rim|leaf rim|叶缘|叶边|叶边缘|叶子边缘|叶片边缘|叶子的边缘|叶片的边缘|边沿|叶片边沿|叶缘处|叶边儿"},
    "inward": {"": "inward|inwards|inside out|moving inwards|going inwards|progressing inward|progressing inwards|spreading inward|spreading inwards|toward the center|towards the center|to the center|toward the midrib|towards the midrib|from the outside in|from outside to inside|towards the middle|starting|starting from|beginning at|beginning from|starting at|向内|往里|由外向内|从外向内|向中心|向里|往内|开始|向内扩展|向内蔓延|蔓延|向内逐渐|to the base|to base|toward the base|towards the base|to its base|to the petiole|到叶基|至叶基|向叶基|到基部|至基部|向基部|逐渐|逐步|gradually|progressively"},
    "tip": {"": "tip|tips|leaf tip|leaf tips|tips of the leaf|tips of the leaves|tip of the leaf|points of the leaf|叶尖|叶尖端|尖端|叶子尖端|叶片尖端|叶尖处|叶顶端|叶子尖|尖部"},
    "between": {"": "between the veins|between veins|tissue between the veins|tissue between veins|areas between the veins|area between the veins|interveinal tissue|interveinal areas|interveinal area|interveinal|in between the veins|spaces between the veins|the tissue between its veins|between its veins|between the leaf veins|叶脉间|叶脉之间|脉间|叶肉|脉间组织|叶脉间组织|叶脉间区域|叶脉间的组织"},
    "vein": {"": "vein|veins|leaf veins|midrib|main veins|its veins|叶脉|主脉|脉络|主叶脉"},
    "dry": {"": "dry|dried|dry out|dried out|dried up|crispy|burn|burnt|burned|scorch|scorched|singe|singed|necrotic|wither and dry|干|干枯|焦枯|焦|枯焦|焦黄|烧焦|干焦|坏死|变干|枯死|发焦|变焦|变干枯|焦褐|发干"},
    "brownish": {"": "brown and dry|dry and brown|brown and crispy|browned|brown and dried|crispy brown|dry brown|brown and scorched|brown and burnt|枯黄|枯|枯萎干黄|焦褐色|褐色并干枯|变褐干枯|变褐并干枯|褐色干枯|变枯|褐变|枯黄色"},
    "pale": {"": "paler|pale green|light green to whitish|washed out green|whitish green|bleached|lighter green|pale and light|light and pale|苍白|发白|淡绿|变淡|失绿|浅绿|颜色变浅|颜色变淡|变浅|泛白|褪绿|变苍白|变白|浅绿色|淡绿色"},
    "healthy": {"": "healthy|healthier|green and healthy|healthy and green|lush|lusher|lush green|healthy green|lush and green|green and lush|vigorous|greener and healthier|fresh green|fresh and green|green again|健康|健康绿|翠绿|郁郁葱葱|茂盛|嫩绿|青翠|绿油油|碧绿|生机勃勃|更健康|健康绿色|鲜绿|葱郁|健康的绿色|翠绿色|嫩绿色"},
    "symptom": {
        "yellowing": "yellowing|chlorosis|chlorotic|general chlorosis|yellow all over|黄化|失绿发黄|泛黄发黄|整体黄化|黄化症状",
        "margin_chlorosis": "margin chlorosis|marginal chlorosis|yellow margins|yellowing margins|yellow edges|yellowing edges|yellowing of the margins|marginal yellowing|叶缘黄化|叶缘失绿|叶缘发黄|叶边发黄|叶缘变黄|边缘黄化|叶缘枯黄",
        "interveinal_chlorosis": "interveinal chlorosis|interveinal yellowing|yellow between green veins|yellow between the veins|yellow between veins|yellowing between the veins|yellowing between veins|脉间失绿|叶脉间失绿|叶脉间失绿变黄|叶脉间黄化|脉间黄化|叶脉间变黄|叶脉间发黄|脉间失绿黄化|脉间变黄|脉间失绿变黄|叶脉之间变黄",
        "tip_burn": "tip burn|tipburn|leaf scorch|leaf burn|marginal scorch|marginal necrosis|tip necrosis|burnt tips|brown tips|brown leaf tips|brown edges|brown margins|scorched edges|scorched margins|scorched tips|burnt edges|dry tips|dry brown tips|brown dry tips|叶尖焦枯|叶尖枯焦|叶尖干枯|叶尖焦黄|叶尖枯黄|叶尖变褐|叶缘焦枯|叶缘枯焦|叶尖灼伤|叶缘灼伤|叶烧|焦边|叶尖坏死|叶尖烧焦|叶尖发黄干枯|叶尖枯死|叶缘干枯|叶边焦枯|灼伤",
        "spots": "spot|spots|lesion|lesions|speckles|blotches|necrotic spots|leaf spot|leaf spots|patches|spotted|spotting|necrotic lesions|freckles|斑点|病斑|斑|褐斑|坏死斑|叶斑|斑块|坏死斑点|黄斑|黑斑|锈斑|枯斑|小斑点",
        "wilting": "谢了|凋零|凋萎了|wilt|wilting|wilted|droopy|drooping|withered|wither|withering|limp|wilted look|wilting colors|wilted colors|枯萎|萎蔫|蔫|发蔫|凋萎|凋谢|打蔫|枯萎色|萎蔫色|萎蔫状|蔫了|枯萎感|萎靡|枯萎的颜色|萎蔫的颜色",
        "purpling": "purpling|purple discoloration|reddish purple|purple red|reddish purple tint|purple reddish|紫红色|发紫|紫红|变紫红|紫化|紫红色调",
        "paling": "paling|pallor|lose its green|losing its green|fade to pale green|fade to pale|turn pale|失去绿色|褪绿发白",
        "browning": "browning|brown all over|干枯发黄|枯黄干枯|褐化|全部枯黄|整体枯黄|干枯变褐",
        "greening": "greening|re-green|regreen|green up|返青|复绿|变绿变健康|恢复绿色|恢复健康|转绿",
        "autumn": "autumn|autumnal|autumn colors|fall colors|autumn foliage|fall foliage|autumn color|fall color|autumn look|autumn leaves|fall leaves|colors of autumn|colors of fall|autumn tones|秋色|秋天的颜色|秋天颜色|秋季色彩|秋天的色彩|秋叶|秋天|秋季|秋意|秋天色调|秋叶色|秋天的色调|秋日色彩|红叶",
    },
    # geometry, text ----------------------------------------------------------------------------------------
    "crop": {"": "crop|crop off|crop out|crop away|crop down|crop tighter|crop closer|crop in|cut off|trim|trim off|trim away|shave off|cut away|chop off|zoom in|zoom in on|tighter crop|a tighter crop|裁剪|裁切|裁|裁掉|裁去|剪裁|裁剪掉|切掉|截取|剪掉|裁成|裁剪成|裁剪为|裁剪到|裁切成|裁切为|放大到|裁到|剪切|裁剪至|裁为|裁切掉|切成|切除|裁小|裁切到"},
    "aspect": {"": "aspect ratio|aspect|ratio|format|proportions|proportion|宽高比|长宽比|比例|画幅|纵横比|画幅比例"},
    "rotate": {"": "rotate|spin|turn around|revolve|tilt|rotation|rotate to the|tilted|rotating|旋转|转动|翻转角度|旋转到|转过|转个|倾斜|转向"},
    "turn": {
        90: "clockwise|to the right by|cw|clock wise|顺时针|向右旋转|右旋|向右转|右转|往右转|顺时针方向|朝右转",
        -90: "counterclockwise|counter clockwise|anticlockwise|anti clockwise|ccw|逆时针|向左旋转|左旋|向左转|左转|往左转|逆时针方向|反时针|朝左转",
        180: "upside down|half turn|a half turn|on its head|颠倒|倒过来|上下颠倒|倒置",
        1: "quarter turn|a quarter turn|sideways",
    },
    "straighten": {"": "straighten|straighten out|level out|level the horizon|level the photo|level the picture|level the image|fix the horizon|fix the tilt|make the horizon level|make the horizon straight|correct the tilt|correct the horizon|make it level|fix horizon|level horizon|correct horizon|straighten horizon|拉直|扶正|校正水平|校正地平线|校直|摆正|水平校正|拉平|校正倾斜|调平|拉正|修正倾斜|矫正倾斜|矫正水平|矫正地平线|修正地平线|调水平"},
    "horizon": {"": "horizon|horizon line|skyline|tilted horizon|crooked horizon|地平线|水平线|海平线|水平"},
    "flip": {"": "flip|mirror|mirrored|flip over|reflect|mirror image|flipped|a mirror image|reverse left and right|翻转|镜像|翻|对称翻转|翻一下|镜面|镜像翻转|颠倒翻转"},
    "axis": {
        "horizontal": "horizontally|horizontal|left to right|left right|side to side|sideways flip|along the vertical axis|left and right|水平翻转|左右翻转|水平镜像|左右镜像|左右|水平方向|横向|左右对称|水平地|左右颠倒|左右反转|左右对调",
        "vertical": "vertically|vertical|top to bottom|up and down|along the horizontal axis|up down|top and bottom|垂直翻转|上下翻转|垂直镜像|上下镜像|上下|垂直方向|纵向|垂直|竖直|上下反转|上下对调",
    },
    "resize": {"": "thumbnail|缩略图|resize|resize to|scale|rescale|scale down|scale up|shrink|downscale|upscale|enlarge|downsize|downsample|resample|size down|scale it|upsize|make smaller|缩放|调整大小|调整尺寸|改变尺寸|改变大小|尺寸|大小|缩小到|放大|缩小|缩放到|缩小为|尺寸改为|尺寸改成|大小改为|调整大小为|调整尺寸为|缩放至|缩小至|缩到|尺寸调整为|分辨率|分辨率改为|尺寸调整到"},
    "bigger": {1: "bigger|larger|big|large|更大|变大|大字|大号|big letters|large letters|huge",
               -1: "smaller|small|tiny|小|更小|变小|小字|小号|small letters"},
    "width": {"longest": "longest side|long side|longest edge|long edge|最长边|长边", "": "wide|width|in width|across it|long edge wide|宽|宽度|宽为|宽度为"},
    "height": {"": "high up|tall|height|in height|高度|高为|高度为"},
    "pixelword": {"": "pixels|像素"},
    "border": {"": "border|frame|borders|a frame|margin around|passepartout|edge frame|picture frame|边框|相框|画框|白边|框|外框|边框线|黑边|留白"},
    "thick": {2: "wide border|thicker|broad|粗|宽的", 0: "thin|thinner|narrow|fine|细|窄|细细"},
    "square": {(7, 9): "passport size|passport photo size|passport size photo|passport format|护照尺寸|护照照片尺寸|护照照", (1, 1): "square|square format|instagram square|a square|正方形|方形|方图|方的|正方", (16, 9): "widescreen|wide screen|宽屏", (9, 16): "vertical story|story format|竖屏"},
    "write": {"": "write|type|print|caption|letter|inscribe|add text|add the text|add a text|put the text|put the words|put text|add the words|add the caption|add a caption|add words|add a title|add the title|write out|label|title|sign|stamp|写|写上|写下|写着|打字|加文字|添加文字|加字|加上文字|输入|打上文字|写字|标注|题字|加上字|添加文本|加上标题|加标题|书写|添加标题|加入文字|打上字|署名"},
    "textnoun": {"": "text|words|word|caption text|lettering|letters|typography|headline|saying|reads|reading|that says|that reads|says|that reads as|字样|文字|字|标题|文本|字体|文字内容|内容为|几个字|的文字|两个字|字幕|subtitle|subtitles|date stamp|the date|日期|落款|签名|title saying"},
    "watermark": {"": "watermark|a watermark|watermarks|copyright mark|copyright notice|watermarked|add a watermark|水印|加水印|添加水印|打水印|版权标记|版权水印"},
    "tiled": {"": "tiled|all over|repeated|repeating|everywhere|in a pattern|平铺|铺满|重复|满屏|全屏"},
    "outline": {"": "outline|outlined|stroke|with an outline|with outline|an outline|black outline|with a black outline|描边|轮廓|带描边|勾边|加描边"},
    "opacity": {"": "semi transparent|semitransparent|translucent|half transparent|see through|半透明|opacity|opaque|transparency|alpha|不透明度|透明度"},
    "strength": {"": "strength|intensity|percent strength|strength of|intensity of|amount at|强度|力度|浓度|量"},
    # beyond classical operations ---------------------------------------------------------------------------
    "cannot": {
        "expression": "smile|smiling|laugh|laughing|frown|cry|crying|grin|wink|expression|facial expression|open her eyes|open his eyes|close her eyes|open eyes|close eyes|look happy|happy|sad face|angry|blink|surprised|微笑|笑|大笑|哭|皱眉|表情|睁眼|闭眼|眨眼|开心|生气|愤怒|高兴|笑容|露出笑容",
        "pose": "sit|sitting|stand|standing|stand up|sit down|jump|jumping|run|running|walk|walking|dance|dancing|wave|lie down|raise her hand|raise his hand|raise his arm|raise her arm|raise hands|pose|posing|turn her head|turn his head|turn around and|face the camera|look at the camera|lean|kneel|fly|flying|swim|坐|坐下|站|站起来|站立|跳|跳起来|跑|跑步|走|走路|跳舞|挥手|躺|躺下|举手|姿势|动作|转头|抬头|低头|看镜头|蹲|蹲下|飞|飞起来|游泳|抬手",
        "clothes": "wear|wearing|dress up|clothes|clothing|outfit|hairstyle|haircut|bald|beard|makeup|make up|put on|tattoo|戴|戴上|穿|穿上|换衣服|换装|衣着|发型|胡子|化妆|妆容|纹身|换发型|剃光头",
        "move": "move|relocate|drag|reposition|rearrange|move it|移动|挪|移到|挪到|搬|移|挪动|移至|搬到",
        "replace": "switch|swap faces|face swap|换脸|变身|transform into a|morph|interchange|对调位置",
        "generate": "extend|outpaint|expand the scene|uncrop|imagine|hallucinate|design|invent|generate a new|fill in new|dream up|扩图|扩展|想象|设计|重绘|补全画面|外扩|绘制|构思",
        "translate": "translate|translation|翻译|译成|译为",
        "detail": "super resolution|superresolution|super resolve|upscale detail|enhance detail|enhance details|invent detail|add detail|more detail|more details|with more detail|with more details|add details|add more detail|increase detail|restore the face|restore faces|deblur|unblur|fix the blur|hd|4k quality|ultra hd|超分|超分辨率|增加细节|补充细节|去模糊|还原细节|高清修复|面部修复|变高清|高清",
        "body": "slimmer|slim|thinner face|fatter|taller|older|younger|muscular|age|slim down|thinner waist|瘦脸|瘦身|变老|变年轻|年轻|变瘦|变胖|长高|大眼|瘦",
        "colorize": "colorize the black and white photo|colorize this black and white photo|colorize my black and white photo|colorize a black and white photo|colorize the old photo|restore the colors of the black and white photo|黑白照片上色|老照片上色|给黑白照片上色",
    },
    "abstract": {
        "": "drop shadow|drop shadows|冷白皮|奶油肌|暗黑|暗黑系|暗黑风|dodge and burn|suntan|suntanned|晒黑|美黑|night vision|infrared|thermal camera|x ray|夜视|红外|motion blur|radial blur|zoom blur|mood|moods|vibe|vibes|atmosphere|ambience|ambiance|aesthetic|story|drama|emotion|emotions|nostalgia|tension|"
        "character|personality|energy|spirit|romance|mystery|magic|season|weather|beauty|interest|impact|season change|"
        "symptom|symptoms|deficiency|element|elements|virus|red filter|yellow filter|green filter|orange filter|blue filter|disease|health|drought|cinematic|dramatic|moody|nostalgic|vintage|retro|spooky|cozy|"
        "cosy|dreamy|epic|professional|beautiful|better|nicer|prettier|pretty|stunning|amazing|cool look|good|great|"
        "magical|romantic|mysterious|calm|peaceful|gloomy|futuristic|cyberpunk|ethereal|elegant|minimalist|artistic|summer|"
        "winter|spring|morning|evening|noon|dawn|dusk|sunset|sunrise|ripe|rotten|old|aged|antique|"
        "氛围|气氛|情绪|意境|故事|戏剧感|戏剧性|情感|怀旧|神秘|浪漫|魔幻|季节|天气|症状|缺乏症|缺素|元素|病毒|动感模糊|运动模糊|径向模糊|铁元素|缺铁|缺钾|缺氮|缺磷|缺镁|缺钙|缺锌|缺锰|缺硫|红色滤镜|病|干旱|电影感|复古|"
        "恐怖|温馨|梦幻|大气|专业|好看|漂亮|美|高级感|高级|艺术感|夏天|冬天|春天|早晨|傍晚|黄昏|日落|日出|成熟|腐烂|老|旧|宁静|忧郁|文艺|小清新|清新"
    },
    # things that only a mask shows; listed where their characters would be read as other words
    "word": {"": "头发|发丝|长发|短发|皱纹|牙齿|沙子|花纹"},
    "color": {"#93ad3f": "lime green|yellow green|yellowish green|黄绿|黄绿色|青黄色", "brown": "rust colored|rust coloured|rusty|铁锈色|锈色|红褐色"},
    "num": {  # numbers that are plain words; the rest are recognised by pattern
        "half": "half|by half|in half|一半|对半",
        "halve": "halved|halve|halves|half the|half as|减半|折半",
        "double": "double|twice|doubled|twice as|two times|加倍|翻倍|翻一番",
        "triple": "triple|three times|thrice|三倍大",
        "third": "a third|one third|by a third|三分之一",
        "quarter": "a quarter|one quarter|by a quarter|四分之一",
    },
}  # fmt: skip
"""kind -> meaning -> phrases separated by "|"."""

SPELLING: dict[str, str] = {
    "colour": "color", "colours": "colors", "coloured": "colored", "colourful": "colorful", "colouring": "coloring",
    "grey": "gray", "greyscale": "grayscale", "greyish": "grayish", "greyer": "grayer", "centre": "center",
    "centred": "center", "centered": "center", "recolour": "recolor", "colourize": "colorize", "colourise": "colorize",
    "colorise": "colorize", "decolourise": "decolorize", "monocolour": "monocolor", "watercolour": "watercolor",
    "watercolours": "watercolors", "discolour": "discolor", "minimise": "minimize", "normalise": "normalize",
    "equalise": "equalize", "neutralise": "neutralize", "posterise": "posterize", "pixelise": "pixelize",
    "stylise": "stylize", "cartoonise": "cartoonize", "vibrancy": "vibrance", "colourfulness": "colorfulness",
    "desaturise": "desaturate", "colour's": "color's", "recolouring": "recoloring", "recoloured": "recolored",
    "discolouration": "discoloration", "cosy": "cozy", "mould": "mold", "plough": "plow", "metres": "meters",
}  # fmt: skip
"""British to American, word by word."""
