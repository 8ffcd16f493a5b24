//! The memory of another process, as a core of it would have it.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use super::forms::Search;

/// Bytes that are looked through at once.
const CHUNK: usize = 4 << 20;
/// Bytes of a chunk that are looked through with the next one, too: more than the longest form has.
const OVERLAP: usize = 4 << 10;

/// What was looked through.
#[derive(Debug)]
pub(super) struct Looked {
    /// Bytes.
    pub(super) bytes: usize,
    /// How often what must be there was found: it tells that the memory was read.
    pub(super) known: usize,
}

/// Looks through all memory of a process that it can write to, which is where it keeps what it
/// reads. `None` where the system does not let us: a hardened process shows its memory to root alone.
pub(super) fn look_through(search: &mut Search, pid: u32, known: &str) -> Option<Looked> {
    let mut memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let known = aho_corasick::AhoCorasick::new([known]).unwrap();
    let mut looked = Looked { bytes: 0, known: 0 };
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else { continue };
        let name = words.nth(3).unwrap_or("anonymous");
        // Shared mappings are files, which are looked through as files.
        if !rights.starts_with("rw") || rights.ends_with('s') {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let [mut from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        while from < to {
            let length = usize::try_from(to - from).unwrap().min(CHUNK);
            let mut chunk = vec![0; length];
            // A mapping may be gone by now.
            if memory.seek(SeekFrom::Start(from)).is_err() || memory.read_exact(&mut chunk).is_err() {
                break;
            }
            looked.bytes += length;
            looked.known += known.find_iter(&chunk).count();
            search.look_plainly(&format!("memory at {from:x} ({name})"), &chunk);
            if length < CHUNK {
                break;
            }
            from += (length - OVERLAP) as u64;
        }
    }
    Some(looked)
}
