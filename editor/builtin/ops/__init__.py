"""The operations, by kind. Each is a function (image, op, context) -> image; see editor.builtin.catalog."""
