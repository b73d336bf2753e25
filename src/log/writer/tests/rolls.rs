//! Where segments end, beside a second writer that does nothing at once.

use super::*;

/// What a batch is to the rules.
#[derive(Clone, Copy, Debug)]
struct Shape {
    plain: Plain,
    size: u64,
}

/// A segment as a broker has it that appends batch by batch.
struct Slow {
    base: i64,
    first_timestamp: i64,
    bytes: Vec<u8>,
    counted: u64,
    index: Vec<(i64, u64)>,
    times: Vec<(i64, i64)>,
    greatest: (i64, i64),
}

impl Slow {
    fn offer(&mut self) {
        let (timestamp, offset) = self.greatest;
        if timestamp > self.times.last().map_or(-1, |last| last.0) {
            self.times.push((timestamp, offset));
        }
    }
}

fn slowly(shapes: &[Shape], options: &WriterOptions) -> BTreeMap<String, Vec<u8>> {
    let mut segments: Vec<Slow> = Vec::new();
    for shape in shapes {
        let batch = shape.plain;
        let last = batch.base + batch.records - 1;
        let is_full = |segment: &Slow| {
            let size = segment.bytes.len() as u64;
            let waited = match segment.first_timestamp {
                -1 => 0,
                first => batch.timestamp - first,
            };
            size > options.segment_bytes - shape.size
                || size > 0 && waited > options.segment_ms
                || size > 0 && segment.index.len() as u64 >= options.segment_index_bytes / 8
                || size > 0 && segment.times.len() as u64 + 1 >= options.segment_index_bytes / 12
                || last > segment.base + 2_147_483_647
        };
        if segments.last().is_none_or(is_full) {
            if let Some(segment) = segments.last_mut() {
                segment.offer();
            }
            segments.push(Slow {
                base: batch.base,
                first_timestamp: batch.timestamp,
                bytes: Vec::new(),
                counted: 0,
                index: Vec::new(),
                times: Vec::new(),
                greatest: (-1, batch.base),
            });
        }
        let segment = segments.last_mut().unwrap();
        if batch.timestamp > segment.greatest.0 {
            segment.greatest = (batch.timestamp, last);
        }
        if segment.counted > options.index_interval_bytes {
            segment.index.push((last, segment.bytes.len() as u64));
            segment.offer();
            segment.counted = 0;
        }
        segment.counted += shape.size;
        segment.bytes.extend(batch.bytes());
    }
    let mut files = BTreeMap::new();
    if let Some(segment) = segments.last_mut() {
        segment.offer();
    }
    for segment in segments {
        let relative = |offset: i64| u32::try_from(offset - segment.base).unwrap().to_be_bytes();
        let name = |kind: &str| format!("{:020}.{kind}", segment.base);
        let index = segment.index.iter().flat_map(|&(offset, position)| {
            [relative(offset), u32::try_from(position).unwrap().to_be_bytes()].concat()
        });
        files.insert(name("index"), index.collect());
        let times = segment.times.iter().flat_map(|&(timestamp, offset)| {
            [&timestamp.to_be_bytes()[..], &relative(offset)].concat()
        });
        files.insert(name("timeindex"), times.collect());
        files.insert(name("log"), segment.bytes);
    }
    files
}

fn shape(plain: Plain) -> Shape {
    Shape { plain, size: plain.bytes().len() as u64 }
}

fn compare(shapes: &[Shape], options: &WriterOptions) -> usize {
    let place = Place::new();
    let batches: Vec<Vec<u8>> = shapes.iter().map(|shape| shape.plain.bytes()).collect();
    place.write_well(options.clone(), &batches);
    let mut files = place.files();
    files.retain(|name, _| name.ends_with(".log") || name.ends_with("index"));
    let expected = slowly(shapes, options);
    let keys = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&files), keys(&expected), "{options:?} {shapes:?}");
    assert!(files == expected, "{options:?} {shapes:?}");
    files.len() / 3
}

#[test]
fn segments_end_where_the_slow_writer_ends_them() {
    let mut segments = 0;
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let pick = |random: &mut Random, of: &[u64]| {
            of[usize::try_from(random.below(of.len() as u64)).unwrap()]
        };
        let options = WriterOptions {
            index_interval_bytes: pick(&mut random, &[0, 100, 400, 4096]),
            segment_bytes: pick(&mut random, &[700, 1500, 100_000]),
            segment_ms: pick(&mut random, &[20, 1000, 1 << 60]).cast_signed(),
            segment_index_bytes: pick(&mut random, &[12, 24, 40, 47, 96, 4096]),
            collected_bytes: usize::try_from(pick(&mut random, &[0, 300, 1 << 20])).unwrap(),
            ..options()
        };
        let (mut base, mut shapes) = (pick(&mut random, &[0, 7, 1 << 40]).cast_signed(), vec![]);
        for _ in 0..30 {
            let has_time = random.below(5) > 0;
            let time = NOW + random.below(60).cast_signed();
            let plain = Plain {
                records: 1 + random.below(4).cast_signed(),
                value_bytes: usize::try_from(random.below(100)).unwrap(),
                timestamp: if has_time { time } else { -1 },
                ..Plain::at(base)
            };
            shapes.push(shape(plain));
            base += plain.records + pick(&mut random, &[0, 0, 0, 5, 1 << 30]).cast_signed();
        }
        segments += compare(&shapes, &options);
    }
    assert!(segments > 200, "{segments}");
}

#[test]
fn a_segment_may_be_exactly_full() {
    let shapes: Vec<Shape> = (0..12).map(|number| shape(Plain::at(number * 3))).collect();
    let size = shapes[0].size;
    assert!(shapes.iter().all(|shape| shape.size == size));
    for (segment_bytes, expected) in [(size * 4, 3), (size * 4 - 1, 4), (size * 4 + 1, 3)] {
        assert_eq!(compare(&shapes, &WriterOptions { segment_bytes, ..options() }), expected);
    }
    // Later than the first by as much as is allowed, and by more.
    let at = |time: i64| shape(Plain { timestamp: NOW + time, ..Plain::at(time * 3) });
    let options = WriterOptions { segment_ms: 10, ..options() };
    assert_eq!(compare(&[at(0), at(5), at(10)], &options), 1);
    assert_eq!(compare(&[at(0), at(5), at(11), at(12)], &options), 2);
}

#[test]
fn an_offset_that_no_entry_can_name_begins_a_segment() {
    let far = 2_147_483_647;
    let at = |base: i64| shape(Plain { records: 1, ..Plain::at(base) });
    assert_eq!(compare(&[at(5), at(5 + far)], &options()), 1);
    assert_eq!(compare(&[at(5), at(6 + far), at(7 + far)], &options()), 2);
    // Behind a segment that has nothing in it.
    let place = Place::of(&BTreeMap::from([("00000000000000000000.log".to_owned(), vec![])]));
    place.write_well(options(), &[at(far + 1).plain.bytes()]);
    let logs: Vec<String> = place.files().into_keys().filter(|it| it.ends_with(".log")).collect();
    assert_eq!(logs, ["00000000000000000000.log", "00000000002147483648.log"]);
}

#[test]
fn what_may_not_follow_changes_nothing() {
    let place = Place::new();
    let guard = Guard::of_partition_alone(&place.directory()).unwrap();
    let disk = TestDisk::default();
    let options = WriterOptions { log_start_offset: Some(Offset(100)), ..options() };
    let opened = PartitionWriter::open(&place.directory(), &guard, &disk, options, NOW).unwrap();
    let Opened::Ready(mut writer) = opened else { panic!("damaged") };
    let mut refused = |batches: &[u8], why: &str| {
        let error = writer.append(batches, NOW).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    let at = |base: i64, epoch: i32| Plain { epoch, ..Plain::at(base) }.bytes();
    refused(&at(97, 0), "behind offset 100");
    refused(b"", "of no bytes");
    refused(&at(100, 0)[..70], "that are none");
    refused(&[at(100, 4), at(101, 4)].concat(), "behind offset 103");
    refused(&[at(100, 4), at(103, 3)].concat(), "behind epoch 4");
    refused(&[at(100, 4), at(103 + (1 << 31), 4)].concat(), "no segment holds");
    refused(&Plain { value_bytes: 1000, ..Plain::at(100) }.bytes(), "segment.bytes is 3000");
    assert!(place.files().is_empty());
    writer.append(&at(100, 4), NOW).unwrap();
    let mut refused = |batches: &[u8], why: &str| {
        let error = writer.append(batches, NOW).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    refused(&at(102, 4), "behind offset 103");
    refused(&at(103, 3), "behind epoch 4");
    refused(&at(103, -1), "behind epoch 4");
    writer.append(&at(103, 4), NOW).unwrap();
    writer.append(&at(106, 5), NOW).unwrap();
    let (written, closed) = writer.close();
    closed.unwrap();
    drop(guard);
    assert_eq!((written.first_offset, written.log_end), (Some(Offset(100)), Offset(109)));
    assert_eq!((written.batches, written.records, written.segments), (3, 9, 1));
    Verdict::of(&place.directory(), INTERVAL).is_clean("");
}
