"""Which picture of an image the console shows where there is little room."""

from packshot.web.console.pictures import small_picture
from packshot.web.views import ImageView, RenditionView


def test_a_small_picture_is_the_smallest_that_every_browser_can_show() -> None:
    renditions = [
        RenditionView.model_construct(format=format_, width=width, height=width)
        for format_, width in (("avif", 100), ("jpeg", 800), ("jpeg", 200), ("webp", 100))
    ]

    assert small_picture(ImageView.model_construct(renditions=renditions)) is renditions[2]
