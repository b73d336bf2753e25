//! The arguments of `seg serve`.

use crate::cli::{Common, Format};
use crate::help::{self, Example};
use clap::ValueEnum;
use segkit::log::loaded::TailCheck;
use segkit::serve::limits::ServeLimits;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Ends the help: a server that was asked to stop did well.
/// What `seg serve --help` says beside the arguments.
pub const HELP: help::Page = help::Page {
    description: &[
        "A broker that only reads: consumers, connectors, mirror makers and the kafka-*.sh \
         scripts read the disks of a dead cluster as if it lived, topics, timestamps, groups and \
         their committed offsets included. Give it the log dirs of all brokers whose disks you \
         have; of each partition the best copy is served.",
        "Point a client of Kafka at the address that it prints: kafka-console-consumer.sh \
         --bootstrap-server 127.0.0.1:9092 --topic orders --from-beginning. Nothing is written \
         in the log dirs. What a client would produce is refused; what groups commit is kept in \
         memory, and by --offsets-out in a file.",
        "SIGTERM and Ctrl-C let every answer that has begun go out; a second one ends at once.",
    ],
    examples: &[
        Example::new("seg serve testdata/kafka-4.3.1", "every topic of this log dir, on port 9092"),
        Example::new("seg serve testdata/kafka-4.3.1 --listen 127.0.0.1:9192", "on another port"),
        Example::new(
            "seg serve testdata/kafka-4.3.1 --skip-damaged",
            "a damage is a gap instead of an error",
        ),
        Example::new(
            "seg serve testdata/kafka-4.3.1 --offsets-out /tmp/commits.csv",
            "keeps what groups commit meanwhile",
        ),
        Example::new(
            "\
seg serve testdata/kafka-4.3.1 --listen 0.0.0.0:9092 \\
  --advertise localhost:9092 --allow-remote",
            "lets clients on other machines in, where they resolve that name",
        ),
    ],
    status: SERVE_STATUS,
    files: &[],
};

/// A server ends when it is told to.
const SERVE_STATUS: &[(&str, &str)] = &[
    ("0", "SIGTERM ended it"),
    ("1", "the same, and damage keeps clients from some records"),
    ("2", "it could not serve, or not all of what it was given"),
    ("3", "both"),
    help::USAGE,
    help::INTERRUPTED,
];

/// The arguments of `seg serve`.
#[derive(clap::Args)]
pub struct Args {
    /// Log dirs, partition directories, or directories above them
    #[arg(value_name = "PATH", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub truth: TruthArgs,
    #[command(flatten)]
    pub groups: GroupArgs,
    #[command(flatten)]
    pub watch: WatchArgs,
    /// The form of what it says
    ///
    /// At the start and at the end.
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    #[arg(help_heading = "Output")]
    pub format: Format,
    #[command(flatten)]
    pub common: Common,
}

/// Where clients find the server, and how much they can make it do.
#[derive(clap::Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Where to listen
    ///
    /// Port 0 takes a free one and says which.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9092")]
    pub listen: SocketAddr,
    /// Where clients are told to connect to
    ///
    /// [default: where the server listens]
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_advertised)]
    pub advertise: Option<Advertised>,
    /// Let other machines in; nothing is authenticated
    ///
    /// That is, listen on an address that they reach.
    #[arg(long)]
    pub allow_remote: bool,
    /// The broker id that clients see [default: the lowest of meta.properties]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    #[arg(hide_short_help = true)]
    pub node_id: Option<i32>,
    /// Threads that read requests and send answers
    ///
    /// A broker has 3. Here, few clients take all they can get, and each should have its own.
    #[arg(long, value_name = "N", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=64), hide_short_help = true)]
    pub num_network_threads: u16,
    /// Threads that find the bytes for them
    #[arg(long, value_name = "N", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256), hide_short_help = true)]
    pub num_io_threads: u16,
    /// Requests that wait for such a thread; further ones stay with their connections
    #[arg(long, value_name = "N", default_value_t = 500)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000), hide_short_help = true)]
    pub queued_max_requests: u32,
    /// The most bytes of one Fetch answer; one batch may be larger
    #[arg(long, value_name = "BYTES", default_value_t = ServeLimits::STANDARD.fetch_bytes)]
    #[arg(value_parser = clap::value_parser!(u64).range(1024..=1 << 30), hide_short_help = true)]
    pub fetch_max_bytes: u64,
    /// The longest request
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1024..=100 << 20), hide_short_help = true)]
    pub socket_request_max_bytes: u32,
    /// What the kernel holds of an answer for a client that is slow to take it
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(4096..=64 << 20), hide_short_help = true)]
    pub socket_send_buffer_bytes: u32,
    /// Connections at one time
    #[arg(long, value_name = "N", default_value_t = 1024)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000), hide_short_help = true)]
    pub max_connections: u32,
    /// Connections of one address at one time
    #[arg(long, value_name = "N", default_value_t = 256)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000), hide_short_help = true)]
    pub max_connections_per_ip: u32,
    /// A connection that asks nothing for so long is closed
    #[arg(long, value_name = "MS", default_value_t = 600_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..), hide_short_help = true)]
    pub connections_max_idle_ms: u64,
}

/// How sure the server is of what it serves.
#[derive(clap::Args)]
#[command(next_help_heading = "Damage")]
pub struct TruthArgs {
    /// What is checked first
    ///
    /// Before the first client is let in.
    #[arg(long, value_enum, value_name = "HOW MUCH", default_value = "tail")]
    pub check: CheckName,
    /// Step over damage as over gaps of compaction
    ///
    /// Looks for it everywhere first.
    #[arg(long)]
    pub skip_damaged: bool,
}

/// The values of `--check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckName {
    /// The end of each partition, behind its last index entry
    Tail,
    /// What a broker would: after a crash, all behind the recovery point
    Unflushed,
    /// Every byte
    All,
}

/// Consumer groups.
#[derive(clap::Args)]
#[command(next_help_heading = "Consumer groups")]
pub struct GroupArgs {
    /// Begin without committed offsets
    ///
    /// Those that groups committed to the dead cluster.
    #[arg(long)]
    pub forget_offsets: bool,
    /// At the end, write what groups committed here
    ///
    /// As kafka-consumer-groups --reset-offsets --from-file reads it.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub offsets_out: Option<PathBuf>,
    /// How long the first member of a group waits for others
    #[arg(long, value_name = "MS", default_value_t = 3000)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=300_000), hide_short_help = true)]
    pub group_initial_rebalance_delay_ms: u32,
}

/// What can be seen from outside.
#[derive(clap::Args)]
#[command(next_help_heading = "Watching")]
pub struct WatchArgs {
    /// Answer GET /metrics for Prometheus here
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics: Option<SocketAddr>,
    /// Log to stderr
    ///
    /// Connections, errors and rejections, with -v each request; there is no status line then.
    #[arg(long, value_enum, value_name = "FORM")]
    pub log: Option<LogName>,
}

/// The values of `--log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogName {
    /// Lines for people
    Text,
    /// JSON lines
    Json,
}

/// A host and a port that clients are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// The longest name of a host in the DNS.
const HOST_BYTES: usize = 255;

fn parse_advertised(text: &str) -> Result<Advertised, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        if address.ip().is_unspecified() || address.port() == 0 {
            return Err("give an address that clients can connect to".to_owned());
        }
        return Ok(Advertised { host: address.ip().to_string(), port: address.port() });
    }
    let (host, port) = text.rsplit_once(':').ok_or("give HOST:PORT")?;
    let port = port.parse().map_err(|_| "the port is a number up to 65535")?;
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if host.is_empty() || host.len() > HOST_BYTES || !host.bytes().all(is_host) {
        return Err("give HOST:PORT; an IPv6 address in brackets".to_owned());
    }
    if port == 0 {
        return Err("give the port that clients connect to".to_owned());
    }
    Ok(Advertised { host: host.to_owned(), port })
}

impl Args {
    /// What is looked at before the start.
    pub fn check(&self) -> TailCheck {
        match self.truth.check {
            _ if self.truth.skip_damaged => TailCheck::All,
            CheckName::Tail => TailCheck::Tail,
            CheckName::Unflushed => TailCheck::Unflushed,
            CheckName::All => TailCheck::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_told_apart() {
        let host = |text| parse_advertised(text).map(|told| (told.host, told.port));
        assert_eq!(host("rescue.example:9092"), Ok(("rescue.example".to_owned(), 9092)));
        assert_eq!(host("10.0.0.7:1"), Ok(("10.0.0.7".to_owned(), 1)));
        assert_eq!(host("[::1]:9092"), Ok(("::1".to_owned(), 9092)));
        for bad in [
            "",
            "host",
            "host:",
            ":9092",
            "host:65536",
            "a b:1",
            "::1:9092",
            "http://a:1",
            "0.0.0.0:1",
            "a:0",
        ] {
            assert!(parse_advertised(bad).is_err(), "{bad}");
        }
    }
}
