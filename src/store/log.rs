//! The log that SQLite writes beside a database, read without SQLite: pages that are not merged into
//! the file yet. SQLite itself reads it only where it can write.
//!
//! Its form is told at <https://sqlite.org/fileformat2.html#the_write_ahead_log>.

/// Of the log, and of each page in it.
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The last bit tells the order of the bytes over which the checksums are.
const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;

/// What a log adds to its file.
#[derive(Debug, Default)]
pub(super) struct Log<'a> {
    page_size: usize,
    /// Number (from 1) and content of each page that was committed, in the order of writing.
    pages: Vec<(u32, &'a [u8])>,
    /// How many pages the database has after the last commit; `None` if there is none.
    page_count: Option<u32>,
    /// Whether it holds more than can be read: a process that is killed does not leave it so.
    pub(super) is_damaged: bool,
}

impl<'a> Log<'a> {
    /// Reads all that was committed.
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let Some((header, frames)) = bytes.split_at_checked(HEADER) else { return Self::default() };
        let Some(Header { is_big_endian, page_size, salts, mut sum }) = Header::read(header) else {
            return Self { is_damaged: true, ..Self::default() };
        };
        let mut log = Self { page_size, ..Self::default() };
        let mut pages = Vec::new();
        let mut frames = frames.chunks_exact(FRAME_HEADER + page_size);
        for frame in &mut frames {
            let (head, page) = frame.split_at(FRAME_HEADER);
            let number = word(head, 0);
            let (summed, _) = head.split_at(8);
            sum = checksum(checksum(sum, summed, is_big_endian), page, is_big_endian);
            let is_whole = salts_of(head, 8) == salts && (word(head, 16), word(head, 20)) == sum;
            if number == 0 || !is_whole {
                // A frame that is torn is the last one; what an earlier turn of the log left behind
                // has other salts.
                log.is_damaged = frames.any(|frame| salts_of(frame, 8) == salts);
                break;
            }
            pages.push((number, page));
            let page_count = word(head, 4);
            if page_count > 0 {
                log.page_count = Some(page_count);
                log.pages.append(&mut pages);
            }
        }
        log
    }

    /// Merges it into the content of its file, unless that would become longer than `most` bytes.
    pub(super) fn merge_into(&self, file: &mut Vec<u8>, most: u64) -> Result<(), String> {
        let Some(page_count) = self.page_count else { return Ok(()) };
        let length = usize::try_from(page_count).unwrap_or(usize::MAX);
        let length = length.saturating_mul(self.page_size);
        if u64::try_from(length).is_ok_and(|length| length <= most) {
            file.resize(length, 0);
        } else {
            return Err(format!("is larger than {most} bytes"));
        }
        for (number, page) in &self.pages {
            let index = usize::try_from(*number).unwrap_or(usize::MAX).saturating_sub(1);
            // A page beyond the end was given up again by a later commit.
            if let Some(place) = file.chunks_exact_mut(self.page_size).nth(index) {
                place.copy_from_slice(page);
            }
        }
        Ok(())
    }
}

struct Header {
    is_big_endian: bool,
    page_size: usize,
    salts: (u32, u32),
    sum: (u32, u32),
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let is_big_endian = match word(bytes, 0) ^ MAGIC {
            0 => false,
            1 => true,
            _ => return None,
        };
        let page_size = usize::try_from(word(bytes, 8)).ok()?;
        let is_possible = page_size.is_power_of_two() && (512..=65_536).contains(&page_size);
        let (summed, _) = bytes.split_at_checked(24)?;
        let sum = checksum((0, 0), summed, is_big_endian);
        let is_whole = word(bytes, 4) == VERSION && (word(bytes, 24), word(bytes, 28)) == sum;
        (is_possible && is_whole).then_some(Self {
            is_big_endian,
            page_size,
            salts: salts_of(bytes, 16),
            sum,
        })
    }
}

/// Two numbers that all frames of one turn of the log bear.
fn salts_of(bytes: &[u8], at: usize) -> (u32, u32) {
    (word(bytes, at), word(bytes, at + 4))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
    word.map_or(0, |word| u32::from_be_bytes(*word))
}

fn checksum(start: (u32, u32), bytes: &[u8], is_big_endian: bool) -> (u32, u32) {
    let number = |word: &[u8; 4]| {
        if is_big_endian { u32::from_be_bytes(*word) } else { u32::from_le_bytes(*word) }
    };
    let (pairs, _) = bytes.as_chunks::<4>().0.as_chunks::<2>();
    pairs.iter().fold(start, |(first, second), [even, odd]| {
        let first = first.wrapping_add(number(even)).wrapping_add(second);
        (first, second.wrapping_add(number(odd)).wrapping_add(first))
    })
}
