"""Starting, stopping and killing real brokers, and running the Java programs."""

import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = pathlib.Path(os.environ.get("SEG_KAFKA_WORK", ROOT / "target/kafka")).absolute()
JAVA = ["java", "-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
START_LIMIT = 90
# Any cluster id does.
CLUSTER = "4L6g3nShT-eMCtK--X86sw"

COMMON = """
listeners=PLAINTEXT://127.0.0.1:{port}{more_listeners}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
offsets.topic.segment.bytes=1048576
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
transaction.state.log.segment.bytes=1048576
group.initial.rebalance.delay.ms=0
log.index.size.max.bytes=4096
log.cleaner.backoff.ms=500
log.cleaner.dedupe.buffer.size=4194304
log.retention.ms=-1
log.retention.check.interval.ms=1000
log.flush.offset.checkpoint.interval.ms=1000
log.flush.start.offset.checkpoint.interval.ms=1000
"""

KRAFT = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{port2}
controller.listener.names=CONTROLLER
log.initial.task.delay.ms=500
metadata.log.max.record.bytes.between.snapshots=15000
"""

SHARE_GROUPS = """
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=2
share.coordinator.state.topic.segment.bytes=1048576
"""

ZOOKEEPER_BROKER = """
broker.id=1
zookeeper.connect=127.0.0.1:{port2}
zookeeper.session.timeout.ms=6000
zookeeper.connection.timeout.ms=20000
"""

ZOOKEEPER = """
dataDir={zookeeper}
clientPort={port2}
clientPortAddress=127.0.0.1
admin.enableServer=false
"""

LOG4J1 = """
log4j.rootLogger=INFO, stderr
log4j.appender.stderr=org.apache.log4j.ConsoleAppender
log4j.appender.stderr.Target=System.err
log4j.appender.stderr.layout=org.apache.log4j.PatternLayout
log4j.appender.stderr.layout.ConversionPattern=[%d] %p %m (%c)%n
"""

LOG4J2 = """
appender.err.type=Console
appender.err.name=err
appender.err.target=SYSTEM_ERR
appender.err.layout.type=PatternLayout
appender.err.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level={level}
rootLogger.appenderRef.err.ref=err
"""


def class_path(release, *more):
    """The environment in which `java` finds a release."""
    return {**os.environ, "CLASSPATH": ":".join([*more, (WORK / "cp" / release).read_text().strip()])}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def die_with_parent():
    """In the child: end with this script even when it is killed in a way that no handler sees."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def java(main, *args, **options):
    """Runs one of the programs in java/ with the newest clients."""
    WORK.joinpath("client.properties").write_text(LOG4J2.format(level="off"))
    return run([*JAVA, f"-Dlog4j2.configurationFile=file:{WORK}/client.properties", main, *map(str, args)],
               env=class_path("4.3.1", f"{WORK}/classes"), **options)


def java_beside(main, *args):
    """Starts one of them, to be told over its input when to end."""
    WORK.joinpath("client.properties").write_text(LOG4J2.format(level="off"))
    return subprocess.Popen([*JAVA, f"-Dlog4j2.configurationFile=file:{WORK}/client.properties", main, *map(str, args)],
                            env=class_path("4.3.1", f"{WORK}/classes"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            preexec_fn=die_with_parent)


def python(script, *args):
    run([WORK / "venv/bin/python", HERE / script, *map(str, args)])


def run(command, check=True, **options):
    return subprocess.run(command, check=check, timeout=300, preexec_fn=die_with_parent, **options)


def copy(source, target):
    """Copies files without filling their holes, and readable: snapshots of the metadata have mode 0400."""
    subprocess.run(["cp", "-a", "--sparse=always", source, target], check=True)
    subprocess.run(["chmod", "-R", "u+rwX", target], check=True)


# What must not outlive this program.
_running = set()
_dirs = set()


def clean_up_on_signals():
    """Ctrl-C and termination end every broker at once; the clients end with their parent."""
    def end(number, _):
        for process in list(_running):
            process.kill()
        for path in list(_dirs):
            shutil.rmtree(path, ignore_errors=True)
        os._exit(128 + number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


@contextlib.contextmanager
def work_dir(prefix):
    with tempfile.TemporaryDirectory(prefix=prefix, dir=WORK) as path:
        _dirs.add(path)
        yield pathlib.Path(path)


class Broker:
    """One node; `with` guarantees that nothing of it outlives the block."""

    def __init__(self, release, more_settings=""):
        self.release = release
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"{release}-", dir=WORK))
        _dirs.add(self.home)
        self.data = self.home / "data"
        self.data.mkdir()
        self.processes = {}
        ports = {"port": free_port(), "port2": free_port(), "data": self.data, "zookeeper": self.home / "zookeeper"}
        self.bootstrap = f"127.0.0.1:{ports['port']}"
        self.kraft = not release.startswith("2.")
        ports["more_listeners"] = ",CONTROLLER://127.0.0.1:{port2}".format(**ports) if self.kraft else ""
        text = COMMON + (KRAFT if self.kraft else ZOOKEEPER_BROKER)
        if release >= "4.2":
            text += SHARE_GROUPS
        # Of two lines with the same key the last one counts.
        self.settings = text.format(**ports) + more_settings
        (self.home / "server.properties").write_text(self.settings)
        (self.home / "zookeeper.properties").write_text(ZOOKEEPER.format(**ports))
        (self.home / "log.properties").write_text(LOG4J2.format(level="info") if release >= "4" else LOG4J1)

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        for process in self.processes.values():
            process.kill()
            process.wait()
            _running.discard(process)
        if error is None:
            shutil.rmtree(self.home)
        else:
            print(f"logs are in {self.home}", file=sys.stderr)

    def java(self, main, *args):
        flag = "log4j2.configurationFile" if self.release >= "4" else "log4j.configuration"
        return [*JAVA, f"-D{flag}=file:{self.home}/log.properties", main, *map(str, args)]

    def spawn(self, name, main, *args, until):
        log = self.home / f"{name}.log"
        log.touch()
        seen = log.stat().st_size
        with log.open("ab") as out:
            process = subprocess.Popen(self.java(main, *args), stdout=out, stderr=out, env=class_path(self.release),
                                       preexec_fn=die_with_parent)
        self.processes[name] = process
        _running.add(process)
        deadline = time.monotonic() + START_LIMIT
        while not re.search(until, log.read_bytes()[seen:].decode(errors="replace")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} {self.release} did not start, see {log}")
            time.sleep(0.1)

    def start(self):
        properties = self.home / "server.properties"
        if self.kraft and not (self.data / "meta.properties").exists():
            with (self.home / "format.log").open("w") as out:
                run(self.java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", properties),
                    env=class_path(self.release), stdout=out, stderr=out)
        if not self.kraft and "zookeeper" not in self.processes:
            self.spawn("zookeeper", "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                       self.home / "zookeeper.properties", until="binding to port")
        self.spawn("broker", "kafka.Kafka", properties, until=r"Kafka Server started|started \(kafka.server.KafkaServer\)")

    def stop(self):
        self._end(signal.SIGTERM)

    def kill(self):
        self._end(signal.SIGKILL)

    def _end(self, how):
        process = self.processes.pop("broker")
        process.send_signal(how)
        process.wait(timeout=60)
        _running.discard(process)
        if how == signal.SIGKILL and not self.kraft:
            # Until the session is over a new broker with this id is turned away.
            time.sleep(8)

    def restart(self):
        self.stop()
        self.start()

    def scenarios(self, seed, *names):
        java("Scenario", self.bootstrap, self.release, seed, *names)

    def consume(self, target):
        java("Consume", self.bootstrap, target)

    def wait_for_cleaner(self, topics, above=0, limit=60):
        """Until the cleaner has written down a first dirty offset for each of the topics."""
        deadline = time.monotonic() + limit
        while True:
            try:
                lines = [line.split() for line in (self.data / "cleaner-offset-checkpoint").read_text().splitlines()]
            except FileNotFoundError:
                lines = []
            done = {line[0]: int(line[2]) for line in lines if len(line) == 3}
            if all(done.get(topic, -1) > above for topic in topics):
                return done
            if time.monotonic() > deadline:
                raise RuntimeError(f"not compacted: {set(topics) - set(done)}")
            time.sleep(0.3)
