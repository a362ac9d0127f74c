"""
RabbitMQ, one small node: a Debian package (3.10) or any 4.x on PATH.

The packages' own /usr/sbin/rabbitmq-server insists on its own user and folders, so the script behind
it is run. Erlang nodes find each other through epmd, of which a machine usually has one that never
ends; this node brings its own.
"""

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from servers import ServerMissing
from servers.certificates import write_certificate
from servers.process import END_WITH_US, PrivateServer, find_ports

DEBIAN_PROGRAM: Final = "/usr/lib/rabbitmq/bin/rabbitmq-server"
PROTOCOL_HEADER: Final = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME: Final = b"\x01"

CONFIGURATION: Final = """\
listeners.tcp.1 = 127.0.0.1:{port}
listeners.ssl.1 = 127.0.0.1:{tls_port}
ssl_options.cacertfile = {folder}/ca.pem
ssl_options.certfile = {folder}/server.pem
ssl_options.keyfile = {folder}/server.pem
default_vhost = packshot
log.console = true
log.console.level = warning
log.file = false
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 1MB
"""
DISTRIBUTION_ON_LOOPBACK: Final = "-kernel inet_dist_use_interface {127,0,0,1}"
ONE_SCHEDULER: Final = "+S 1:1"  # a core is enough, and each has threads and memory


class RabbitMQ(PrivateServer):
    """A RabbitMQ node with the user guest, and a vhost that only who asks for it gets."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port, self._tls_port, self._epmd_port, self._distribution_port = find_ports(4)

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/packshot"

    @property
    def tls_url(self) -> str:
        """Where it speaks TLS, with its authority."""
        return f"amqps://guest:guest@127.0.0.1:{self._tls_port}/packshot?cafile={self.folder}/ca.pem"

    @property
    def command(self) -> Sequence[str | Path]:
        """The node, beside its epmd."""
        return "/bin/sh", "-c", f'{" ".join(END_WITH_US)} epmd & exec "$1"', "sh", _find_program()

    @property
    def environment(self) -> Mapping[str, str]:
        """Names that are nobody else's, and the folder wherever a folder can be named."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": f"{self.folder}",  # for Erlang's cookie
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": f"{self._epmd_port}",
            "RABBITMQ_NODENAME": f"packshot-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": f"{self._distribution_port}",
            "RABBITMQ_MNESIA_BASE": f"{self.folder}/data",
            "RABBITMQ_SCHEMA_DIR": f"{self.folder}/schema",
            "RABBITMQ_LOG_BASE": f"{self.folder}",
            "RABBITMQ_CONFIG_FILE": f"{self.folder}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{self.folder}/none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.folder}/plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{DISTRIBUTION_ON_LOOPBACK} {ONE_SCHEDULER}",
            "RUNNING_UNDER_SYSTEMD": "true",  # the script then becomes the server; else it stays in between
        }

    def prepare(self) -> None:
        """Write the configuration and a certificate."""
        _find_program()
        self.folder.mkdir(parents=True)
        write_certificate(self.folder)
        names = {"port": self.port, "tls_port": self._tls_port, "folder": self.folder}
        (self.folder / "rabbitmq.conf").write_text(CONFIGURATION.format(**names))
        (self.folder / "plugins").write_text("[].\n")

    async def answers(self) -> bool:
        """Tell whether the server opens the conversation; its listener comes up last."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(PROTOCOL_HEADER)
            return await reader.readexactly(1) == METHOD_FRAME
        finally:
            writer.close()


def _find_program() -> str:
    found = shutil.which(DEBIAN_PROGRAM) or shutil.which("rabbitmq-server")
    if found is None or shutil.which("epmd") is None:
        raise ServerMissing("There is no RabbitMQ. On Debian and Ubuntu: apt-get install rabbitmq-server")
    return found
