//! The forms that are looked for, as keyed hashes.
//!
//! Every form has at least [`WINDOW`] bytes. At each byte of a text the next `WINDOW` bytes are hashed
//! cheaply and looked up in a bit table, which lets hardly any ordinary text through; what passes is
//! compared by its length and a keyed digest (SipHash with random keys). Two texts with one digest
//! are a chance of 2^-64; nothing is let through for it, a text would be hidden that is none.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use zeroize::Zeroizing;

use super::forms::forms;
use super::{MASK, SHORTEST};
use crate::limits;

/// Bytes that are looked at at once; no form is shorter.
const WINDOW: usize = SHORTEST;
/// Bits of the table for each beginning of a form, so that few other texts pass.
const BITS_EACH: usize = 16;
/// The smallest and the largest table, in bits.
const TABLE: (usize, usize) = (1 << 16, 1 << 23);

/// One form: how it begins, how long it is, and its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    beginning: u32,
    length: usize,
    digest: u64,
}

/// What a scrubber looks for.
pub(super) struct Known {
    digests: RandomState,
    /// Of the cheap hash: random, the second odd.
    keys: (u64, u64),
    values: HashSet<u64>,
    /// The marks of each value, the oldest first.
    marks: VecDeque<(u64, Vec<Mark>)>,
    /// Lengths and digests by how they begin, the longest first.
    by_beginning: HashMap<u32, Vec<(usize, u64)>>,
    bits: Vec<u64>,
    longest: usize,
}

impl Default for Known {
    fn default() -> Self {
        let keys = (rand::random(), rand::random::<u64>() | 1);
        Self {
            digests: RandomState::new(),
            keys,
            values: HashSet::new(),
            marks: VecDeque::new(),
            by_beginning: HashMap::new(),
            bits: vec![0; TABLE.0 / 64],
            longest: 0,
        }
    }
}

impl Known {
    /// Whether a value is looked for already.
    pub(super) fn has(&self, value: &str) -> bool {
        self.values.contains(&self.digest(value.as_bytes()))
    }

    /// Looks for a value; beyond the bound the oldest quarter is forgotten.
    pub(super) fn add(&mut self, value: &str) {
        let id = self.digest(value.as_bytes());
        if !self.values.insert(id) {
            return;
        }
        if self.marks.len() >= limits::SCRUBBED_SECRETS {
            for (old, _) in self.marks.drain(..limits::SCRUBBED_SECRETS / 4) {
                self.values.remove(&old);
            }
            self.by_beginning.clear();
            let kept = std::mem::take(&mut self.marks);
            kept.iter().flat_map(|(_, marks)| marks).for_each(|mark| self.index(*mark));
            self.marks = kept;
            self.fill_bits();
        }
        let marks: BTreeSet<Mark> =
            Zeroizing::new(forms(value)).iter().filter_map(|form| self.mark(form.as_bytes())).collect();
        for mark in &marks {
            self.index(*mark);
        }
        self.marks.push_back((id, marks.iter().copied().collect()));
        if self.by_beginning.len() * BITS_EACH > self.bits.len() * 64 && self.bits.len() * 64 < TABLE.1 {
            self.fill_bits();
        } else {
            marks.iter().for_each(|mark| set(&mut self.bits, mark.beginning));
        }
    }

    fn mark(&self, form: &[u8]) -> Option<Mark> {
        let beginning = self.beginning(form.first_chunk()?);
        Some(Mark { beginning, length: form.len(), digest: self.digest(form) })
    }

    fn index(&mut self, mark: Mark) {
        self.longest = self.longest.max(mark.length);
        let all = self.by_beginning.entry(mark.beginning).or_default();
        // Two values may have a form in common.
        if let Err(at) = all.binary_search_by(|(length, digest)| (mark.length, mark.digest).cmp(&(*length, *digest))) {
            all.insert(at, (mark.length, mark.digest));
        }
    }

    /// Makes the table anew, as large as it should be.
    fn fill_bits(&mut self) {
        let bits = (self.by_beginning.len() * BITS_EACH * 2).next_power_of_two().clamp(TABLE.0, TABLE.1);
        self.bits = vec![0; bits / 64];
        for beginning in self.by_beginning.keys() {
            set(&mut self.bits, *beginning);
        }
    }

    fn digest(&self, bytes: &[u8]) -> u64 {
        self.digests.hash_one(bytes)
    }

    /// Half of the bits of a product: the bytes cannot be had back from it.
    fn beginning(&self, bytes: &[u8; WINDOW]) -> u32 {
        let mixed = (u64::from_le_bytes(*bytes) ^ self.keys.0).wrapping_mul(self.keys.1);
        u32::try_from(mixed >> 32).unwrap_or_default()
    }

    /// The forms that begin like the text at a place; the longest first.
    fn candidates(&self, bytes: &[u8], at: usize) -> &[(usize, u64)] {
        let Some(window) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else { return &[] };
        let beginning = self.beginning(window);
        if !is_set(&self.bits, beginning) {
            return &[];
        }
        self.by_beginning.get(&beginning).map_or(&[], Vec::as_slice)
    }

    /// The end of the longest form that stands at a place.
    fn end_at(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let mut last = (0, 0);
        self.candidates(bytes, at).iter().find_map(|(length, digest)| {
            let found = bytes.get(at..at.checked_add(*length)?)?;
            // Many forms have the same length; the text is hashed once for all of them.
            if last.0 != *length {
                last = (*length, self.digest(found));
            }
            (last.1 == *digest).then_some(at + length)
        })
    }

    /// The next place from `from` on that holds forms: from the first to the end of the last that
    /// begins within those before it.
    fn next(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        let bytes = text.as_bytes();
        let (start, mut end) = (from..bytes.len().saturating_sub(WINDOW - 1))
            .find_map(|at| self.end_at(bytes, at).map(|end| (at, end)))?;
        let mut at = start + 1;
        while at < end {
            end = self.end_at(bytes, at).map_or(end, |other| other.max(end));
            at += 1;
        }
        Some((start, end))
    }

    /// Whether a text holds a form.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.next(text, 0).is_some()
    }

    /// The text with a mask in place of each form; `None` where it holds none.
    pub(super) fn replaced(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut done = 0;
        while let Some((start, end)) = self.next(text, done) {
            // Forms are whole texts, so that they begin and end between characters.
            out.push_str(text.get(done..start).unwrap_or_default());
            out.push_str(MASK);
            done = end;
        }
        if done == 0 {
            return None;
        }
        out.push_str(text.get(done..).unwrap_or_default());
        Some(out)
    }

    /// How much of a text cannot change any more, whatever follows it.
    pub(super) fn settled(&self, text: &str) -> usize {
        let bytes = text.as_bytes();
        let from = bytes.len().saturating_sub(self.longest.saturating_sub(1));
        let mut cut = (from..bytes.len())
            .find(|at| {
                let rest = bytes.len() - at;
                // Of what is shorter than a window nothing is known.
                rest < WINDOW || self.candidates(bytes, *at).iter().any(|(length, _)| *length > rest)
            })
            .unwrap_or(bytes.len());
        while !text.is_char_boundary(cut) {
            cut += 1;
        }
        let mut done = 0;
        while let Some((start, end)) = self.next(text, done).filter(|(start, _)| *start < cut) {
            if cut < end {
                return start;
            }
            done = end;
        }
        cut
    }
}

fn place(bits: &[u64], beginning: u32) -> (usize, u64) {
    // A power of two words, so that the upper bits choose one of them.
    let bit = beginning as usize & (bits.len() * 64 - 1);
    (bit / 64, 1 << (bit % 64))
}

fn set(bits: &mut [u64], beginning: u32) {
    let (word, mask) = place(bits, beginning);
    if let Some(word) = bits.get_mut(word) {
        *word |= mask;
    }
}

fn is_set(bits: &[u64], beginning: u32) -> bool {
    let (word, mask) = place(bits, beginning);
    bits.get(word).is_some_and(|word| word & mask != 0)
}
