//! The database as the bytes of one plain SQLite file, piece by piece, while it is used.
//!
//! A file stays as it is until the export ends (the store sees to that), so a piece is one read of it and nothing is
//! held in memory. It promises a file that any SQLite opens: its header does not ask for a log that is not there.

use crate::failure::Failure;
use crate::vfs::Handle;
use std::rc::Rc;

/// Where the header says how a file is written and read: 1 by a rollback journal, 2 by a write-ahead log.
const JOURNAL_VERSIONS: std::ops::Range<usize> = 18..20;

/// What is exported.
pub(crate) enum Snapshot {
    /// The file, with its size.
    File(Rc<Handle>, u64),
    /// A database that has none.
    Image(Vec<u8>),
}

impl Snapshot {
    pub(crate) fn of_file(handle: Rc<Handle>) -> Result<Self, Failure> {
        let size = handle.size().map_err(Failure::file)?;
        Ok(Self::File(handle, size))
    }

    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::File(_, size) => *size,
            Self::Image(bytes) => bytes.len() as u64,
        }
    }

    /// At most so many bytes from a place on.
    pub(crate) fn read(&self, at: u64, most: usize) -> Result<Vec<u8>, Failure> {
        let length = self.size().saturating_sub(at).min(most as u64) as usize;
        let mut piece = match self {
            Self::Image(bytes) => bytes[at as usize..][..length].to_vec(),
            Self::File(handle, _) => {
                let mut piece = vec![0; length];
                if handle.read(&mut piece, at).map_err(Failure::file)? != length {
                    return Err(Failure::new("StorageUnavailable", "the database file is shorter than it was when the export began: try again"));
                }
                piece
            }
        };
        if at == 0 {
            without_log(&mut piece);
        }
        Ok(piece)
    }
}

/// Makes the first bytes of a file ask for no log. Where there is none anyway, this is all that the change of mode takes.
pub(crate) fn without_log(head: &mut [u8]) {
    if let Some(versions) = head.get_mut(JOURNAL_VERSIONS) {
        versions.fill(1);
    }
}
