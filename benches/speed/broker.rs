//! Kafka itself: its tools of 4.3.1, and a broker of 4.4.0 on a log dir of its own.

use crate::inputs::Log;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The newest release whose tools are published, and the newest broker.
pub const TOOLS: &str = "4.3.1";
pub const BROKER: &str = "4.4.0";
const CLUSTER_ID: &str = "4L6g3nShT-eMCtK--X86sw";
const START_LIMIT: Duration = Duration::from_secs(300);
/// As `kafka-server-start.sh` starts it.
const MACHINE: [&str; 8] = [
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
];
const LOGGING: &str = "appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
";

/// Class paths.
pub struct Kafka {
    pub tools: String,
    broker: String,
}

impl Kafka {
    /// What `tests/kafka/setup` resolved, or why it cannot be used.
    pub fn find() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let work = std::env::var_os("SEG_KAFKA_WORK");
        let work = work.map_or_else(|| root.join("target/kafka"), |work| root.join(work));
        let class_path = |release: &str| {
            let file = work.join("cp").join(release);
            let text = fs::read_to_string(file).map(|text| text.trim().to_owned());
            text.map_err(|_| format!("no Kafka {release} here; `tests/kafka/setup` brings it"))
        };
        let found = Self { tools: class_path(TOOLS)?, broker: class_path(BROKER)? };
        let java = Command::new("java").arg("-version").stderr(Stdio::null()).status();
        match java {
            Ok(status) if status.success() => Ok(found),
            _ => Err("no `java` here".to_owned()),
        }
    }

    /// One of the tools.
    pub fn tool(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        command.args(["-Xmx256m", "-cp", &self.tools, class]).stderr(Stdio::null());
        command
    }
}

/// A log dir, and everything else that a broker wants.
pub struct Home<'k> {
    kafka: &'k Kafka,
    dir: PathBuf,
    data: PathBuf,
    address: SocketAddr,
}

impl<'k> Home<'k> {
    /// An empty one.
    pub fn new(kafka: &'k Kafka, dir: PathBuf) -> Self {
        let data = dir.join("data");
        fs::create_dir_all(&data).unwrap();
        let (port, controller) = free_ports();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let properties = format!(
            "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{address},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://{address}
log.dirs={}
log.retention.ms=-1
offsets.topic.replication.factor=1
",
            data.display(),
        );
        fs::write(dir.join("server.properties"), properties).unwrap();
        fs::write(dir.join("log4j2.properties"), LOGGING).unwrap();
        let home = Self { kafka, dir, data, address };
        let mut format = home.java("kafka.tools.StorageTool");
        format.args(["format", "-t", CLUSTER_ID, "-c"]).arg(home.dir.join("server.properties"));
        assert!(format.status().unwrap().success(), "{format:?}");
        home
    }

    fn java(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        let logging = self.dir.join("log4j2.properties");
        command.args(MACHINE).arg(format!("-Dlog4j2.configurationFile=file:{}", logging.display()));
        command.args(["-cp", &self.kafka.broker, class]);
        command.stdin(Stdio::null()).stdout(File::create(self.log()).unwrap());
        command.stderr(Stdio::null()).current_dir(&self.dir);
        command
    }

    /// What the last one said.
    fn log(&self) -> PathBuf {
        self.dir.join("broker.log")
    }

    /// A broker that lets clients in.
    pub fn start(&self) -> Broker {
        let mut command = self.java("kafka.Kafka");
        command.arg(self.dir.join("server.properties"));
        let began = Instant::now();
        let child = command.spawn().unwrap();
        let mut broker = Broker { child, address: self.address, start: Duration::ZERO };
        loop {
            let said = fs::read_to_string(self.log()).unwrap();
            if said.contains("Kafka Server started") {
                broker.start = began.elapsed();
                return broker;
            }
            let is_over = broker.child.try_wait().unwrap().is_some();
            assert!(!is_over && began.elapsed() < START_LIMIT, "no broker: {}", ending(&said));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it said of how long it took to load its logs.
    pub fn loaded(&self) -> Option<Duration> {
        let said = fs::read_to_string(self.log()).unwrap();
        let line =
            said.lines().find(|line| line.contains(" Loaded ") && line.contains(" logs in "))?;
        let (_, time) = line.split_once(" logs in ")?;
        time.split_once("ms")?.0.parse().ok().map(Duration::from_millis)
    }

    /// A topic of one partition, which becomes a copy of `log`: the broker must not run.
    pub fn place(&self, topic: &str, log: &Log) {
        let mut broker = self.start();
        let mut create = self.kafka.tool("org.apache.kafka.tools.TopicCommand");
        create.args(["--bootstrap-server", &self.address.to_string(), "--create"]);
        create.args(["--topic", topic, "--partitions", "1", "--replication-factor", "1"]);
        assert!(create.stdout(Stdio::null()).status().unwrap().success(), "{create:?}");
        broker.stop();
        let dir = self.partition(topic);
        for file in fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()) {
            if file.file_name().is_some_and(|name| name != "partition.metadata") {
                fs::remove_file(file).unwrap();
            }
        }
        fs::copy(&log.file, dir.join(log.file.file_name().unwrap())).unwrap();
        self.forget();
    }

    /// Its directory.
    pub fn partition(&self, topic: &str) -> PathBuf {
        self.data.join(format!("{topic}-0"))
    }

    /// Nothing is known to be on the disk: all logs have to be recovered.
    pub fn forget(&self) {
        for name in [".kafka_cleanshutdown", "recovery-point-offset-checkpoint"] {
            match fs::remove_file(self.data.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => panic!("{name}: {error}"),
                _ => {}
            }
        }
    }
}

/// One that runs.
pub struct Broker {
    child: Child,
    pub address: SocketAddr,
    /// From its first instruction until it let clients in.
    pub start: Duration,
}

impl Broker {
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// In good order.
    fn stop(&mut self) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

/// As a power cut would end it, but that the page cache stays.
impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_ports() -> (u16, u16) {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (one, other) = (listen(), listen());
    let port = |listener: TcpListener| listener.local_addr().unwrap().port();
    (port(one), port(other))
}

/// The last lines.
fn ending(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}
