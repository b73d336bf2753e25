//! What the machine can do at all: memory that is summed up, checksums, decompressors, one after
//! the other in each round.

use crate::measure::{least, thread_time};
use crate::report::Report;
use crate::{Setup, map, peers, throughput};
use std::time::Duration;

/// What a decompressor makes of a batch.
type Unpack = fn(&mut peers::Buffers, &[u8]) -> i64;

pub fn limits(setup: &Setup, report: &mut Report) {
    let plain = map(&setup.plain.file);
    let logs: Vec<_> = setup.compressed.iter().map(|(_, log)| (map(&log.file), log)).collect();
    let unpacks: [(&str, Unpack); 4] = [
        ("lz4", peers::Buffers::lz4),
        ("snappy", peers::Buffers::snappy),
        ("gzip", peers::Buffers::gzip),
        ("zstd", peers::Buffers::zstd),
    ];
    let mut buffers = peers::Buffers::default();
    peers::sum(&plain);
    let (mut sums, mut checksums) = (Vec::new(), Vec::new());
    let mut unpacked: [Vec<Duration>; 4] = Default::default();
    for _ in 0..setup.rounds {
        sums.push(thread_time(|| peers::sum(&plain)));
        checksums.push(thread_time(|| peers::checksums(&plain)));
        for ((bytes, _), (unpack, times)) in logs.iter().zip(unpacks.iter().zip(&mut unpacked)) {
            times.push(thread_time(|| peers::unpack(bytes, &mut buffers, unpack.1)));
        }
    }
    let size = plain.len();
    report.limit("sum of every eight bytes of a mapped file", &throughput(least(&sums), size));
    report.limit("CRC-32C of every batch of it", &throughput(least(&checksums), size));
    for (((name, _), (_, log)), times) in unpacks.iter().zip(&logs).zip(&unpacked) {
        let rate = throughput(least(times), log.content as usize);
        report.limit(&format!("{name}: decompress every batch"), &format!("{rate} of content"));
    }
}
