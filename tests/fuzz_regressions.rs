//! What the fuzzer found and began with, through the fuzzer's own targets (`fuzz/src/targets`): no
//! nightly toolchain needed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

#[path = "../fuzz/src/seeds.rs"]
mod seeds;
#[path = "../fuzz/src/targets/mod.rs"]
mod targets;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use segkit::format::compression::compress;
use segkit::format::{Codec, FormatErrorKind, Position, Scratch};
use segkit::repair::backup::manifest::is_readable;
use std::fs;
use std::io::{Read, Write};
use targets::{TARGETS, folder};

/// What is committed of a corpus: files of at most so many bytes, and so many in all.
const PACKED_BYTES: usize = 4 << 10;
const PACKED_TOTAL: usize = 48 << 10;

/// Every file of a target's corpus, which are packed into one: each behind its length.
fn unpacked(target: &str) -> Vec<Vec<u8>> {
    let path = folder("fuzz/packed").join(format!("{target}.gz"));
    let Ok(file) = fs::File::open(path) else { return Vec::new() };
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    let (mut rest, mut found) = (&bytes[..], Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (one, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
        found.push(one.to_vec());
        rest = behind;
    }
    assert!(rest.is_empty() && !found.is_empty());
    found
}

/// What once made a target panic, by the file's name.
fn crashes(target: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(folder) = fs::read_dir(folder("fuzz/crashes").join(target)) else { return Vec::new() };
    let paths = folder.map(|entry| entry.unwrap().path());
    paths.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

/// Runs a target over all that there is for it.
fn replay(target: &str) {
    let (_, run) = TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    for (path, bytes) in crashes(target) {
        println!("{path}");
        run(&bytes);
    }
    let (seeds, packed) = (seeds::seeds(target), unpacked(target));
    assert!(!seeds.is_empty());
    for (number, bytes) in seeds.iter().chain(&packed).enumerate() {
        println!("{target}: input {number} of {} seeds and the corpus", seeds.len());
        run(bytes);
    }
    // As a fuzzer begins: with nothing, and with too little.
    run(&[]);
    for bytes in seeds.iter().take(10) {
        (0..bytes.len().min(20)).for_each(|end| run(&bytes[..end]));
    }
}

/// Or the target would have nothing to say of it.
#[test]
fn a_manifest_to_begin_with_is_readable() {
    assert!(seeds::seeds("manifest").iter().all(|bytes| is_readable(bytes)));
}

/// Small payloads that become large: held to their caps by the allocator, too.
#[test]
fn a_bomb_of_each_codec_stops_at_its_cap() {
    let content = vec![b'k'; 4 << 20];
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        for magic in [0, 1, 2] {
            if magic == 2 || codec != Codec::Zstd {
                let mut bomb = Vec::new();
                compress(codec, magic, &content, None, &mut bomb).unwrap();
                assert!(bomb.len() < content.len() / 15, "{codec}: no bomb");
                targets::codec::stops_at_its_cap(codec, magic, &bomb);
                let mut scratch = Scratch::new(1 << 20);
                let stopped = scratch.decompress(codec, magic, &bomb, Position(0)).unwrap_err();
                assert!(matches!(stopped.kind, FormatErrorKind::Limit { .. }), "{stopped}");
            }
        }
    }
}

macro_rules! replayed {
    ($($target:ident),*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            let names = TARGETS.map(|(name, _)| name);
            assert_eq!([$(stringify!($target)),*], names);
            for name in names {
                assert!(folder("fuzz/fuzz_targets").join(format!("{name}.rs")).exists());
            }
        }
    };
}

replayed!(
    request,
    batches,
    salvage,
    codec,
    differential,
    groups,
    frame,
    round_trip,
    index,
    checkpoint,
    coordinator,
    json,
    names,
    manifest,
    checksum
);

/// `fuzz/seeds` calls this.
#[test]
#[ignore = "writes fuzz/corpus"]
fn seeds_are_written() {
    for (target, _) in TARGETS {
        let corpus = folder("fuzz/corpus").join(target);
        fs::create_dir_all(&corpus).unwrap();
        for (number, bytes) in seeds::seeds(target).iter().chain(&unpacked(target)).enumerate() {
            fs::write(corpus.join(format!("seed-{number:04}")), bytes).unwrap();
        }
    }
}

/// `fuzz/pack` calls this, with a corpus that is minimised.
#[test]
#[ignore = "packs fuzz/corpus"]
fn the_corpus_is_packed() {
    fs::create_dir_all(folder("fuzz/packed")).unwrap();
    for (target, _) in TARGETS {
        let corpus = fs::read_dir(folder("fuzz/corpus").join(target)).unwrap();
        let files = corpus.map(|entry| fs::read(entry.unwrap().path()).unwrap());
        // What is made of testdata is replayed anyway.
        let seeds = seeds::seeds(target);
        let is_packed = |bytes: &Vec<u8>| bytes.len() <= PACKED_BYTES && !seeds.contains(bytes);
        let mut files: Vec<Vec<u8>> = files.filter(is_packed).collect();
        // Short ones first, and all in an order that does not change.
        files.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        let mut left = PACKED_TOTAL;
        let fits = |bytes: &Vec<u8>| {
            left = left.saturating_sub(bytes.len());
            left > 0
        };
        let files = files.into_iter().take_while(fits);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        for bytes in files {
            gzip.write_all(&u32::try_from(bytes.len()).unwrap().to_be_bytes()).unwrap();
            gzip.write_all(&bytes).unwrap();
        }
        let path = folder("fuzz/packed").join(format!("{target}.gz"));
        fs::write(path, gzip.finish().unwrap()).unwrap();
    }
}
