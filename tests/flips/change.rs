//! What is done to the bytes of a file.

const BLOCK: usize = 512;

#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// This bit; bit 0 is the lowest of byte 0.
    Flip(usize),
    /// To this length.
    Cut(usize),
    /// This block.
    Zero(usize),
    /// These blocks.
    Swap(usize, usize),
    /// The first block in the place of the second.
    Instead(usize, usize),
    /// This block, and what is behind it one further on.
    Twice(usize),
    /// This block taken out.
    Out(usize),
}

impl Change {
    pub fn kind(self) -> &'static str {
        match self {
            Self::Flip(_) => "flip",
            Self::Cut(_) => "cut",
            Self::Zero(_) => "zero",
            Self::Swap(..) => "swap",
            Self::Instead(..) => "instead",
            Self::Twice(_) => "twice",
            Self::Out(_) => "out",
        }
    }

    pub fn make(self, healthy: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = healthy.to_vec();
        let range = |block: usize| block * BLOCK..((block + 1) * BLOCK).min(healthy.len());
        match self {
            Self::Flip(bit) => bytes[bit / 8] ^= 1 << (bit % 8),
            Self::Cut(length) => bytes.truncate(length),
            Self::Zero(block) => bytes[range(block)].fill(0),
            Self::Swap(a, b) => {
                bytes[range(a)].copy_from_slice(&healthy[range(b)]);
                bytes[range(b)].copy_from_slice(&healthy[range(a)]);
            }
            Self::Instead(a, b) => {
                let length = range(a).len().min(range(b).len());
                let (from, to) = (range(a).start, range(b).start);
                bytes[to..to + length].copy_from_slice(&healthy[from..from + length]);
            }
            Self::Twice(block) => {
                let at = range(block).end;
                bytes.splice(at..at, healthy[range(block)].iter().copied());
            }
            Self::Out(block) => drop(bytes.drain(range(block))),
        }
        Some(bytes)
    }
}

/// Everything that can be done to whole blocks, and to the part of one at the end.
pub fn of_blocks(bytes: &[u8]) -> Vec<Change> {
    let blocks = bytes.len().div_ceil(BLOCK);
    let whole = bytes.len() / BLOCK;
    let mut changes = Vec::new();
    for a in 0..blocks {
        changes.extend([Change::Zero(a), Change::Twice(a), Change::Out(a)]);
        for b in 0..blocks {
            if a != b {
                changes.push(Change::Instead(a, b));
            }
            if a < b && b < whole {
                changes.push(Change::Swap(a, b));
            }
        }
    }
    changes
}
