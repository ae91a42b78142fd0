//! A database file in memory that knows which of its blocks changed, so that a store elsewhere can follow it.
//!
//! SQLite writes to it only inside COMMIT (`cache_spill = OFF`), so between two calls it is what was committed.

use sqlite_wasm_rs::vfs::VfsResult;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// What is stored at once: the size of SQLite's pages, unless told.
pub(super) const BLOCK: usize = 8192;

/// The file.
#[derive(Default)]
pub(crate) struct Pages(RefCell<Inner>);

#[derive(Default)]
struct Inner {
    blocks: Vec<Box<[u8]>>,
    size: u64,
    dirty: BTreeSet<usize>,
    /// Blocks that the store has.
    stored: usize,
}

/// What the store must do to have the file as it is.
pub(crate) struct Changes {
    /// Blocks with their numbers; only the last one of a file may be short.
    pub blocks: Vec<(usize, Box<[u8]>)>,
    /// The file has so many, and the store forgets those from there on.
    pub count: usize,
}

impl Pages {
    /// A file as the store has it: blocks in their order.
    pub(crate) fn load(&self, blocks: impl IntoIterator<Item = Vec<u8>>) {
        let mut inner = Inner::default();
        for mut block in blocks {
            inner.size += block.len() as u64;
            block.resize(BLOCK, 0);
            inner.blocks.push(block.into_boxed_slice());
        }
        inner.stored = inner.blocks.len();
        self.0.replace(inner);
    }

    pub(crate) fn is_clean(&self) -> bool {
        let inner = self.0.borrow();
        inner.dirty.is_empty() && inner.stored <= inner.blocks.len()
    }

    /// What changed since the last call. The store has it from now on.
    pub(crate) fn take_changes(&self) -> Changes {
        let mut inner = self.0.borrow_mut();
        let (count, size) = (inner.blocks.len(), inner.size);
        let dirty = std::mem::take(&mut inner.dirty);
        inner.stored = count;
        let length = |index: usize| BLOCK.min((size - (index * BLOCK) as u64) as usize);
        Changes { blocks: dirty.into_iter().map(|index| (index, inner.blocks[index][..length(index)].into())).collect(), count }
    }

    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        let inner = self.0.borrow();
        let there = (inner.size.saturating_sub(offset) as usize).min(buf.len());
        for (index, within, range) in pieces(offset as usize, there) {
            buf[range.clone()].copy_from_slice(&inner.blocks[index][within..within + range.len()]);
        }
        Ok(there)
    }

    pub(crate) fn write(&self, buf: &[u8], offset: u64) -> VfsResult<()> {
        let mut inner = self.0.borrow_mut();
        let size = inner.size.max(offset + buf.len() as u64);
        inner.resize(size);
        for (index, within, range) in pieces(offset as usize, buf.len()) {
            inner.blocks[index][within..within + range.len()].copy_from_slice(&buf[range]);
            inner.dirty.insert(index);
        }
        Ok(())
    }

    pub(super) fn truncate(&self, size: u64) -> VfsResult<()> {
        self.0.borrow_mut().resize(size);
        Ok(())
    }

    pub(crate) fn size(&self) -> u64 {
        self.0.borrow().size
    }
}

impl Inner {
    fn resize(&mut self, size: u64) {
        if size == self.size {
            return;
        }
        let (before, after) = (self.blocks.len(), (size as usize).div_ceil(BLOCK));
        self.blocks.resize_with(after, || vec![0; BLOCK].into_boxed_slice());
        self.dirty.extend(before..after);
        self.dirty.split_off(&after);
        // The block in which the shorter file ends has another length now, or none of what stood behind the end.
        if let Some(last) = (self.size.min(size) as usize).div_ceil(BLOCK).checked_sub(1) {
            let end = self.size.min(size) as usize - last * BLOCK;
            self.blocks[last][end..].fill(0);
            self.dirty.insert(last);
        }
        self.size = size;
    }
}

/// The blocks that `length` bytes at `offset` touch: which, from where in it, and which of the bytes.
fn pieces(offset: usize, length: usize) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        (at < length).then(|| {
            let (index, within) = ((offset + at) / BLOCK, (offset + at) % BLOCK);
            let end = (at + BLOCK - within).min(length);
            let range = at..end;
            at = end;
            (index, within, range)
        })
    })
}
