"""
Kafka, one node that is broker and controller at once, from the Maven artifacts in .venv/kafka.

It makes no topics by itself: whoever needs one creates it. Its folder is formatted by writing the one
file that the format tool would write, because each start of a JVM costs a second.
"""

import asyncio
import os
import secrets
import shutil
import struct
import sys
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from servers import ServerMissing
from servers.certificates import write_certificate
from servers.process import PrivateServer, find_ports

JARS: Final = Path(sys.prefix, "kafka")
TOPIC: Final = "packshot.images"

SMALL: Final = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
IN_ITS_FOLDER: Final = ("-XX:-UsePerfData", "-Djava.io.tmpdir=.")  # else Java writes to /tmp
LOG_WARNINGS: Final = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)

# The session is short because a node that was killed may not register again before its old session is over.
CONFIGURATION: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{tls_port},CONTROLLER://127.0.0.1:{controller_port}
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config={login} required user_ada="secret";
ssl.keystore.type=PEM
ssl.keystore.location=server.pem
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=data
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
"""
LOGIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"
META_PROPERTIES: Final = """\
version=1
cluster.id={cluster_id}
node.id=1
directory.id={directory_id}
"""

# Its answer begins with its length, the request's number and the number of brokers that are at work.
METADATA_REQUEST: Final = struct.pack(">ihhihi", 14, 3, 1, 1, -1, 0)
METADATA_RESPONSE: Final = struct.Struct(">iii")


class Kafka(PrivateServer):
    """A Kafka node; the URL names the topic that Packshot uses."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port, self._tls_port, self._controller_port = find_ports(3)

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"kafka://127.0.0.1:{self.port}/{TOPIC}"

    @property
    def tls_url(self) -> str:
        """Where it speaks TLS and wants to know who calls, with its authority."""
        return f"kafka://ada:secret@127.0.0.1:{self._tls_port}/{TOPIC}?cafile={self.folder}/ca.pem"

    @property
    def command(self) -> Sequence[str | Path]:
        """A small JVM that logs warnings."""
        jars = f"{_find_jars()}/*"
        return (
            _find_java(),
            *SMALL,
            *IN_ITS_FOLDER,
            *LOG_WARNINGS,
            "-cp",
            jars,
            "kafka.Kafka",
            "server.properties",
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """What Java needs."""
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}

    def prepare(self) -> None:
        """Write the configuration and a certificate, and format the folder."""
        _find_java()
        _find_jars()
        (self.folder / "data").mkdir(parents=True)
        write_certificate(self.folder)
        ports = {"port": self.port, "tls_port": self._tls_port, "controller_port": self._controller_port}
        (self.folder / "server.properties").write_text(CONFIGURATION.format(**ports, login=LOGIN))
        ids = {"cluster_id": _make_id(), "directory_id": _make_id()}
        (self.folder / "data" / "meta.properties").write_text(META_PROPERTIES.format(**ids))

    async def answers(self) -> bool:
        """Tell whether the node names itself as a broker; before that no topic can be created."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(METADATA_REQUEST)
            _, _, brokers = METADATA_RESPONSE.unpack(await reader.readexactly(METADATA_RESPONSE.size))
        finally:
            writer.close()
        return bool(brokers)


def _find_java() -> str:
    if java := shutil.which("java"):
        return java
    raise ServerMissing("There is no Java. On Debian and Ubuntu: apt-get install openjdk-17-jre-headless")


def _find_jars() -> Path:
    if any(JARS.glob("kafka_*.jar")):
        return JARS
    raise ServerMissing(f"There is no Kafka in {JARS}. Install maven, then: make test")


def _make_id() -> str:
    """Make an id as Kafka does: 16 bytes in 22 letters, never beginning with a dash."""
    return "A" + urlsafe_b64encode(secrets.token_bytes(16)).decode()[1:22]
