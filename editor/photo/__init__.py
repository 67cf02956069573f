"""Load and save a photo with everything it carries: profile, EXIF, XMP, depth, alpha, JPEG tables.

`load` gives an upright sRGB picture and remembers how the file stored it; `save` puts an edited picture back into
that form. Pixels that the edit left alone get the file's own values back, so in a lossless format they are
bit-identical whatever the profile. Files are untrusted: whatever is wrong with one becomes a PhotoError.
"""

from editor.photo.files import check_output, default_output, printable, sniff
from editor.photo.model import Photo
from editor.photo.png import encode_png
from editor.photo.read import load, load_mask
from editor.photo.write import save

__all__ = [
    "Photo",
    "check_output",
    "default_output",
    "encode_png",
    "load",
    "load_mask",
    "printable",
    "save",
    "sniff",
]
