//! `seg serve`: the disks of a dead cluster, for every client that speaks Kafka.
//!
//! ```text
//!   args -> sources: directories -> loaded partitions
//!        -> catalog -> announce: what is served
//!        -> groups, answers, network threads
//!   then, until a signal: status line or log, and whether a broker began to work on the disks
//! ```

mod announce;
mod args;
mod descriptors;
mod identity;
mod logging;
mod offsets_out;
mod sources;
mod status;

use crate::cli::{Format, UsageError};
use crate::output::{Outcome, Output};
use crate::signals::{self, Interrupted};
use crate::values::plural;
use announce::{Noted, Start};
use anyhow::Context;
pub use args::{Args, HELP};
use segkit::log::loaded::TailCheck;
use segkit::serve::answer::Answers;
use segkit::serve::catalog::{self, Catalog, Choice, Replica};
use segkit::serve::counters::Counters;
use segkit::serve::files::OpenFiles;
use segkit::serve::groups::{self, GroupOptions, Groups, GroupsConfig, NewCommit};
use segkit::serve::limits::ServeLimits;
use segkit::serve::metrics::Metrics;
use segkit::serve::{self, Bound, Config, Running};
use sources::Sources;
use status::Status;
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the start waits for the dead cluster's committed offsets before it goes on without a
/// word about them.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the main thread looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);
/// How often it is asked whether a broker began to work on what is served.
const ASK_LIVENESS: Duration = Duration::from_secs(5);

/// Serves until a signal.
pub fn run(args: &Args, out: &mut Output) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    check(args)?;
    let files = descriptors::open_segments(args.network.max_connections as usize);
    let files = files.map_err(anyhow::Error::msg)?;
    signals::survive_hangup();
    // Until the end: what waits is written when it is dropped.
    let _logging = logging::install(args.watch.log, args.common.verbose)?;
    let bound = serve::bind(args.network.listen)?;
    let sources = sources::find(args, out)?;
    if sources.partitions.is_empty() {
        out.error(&"there is no partition to serve")?;
        return Ok(Outcome::PARTIAL);
    }
    if refuse_live(&sources, out)? {
        return Ok(Outcome::PARTIAL);
    }
    let Some(loaded) = load(args, &sources, bound.address(), out)? else {
        return Ok(Outcome::PARTIAL);
    };
    let start = Start {
        catalog: &loaded.catalog,
        noted: &loaded.noted,
        sources: &sources,
        choices: &loaded.choices,
        address: bound.address(),
        metrics: None,
        is_all_checked: args.check() == TailCheck::All,
        seconds: started.elapsed().as_secs_f64(),
        skip_damaged: args.truth.skip_damaged,
    };
    let mut outcome = Outcome::default();
    if start.is_damaged() {
        outcome.add(Outcome::NO);
    }
    let server = Server::start(args, bound, &loaded.catalog, files)?;
    server.counters.set_start(started.elapsed());
    let found = server.groups.found(PATIENCE);
    if found.as_ref().is_some_and(|found| !found.losses.is_empty()) {
        outcome.add(Outcome::NO);
    }
    let metrics = server.metrics.as_ref().map(Metrics::address);
    Start { metrics, ..start }.say(found.as_deref(), args.format, out)?;
    let asked = server.wait(args, &sources, out)?;
    let (served, commits) = server.end(out)?;
    let path = args.groups.offsets_out.as_deref();
    offsets_out::finish(&commits, path, args.format == Format::Json, out)?;
    if asked == Asked::Interrupt {
        out.outcome.add(outcome);
        return Err(Interrupted(format!("answered {}", plural(served, "request"))).into());
    }
    Ok(outcome)
}

/// Which bytes are served was settled at the start; a broker may cut or delete them.
fn began_to_work(log_dir: &Path) -> String {
    let path = log_dir.display();
    format!("{path}: a broker began to work here: what is served may change under its clients")
}

/// Everything that is at work.
struct Server {
    running: Running,
    groups: Groups,
    metrics: Option<Metrics>,
    files: Arc<OpenFiles>,
    counters: Arc<Counters>,
}

impl Server {
    fn start(
        args: &Args,
        bound: Bound,
        catalog: &Arc<Catalog>,
        files: usize,
    ) -> anyhow::Result<Self> {
        let (limits, counters) = (limits(args), Arc::new(Counters::default()));
        let metrics = match args.watch.metrics {
            Some(listen) => Some(
                Metrics::start(listen, Arc::clone(&counters))
                    .with_context(|| format!("answering for metrics on {listen}"))?,
            ),
            None => None,
        };
        let groups = groups::start(catalog, groups_config(args, &limits), &counters)?;
        let files = Arc::new(OpenFiles::new(files, limits.index_cache_bytes));
        let answers = Answers {
            catalog: Arc::clone(catalog),
            files: Arc::clone(&files),
            groups: groups.handle(),
            limits: limits.clone(),
            counters: Arc::clone(&counters),
        };
        let running = bound.start(config(args, limits), Arc::new(answers), Arc::clone(&counters));
        let running = running?;
        Ok(Self { running, groups, metrics, files, counters })
    }

    /// Until a signal, and then until every answer is out.
    fn wait(&self, args: &Args, sources: &Sources, out: &mut Output) -> io::Result<Asked> {
        let mut status = Status::new(args, &self.counters);
        let mut asked_liveness = Instant::now();
        let mut live = HashSet::new();
        while !signals::is_interrupted() && !self.has_failed() {
            std::thread::sleep(LOOK);
            status.tick();
            self.counters.set_files(&self.files.snapshot());
            if asked_liveness.elapsed() >= ASK_LIVENESS {
                asked_liveness = Instant::now();
                let now: HashSet<_> = sources.now_live().map(Path::to_owned).collect();
                self.counters.set_live_log_dirs(now.len());
                for path in now.difference(&live) {
                    out.error(&began_to_work(path))?;
                }
                live = now;
            }
        }
        self.running.drain();
        while !self.running.is_over() {
            std::thread::sleep(LOOK);
        }
        Ok(match signals::is_interrupted() && !signals::is_terminated() {
            true => Asked::Interrupt,
            false => Asked::Terminate,
        })
    }

    fn has_failed(&self) -> bool {
        self.running.has_failed() || self.groups.have_failed()
    }

    /// Ends every thread. Gives the number of requests, and what groups committed.
    fn end(self, out: &mut Output) -> io::Result<(u64, Vec<NewCommit>)> {
        let ended = self.running.stop();
        let commits = self.groups.stop();
        if let Some(metrics) = self.metrics {
            metrics.stop();
        }
        if ended.network_left > 0 {
            out.error(&"some answers were not sent to their end: a disk did not give their bytes")?;
        }
        if ended.has_failed || commits.is_none() {
            out.error(&"a thread failed, which is a defect of seg; --log text says more")?;
        }
        Ok((self.counters.snapshot().requests(), commits.unwrap_or_default()))
    }
}

/// How the end was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Terminate,
    Interrupt,
}

/// What the arguments say together.
fn check(args: &Args) -> anyhow::Result<()> {
    let network = &args.network;
    let remote = |what: &str, address: SocketAddr| {
        (!address.ip().is_loopback() && !network.allow_remote).then(|| {
            format!(
                "{what} {address} lets other machines in, and nobody is asked who they are: \
                say --allow-remote if that is meant"
            )
        })
    };
    let refusals = [
        remote("--listen", network.listen),
        args.watch.metrics.and_then(|address| remote("--metrics", address)),
        (network.listen.ip().is_unspecified() && network.advertise.is_none()).then(|| {
            format!("clients cannot connect to {}: say --advertise HOST:PORT", network.listen)
        }),
    ];
    if let Some(path) = &args.groups.offsets_out {
        offsets_out::check(path)?;
    }
    match refusals.into_iter().flatten().next() {
        Some(refusal) => Err(UsageError(refusal).into()),
        None => Ok(()),
    }
}

fn limits(args: &Args) -> ServeLimits {
    let network = &args.network;
    ServeLimits {
        connections: network.max_connections as usize,
        connections_per_address: network.max_connections_per_ip as usize,
        frame_bytes: network.socket_request_max_bytes as usize,
        idle_time: Duration::from_millis(network.connections_max_idle_ms),
        fetch_bytes: network.fetch_max_bytes,
        queued_requests: network.queued_max_requests as usize,
        ..ServeLimits::STANDARD
    }
}

fn config(args: &Args, limits: ServeLimits) -> Config {
    Config {
        network_threads: args.network.num_network_threads.into(),
        io_threads: args.network.num_io_threads.into(),
        send_buffer: args.network.socket_send_buffer_bytes as usize,
        use_sendfile: true,
        limits,
    }
}

fn groups_config(args: &Args, limits: &ServeLimits) -> GroupsConfig {
    let delay = args.groups.group_initial_rebalance_delay_ms;
    let initial_rebalance_delay = Duration::from_millis(delay.into());
    GroupsConfig {
        options: GroupOptions { initial_rebalance_delay, ..GroupOptions::STANDARD },
        limits: limits.groups,
        response_bytes: limits.response_bytes,
        reading: args.common.limits(),
        forgets_offsets: args.groups.forget_offsets,
    }
}

/// A broker at work would delete what is being served, and its clients belong to it.
fn refuse_live(sources: &Sources, out: &mut Output) -> io::Result<bool> {
    let mut is_live = false;
    for (path, pid) in sources.live() {
        let who = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
        let path = path.display();
        out.error(&format!("{path}: a broker is at work here{who}: ask it, or serve a copy"))?;
        is_live = true;
    }
    Ok(is_live)
}

/// The catalog, and what was noted while it was made.
struct Loaded {
    catalog: Arc<Catalog>,
    noted: HashMap<PathBuf, Noted>,
    choices: Vec<Choice>,
}

/// `None` when what is on the disks does not belong together; that was said.
fn load(
    args: &Args,
    sources: &Sources,
    listen: SocketAddr,
    out: &mut Output,
) -> anyhow::Result<Option<Loaded>> {
    let identity = match identity::identity(sources, args, listen) {
        Ok(identity) => identity,
        Err(why) => {
            out.error(&why)?;
            return Ok(None);
        }
    };
    let mut replicas: Vec<Replica> = Vec::new();
    for loaded in sources.load(args)? {
        match loaded {
            Ok(replica) => replicas.push(replica),
            Err(error) => out.error(&format!("not served: {error}"))?,
        }
    }
    let noted = replicas.iter().map(|one| (one.dir.path().to_owned(), Noted::of(one))).collect();
    match catalog::build(replicas, identity, &sources.log_dirs) {
        Ok((catalog, choices)) => Ok(Some(Loaded { catalog: Arc::new(catalog), noted, choices })),
        Err(conflicts) => {
            for conflict in conflicts {
                out.error(&conflict)?;
            }
            Ok(None)
        }
    }
}
