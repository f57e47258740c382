//! Folders of a test's own.

use std::path::Path;

use tempfile::TempDir;

/// An empty folder, gone with the value.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    /// One of which nobody else knows.
    ///
    /// # Panics
    /// When the system gives no place for it.
    pub fn new() -> Folder {
        Folder(
            tempfile::Builder::new()
                .prefix("enfilade-")
                .tempdir()
                .expect("a temporary folder"),
        )
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where it is, as a setting says it.
    ///
    /// # Panics
    /// When that is no UTF-8.
    pub fn text(&self) -> &str {
        self.path().to_str().expect("a path in UTF-8")
    }

    /// Writes a file; its path, as a setting says it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("a file in a temporary folder");
        path.display().to_string()
    }
}
