//! A synchronous access handle whose every count is checked.

use crate::failure::describe;
use sqlite_wasm_rs::vfs::{VfsError, VfsErrorCode, VfsResult};
use wasm_bindgen::JsValue;
use web_sys::{FileSystemReadWriteOptions, FileSystemSyncAccessHandle};

/// An open file of the Origin Private File System.
pub(crate) struct Handle {
    handle: FileSystemSyncAccessHandle,
    /// Used for every call: making one each time would cost more than small reads.
    options: FileSystemReadWriteOptions,
}

impl Handle {
    pub(crate) fn new(handle: FileSystemSyncAccessHandle) -> Self {
        Self { handle, options: FileSystemReadWriteOptions::new() }
    }

    /// Reads as much as there is.
    pub(crate) fn read(&self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        self.options.set_at(offset as f64);
        let read = self.handle.read_with_u8_array_and_options(buf, &self.options);
        Ok(read.map_err(|error| failed(VfsErrorCode::IoRead, &error))? as usize)
    }

    /// Writes everything. A full disk shows as a count: short in Firefox, beyond the buffer in Chromium.
    pub(crate) fn write(&self, buf: &[u8], offset: u64) -> VfsResult<()> {
        self.options.set_at(offset as f64);
        let written = self.handle.write_with_u8_array_and_options(buf, &self.options).map_err(|error| failed(VfsErrorCode::IoWrite, &error))?;
        if written == buf.len() as f64 {
            return Ok(());
        }
        Err(VfsError::new(VfsErrorCode::Full, format!("{} bytes were to be written, the browser says {written}", buf.len()).into()))
    }

    pub(crate) fn truncate(&self, size: u64) -> VfsResult<()> {
        self.handle.truncate_with_f64(size as f64).map_err(|error| failed(VfsErrorCode::IoTruncate, &error))
    }

    /// Waits until everything is on the disk.
    pub(crate) fn flush(&self) -> VfsResult<()> {
        self.handle.flush().map_err(|error| failed(VfsErrorCode::IoSync, &error))
    }

    pub(crate) fn size(&self) -> VfsResult<u64> {
        Ok(self.handle.get_size().map_err(|error| failed(VfsErrorCode::IoStat, &error))? as u64)
    }

    /// Lets another worker have the file.
    pub(crate) fn close(&self) {
        self.handle.close();
    }
}

fn failed(code: VfsErrorCode, error: &JsValue) -> VfsError {
    let (name, message) = describe(error);
    let code = if name == "QuotaExceededError" { VfsErrorCode::Full } else { code };
    VfsError::new(code, format!("{name}: {message}").into())
}
