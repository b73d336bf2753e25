//! Choices out of a target's input: each takes its bytes off the front, zeros where none are left.

pub struct Picks<'a> {
    rest: &'a [u8],
}

impl<'a> Picks<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    pub fn byte(&mut self) -> u8 {
        u8::from_be_bytes(self.array())
    }

    pub fn bit(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.array())
    }

    pub fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.array())
    }

    pub fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.array())
    }

    /// A number that is small, near an end or anything.
    pub fn number(&mut self) -> i64 {
        match self.byte() {
            0xff => self.i64(),
            0xfe => i64::MAX - i64::from(self.byte()),
            0xfd => i64::MIN + i64::from(self.byte()),
            0xfc => i64::from(self.i32()),
            0xfb => i64::from(self.i16()),
            small => i64::from(small) - 2,
        }
    }

    /// As many bytes as there are, `most` at most.
    pub fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(most.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Bytes behind their length: a byte, or two behind 255.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = match self.byte() {
            0xff => usize::from(self.u16()),
            short => usize::from(short),
        };
        self.take(length)
    }

    pub fn nullable_bytes(&mut self) -> Option<&'a [u8]> {
        match self.rest.first() {
            Some(0xfe) => {
                self.byte();
                None
            }
            _ => Some(self.bytes()),
        }
    }
}
