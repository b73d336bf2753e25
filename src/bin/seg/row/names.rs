//! Every name that output has, and what stands before the value in text.

use crate::render::{Name, name};

pub const FILE: Name = name!("file");
pub const POSITION: Name = name!("position", "at ", 10);
pub const SIZE: Name = name!("size", "size ", 6);
pub const BASE_OFFSET: Name = name!("baseOffset", "", 17);
pub const LAST_OFFSET: Name = name!("lastOffset");
pub const COUNT: Name = name!("count", "count ", 4);
pub const MAGIC: Name = name!("magic", "magic ", 0);
pub const COMPRESSION_TYPE: Name = name!("compressionType", "", 6);
pub const TIMESTAMP_TYPE: Name = name!("timestampType", "", 0);
pub const BASE_TIMESTAMP: Name = name!("baseTimestamp", "from ", 24);
pub const MAX_TIMESTAMP: Name = name!("maxTimestamp", "max ", 24);
pub const DELETE_HORIZON: Name = name!("deleteHorizonMs", "delete horizon ", 24);
pub const LEADER_EPOCH: Name = name!("partitionLeaderEpoch", "epoch ", 0);
pub const PRODUCER_ID: Name = name!("producerId", "producer ", 0);
pub const PRODUCER_EPOCH: Name = name!("producerEpoch", "producer epoch ", 0);
pub const BASE_SEQUENCE: Name = name!("baseSequence", "sequence ", 0);
pub const LAST_SEQUENCE: Name = name!("lastSequence");
pub const IS_TRANSACTIONAL: Name = name!("isTransactional", "transactional", 0);
pub const IS_CONTROL: Name = name!("isControl", "control", 0);
pub const CRC: Name = name!("crc");
pub const IS_VALID: Name = name!("isValid", "CHECKSUM DIFFERS", 0);

pub const OFFSET: Name = name!("offset", "", 10);
pub const TIMESTAMP: Name = name!("timestamp", "", 24);
pub const SEQUENCE: Name = name!("sequence", "sequence ", 0);
pub const KEY_SIZE: Name = name!("keySize");
pub const VALUE_SIZE: Name = name!("valueSize");
pub const KEY: Name = name!("key", "key ", 0);
pub const VALUE: Name = name!("value", "value ", 0);
pub const HEADERS: Name = name!("headers", "headers ", 0);
pub const HEADER_KEY: Name = name!("key", "", 0);
pub const HEADER_VALUE: Name = name!("value", "= ", 0);

pub const CONTROL: Name = name!("control", "", 0);
pub const CONTROL_TYPE: Name = name!("type", "", 0);
pub const COORDINATOR_EPOCH: Name = name!("coordinatorEpoch", "coordinator epoch ", 0);
pub const DECODED: Name = name!("decoded", "", 0);

pub const ENTRY_POSITION: Name = name!("position", "at ", 0);
pub const VERSION: Name = name!("version", "version ", 0);
pub const TXN_FIRST_OFFSET: Name = name!("firstOffset", "offsets ", 17);
pub const TXN_LAST_OFFSET: Name = name!("lastOffset");
pub const LAST_STABLE_OFFSET: Name = name!("lastStableOffset", "last stable offset ", 0);
pub const CURRENT_TXN_FIRST_OFFSET: Name =
    name!("currentTxnFirstOffset", "transaction open since offset ", 0);
pub const LAST_TIMESTAMP: Name = name!("lastTimestamp", "", 24);
pub const FIRST_SEQUENCE: Name = name!("firstSequence", "sequence ", 0);
pub const PRODUCER_LAST_OFFSET: Name = name!("lastOffset", "last offset ", 0);
pub const OFFSET_DELTA: Name = name!("offsetDelta");
pub const EPOCH: Name = name!("epoch", "epoch ", 4);
pub const START_OFFSET: Name = name!("startOffset", "from offset ", 0);
pub const TOPIC: Name = name!("topic", "", 30);
pub const PARTITION: Name = name!("partition", "partition ", 4);
pub const CHECKPOINT_OFFSET: Name = name!("offset", "offset ", 0);
pub const TOPIC_ID: Name = name!("topicId", "topic id ", 0);
pub const PROPERTY_KEY: Name = name!("key", "", 14);
pub const PROPERTY_VALUE: Name = name!("value", "", 0);
pub const QUORUM_STATE: Name = name!("state", "", 0);
pub const BROKER_EPOCH: Name = name!("brokerEpoch", "broker epoch ", 0);

pub const DECODED_TYPE: Name = name!("type", "", 0);
pub const DECODED_KEY: Name = name!("key", "", 0);
pub const DECODED_VALUE: Name = name!("value", "", 0);
pub const UNKNOWN_TYPE: Name = name!("unknownType", "unknown type ", 0);
pub const UNDECODABLE: Name = name!("undecodable", "undecodable: ", 0);
pub const DATA: Name = name!("data", "", 0);

pub const SEGMENT_BASE_OFFSET: Name = name!("segmentBaseOffset");
pub const PREVIOUS_OFFSET: Name = name!("previousOffset");
pub const NEXT_SEGMENT_BASE_OFFSET: Name = name!("nextSegmentBaseOffset");
pub const INDEX_ENTRY: Name = name!("indexEntry");
pub const BATCHES_SCANNED: Name = name!("batchesScanned");
pub const RECORD: Name = name!("record");
pub const HIT_OFFSET: Name = name!("offset", "offset ", 0);
pub const HIT_TIMESTAMP: Name = name!("timestamp", "", 0);
pub const HIT_FILE: Name = name!("file", "in ", 0);
pub const HIT_POSITION: Name = name!("position", "at ", 0);
pub const REASON: Name = name!("reason");
pub const LOG_START_OFFSET: Name = name!("logStartOffset");
pub const LOG_END_OFFSET: Name = name!("logEndOffset");
pub const NEXT_OFFSET: Name = name!("nextOffset");

pub const PATH: Name = name!("path");
pub const STATE: Name = name!("state");
pub const SEGMENTS: Name = name!("segments");
pub const BYTES: Name = name!("bytes");
pub const FIRST_TIMESTAMP: Name = name!("firstTimestamp");
pub const LEADER_EPOCHS: Name = name!("leaderEpochs");
pub const STRAYS: Name = name!("strays");
pub const BATCHES: Name = name!("batches");
pub const RECORDS: Name = name!("records");
pub const CODECS: Name = name!("codecs");
pub const MAGICS: Name = name!("magics");
pub const OTHER_BYTES: Name = name!("otherBytes");
pub const INDEX: Name = name!("index");
pub const TIME_INDEX: Name = name!("timeIndex");
pub const TXN_INDEX: Name = name!("txnIndex");
pub const SNAPSHOT: Name = name!("snapshot");
pub const PRESENT: Name = name!("present");
pub const ENTRIES: Name = name!("entries");
pub const MODIFIED: Name = name!("modified");

pub const STORED_CRC: Name = name!("storedCrc");
pub const COMPUTED_CRC: Name = name!("computedCrc");
pub const STORED_LENGTH: Name = name!("storedLength");
pub const FITTING_LENGTH: Name = name!("fittingLength");
pub const CODEC_ID: Name = name!("codecId");
pub const STORED_COUNT: Name = name!("storedCount");
pub const FOUND_COUNT: Name = name!("foundCount");
pub const LIMIT: Name = name!("limit");
pub const ALLOWED: Name = name!("allowed");
pub const NEXT: Name = name!("next");
pub const CODE: Name = name!("code");
pub const SEVERITY: Name = name!("severity");
pub const LENGTH: Name = name!("length");
pub const FIRST_OFFSET: Name = name!("firstOffset");

pub const EVIDENCE: Name = name!("evidence");
pub const MESSAGE: Name = name!("message");
