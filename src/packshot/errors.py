"""
What can go wrong, drawn once.

    PackshotError
    ├── ConfigError              settings, presets or command line: the person who started us
    ├── NotFound                 no such product, image, user or file
    ├── Conflict                 the thing exists but is not in the state the request needs
    │   └── RequestInFlight      the same request is being answered at this moment
    ├── InvalidInput             a value in the request does not fit what is stored; names its field
    ├── StaleClaim               another worker took this image over; nothing was written
    ├── ServiceUnavailable       our own infrastructure: database, broker, store, disk
    ├── SourceBusy               nobody's fault: our manners keep us from a host for some seconds
    └── ImageError               this one picture: has a code, and says who can fix it
        ├── UrlInvalid             url_invalid              permanent   supplier
        ├── AddressForbidden       address_forbidden        permanent   operator
        ├── HostUnknown            host_unknown             transient   supplier
        ├── SourceUnavailable      source_unavailable       transient   supplier
        ├── SourceTlsFailed        source_tls_failed        transient   supplier
        ├── SourceNotHttp          source_not_http          transient   supplier
        ├── SourceThrottled        source_throttled         transient   supplier
        ├── SourceTimeout          source_timeout           transient   supplier
        ├── SourceTooSlow          source_too_slow          transient   supplier
        ├── SourceTruncated        source_truncated         transient   supplier
        ├── SourceForbidden        source_forbidden         permanent   supplier
        ├── SourceGone             source_gone              permanent   supplier
        ├── SourceRejected         source_rejected          permanent   supplier
        ├── TooManyRedirects       too_many_redirects       permanent   supplier
        ├── SourceTooLarge         source_too_large         permanent   supplier
        ├── NotAnImage             not_an_image             permanent   supplier
        ├── FormatUnsupported      format_unsupported       permanent   supplier
        ├── ImageDamaged           image_damaged            permanent   supplier
        ├── ImageTooManyPixels     image_too_many_pixels    permanent   supplier
        ├── ImageSideTooLong       image_side_too_long      permanent   supplier
        ├── ImageTooManyFrames     image_too_many_frames    permanent   supplier
        ├── ImageTooManyBands      image_too_many_bands     permanent   supplier
        ├── ImageProfileTooLarge   image_profile_too_large  permanent   supplier
        ├── DecodeOutOfMemory      decode_out_of_memory     transient   operator
        ├── DecodeTimeout          decode_timeout           transient   operator
        ├── DecoderCrashed         decoder_crashed          transient   packshot
        └── WorkerLost             worker_lost              permanent   packshot

Drivers translate foreign exceptions into these at their door. HTTP numbers live in `web/` only.
Anything else that is raised is a bug: it is logged with its traceback, and the lease brings the
image back.
"""

from typing import ClassVar, Literal

FixedBy = Literal["supplier", "operator", "packshot"]


class PackshotError(Exception):
    """Something a person can act on; its text says what and how."""


class ConfigError(PackshotError):
    """A setting, a presets file or an argument is wrong; nothing was started."""


class NotFound(PackshotError):
    """There is no such product, image, user or file."""


class Conflict(PackshotError):
    """The thing exists, but not in the state that the request needs."""


class RequestInFlight(Conflict):
    """The same request is being answered at this moment; ask again for its answer."""


class InvalidInput(PackshotError):
    """A value is well-formed but does not fit what is stored; `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        """Keep the field's name beside the sentence for a person."""
        super().__init__(message)
        self.field = field


class StaleClaim(PackshotError):
    """The image was taken over, finished or removed since it was claimed; nothing was written."""


class ServiceUnavailable(PackshotError):
    """The database, the broker, the store or the disk does not answer; try again later."""


class SourceBusy(PackshotError):
    """Too many wait for the image's host or for others, or it asked for a pause; nothing was tried."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        """Keep when to come back beside the sentence for a person."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ImageError(PackshotError):
    """One picture could not be processed. `code` is stable; the text is for a person."""

    code: ClassVar[str]
    transient: ClassVar[bool] = False
    fixed_by: ClassVar[FixedBy] = "supplier"
    meaning: ClassVar[str]
    advice: ClassVar[str]

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        """Keep the sentence for a person, and when the source asked us to come back."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UrlInvalid(ImageError):
    code = "url_invalid"
    meaning = "The URL cannot be fetched: wrong scheme, no host, user name inside, or a closed port."
    advice = "Correct the URL: http:// or https://, a public host, port 80 or 443, no user name."


class AddressForbidden(ImageError):
    code = "address_forbidden"
    fixed_by = "operator"
    meaning = "The host's address is not public, and PACKSHOT_ALLOW_SOURCES does not name it."
    advice = "Use a public URL, or name the host in PACKSHOT_ALLOW_SOURCES if it is yours."


class HostUnknown(ImageError):
    code = "host_unknown"
    transient = True
    meaning = "The DNS knows no address for the host."
    advice = "Check the spelling of the host; ask its owner whether the domain still exists."


class SourceUnavailable(ImageError):
    code = "source_unavailable"
    transient = True
    meaning = "The server cannot be reached or reports an error of its own (5xx)."
    advice = "Wait; tell the owner of the server if it lasts."


class SourceTlsFailed(ImageError):
    code = "source_tls_failed"
    transient = True
    meaning = "The server's certificate is not valid, or it cannot agree with us on an encrypted connection."
    advice = "Tell the owner of the server to renew the certificate, with all its intermediates."


class SourceNotHttp(ImageError):
    code = "source_not_http"
    transient = True
    meaning = "The server's answer is not proper HTTP: no status line, headers without end, broken chunks."
    advice = "Open the URL in a browser; tell the owner of the server if it fails there too."


class SourceThrottled(ImageError):
    code = "source_throttled"
    transient = True
    meaning = "The server asks us to slow down (429)."
    advice = "Wait, or lower PACKSHOT_HOST_DOWNLOADS for this host in PACKSHOT_HOST_LIMITS."


class SourceTimeout(ImageError):
    code = "source_timeout"
    transient = True
    meaning = "The server did not answer in time, or the file had not arrived in full."
    advice = "Wait; if the server always needs so long, raise PACKSHOT_DOWNLOAD_SECONDS."


class SourceTooSlow(ImageError):
    code = "source_too_slow"
    transient = True
    meaning = "The file comes with fewer bytes per second than PACKSHOT_MIN_BYTES_PER_SECOND."
    advice = "Wait, move the picture to a faster server, or lower PACKSHOT_MIN_BYTES_PER_SECOND."


class SourceTruncated(ImageError):
    code = "source_truncated"
    transient = True
    meaning = "The connection ended before the whole file had arrived."
    advice = "Wait; if it repeats, the file on the server is shorter than the server says: upload it again."


class SourceForbidden(ImageError):
    code = "source_forbidden"
    meaning = "The server wants a login or refuses us (401, 403, 451)."
    advice = "Make the picture readable without a login, also for programs."


class SourceGone(ImageError):
    code = "source_gone"
    meaning = "There is nothing at that URL (404, 410)."
    advice = "Send a URL under which the picture is."


class SourceRejected(ImageError):
    code = "source_rejected"
    meaning = "The server answers the request with an error that will not go away (other 4xx)."
    advice = "Open the URL in a browser; send one that answers 200 with the picture."


class TooManyRedirects(ImageError):
    code = "too_many_redirects"
    meaning = "The server sends us from address to address without an end."
    advice = "Send the URL at the end of the redirects."


class SourceTooLarge(ImageError):
    code = "source_too_large"
    meaning = "The file has more bytes than PACKSHOT_MAX_SOURCE_BYTES."
    advice = "Send a smaller file, or raise PACKSHOT_MAX_SOURCE_BYTES."


class NotAnImage(ImageError):
    code = "not_an_image"
    meaning = "The bytes are not a picture, whatever the server calls them."
    advice = "Send the URL of the picture itself, not of a page that shows it."


class FormatUnsupported(ImageError):
    code = "format_unsupported"
    meaning = "A picture, but in a format we do not take; send JPEG, PNG, WebP, GIF or AVIF."
    advice = "Save the picture as JPEG, PNG, WebP, GIF or AVIF."


class ImageDamaged(ImageError):
    code = "image_damaged"
    meaning = "The file is broken or incomplete and cannot be decoded in full."
    advice = "Save the picture again from its original and upload it in full."


class ImageTooManyPixels(ImageError):
    code = "image_too_many_pixels"
    meaning = "The picture has more pixels than PACKSHOT_MAX_PIXELS."
    advice = "Send a smaller picture, or raise PACKSHOT_MAX_PIXELS."


class ImageSideTooLong(ImageError):
    code = "image_side_too_long"
    meaning = "The picture is wider or higher than PACKSHOT_MAX_SIDE."
    advice = "Send a smaller picture, or raise PACKSHOT_MAX_SIDE."


class ImageTooManyFrames(ImageError):
    code = "image_too_many_frames"
    meaning = "The animation has more frames than PACKSHOT_MAX_FRAMES."
    advice = "Send a still picture or a shorter animation, or raise PACKSHOT_MAX_FRAMES."


class ImageTooManyBands(ImageError):
    code = "image_too_many_bands"
    meaning = "The picture has more colour channels than any product photo."
    advice = "Save the picture as plain RGB, grey or CMYK."


class ImageProfileTooLarge(ImageError):
    code = "image_profile_too_large"
    meaning = "The picture carries a colour profile of unreasonable size."
    advice = "Save the picture in sRGB, or with an ordinary profile."


class DecodeOutOfMemory(ImageError):
    code = "decode_out_of_memory"
    transient = True
    fixed_by = "operator"
    meaning = "Decoding needs more memory than PACKSHOT_DECODE_MEMORY_BYTES."
    advice = "Send a smaller picture, or raise PACKSHOT_DECODE_MEMORY_BYTES."


class DecodeTimeout(ImageError):
    code = "decode_timeout"
    transient = True
    fixed_by = "operator"
    meaning = "Decoding and compressing took longer than PACKSHOT_DECODE_SECONDS."
    advice = "Retry when the machine is less busy, or raise PACKSHOT_DECODE_SECONDS."


class DecoderCrashed(ImageError):
    code = "decoder_crashed"
    transient = True
    fixed_by = "packshot"
    meaning = "The decoder process died on this picture; the picture's neighbours are unharmed."
    advice = "Retry; if it repeats, report the picture as a bug of Packshot or libvips."


class WorkerLost(ImageError):
    code = "worker_lost"
    fixed_by = "packshot"
    meaning = "The worker vanished three times with this picture in hand."
    advice = "Look for workers that were killed (memory?), then retry."


CATALOGUE: dict[str, type[ImageError]] = {kind.code: kind for kind in ImageError.__subclasses__()}
