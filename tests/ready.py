"""Images that are ready, with pictures of any size and format in the store, whoever may have made them."""

from dataclasses import replace
from hashlib import sha256

from tests.pictures import encode, picture
from tests.rows import a_source, claimed

from packshot.app import App
from packshot.models import Facts, Rendered, Rendition
from packshot.presets import CONTENT_TYPES, store_key

FACTS = Facts("#c82828", "MggKDYKUd4efh4dld1iIi2lgmAeW", False, 0.1, 0.4)


def made(preset: str, format_: str, width: int = 1600, height: int = 1200, slot: str = "") -> Rendition:
    """A rendition; `slot` is the format that it stands in for, if it does."""
    recipe = sha256(f"{preset} {slot or format_} {max(width, height)}".encode()).hexdigest()[:16]
    key = store_key(a_source().sha256, preset, recipe, format_)
    return Rendition(recipe, preset, format_, key, width, height, 1)


async def show(
    app: App, image_id: int, *renditions: Rendition, facts: Facts | None = FACTS, source_format: str = "png"
) -> str:
    """Bring an image to ready with these renditions and their files; return its URL."""
    claim, source = await claimed(app.images, image_id), replace(a_source(), format=source_format)
    await app.images.note_source(claim, source)
    for one in renditions:
        file = app.settings.data_dir / "picture"
        file.write_bytes(encode(picture(one.width, one.height), one.format))
        await app.store.put(one.key, file, CONTENT_TYPES[one.format])
    main = renditions[0]
    rendered = Rendered(main.width, main.height, renditions, facts)
    await app.images.finish(claim, rendered, app.store.location(main.key), {})
    return f"/images/{image_id}"
