"""
The shapes of requests: what a body or a query may say, and the sentence when it does not.

The command line reads products and users with the same models, so both doors refuse the same things
in the same words.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from packshot.addresses import MAX_URL_CHARACTERS, check_url
from packshot.errors import CATALOGUE, UrlInvalid
from packshot.models import Product
from packshot.products import MAX_IMAGES, Filters

LARGEST_INT: Final = 2**31 - 1
DECIMALS: Final = 4
PLAIN_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")
PRICE_SCHEMA: Final = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 999_999_999_999.9999},
        {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,4})?$"},
    ],
    "description": "Exact, with up to 12 digits before the point and 4 after it.",
}
MOST_PROBLEMS: Final = 250  # more than a product can have images
NO_UTF_8: Final = "\ufffd"  # what the framework reads from a URL's bytes that are no text
MOST_NAME_CHARACTERS: Final = 100
NOWHERE: Final = -1
MOST_KEYS: Final = 1_000
MOST_BARE_CHARACTERS: Final = 100_000
STRING: Final = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?'  # an open one ends with the text
WEIGHTLESS: Final = re.compile(rf"{STRING}|[ \t\r\n]++", re.DOTALL)

UNCHANGED: Any = Field(default=None)  # never read: only the fields that were sent count


def _storable(text: str) -> str:
    # The other thing that PostgreSQL cannot keep, half a surrogate pair, has no length for pydantic.
    if "\0" in text:
        raise ValueError("contains a NUL character, which cannot be stored")
    return text


def _readable(text: str) -> str:
    if NO_UTF_8 in text:
        raise ValueError("is not UTF-8")
    return text


def _fetchable(url: str) -> str:
    try:
        check_url(url)
    except UrlInvalid as error:
        raise ValueError(str(error)) from error
    return url


def _known_code(code: str) -> str:
    if code not in CATALOGUE:
        raise ValueError("is not an error code; `packshot explain` lists them")
    return code


def _numeric(value: object) -> object:
    """Refuse what Python would count as a number, and JSON would not."""
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        raise ValueError("should be a number, like 52.52")  # noqa: TRY004 - pydantic wants ValueError
    return value


def _exact(value: object) -> object:
    """Take numbers, and strings that look like one: "1_000" and "٣" do not."""
    if isinstance(value, str) and PLAIN_NUMBER.fullmatch(value):
        return value
    try:
        return _numeric(value)
    except ValueError as error:
        raise ValueError('should be a number, like 19.90 or "19.90"') from error


def _plain(price: Decimal) -> Decimal:
    """Write 1E+2 as 100, and no zeros after the last decimal: PostgreSQL would keep thousands."""
    exponent = int(price.as_tuple().exponent)
    return price.quantize(Decimal(1).scaleb(min(0, max(exponent, -DECIMALS))))


Storable = AfterValidator(_storable)
Url = Annotated[str, Field(min_length=1, max_length=MAX_URL_CHARACTERS), Storable, AfterValidator(_fetchable)]
UserId = Annotated[int, Field(ge=1, le=LARGEST_INT, strict=True)]
ProductId = Annotated[int, Field(ge=1, le=LARGEST_INT, strict=True)]
Latitude = Annotated[float, BeforeValidator(_numeric), Field(ge=-90, le=90)]
Longitude = Annotated[float, BeforeValidator(_numeric), Field(ge=-180, le=180)]
ProductName = Annotated[str, Field(min_length=1, max_length=500), Storable]
ProductDescription = Annotated[str, Field(max_length=20_000), Storable]
ProductImages = Annotated[list[Url], Field(max_length=MAX_IMAGES)]
Price = Annotated[
    Decimal,
    BeforeValidator(_exact),
    Field(ge=0, max_digits=16, decimal_places=DECIMALS, allow_inf_nan=False),
    AfterValidator(_plain),
    WithJsonSchema(PRICE_SCHEMA),
]
State = Literal["pending", "processing", "ready", "failed"]
ErrorCode = Annotated[
    str, AfterValidator(_known_code), WithJsonSchema({"type": "string", "enum": [*CATALOGUE]})
]


class Shape(BaseModel):
    """A field that we do not know is more likely a typing error than a wish."""

    model_config = ConfigDict(extra="forbid")


class NewUser(Shape):
    """Whom products belong to; where they are, in degrees."""

    name: Annotated[str, Field(min_length=1, max_length=200), Storable] = Field(examples=["Ada's Shoes"])
    mobile: Annotated[str, Field(max_length=32), Storable] | None = Field(None, examples=["+49 170 1234567"])
    latitude: Latitude | None = Field(None, examples=[52.52])
    longitude: Longitude | None = Field(None, examples=[13.405])


class NewProduct(Shape):
    """A product and the URLs of its pictures."""

    user_id: UserId = Field(examples=[1])
    product_name: ProductName = Field(examples=["Leather boot"])
    product_description: ProductDescription = Field("", examples=["Ankle high, dark brown."])
    product_images: ProductImages = Field(examples=[["https://example.com/boot.jpg"]])
    product_price: Price = Field(examples=["119.90"])

    def product(self) -> Product:
        """Return it as the rooms behind the API know it."""
        return Product(**{**dict(self), "product_images": tuple(self.product_images)})


class ProductChanges(Shape):
    """The fields to change, the others stay. Images whose URL stays keep their result."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"product_price": "99.90"}]})

    user_id: UserId = UNCHANGED
    product_name: ProductName = UNCHANGED
    product_description: ProductDescription = UNCHANGED
    product_images: ProductImages = UNCHANGED
    product_price: Price = UNCHANGED


class NewImage(Shape):
    """One URL, alone or to be added at the end of a product."""

    image_url: Url = Field(examples=["https://example.com/image.jpg"])
    product_id: ProductId | None = None


class ProductQuery(Shape):
    """How to narrow down and page through products."""

    user_id: Annotated[int, Field(ge=1, le=LARGEST_INT)] | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    product_name: Annotated[ProductName, AfterValidator(_readable)] | None = Field(
        None, description="Any part of the name, in any case."
    )
    state: State | None = None
    error_code: ErrorCode | None = Field(None, description="Of an image that failed.")
    limit: int = Field(20, ge=1, le=100, description="Products on a page.")
    cursor: int | None = Field(None, ge=1, le=LARGEST_INT, description="`next_cursor` of the page before.")

    def filters(self) -> Filters:
        """Return it as the rooms behind the API know it."""
        return Filters(**self.model_dump(exclude={"limit", "cursor"}), before=self.cursor)


def parse_body(body: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    """Read the body of a request; raise JSONDecodeError."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_json("It is not UTF-8") from error
    _refuse_bulk(text)
    return parse_json(text)


def parse_json(text: str) -> Any:  # noqa: ANN401 - JSON is anything
    """Read JSON with exact numbers; raise JSONDecodeError also for what RFC 8259 only warns of."""
    try:
        return json.loads(
            text,
            parse_float=_exact_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_doubles,
        )
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise _not_json("It is nested too deeply") from error
    except ValueError as error:  # Python reads no more than 4,300 digits
        raise _not_json("It holds a number with thousands of digits") from error


def problems(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Say what is wrong with which field, from the errors that pydantic lists."""
    return [
        {"field": _field(error["loc"]), "message": error["msg"].removeprefix("Value error, ")}
        for error in errors[:MOST_PROBLEMS]
    ]


def _field(location: Sequence[int | str]) -> str:
    """Write ("product_images", 3) as product_images[3]."""
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return name.lstrip(".")[:MOST_NAME_CHARACTERS] or "body"


def _not_json(reason: str) -> json.JSONDecodeError:
    """Make the error for what has no place, or is found too late to tell it."""
    return json.JSONDecodeError(reason, "", NOWHERE)


def _refuse_bulk(text: str) -> None:
    """Refuse what would become millions of objects: only strings and spaces may be long."""
    if len(text) > MOST_BARE_CHARACTERS < len(WEIGHTLESS.sub("", text)):
        message = f"It holds more than {MOST_BARE_CHARACTERS:,} characters besides strings and spaces"
        raise _not_json(message)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object; of two values for one key, each reader would believe another."""
    found = dict(pairs)
    if len(found) < len(pairs):
        double = Counter(name for name, _ in pairs).most_common(1)[0][0][:MOST_NAME_CHARACTERS]
        raise _not_json(f"It holds the key {double!r} twice")
    if len(found) > MOST_KEYS:
        raise _not_json(f"It holds an object with more than {MOST_KEYS:,} keys")
    return found


def _exact_number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise _not_json("It holds a number with an absurd exponent") from error


def _refuse_constant(name: str) -> NoReturn:
    raise _not_json(f"{name} is not a number")
