//! Reading ahead: what is read in order, as a scan of the database or the recovery of the log does, does not go page by page.

use super::Handle;
use sqlite_wasm_rs::vfs::VfsResult;

/// What is read at once then.
const AHEAD: usize = 256 * 1024;

/// What was read ahead of one file.
#[derive(Default)]
pub(super) struct Ahead {
    /// Where a scan would go on.
    next: u64,
    bytes: Vec<u8>,
    at: u64,
}

impl Ahead {
    pub(super) fn read(&mut self, handle: &Handle, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        let is_scan = offset == self.next && offset > 0;
        self.next = offset + buf.len() as u64;
        if self.copy(buf, offset) {
            return Ok(buf.len());
        }
        if !is_scan || buf.len() > AHEAD {
            return handle.read(buf, offset);
        }
        self.bytes.resize(AHEAD, 0);
        self.at = offset;
        let read = handle.read(&mut self.bytes, offset).inspect_err(|_| self.bytes.clear())?;
        self.bytes.truncate(read);
        let there = read.min(buf.len());
        buf[..there].copy_from_slice(&self.bytes[..there]);
        Ok(there)
    }

    /// The file changes.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
    }

    /// Copies from what was read ahead, if all of it is there.
    fn copy(&self, buf: &mut [u8], offset: u64) -> bool {
        let Some(start) = offset.checked_sub(self.at).and_then(|start| usize::try_from(start).ok()) else { return false };
        match self.bytes.get(start..).and_then(|rest| rest.get(..buf.len())) {
            Some(there) => {
                buf.copy_from_slice(there);
                true
            }
            None => false,
        }
    }
}
