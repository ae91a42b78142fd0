//! The write-ahead log: the frames of a transaction wait here until its commit frame, and go out in one write.
//!
//! SQLite writes every frame as a header of 24 bytes and a page, and with `synchronous = NORMAL` calls no
//! sync at a commit. The header of a commit frame has the size of the database in its bytes 4 to 7, which is
//! not zero (the layout: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>). When its page has
//! come everything is written before the call returns, so a write that fails fails that COMMIT. Only frames
//! that follow one another wait; whatever else SQLite writes goes through at once, so the worst that a
//! pattern not foreseen here can do is to cost more writes.

use super::Handle;
use super::ahead::Ahead;
use sqlite_wasm_rs::vfs::VfsResult;
use std::rc::Rc;

const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// A transaction that is larger goes out in several writes.
const MOST_WAITING: usize = 4 * 1024 * 1024;

pub(super) struct LogFile {
    handle: Rc<Handle>,
    /// Bytes that are not in the file yet, and where they belong.
    waiting: Vec<u8>,
    start: u64,
    /// Where the next frame begins, if that is known.
    next: Option<u64>,
    /// The last header that came belongs to a commit frame.
    commits: bool,
    ahead: Ahead,
}

impl LogFile {
    pub(super) fn new(handle: Rc<Handle>) -> Self {
        Self { handle, waiting: Vec::new(), start: 0, next: None, commits: false, ahead: Ahead::default() }
    }

    pub(super) fn write(&mut self, buf: &[u8], offset: u64) -> VfsResult<()> {
        let is_log_header = offset == 0 && buf.len() == LOG_HEADER;
        let is_frame_header = offset > 0 && buf.len() == FRAME_HEADER;
        if !self.keep(buf, offset, is_log_header, is_frame_header)? {
            self.flush()?;
            self.ahead.forget();
            self.handle.write(buf, offset)?;
            if !is_frame_header {
                self.next = Some(offset + buf.len() as u64);
            }
            return Ok(());
        }
        if is_frame_header {
            self.commits = buf[4..8] != [0; 4];
        } else if (self.commits && !is_log_header) || self.waiting.len() > MOST_WAITING {
            self.flush()?;
        }
        Ok(())
    }

    /// Lets bytes wait, if they belong to what waits or begin it.
    fn keep(&mut self, buf: &[u8], offset: u64, is_log_header: bool, is_frame_header: bool) -> VfsResult<bool> {
        if is_log_header {
            self.flush()?;
            self.start = 0;
        } else if self.waiting.is_empty() {
            if !is_frame_header || self.next.is_some_and(|next| next != offset) {
                return Ok(false);
            }
            self.start = offset;
        }
        let Some(at) = offset.checked_sub(self.start).map(|at| at as usize).filter(|at| *at <= self.waiting.len()) else { return Ok(false) };
        if is_frame_header {
            // Within what waits: the transaction of these frames was rolled back, and another one begins.
            self.waiting.truncate(at);
        }
        let overlap = buf.len().min(self.waiting.len() - at);
        self.waiting[at..at + overlap].copy_from_slice(&buf[..overlap]);
        self.waiting.extend_from_slice(&buf[overlap..]);
        Ok(true)
    }

    /// Writes what waits. If that fails SQLite takes the transaction back, and so do we.
    pub(super) fn flush(&mut self) -> VfsResult<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.ahead.forget();
        let written = self.handle.write(&self.waiting, self.start);
        self.next = written.is_ok().then_some(self.start + self.waiting.len() as u64);
        self.waiting.clear();
        self.commits = false;
        written
    }

    pub(super) fn read(&mut self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        if !self.waiting.is_empty() && offset + buf.len() as u64 > self.start {
            self.flush()?;
        }
        self.ahead.read(&self.handle, buf, offset)
    }

    pub(super) fn truncate(&mut self, size: u64) -> VfsResult<()> {
        self.flush()?;
        self.next = None;
        self.ahead.forget();
        self.handle.truncate(size)
    }

    pub(super) fn sync(&mut self) -> VfsResult<()> {
        self.flush()?;
        self.handle.flush()
    }

    pub(super) fn size(&self) -> VfsResult<u64> {
        let end = if self.waiting.is_empty() { 0 } else { self.start + self.waiting.len() as u64 };
        Ok(self.handle.size()?.max(end))
    }
}
