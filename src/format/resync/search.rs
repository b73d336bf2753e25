//! One search: from a damage to the next batch of the log's own.

use super::candidate::{Bounds, Candidate, OwnSeal, i32_at, is_cut_off, resembles_batch};
use super::chain::{Chain, Ending, Lead, Scan};
use super::prefix::Front;
use super::records::{self, RecordWalk};
use super::{Damage, DamageKind, LOOKAHEAD, Next, Resync, Spare};
use crate::format::batch::{LOG_OVERHEAD, MINIMUM_LENGTH, PREFIX_BYTES};
use crate::format::batch_v2::HeaderV2;

/// How many damaged batches in a row are followed by their lengths.
const ROW_BATCHES: usize = 16;
/// How many suspect chains one search keeps.
const SUSPECTS: usize = 64;
/// The least bytes that stand before the value of the first record of a batch: in magic 0.
const BEFORE_FIRST_VALUE: usize = 26;

pub(super) struct Search<'r, 'a> {
    resync: &'r mut Resync<'a>,
    bounds: &'r Bounds,
    bytes: &'a [u8],
    from: usize,
    /// The damaged batch's own checksums, as magic 2 and as 0 or 1.
    seals: [Option<(OwnSeal, Front)>; 2],
    /// Its header, if that looks sound.
    head: Option<Candidate>,
    /// Where its length says it ends.
    claim: Option<usize>,
    /// Its records, if it is an uncompressed batch of magic 2.
    records: RecordWalk,
    /// Where its records may end if bytes of its header are missing; found out when asked for.
    records_ends: Option<Vec<usize>>,
}

impl<'r, 'a> Search<'r, 'a> {
    pub(super) fn new(resync: &'r mut Resync<'a>, bounds: &'r Bounds, from: usize) -> Self {
        let bytes = resync.bytes;
        let length = i32_at(bytes, from + 8).filter(|&length| length >= MINIMUM_LENGTH);
        let seals = [OwnSeal::v2(bytes, from), OwnSeal::legacy(bytes, from)];
        Self {
            resync,
            bounds,
            bytes,
            from,
            seals: seals.map(|own| own.map(|own| (own, Front::new(own.seal.covered_from)))),
            head: Candidate::at(bytes, from).filter(|head| head.fits(bounds)),
            claim: length.map(|length| from + LOG_OVERHEAD + length.unsigned_abs() as usize),
            records: RecordWalk::new(from + HeaderV2::BYTES),
            records_ends: None,
        }
    }

    pub(super) fn run(mut self) -> Damage {
        if self.resync.reaches_end && self.resync.zeros_from <= self.from {
            return self.answer(self.bytes.len(), DamageKind::Zeros);
        }
        let ends = [self.claim, self.records_end()];
        for end in ends.into_iter().flatten() {
            if let Some(magic) = self.own_end(end) {
                return self.answer(end, DamageKind::Framing { magic });
            }
        }
        let landing = self.landing();
        match landing {
            Some(Chain { end, ending: Ending::OwnEnd(magic), .. }) => {
                self.answer(end, DamageKind::Framing { magic })
            }
            Some(chain) if self.is_by_chance(&chain) => self.look_for_chains(None),
            Some(chain) if chain.ending == Ending::Holds => self.confirm_claim(&chain),
            _ => self.look_for_chains(landing),
        }
    }

    /// True when batches fill most of what the length claims, with offsets that fit between what is
    /// before and what it leads to: then it was read across a gap, and leads to a batch by chance.
    /// Where magic 2 and an offset stand that can be, a header does, and its length is believed.
    fn is_by_chance(&mut self, landing: &Chain) -> bool {
        let (mut at, mut filled) = (self.from + 1, 0);
        let mut last = self.bounds.last_proved.map_or(-1, |proved| proved.0);
        let most = landing.start.saturating_sub(self.from) / 2;
        let rest = self.bytes.get(self.from..).unwrap_or_default();
        let offset = rest.first_chunk().map_or(-1, |offset| i64::from_be_bytes(*offset));
        // In magic 0 and 1 a few zeros are enough for that.
        let is_newest = rest.get(PREFIX_BYTES - 1) == Some(&2);
        let is_header = is_newest && (last.saturating_add(1)..landing.base).contains(&offset);
        if self.head.is_some() || is_header {
            return false;
        }
        let mut inside = 0;
        let walked =
            std::mem::replace(&mut self.records, RecordWalk::new(self.from + HeaderV2::BYTES));
        while at < landing.start && filled <= most {
            if filled + (landing.start - at) <= most || !self.resync.spare.spend(Spare::POSITION) {
                break;
            }
            self.resync.work.positions += 1;
            let Some(batch) = self.batch_at(at) else {
                at += 1;
                continue;
            };
            let chain = self.follow(&batch);
            at = chain.end;
            if matches!(chain.ending, Ending::OwnEnd(_)) {
                break;
            }
            let first = last.saturating_add(1);
            if !self.is_in_value(&chain, &mut inside) && (first..landing.base).contains(&chain.base)
            {
                filled += chain.end.min(landing.start) - chain.start;
                last = chain.last;
            }
        }
        self.records = walked;
        filled > most
    }

    fn answer(&mut self, end: usize, kind: DamageKind) -> Damage {
        let next = match Candidate::at(self.bytes, end) {
            _ if end >= self.bytes.len() && self.resync.reaches_end => Next::EndOfFile,
            _ if end >= self.bytes.len() => Next::NeedMore,
            Some(batch) if self.resync.proves(&batch) => Next::Proved,
            _ => Next::Unproved,
        };
        let damaged = self.resync.position_of(self.from)..self.resync.position_of(end);
        Damage { damaged, next, kind }
    }

    /// The magic under which the damaged batch's own checksum agrees if it ends at `end`.
    fn own_end(&mut self, end: usize) -> Option<i8> {
        let Self { resync, seals, from, .. } = self;
        let mut seals = seals.iter_mut().flatten();
        seals.find_map(|(OwnSeal { seal, only_end }, front)| {
            let room = end >= *from + seal.minimum_size()
                && only_end.is_none_or(|only_end| end == only_end);
            (room && resync.agrees_behind(seal, front, end)).then_some(seal.magic)
        })
    }

    /// Where the records end that the damaged header counts, if they are not compressed.
    fn records_end(&mut self) -> Option<usize> {
        let header = HeaderV2::at_front(self.bytes.get(self.from..)?)?;
        let (attributes, count) = (header.attributes.get(), header.records_count.get());
        let at = self.from + HeaderV2::BYTES;
        let plain = attributes & 0b111 == 0;
        plain.then(|| records::end_of(self.bytes, at, count, &mut self.resync.spare)).flatten()
    }

    /// The chain that the damaged length leads to.
    fn landing(&mut self) -> Option<Chain> {
        let start = self.claim.filter(|&claim| claim <= self.bytes.len())?;
        let nothing = Chain {
            start,
            first_end: start,
            end: start,
            base: i64::MAX,
            last: i64::MAX,
            ending: Ending::Holds,
        };
        match (self.row(start), Candidate::at(self.bytes, start)) {
            (Ok(proved), first) => {
                let (base, last) = first.map_or((proved.base, proved.last), |c| (c.base, c.last));
                Some(Chain { start, base, last, ..self.follow(&proved) })
            }
            // What is no batch of this log is none that is damaged or cut off either.
            (Err(_), Some(first)) if !first.fits(self.bounds) => None,
            (Err(ending), Some(first)) => {
                let Candidate { end, base, last, .. } = first;
                Some(Chain { start, first_end: end, end, base, last, ending })
            }
            (Err(ending), None) if start == self.bytes.len() => Some(Chain { ending, ..nothing }),
            // Zeros or a few bytes at the end of the file: easy to get by chance.
            (Err(Ending::Holds | Ending::CutOff), None) => {
                Some(Chain { ending: Ending::CutOff, ..nothing })
            }
            (Err(_), None) => None,
        }
    }

    /// The first batch from `at` on that proves itself, where damaged ones are stepped over by
    /// their lengths; or how that ends.
    fn row(&mut self, mut at: usize) -> Result<Candidate, Ending> {
        let (length, reaches_end) = (self.bytes.len(), self.resync.reaches_end);
        let cut = if reaches_end { Ending::CutOff } else { Ending::Window };
        for _ in 0..ROW_BATCHES {
            if at == length {
                return Err(if reaches_end { Ending::Holds } else { Ending::Window });
            }
            if reaches_end && at >= self.resync.zeros_from {
                // A few zeros may as well be the end of a record or the front of an offset.
                let many = length.saturating_sub(at) >= PREFIX_BYTES;
                return Err(if many { Ending::Holds } else { Ending::CutOff });
            }
            match Candidate::at(self.bytes, at) {
                Some(batch) if !batch.is_whole(length) => return Err(cut),
                Some(batch) if self.resync.proves(&batch) => return Ok(batch),
                Some(batch) => at = batch.end,
                None if length - at < HeaderV2::BYTES && !reaches_end => return Err(cut),
                None if is_cut_off(self.bytes, at, self.bounds) => return Err(cut),
                None => return Err(Ending::Breaks),
            }
        }
        Err(Ending::Holds)
    }

    /// The chain that begins with `first`, which proves itself.
    fn follow(&mut self, first: &Candidate) -> Chain {
        let Candidate { start, end, base, last, .. } = *first;
        let mut chain = Chain { start, first_end: end, end, base, last, ending: Ending::Holds };
        let value_end = self.legacy_value_end(start);
        chain.ending = loop {
            if let Some(magic) = self.own_end(chain.end) {
                break Ending::OwnEnd(magic);
            }
            if Some(chain.end) == value_end {
                break Ending::Value;
            }
            if chain.end - start >= LOOKAHEAD || !self.resync.spare.spend(Spare::LINK) {
                break Ending::Holds;
            }
            match self.row(chain.end) {
                Ok(link) if link.start != chain.end => break Ending::Holds,
                Ok(link) if link.base <= last && link.fits(self.bounds) => break Ending::GoesBack,
                Ok(link) => {
                    chain.end = link.end;
                    chain.last = chain.last.max(link.last);
                }
                Err(ending) => break ending,
            }
        };
        chain
    }

    /// Where the value of a message of magic 0 or 1 ends if it begins at `start`: it is the last
    /// field, so that a chain inside it can go on seamlessly behind it.
    fn legacy_value_end(&self, start: usize) -> Option<usize> {
        let length = i32_at(self.bytes, start.checked_sub(4)?)?;
        usize::try_from(length).ok().and_then(|length| start.checked_add(length))
    }

    /// The length leads to a chain that holds. What lies between belongs to the damaged batch, but
    /// if its own checksum agrees earlier then the length is what is damaged; and if the log's own
    /// batches are there already then bytes of the damaged one are missing.
    fn confirm_claim(&mut self, landing: &Chain) -> Damage {
        let claim = self.claim.unwrap_or(self.from);
        for at in self.from + 1..claim {
            if let Some(magic) = self.own_end_before_batch(at) {
                return self.answer(at, DamageKind::Framing { magic });
            }
            if self.is_behind_missing_bytes(at, landing) {
                return self.answer(at, DamageKind::Unclaimed);
            }
        }
        self.answer(claim, DamageKind::Checksum)
    }

    /// True when a batch begins at `at` that cannot be inside the damaged one, whose length leads
    /// to `landing`: it goes on behind its end, or ends with it and goes on with the landing. No
    /// value does, for in magic 2 it is not what a batch ends with.
    fn is_behind_missing_bytes(&mut self, at: usize, landing: &Chain) -> bool {
        let Some(batch) = self.batch_at(at) else { return false };
        let rest = self.bytes.get(self.from..).unwrap_or_default();
        let offset = rest.first_chunk().map_or(-1, |offset| i64::from_be_bytes(*offset));
        let last = self.head.map_or(offset, |head| head.last);
        if batch.base <= last {
            return false;
        }
        let goes_on = self.head.is_some_and(|head| landing.base == head.last.saturating_add(1));
        let is_newest = rest.get(PREFIX_BYTES - 1) == Some(&2);
        batch.end > landing.start
            || !goes_on && is_newest && {
                let chain = self.follow(&batch);
                let is_end = landing.start == self.bytes.len() && chain.end == landing.start;
                is_end || chain.end > landing.start
            }
    }

    fn own_end_before_batch(&mut self, at: usize) -> Option<i8> {
        self.resync.work.positions += 1;
        if resembles_batch(self.bytes, at) { self.own_end(at) } else { None }
    }

    /// Chains behind the damage, until one holds; then the first one that nothing contradicts.
    /// `landing` is what the length leads to, a chain that does not hold.
    fn look_for_chains(&mut self, mut landing: Option<Chain>) -> Damage {
        let length = self.bytes.len();
        let claimed = self.claim.unwrap_or(self.from).min(length) - self.from;
        let (mut at, mut horizon) = (self.from + 1, self.from + claimed.max(LOOKAHEAD));
        loop {
            let mut suspects = Vec::new();
            let settled = match self.scan(&mut at, horizon, landing.is_some(), &mut suspects) {
                Scan::OwnEnd(end, magic) => {
                    return self.answer(end, DamageKind::Framing { magic });
                }
                Scan::Settled(chain) => Some(chain),
                Scan::Stopped => None,
            };
            if at >= length && settled.is_none() && !self.resync.reaches_end {
                return self.rest_of_window();
            }
            if let Some(damage) = self.decide(landing.take(), &suspects, settled.as_ref()) {
                return damage;
            }
            if at >= length {
                return self.rest_of_window();
            }
            horizon = at + LOOKAHEAD;
        }
    }

    /// Looks at positions from `at` on, up to a chain that holds. As long as there is a doubtful
    /// answer the way is paid from the supply, and ends at the horizon.
    fn scan(
        &mut self,
        at: &mut usize,
        horizon: usize,
        landing: bool,
        suspects: &mut Vec<Chain>,
    ) -> Scan {
        let mut inside = 0;
        while *at < self.bytes.len() {
            let full = *at >= horizon || suspects.len() == SUSPECTS;
            let doubtful = landing || !suspects.is_empty();
            if doubtful && (full || !self.resync.spare.spend(Spare::POSITION)) {
                return Scan::Stopped;
            }
            if let Some(magic) = self.own_end_before_batch(*at) {
                return Scan::OwnEnd(*at, magic);
            }
            let Some(batch) = self.batch_at(*at) else {
                *at += 1;
                continue;
            };
            let chain = self.follow(&batch);
            *at = chain.end;
            match chain.ending {
                Ending::OwnEnd(magic) => return Scan::OwnEnd(chain.end, magic),
                _ if self.is_in_value(&chain, &mut inside) => {}
                Ending::Holds => return Scan::Settled(chain),
                _ => suspects.push(chain),
            }
        }
        let length = self.bytes.len();
        self.own_end(length).map_or(Scan::Stopped, |magic| Scan::OwnEnd(length, magic))
    }

    /// The batch at `at` that fits the bounds and proves itself.
    fn batch_at(&mut self, at: usize) -> Option<Candidate> {
        let batch = Candidate::at(self.bytes, at)?;
        (batch.fits(self.bounds) && self.resync.proves(&batch)).then_some(batch)
    }

    /// True when the whole chain is in a value; `inside` is the end of the last value that one was
    /// in before. A chain that begins in a value and goes on behind its end is in none: bytes of
    /// the value are missing.
    fn is_in_value(&mut self, chain: &Chain, inside: &mut usize) -> bool {
        if chain.ending == Ending::Value || chain.end <= *inside {
            return true;
        }
        let first = chain.start..chain.first_end;
        let spare = &mut self.resync.spare;
        let around = self.records.value_around(self.bytes, &first, spare);
        let around = around.or_else(|| self.resync.value_at(&first));
        *inside = around.unwrap_or(0).max(*inside);
        chain.end <= *inside
    }

    /// True when the damaged batch has no value that the chain could be in: there is no room for a
    /// header before it, or records lead exactly to it.
    fn is_outside_values(&mut self, chain: &Chain) -> bool {
        let Self { resync, bytes, from, records_ends, .. } = self;
        chain.start < *from + BEFORE_FIRST_VALUE
            || records_ends
                .get_or_insert_with(|| records::ends_behind_header(bytes, *from, &mut resync.spare))
                .contains(&chain.start)
    }

    /// The claim or the first suspect that nothing contradicts, or else the chain that holds.
    fn decide(
        &mut self,
        landing: Option<Chain>,
        suspects: &[Chain],
        settled: Option<&Chain>,
    ) -> Option<Damage> {
        let earlier = |own: &Chain, other: &Chain| own.start < other.start;
        if let Some(landing) = landing
            && !settled.is_some_and(|own| earlier(own, &landing))
            && (self.is_proved_landing(&landing, suspects, settled)
                || !self.contradicted(&landing, settled))
            && self.records_lead_from(landing.end) != Some(Lead::Batch)
        {
            return Some(self.answer(landing.start, DamageKind::Checksum));
        }
        for chain in suspects {
            if self.contradicted(chain, settled) {
                continue;
            }
            let is_own = self.is_outside_values(chain)
                || match self.records_lead_from(chain.end) {
                    None => true,
                    Some(Lead::Batch) => false,
                    Some(Lead::EndOfFile) => self.goes_on_before_a_zero(chain),
                };
            if is_own {
                return Some(self.answer(chain.start, DamageKind::Unclaimed));
            }
        }
        settled.map(|chain| self.answer(chain.start, DamageKind::Unclaimed))
    }

    /// True when the length leads exactly to a batch that proves itself, is in no value and is the
    /// first one: how the chain goes on behind it takes nothing away from that. Not so when bytes
    /// stand behind it that may be the rest of a record, and a batch whose offsets come before.
    fn is_proved_landing(
        &mut self,
        landing: &Chain,
        suspects: &[Chain],
        settled: Option<&Chain>,
    ) -> bool {
        let mut end = landing.end;
        let fits = |other: &Chain| {
            let seamless = other.start == landing.start || other.start == end;
            end = if seamless { other.end } else { end };
            other.start >= landing.start && (seamless || other.base > landing.last)
        };
        let fit = suspects.iter().chain(settled).all(fits);
        let Some(batch) = self.batch_at(landing.start).filter(|_| fit) else { return false };
        let range = batch.start..batch.end;
        let mut records = RecordWalk::new(self.from + HeaderV2::BYTES);
        landing.ending != Ending::Value
            && records.value_around(self.bytes, &range, &mut self.resync.spare).is_none()
            && self.resync.value_at(&range).is_none()
    }

    /// True when only one byte stands behind the chain, which is too little to tell that a record
    /// ends with it, and the chain has the very offset that comes behind those that the damaged
    /// batch of magic 2 counts.
    fn goes_on_before_a_zero(&self, chain: &Chain) -> bool {
        let Bounds { last_proved, segment_base, .. } = *self.bounds;
        let first = last_proved.map(|proved| proved.0.saturating_add(1));
        let first = first.or(segment_base.map(|base| base.0)).unwrap_or(0);
        let header = self.bytes.get(self.from..).and_then(HeaderV2::at_front);
        let count =
            header.map(|header| i64::from(header.last_offset_delta.get()).saturating_add(1));
        chain.end + 1 == self.bytes.len()
            && count.is_some_and(|count| chain.base == first.saturating_add(count))
    }

    /// True when a chain that does not hold cannot be the log's own. `settled` is a chain that
    /// holds.
    fn contradicted(&mut self, chain: &Chain, settled: Option<&Chain>) -> bool {
        let Bounds { last_proved, .. } = *self.bounds;
        let goes_back = chain.ending == Ending::GoesBack
            || last_proved.is_some_and(|proved| chain.base <= proved.0)
            || settled.is_some_and(|own| own.start >= chain.end && own.base <= chain.last);
        goes_back || self.head.is_some_and(|head| self.belongs_to(&head, chain, settled))
    }

    /// Where the rest of a record and then records lead to from `at`: if they do, then `at` is
    /// inside a batch.
    fn records_lead_from(&mut self, at: usize) -> Option<Lead> {
        let ends = records::ends_of_rest(self.bytes, at, &mut self.resync.spare);
        ends.into_iter().find_map(|end| {
            if end == self.bytes.len() {
                return self.resync.reaches_end.then_some(Lead::EndOfFile);
            }
            let batch = Candidate::at(self.bytes, end)?;
            self.resync.proves(&batch).then_some(Lead::Batch)
        })
    }

    /// True when a sound header claims the bytes of the chain, or its offsets: unless these are
    /// damaged too, as what follows tells.
    fn belongs_to(&self, head: &Candidate, chain: &Chain, settled: Option<&Chain>) -> bool {
        let cut_off = self.resync.reaches_end && !head.is_whole(self.bytes.len());
        let believable = settled.is_none_or(|own| own.base > head.last);
        (cut_off && settled.is_none()) || (believable && chain.base <= head.last)
    }

    fn rest_of_window(&mut self) -> Damage {
        let cut_off = self.resync.reaches_end && is_cut_off(self.bytes, self.from, self.bounds);
        let kind = if cut_off { DamageKind::CutOff } else { DamageKind::Unclaimed };
        self.answer(self.bytes.len(), kind)
    }
}
