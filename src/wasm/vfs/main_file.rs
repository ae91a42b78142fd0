//! The database file. A scan reads ahead, so that a cold read does not go page by page.

use super::Handle;
use sqlite_wasm_rs::vfs::VfsResult;
use std::rc::Rc;

/// What is read at once when pages are read one after another.
const AHEAD: usize = 256 * 1024;

pub(super) struct MainFile {
    handle: Rc<Handle>,
    /// Where a scan would go on.
    next: u64,
    ahead: Vec<u8>,
    ahead_at: u64,
}

impl MainFile {
    pub(super) fn new(handle: Rc<Handle>) -> Self {
        Self { handle, next: 0, ahead: Vec::new(), ahead_at: 0 }
    }

    pub(super) fn read(&mut self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        let is_scan = offset == self.next && offset > 0;
        self.next = offset + buf.len() as u64;
        if self.copy_ahead(buf, offset) {
            return Ok(buf.len());
        }
        if !is_scan || buf.len() > AHEAD {
            return self.handle.read(buf, offset);
        }
        self.ahead.resize(AHEAD, 0);
        self.ahead_at = offset;
        let read = self.handle.read(&mut self.ahead, offset).inspect_err(|_| self.ahead.clear())?;
        self.ahead.truncate(read);
        let there = read.min(buf.len());
        buf[..there].copy_from_slice(&self.ahead[..there]);
        Ok(there)
    }

    pub(super) fn write(&mut self, buf: &[u8], offset: u64) -> VfsResult<()> {
        self.ahead.clear();
        self.handle.write(buf, offset)
    }

    pub(super) fn truncate(&mut self, size: u64) -> VfsResult<()> {
        self.ahead.clear();
        self.handle.truncate(size)
    }

    pub(super) fn sync(&mut self) -> VfsResult<()> {
        self.handle.flush()
    }

    pub(super) fn size(&self) -> VfsResult<u64> {
        self.handle.size()
    }

    /// Copies from what was read ahead, if all of it is there.
    fn copy_ahead(&self, buf: &mut [u8], offset: u64) -> bool {
        let Some(start) = offset.checked_sub(self.ahead_at).and_then(|start| usize::try_from(start).ok()) else { return false };
        match self.ahead.get(start..).and_then(|rest| rest.get(..buf.len())) {
            Some(there) => {
                buf.copy_from_slice(there);
                true
            }
            None => false,
        }
    }
}
