//! The database file.

use super::Handle;
use super::ahead::Ahead;
use sqlite_wasm_rs::vfs::VfsResult;
use std::rc::Rc;

pub(super) struct MainFile {
    handle: Rc<Handle>,
    ahead: Ahead,
}

impl MainFile {
    pub(super) fn new(handle: Rc<Handle>) -> Self {
        Self { handle, ahead: Ahead::default() }
    }

    pub(super) fn read(&mut self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        self.ahead.read(&self.handle, buf, offset)
    }

    pub(super) fn write(&mut self, buf: &[u8], offset: u64) -> VfsResult<()> {
        self.ahead.forget();
        self.handle.write(buf, offset)
    }

    pub(super) fn truncate(&mut self, size: u64) -> VfsResult<()> {
        self.ahead.forget();
        self.handle.truncate(size)
    }

    pub(super) fn sync(&mut self) -> VfsResult<()> {
        self.handle.flush()
    }

    pub(super) fn size(&self) -> VfsResult<u64> {
        self.handle.size()
    }
}
