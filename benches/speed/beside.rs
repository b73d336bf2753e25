//! Kafka's own programs, which users have now: `kafka-dump-log`, the recovery of a broker, its
//! fetches, and its tool for producers.

use crate::broker::{BROKER, Broker, Home, Kafka, TOOLS};
use crate::measure::{Race, wall_time};
use crate::report::{Report, Row};
use crate::serve::{self, TOPIC, rivals::Server};
use crate::{SEG, Setup, reindex, seg};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Recovers a segment with Kafka's own code.
const RECOVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/speed/Recover.java");
const REMADE: &str = "the indexes of a segment made anew, on the clock";
/// What there is to say on the page, if only why it is not there.
const ROWS: [(&str, &str); 5] = [
    ("the lines of `kafka-dump-log` 4.3.1", "`seg dump -r --format kafka FILE > /dev/null`"),
    ("a segment recovered, `LogSegment.recover` of 4.3.1", "`seg reindex DIR`"),
    ("a segment recovered, start of a broker of 4.4.0", "`seg reindex DIR`"),
    ("fetch, a broker of 4.4.0", "`seg serve`"),
    ("made-up records, `kafka-producer-perf-test` of 4.3.1", "`seg write --generate`"),
];

pub fn kafka(setup: &Setup, report: &mut Report) {
    let kafka = match &setup.kafka {
        Ok(kafka) => kafka,
        Err(why) => return ROWS.iter().for_each(|(what, with)| report.skipped(what, with, why)),
    };
    let rounds = setup.rounds.min(3);
    dump_log(setup, kafka, rounds, report);
    let dir = reindex::copy(&setup.plain, "recovered-by-seg-0");
    recover(setup, kafka, &dir, report);
    let home = Home::new(kafka, setup.root.join("broker"));
    home.place(TOPIC, &setup.plain);
    let broker = start(setup, &home, &dir, rounds, report);
    serve::beside_broker(setup, &Server::running(broker.address, broker.process()), report);
    produce(setup, kafka, &broker, rounds, report);
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// The same lines.
fn dump_log(setup: &Setup, kafka: &Kafka, rounds: usize, report: &mut Report) {
    let file = &setup.small.file;
    let tool = || {
        let mut tool = kafka.tool("org.apache.kafka.tools.DumpLogSegments");
        tool.args(["--print-data-log", "--files"]).arg(file);
        tool
    };
    let kafka_lines = tool().output().unwrap().stdout;
    let lines = seg(&["dump", "-r", "--format", "kafka"], file).output().unwrap().stdout;
    assert!(lines == kafka_lines, "not the lines of kafka-dump-log");
    let race = Race::run(
        rounds,
        || wall_time(&mut seg(&["dump", "-r", "--format", "kafka"], file)),
        || wall_time(&mut tool()),
    );
    let mib = setup.small.log_bytes >> 20;
    let what = format!("the same lines as `kafka-dump-log` {TOOLS}, {mib} MiB, on the clock");
    let row = Row::new(&what, ROWS[0].1, &race, &seconds);
    report.note(row.against("`kafka-dump-log --print-data-log --files FILE > /dev/null`"));
}

/// `seg reindex` without any index, on the clock.
fn reindexed(dir: &Path) -> Duration {
    reindex::remove(dir, &["index", "timeindex", "snapshot"]);
    wall_time(&mut seg(&["reindex"], dir))
}

/// A broker's own code in a virtual machine that is warm.
fn recover(setup: &Setup, kafka: &Kafka, dir: &Path, report: &mut Report) {
    const ROUNDS: &str = "5";
    let log = &setup.plain;
    let recovered = reindex::copy(log, "recovered-0");
    let mut broker = Command::new("java");
    broker.args(["-Xmx1g", "-cp", &kafka.tools, RECOVER]).arg(&recovered).arg(ROUNDS);
    broker.stderr(Stdio::null());
    let mut times = || {
        let text = String::from_utf8(broker.output().unwrap().stdout).unwrap();
        let answer = text.lines().last().and_then(|line| line.strip_suffix(" 0"));
        Duration::from_secs_f64(answer.expect("nothing is cut off").parse().unwrap())
    };
    let race = Race::run(2, || reindexed(dir), &mut times);
    for kind in ["index", "timeindex"] {
        let name = log.file.with_extension(kind);
        let name = name.file_name().unwrap();
        let same = fs::read(dir.join(name)).unwrap() == fs::read(recovered.join(name)).unwrap();
        assert!(same, "a broker makes the same {kind}");
    }
    let row = Row::new(REMADE, ROWS[1].1, &race, &seconds);
    let peer = format!("`LogSegment.recover` of {TOOLS} in a virtual machine that is warm");
    report.note(row.against(&peer));
}

/// A broker that was killed and starts, with this one log to recover; the last one goes on.
fn start(setup: &Setup, home: &Home<'_>, dir: &Path, rounds: usize, report: &mut Report) -> Broker {
    let (mut ours, mut logs, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let mut last: Option<Broker> = None;
    for _ in 0..rounds {
        drop(last.take());
        home.forget();
        reindex::remove(&home.partition(TOPIC), &["index", "timeindex", "snapshot"]);
        ours.push(reindexed(dir));
        let broker = home.start();
        all.push(broker.start);
        logs.push(home.loaded().expect("a broker says how long it loads logs"));
        last = Some(broker);
    }
    // A broker leaves room in the indexes of the last segment.
    let name = setup.plain.file.with_extension("index");
    let name = name.file_name().unwrap();
    let (index, theirs) = (fs::read(dir.join(name)), fs::read(home.partition(TOPIC).join(name)));
    assert!(theirs.unwrap().starts_with(&index.unwrap()), "a broker makes the same index");
    for (times, peer) in [
        (logs, format!("a broker of {BROKER} that was killed starts: until its logs are loaded")),
        (all, "the same, until it lets clients in".to_owned()),
    ] {
        let race = Race::of(ours.clone(), times);
        let row = Row::new(REMADE, ROWS[2].1, &race, &seconds);
        report.note(row.against(&peer));
    }
    last.expect("a round")
}

/// Records that are made up and are in a log at the end.
fn produce(setup: &Setup, kafka: &Kafka, broker: &Broker, rounds: usize, report: &mut Report) {
    const BYTES: &str = "100";
    let records = (setup.log_bytes / 4 / 100).to_string();
    let dir = setup.root.join("produced-0");
    let write = || {
        let _ = fs::remove_dir_all(&dir);
        let mut command = Command::new(SEG);
        command.arg("write").arg(&dir).args(["--generate", &records, "--record-size", BYTES]);
        wall_time(command.args(["--keys", "0", "--payload", "random"]))
    };
    let produce = || {
        let mut tool = kafka.tool("org.apache.kafka.tools.ProducerPerformance");
        tool.args(["--topic", "produced", "--num-records", &records, "--record-size", BYTES]);
        tool.args(["--throughput", "-1", "--bootstrap-server", &broker.address.to_string()]);
        let output = tool.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // 5000 records sent, 4716.98 records/sec (0.45 MB/sec), ...
        let rate = text.lines().last().and_then(|line| {
            line.strip_prefix(&format!("{records} records sent, "))?.split_once(' ')?.0.parse().ok()
        });
        let rate: f64 = rate.unwrap_or_else(|| panic!("no rate: {:?}", text.lines().last()));
        Duration::from_secs_f64(records.parse::<f64>().unwrap() / rate)
    };
    let race = Race::run(rounds, write, produce);
    let rate = |time: Duration| {
        let rate = records.parse::<f64>().unwrap() / time.as_secs_f64() / 1e3;
        format!("{rate:.0} thousand records/s")
    };
    let what = "made-up records of 100 bytes, on the clock, synced by `seg` only";
    let command = "`seg write DIR --generate N --keys 0 --payload random`";
    let row = Row::new(what, command, &race, &rate);
    let peer =
        format!("`kafka-producer-perf-test` {TOOLS} into a broker of {BROKER}, by its own count");
    report.note(row.against(&peer));
}
