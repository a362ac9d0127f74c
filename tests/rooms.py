"""
The rooms of the house: the layer of each, who owns which foreign library, and who must stay small or pure.

`test_architecture.py` enforces it. A rule that is in the way is changed here, with its reason, and nowhere
else.
"""

from typing import Final

# A unit imports from the layers above its own in this list, never from its own.
LAYERS: Final = (
    {"client"},  # for other programs: knows nobody, and is known to nobody
    {"errors", "models", "server_urls"},  # the nouns
    {
        "addresses",
        "answers",
        "cleaning",
        "explanations",
        "formats",
        "geometry",
        "lifecycle",
        "lifeline",
        "lzw",
        "patience",
        "presets",
        "pulse",
        "quality",
        "reasons",
        "redaction",
        "settings",
        "signing",
        "slots",
        "srgb",
        "thumbhash",
    },  # decisions
    {"telemetry", "wholeness"},
    {"account", "traces"},  # what is told of work
    {
        "body",
        "child",
        "cluster",
        "connections",
        "facts",
        "loading",
        "migrations",
        "resize",
        "sandbox",
        "sketch",
        "ssimulacra2",
    },  # parts of those outside
    {"codecs", "framing"},
    {"decode", "encode"},
    {"animation"},
    {"render"},
    {
        "brokers",
        "cache",
        "compress",
        "database",
        "decoder",
        "download",
        "metrics",
        "postgres",
        "posting",
        "stores",
    },  # the world outside
    {
        "backlog",
        "images",
        "keys",
        "ledger",
        "outbox",
        "politeness",
        "users",
        "webhooks",
        "workers",
    },  # rows, and manners
    {
        "batches",
        "census",
        "collector",
        "comparison",
        "first_answers",
        "garbage",
        "keyring",
        "making",
        "moving",
        "outdated",
        "overview",
        "products",
    },  # rows and files that follow the images
    {
        "consumer",
        "courier",
        "news",
        "originals",
        "pipeline",
        "producer",
        "reprocessing",
        "sweeper",
        "vitals",
    },  # the story
    {"web"},  # the story told over HTTP
    {"app", "doctor"},  # who puts it together, who looks at every part
    {"workshop"},  # with what makes pictures
    {"daemon", "existing", "terminal"},  # who runs it, who shows it
    {"commands", "correspondence", "upkeep"},
    {"demo", "issuing", "running"},
    {"cli_keys", "cli_webhooks"},
    {"cli"},
    {"__main__"},
)

OWNERS: Final = {
    "aio_pika": {"brokers"},
    "aiohttp": {"body", "connections", "download", "posting"},
    "aiokafka": {"brokers"},
    "asyncpg": {"database"},
    "dotenv": {"settings"},
    "fastapi": {"web", "app", "daemon"},  # app and daemon hand the application on, and name its type
    "httptools": {"web"},
    "httpx": {"client"},
    "jinja2": {"web"},  # the console's pages
    "markupsafe": {"web"},
    "numpy": {"codecs", "encode", "resize", "srgb", "ssimulacra2"},  # in the child process only
    "obstore": {"stores"},
    "opentelemetry": {"traces"},
    "orjson": {"database", "terminal"},  # jsonb columns; `--json`
    "prometheus_client": {"metrics"},
    "pydantic": {"settings", "web", "commands"},  # commands reads files by the API's shapes
    "pydantic_settings": {"settings"},
    "pyvips": {
        "animation",
        "codecs",
        "decode",
        "encode",
        "facts",
        "framing",
        "loading",
        "render",
        "resize",
        "sketch",
    },  # all live in the child process only
    "redis": {"cache"},
    "rich": {"terminal"},
    "starlette": {"web"},
    "structlog": {"telemetry"},
    "typer": {"cli", "cli_keys", "cli_webhooks", "running"},
    "uvicorn": {"daemon", "web"},  # web's connections are uvicorn's, with limits
    "uvloop": {"running"},
    "yarl": {"connections", "download", "posting"},  # aiohttp's own URLs
}

PURE: Final = {
    "addresses",
    "answers",
    "errors",
    "explanations",
    "formats",
    "lifecycle",
    "lzw",
    "models",
    "patience",
    "redaction",
    "server_urls",
    "signing",
    "thumbhash",
    "wholeness",
}
ACTING: Final = {"asyncio", "logging", "os", "shutil", "socket", "subprocess", "threading", "time"}

# A child process must start quickly and stay small: nothing in it imports pydantic or asyncio.
CHILD: Final = {
    "animation",
    "cleaning",
    "codecs",
    "decode",
    "encode",
    "errors",
    "facts",
    "formats",
    "framing",
    "geometry",
    "loading",
    "lzw",
    "models",
    "presets",
    "quality",
    "render",
    "resize",
    "sandbox",
    "sketch",
    "srgb",
    "ssimulacra2",
    "thumbhash",
    "wholeness",
}

# `packshot --help` must come at once: all else is imported inside the commands.
THIN: Final = {
    "cli_keys",
    "cli_webhooks",
    "errors",
    "redaction",
    "running",
    "server_urls",
    "settings",
    "telemetry",
}

# Run as a user runs them, by tests that start `python -m packshot`.
RUN_AS_A_PROCESS: Final = {
    "__main__",
    "cli",
    "cli_keys",
    "cli_webhooks",
    "commands",
    "correspondence",
    "daemon",
    "demo",
    "existing",
    "issuing",
    "running",
    "upkeep",
}
