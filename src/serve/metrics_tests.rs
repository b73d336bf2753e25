//! The text, read by a parser that knows nothing of the writer; and scrapers of every manner.

use super::*;
use crate::serve::counters::LIMITS;
use crate::serve::files::FilesSnapshot;
use crate::serve::wire::Api;
use crate::serve::wire::errors::ErrorCode;
use std::collections::BTreeMap;

type Labels = Vec<(String, String)>;

/// Samples by name and labels, and the type of each family.
#[derive(Debug, Default)]
struct Parsed {
    samples: BTreeMap<(String, Labels), f64>,
    types: BTreeMap<String, String>,
}

impl Parsed {
    fn get(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels = labels.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let key = (format!("seg_serve_{name}"), labels);
        *self.samples.get(&key).unwrap_or_else(|| panic!("no {key:?} in {self:#?}"))
    }
}

/// Reads the text format line by line, as its specification says, and complains about the rest.
fn parse(text: &str) -> Parsed {
    assert!(text.ends_with('\n'));
    let mut parsed = Parsed::default();
    let mut helped = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(!words.is_empty());
            helped = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, helped, "TYPE without HELP");
            assert!(["counter", "gauge", "summary"].contains(&kind));
            assert!(parsed.types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name}");
        } else {
            let (name, labels, value) = parse_sample(line);
            let base = name.strip_suffix("_sum").or_else(|| name.strip_suffix("_count"));
            assert!(name == helped || base == Some(&helped), "{name} stands below {helped}");
            assert!(parsed.samples.insert((name, labels), value).is_none(), "twice: {line}");
        }
    }
    parsed
}

fn parse_sample(line: &str) -> (String, Labels, f64) {
    let mut letters = line.chars().peekable();
    let mut name = String::new();
    while let Some(letter) = letters.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        name.push(letter);
    }
    let mut labels = Vec::new();
    if letters.next_if_eq(&'{').is_some() {
        loop {
            let mut label = String::new();
            while let Some(letter) = letters.next_if(char::is_ascii_lowercase) {
                label.push(letter);
            }
            assert_eq!((letters.next(), letters.next()), (Some('='), Some('"')), "{line}");
            let mut value = String::new();
            loop {
                match letters.next().unwrap() {
                    '"' => break,
                    '\\' => value.push(match letters.next().unwrap() {
                        'n' => '\n',
                        other => other,
                    }),
                    other => value.push(other),
                }
            }
            labels.push((label, value));
            match letters.next() {
                Some(',') => {}
                Some('}') => break,
                other => panic!("{other:?} in {line}"),
            }
        }
    }
    assert_eq!(letters.next(), Some(' '), "{line}");
    (name, labels, letters.collect::<String>().parse().unwrap())
}

/// Counters in which every number is another one.
fn counters() -> Counters {
    let counters = Counters::default();
    (0..7).for_each(|_| counters.connection_opened());
    (0..2).for_each(|_| counters.connection_closed());
    counters.received(11);
    counters.sent(3_000_000_000, 1 << 40, 17);
    (0..2).for_each(|_| counters.request(Api::Fetch, 18));
    counters.request(Api::Fetch, 4);
    counters.request(Api::ApiVersions, 0);
    counters.answered(Api::Fetch, Duration::from_micros(1500));
    counters.answered(Api::Fetch, Duration::from_secs(2));
    counters.error(Api::Fetch, ErrorCode::CORRUPT_MESSAGE);
    counters.error(Api::Fetch, ErrorCode(1234));
    counters.rejected("frame_bytes");
    counters.set_files(&FilesSnapshot {
        open_segments: 0,
        index_bytes: 0,
        indexes_distrusted: 0,
        ranges_hit: 0,
        ranges_cold: 0,
        segments_failed: [1, 0, 0, 0],
    });
    counters.set_start(Duration::from_millis(80));
    counters.client("librdkafka");
    counters.client("a \"name\" of \\ two\nlines");
    counters
}

#[test]
fn the_text_says_what_was_counted() {
    let parsed = parse(&text(&counters().snapshot()));
    assert_eq!(parsed.get("connections", &[]), 5.0);
    assert_eq!(parsed.get("connections_accepted_total", &[]), 7.0);
    assert_eq!(parsed.get("received_bytes_total", &[]), 11.0);
    assert_eq!(parsed.get("sent_bytes_total", &[("how", "memory")]), 3e9);
    assert_eq!(parsed.get("sent_bytes_total", &[("how", "sendfile")]), (1_u64 << 40) as f64);
    assert_eq!(parsed.get("sent_bytes_total", &[("how", "copy")]), 17.0);
    let fetch = ("api", "Fetch");
    assert_eq!(parsed.get("requests_total", &[fetch, ("version", "18")]), 2.0);
    assert_eq!(parsed.get("requests_total", &[fetch, ("version", "4")]), 1.0);
    assert_eq!(parsed.get("requests_total", &[("api", "ApiVersions"), ("version", "0")]), 1.0);
    assert_eq!(parsed.get("request_seconds_sum", &[fetch]), 2.0015);
    assert_eq!(parsed.get("request_seconds_count", &[fetch]), 2.0);
    assert_eq!(parsed.get("errors_total", &[fetch, ("code", "CORRUPT_MESSAGE")]), 1.0);
    assert_eq!(parsed.get("errors_total", &[fetch, ("code", "other")]), 1.0);
    assert_eq!(parsed.get("segments_failed_total", &[("why", "shrunk")]), 1.0);
    assert_eq!(parsed.get("segments_failed_total", &[("why", "gone")]), 0.0);
    assert_eq!(parsed.get("start_seconds", &[]), 0.08);
    for limit in LIMITS {
        let expected = f64::from(u8::from(*limit == "frame_bytes"));
        assert_eq!(parsed.get("rejections_total", &[("limit", limit)]), expected);
    }
    let odd = "a \"name\" of \\ two\nlines";
    assert_eq!(parsed.get("clients_total", &[("software", odd)]), 1.0);
    for (name, kind) in &parsed.types {
        let is_total = name.ends_with("_total");
        assert_eq!(is_total, kind == "counter", "{name} is a {kind}");
    }
}

fn started() -> (Metrics, Arc<Counters>) {
    let counters = Arc::new(counters());
    let metrics = Metrics::start("127.0.0.1:0".parse().unwrap(), Arc::clone(&counters)).unwrap();
    (metrics, counters)
}

/// Sends the pieces and reads to the end.
fn ask(metrics: &Metrics, pieces: &[&str]) -> String {
    let mut socket = TcpStream::connect(metrics.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for piece in pieces {
        socket.write_all(piece.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn body(answer: &str) -> &str {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), body.len());
    body
}

#[test]
fn a_scraper_gets_the_text_of_now() {
    let (metrics, counters) = started();
    let whole = "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";
    let first = parse(body(&ask(&metrics, &[whole])));
    counters.connection_opened();
    let pieces = ["GET /met", "rics?a=b HTTP/1.1\r", "\nHost: here\r\n", "\r\n"];
    let second = parse(body(&ask(&metrics, &pieces)));
    let name = "connections_accepted_total";
    assert_eq!((first.get(name, &[]), second.get(name, &[])), (7.0, 8.0));
    metrics.stop();
}

#[test]
fn everything_else_gets_a_404() {
    let (metrics, _) = started();
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(REQUEST_BYTES - 26));
    assert_eq!(long.len(), REQUEST_BYTES);
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET /metricsx HTTP/1.1\r\n\r\n",
        "GET /../metrics HTTP/1.1\r\n\r\n",
        "POST /metrics HTTP/1.1\r\n\r\n",
        "\r\n\r\n",
        "\u{16}\u{3}\u{1}\n\n",
        &long,
    ] {
        let answer = ask(&metrics, &[request]);
        assert!(answer.starts_with("HTTP/1.0 404 "), "{request:?} gave {answer:?}");
        assert!(answer.ends_with("\r\n\r\n"));
    }
    metrics.stop();
}

#[test]
fn who_says_nothing_keeps_others_waiting_for_a_second_only() {
    let (metrics, _) = started();
    let began = Instant::now();
    let silent = TcpStream::connect(metrics.address()).unwrap();
    let gone = TcpStream::connect(metrics.address()).unwrap();
    drop(gone);
    body(&ask(&metrics, &["GET /metrics HTTP/1.0\r\n\r\n"]));
    let waited = began.elapsed();
    assert!(waited >= PATIENCE - Duration::from_millis(100), "{waited:?}");
    assert!(waited < PATIENCE * 3, "{waited:?}");
    drop(silent);
    metrics.stop();
}

#[test]
fn it_ends_when_it_is_told_to_and_gives_its_address_back() {
    let (metrics, _) = started();
    let address = metrics.address();
    let began = Instant::now();
    metrics.stop();
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(TcpStream::connect(address).is_err());
    Metrics::start(address, Arc::default()).unwrap().stop();
}
