//! What every codec and level makes of the same records: how small, and at what cost.
//!
//! ```text
//!   records ---> Accumulator: batches, uncompressed ---> a chunk of them
//!   chunk   ---> each choice in turn: compress all, decompress all, are they equal?
//! ```
//!
//! Time is taken of a chunk and not of a batch, which is over sooner than a clock is read. Nothing
//! is kept of a chunk but sums, so that memory does not depend on how much comes.

use super::accumulator::{Accumulator, AppendError, BatchSink, Batching, NewBatch, NewRecord};
use super::input::{InputRecord, ProducerFields};
use crate::format::encode::{
    BATCH_BYTES_MAX, BatchEncoder, BatchFields, Compressor, EncodeError, RecordToWrite,
};
use crate::format::{Codec, FormatError, Offset, Position, Scratch, TimestampType};
use core::time::Duration;

const MAGIC: i8 = 2;
/// The header of a batch, which is never compressed.
const HEADER_BYTES: usize = 61;
/// So many bytes are compressed between two looks at the clock.
const CHUNK_BYTES: usize = 1 << 20;

/// A codec and a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The codec.
    pub codec: Codec,
    /// The level; `None` where the codec has none.
    pub level: Option<i32>,
    /// True when Kafka takes this level unless it is told another one.
    pub is_default: bool,
}

const fn choice(codec: Codec, level: Option<i32>, is_default: bool) -> Choice {
    Choice { codec, level, is_default }
}

/// What is compared: every codec, and of the levels those between which something changes.
pub const CHOICES: [Choice; 11] = [
    choice(Codec::None, None, true),
    choice(Codec::Gzip, Some(1), false),
    choice(Codec::Gzip, Some(6), true),
    choice(Codec::Gzip, Some(9), false),
    choice(Codec::Snappy, None, true),
    choice(Codec::Lz4, Some(9), true),
    choice(Codec::Zstd, Some(1), false),
    choice(Codec::Zstd, Some(3), true),
    choice(Codec::Zstd, Some(6), false),
    choice(Codec::Zstd, Some(9), false),
    choice(Codec::Zstd, Some(19), false),
];

/// What a choice came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The codec and the level.
    pub choice: Choice,
    /// Bytes of all batches.
    pub bytes: u64,
    /// The time it took to compress them; nothing for [`Codec::None`].
    pub compress: Duration,
    /// And to decompress them.
    pub decompress: Duration,
}

/// What all choices came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Each of them, in their order.
    pub choices: Vec<Measured>,
    /// Batches that all of them were given.
    pub batches: u64,
    /// Records in these.
    pub records: u64,
    /// Bytes of the batches as they are without compression.
    pub uncompressed_bytes: u64,
}

/// Why there is nothing to compare.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A batch cannot be made or compressed.
    #[error("{0}")]
    Encode(#[from] EncodeError),
    /// What was compressed cannot be decompressed.
    #[error("what {codec} compressed cannot be decompressed: {why}")]
    Decompress {
        /// The codec.
        codec: Codec,
        /// Why.
        why: FormatError,
    },
    /// What comes back is something else.
    #[error("what {0} compressed comes back as something else")]
    Differs(Codec),
}

/// Gives every choice the same batches.
pub struct Comparison<C> {
    accumulator: Accumulator,
    batches: Batches<C>,
}

impl<C: FnMut() -> Duration> Comparison<C> {
    /// Of `choices`, with batches of `batch_size` bytes, where a record may have
    /// `max_request_size`. `clock` is the time that this thread was at work so far.
    ///
    /// # Errors
    /// When there is no such level, or a codec's library gets no memory.
    pub fn new(
        choices: &[Choice],
        batch_size: u64,
        max_request_size: u64,
        clock: C,
    ) -> Result<Self, EncodeError> {
        let batching = Batching {
            batch_size,
            uncompressed_size: u64::MAX,
            linger_ms: None,
            max_request_size,
            magic: MAGIC,
            is_compressed: false,
            timestamp_type: TimestampType::CreateTime,
            partition_leader_epoch: Some(0),
            is_compacted: false,
        };
        let rivals: Result<_, EncodeError> = choices.iter().map(Rival::new).collect();
        let batches = Batches {
            encoder: BatchEncoder::new(),
            batch: Vec::new(),
            chunk: Chunk::default(),
            rivals: rivals?,
            compressed: Chunk::default(),
            scratch: Scratch::new(BATCH_BYTES_MAX),
            clock,
            sums: Sums::default(),
        };
        Ok(Self { accumulator: Accumulator::new(batching, 0, -1), batches })
    }

    /// Takes a record: its key, value, headers and timestamp. What it belongs to does not matter
    /// here: the batches are those of a plain producer.
    pub fn add(&mut self, record: &InputRecord<'_>) -> Result<(), AppendError<CompareError>> {
        let record = InputRecord {
            offset: None,
            sequence: -1,
            partition_leader_epoch: None,
            producer: ProducerFields::NONE,
            ..*record
        };
        self.accumulator.append(&record, -1, &mut self.batches)?;
        self.batches.sums.records += 1;
        Ok(())
    }

    /// How many bytes were compared so far.
    pub fn bytes(&self) -> u64 {
        self.batches.sums.uncompressed_bytes
    }

    /// The last batch, and what all came to.
    pub fn finish(mut self) -> Result<Compared, CompareError> {
        self.accumulator.close(&mut self.batches)?;
        self.batches.measure()?;
        let Sums { batches, records, uncompressed_bytes } = self.batches.sums;
        let headers = batches.saturating_mul(HEADER_BYTES as u64);
        let measured = |rival: Rival| Measured {
            choice: rival.choice,
            bytes: rival.bytes.saturating_add(headers),
            compress: rival.compress,
            decompress: rival.decompress,
        };
        let choices = self.batches.rivals.into_iter().map(measured).collect();
        Ok(Compared { choices, batches, records, uncompressed_bytes })
    }
}

#[derive(Default)]
struct Sums {
    batches: u64,
    records: u64,
    uncompressed_bytes: u64,
}

/// The records of some batches, one behind the other.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Chunk {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn each(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let pieces = starts.zip(&self.ends);
        pieces.map(|(start, end)| self.bytes.get(start..*end).unwrap_or_default())
    }
}

/// Collects batches until there are enough to measure.
struct Batches<C> {
    encoder: BatchEncoder,
    batch: Vec<u8>,
    chunk: Chunk,
    rivals: Vec<Rival>,
    compressed: Chunk,
    scratch: Scratch,
    clock: C,
    sums: Sums,
}

impl<C: FnMut() -> Duration> Batches<C> {
    fn measure(&mut self) -> Result<(), CompareError> {
        let Self { chunk, rivals, compressed, scratch, clock, .. } = self;
        for rival in rivals {
            rival.measure(chunk, compressed, scratch, clock)?;
        }
        chunk.clear();
        Ok(())
    }
}

impl<C: FnMut() -> Duration> BatchSink for Batches<C> {
    type Error = CompareError;

    fn open(&mut self, batch: &NewBatch) -> Result<(), CompareError> {
        Ok(self.encoder.begin(BatchFields::at(Offset(batch.base_offset)))?)
    }

    fn append(&mut self, record: &NewRecord<'_>) -> Result<(), CompareError> {
        let headers: Vec<_> = record.headers.collect();
        Ok(self.encoder.append(&RecordToWrite {
            offset: Offset(record.offset),
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: &headers,
        })?)
    }

    fn close(&mut self) -> Result<Option<(u64, u64)>, CompareError> {
        self.batch.clear();
        let summary = self.encoder.finish(&mut Compressor::none(), &mut self.batch)?;
        self.sums.batches += 1;
        self.sums.uncompressed_bytes += summary.size as u64;
        let records = self.batch.get(HEADER_BYTES..).unwrap_or_default();
        self.chunk.bytes.extend_from_slice(records);
        self.chunk.ends.push(self.chunk.bytes.len());
        if self.chunk.bytes.len() >= CHUNK_BYTES {
            self.measure()?;
        }
        Ok(None)
    }
}

/// A choice at work.
struct Rival {
    choice: Choice,
    compressor: Compressor,
    /// Of records; headers are not compressed.
    bytes: u64,
    compress: Duration,
    decompress: Duration,
}

impl Rival {
    fn new(choice: &Choice) -> Result<Self, EncodeError> {
        let compressor = Compressor::new(choice.codec, choice.level)?;
        let (compress, decompress) = (Duration::ZERO, Duration::ZERO);
        Ok(Self { choice: *choice, compressor, bytes: 0, compress, decompress })
    }

    fn measure(
        &mut self,
        chunk: &Chunk,
        compressed: &mut Chunk,
        scratch: &mut Scratch,
        clock: &mut impl FnMut() -> Duration,
    ) -> Result<(), CompareError> {
        let codec = self.choice.codec;
        if codec == Codec::None {
            self.bytes += chunk.bytes.len() as u64;
            return Ok(());
        }
        if let Some(first) = chunk.each().next().filter(|_| self.bytes == 0) {
            // A library gets its memory when it is used first.
            compressed.clear();
            self.compressor.compress(MAGIC, first, &mut compressed.bytes)?;
            let found = scratch.decompress(codec, MAGIC, &compressed.bytes, Position(0));
            found.map_err(|why| CompareError::Decompress { codec, why })?;
        }
        compressed.clear();
        let before = clock();
        for batch in chunk.each() {
            self.compressor.compress(MAGIC, batch, &mut compressed.bytes)?;
            compressed.ends.push(compressed.bytes.len());
        }
        self.compress += clock().saturating_sub(before);
        self.bytes += compressed.bytes.len() as u64;
        let mut decompress = |payload: &[u8], expected: Option<&[u8]>| {
            let found = scratch.decompress(codec, MAGIC, payload, Position(0));
            let found = found.map_err(|why| CompareError::Decompress { codec, why })?;
            match expected {
                Some(expected) if found.bytes != expected => Err(CompareError::Differs(codec)),
                _ => Ok(()),
            }
        };
        let before = clock();
        compressed.each().try_for_each(|payload| decompress(payload, None))?;
        self.decompress += clock().saturating_sub(before);
        // Once more, so that comparing takes none of the time that counts.
        let mut pairs = compressed.each().zip(chunk.each());
        pairs.try_for_each(|(payload, expected)| decompress(payload, Some(expected)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::produce::input::{Generate, Generator, Input, JsonLines, Lines, Payload};

    /// A clock that goes on by a second whenever it is looked at.
    fn ticking() -> impl FnMut() -> Duration {
        let mut seconds = 0;
        move || {
            seconds += 1;
            Duration::from_secs(seconds)
        }
    }

    fn compared(input: &mut dyn Input, choices: &[Choice], batch_size: u64) -> Compared {
        let mut comparison = Comparison::new(choices, batch_size, 1 << 20, ticking()).unwrap();
        let mut least = 0;
        while let Some(record) = input.next_record().unwrap() {
            comparison.add(&record).unwrap();
            assert!(comparison.bytes() >= least);
            least = comparison.bytes();
        }
        comparison.finish().unwrap()
    }

    fn generated(payload: Payload, records: u64) -> Generator {
        let records = 0..records;
        let (seed, keys, first_timestamp) = (3, 50, 1_700_000_000_000);
        Generator::new(Generate { records, record_size: 90, seed, keys, payload, first_timestamp })
    }

    /// The bytes are those of batches that are made one by one, and compressed with a compressor
    /// that is new for each.
    #[test]
    fn bytes_are_those_of_batches_made_one_by_one() {
        let found = compared(&mut generated(Payload::Json, 800), &CHOICES, 5000);
        // Sums by hand: a batch ends where the next record would go beyond 5000 bytes.
        let mut batches: Vec<Vec<u8>> = Vec::new();
        let (mut encoder, mut input) = (BatchEncoder::new(), generated(Payload::Json, 800));
        let mut offset = 0;
        while let Some(record) = input.next_record().unwrap() {
            let record = RecordToWrite {
                offset: Offset(offset),
                timestamp: record.timestamp.unwrap(),
                key: record.key,
                value: record.value,
                headers: &[],
            };
            if offset == 0 || !encoder.append_within(&record, 5000).unwrap() {
                if offset > 0 {
                    batches.push(Vec::new());
                    encoder.finish(&mut Compressor::none(), batches.last_mut().unwrap()).unwrap();
                }
                encoder.begin(BatchFields::at(Offset(offset))).unwrap();
                encoder.append(&record).unwrap();
            }
            offset += 1;
        }
        batches.push(Vec::new());
        encoder.finish(&mut Compressor::none(), batches.last_mut().unwrap()).unwrap();
        assert_eq!(found.batches, batches.len() as u64);
        assert_eq!(found.records, 800);
        assert_eq!(found.uncompressed_bytes, batches.concat().len() as u64);
        assert_eq!(found.choices.len(), CHOICES.len());
        for (measured, choice) in found.choices.iter().zip(CHOICES) {
            assert_eq!(measured.choice, choice);
            let mut bytes = 0;
            for batch in &batches {
                let mut out = Vec::new();
                let mut compressor = Compressor::new(choice.codec, choice.level).unwrap();
                compressor.compress(2, &batch[61..], &mut out).unwrap();
                bytes += 61 + out.len() as u64;
            }
            assert_eq!(measured.bytes, bytes, "{choice:?}");
        }
    }

    /// One default for each codec, and it is what the codec does without a level.
    #[test]
    fn defaults_are_the_defaults() {
        for codec in Codec::ALL {
            let of: Vec<_> = CHOICES.iter().filter(|choice| choice.codec == codec).collect();
            let default: Vec<_> = of.iter().filter(|choice| choice.is_default).collect();
            assert_eq!(default.len(), 1, "{codec}");
            assert_eq!(default[0].level.is_some(), Compressor::levels(codec).is_some(), "{codec}");
            let unsaid = Choice { level: None, ..**default[0] };
            let mut input = generated(Payload::Json, 500);
            let found = compared(&mut input, &[**default[0], unsaid], 16_384);
            assert_eq!(found.choices[0].bytes, found.choices[1].bytes, "{codec}");
        }
    }

    #[test]
    fn zeros_vanish_and_random_bytes_stay() {
        let bytes = |payload| {
            let found = compared(&mut generated(payload, 2000), &CHOICES, 16_384);
            let whole = found.uncompressed_bytes as f64;
            found.choices.iter().map(|one| one.bytes as f64 / whole).collect::<Vec<_>>()
        };
        let (zeros, random) = (bytes(Payload::Zero), bytes(Payload::Random));
        assert_eq!((zeros[0], random[0]), (1.0, 1.0));
        assert!(zeros[1..].iter().all(|ratio| *ratio < 0.35), "{zeros:?}");
        assert!(random[1..].iter().all(|ratio| (0.85..1.01).contains(ratio)), "{random:?}");
    }

    /// Three chunks: each choice is timed twice for each of them, and none takes no time.
    #[test]
    fn time_is_taken_chunk_by_chunk() {
        let choices = [CHOICES[0], CHOICES[5], CHOICES[7]];
        let found = compared(&mut generated(Payload::Zero, 24_000), &choices, 16_384);
        let chunks = found.uncompressed_bytes.div_ceil(CHUNK_BYTES as u64);
        assert_eq!(chunks, 3);
        let times: Vec<_> = found
            .choices
            .iter()
            .map(|one| (one.compress.as_secs(), one.decompress.as_secs()))
            .collect();
        assert_eq!(times, [(0, 0), (3, 3), (3, 3)]);
    }

    #[test]
    fn nothing_and_records_of_transactions_are_compared_too() {
        let found = compared(&mut Lines::new(&b""[..], 100, None), &CHOICES, 16_384);
        assert_eq!((found.batches, found.records, found.uncompressed_bytes), (0, 0, 0));
        assert!(found.choices.iter().all(|one| one.bytes == 0));
        let lines = "{\"value\":\"a\",\"offset\":9,\"producerId\":1,\"producerEpoch\":0,\
                     \"isTransactional\":true,\"sequence\":4,\"partition\":3,\
                     \"headers\":[{\"key\":\"h\",\"value\":null}]}\n\
                     {\"value\":\"b\",\"offset\":3}\n";
        let mut input = JsonLines::new(lines.as_bytes(), 1000);
        let found = compared(&mut input, &CHOICES, 16_384);
        assert_eq!((found.batches, found.records), (1, 2));
        assert_eq!(found.uncompressed_bytes, 61 + (8 + 3) + 8);
    }
}
