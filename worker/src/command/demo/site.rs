//! The demo's folder: settings, definition and sample files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::sample::hourly::Hourly;

/// The definition the demo runs is the one that is shipped.
const DEFINITION: &str = include_str!("../../../../deploy/datasets/berlin_flats.toml");

const SETTINGS: &str = "\
# Made by `lakehand demo`. Everything lies below this folder.
[landing]
url = \"./landing\"

[lake]
url = \"./lake\"

[state]
folder = \"./state\"
";

/// Says that a folder is a demo's, so that only such a folder is ever emptied.
const MARK: &str = ".lakehand-demo";

/// The torn file, the file whose message comes twice, and the file that is written again, by their hours.
const TORN: u64 = 31;
const DOUBLED: u64 = 5;
const REWRITTEN: u64 = 12;

/// A demo's folder.
#[derive(Debug)]
pub(crate) struct DemoSite {
    folder: PathBuf,
    files: u64,
    samples: Hourly,
}

impl DemoSite {
    /// Makes the folder with settings and definition, emptying what an earlier demo left unless it is to be kept.
    pub(crate) fn make(folder: &Path, files: u32, keep: bool) -> anyhow::Result<Self> {
        let mark = folder.join(MARK);
        let is_there = folder.try_exists().with_context(|| format!("look for {}", folder.display()))?;
        if is_there && !keep {
            let ours = mark.try_exists().with_context(|| format!("look for {}", mark.display()))?;
            let empty = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
            if !ours && !empty {
                bail!("{} is not a demo's folder, so it is left alone; name another with --folder", folder.display());
            }
            std::fs::remove_dir_all(folder).with_context(|| format!("empty {}", folder.display()))?;
        }
        for part in ["landing", "datasets"] {
            let path = folder.join(part);
            std::fs::create_dir_all(&path).with_context(|| format!("make the folder {}", path.display()))?;
        }
        let write =
            |path: &Path, text: &str| std::fs::write(path, text).with_context(|| format!("write {}", path.display()));
        write(&mark, "")?;
        write(&folder.join("lakehand.toml"), SETTINGS)?;
        write(&folder.join("datasets/berlin_flats.toml"), DEFINITION)?;
        let samples = Hourly { seed: 7, lines: 150, dirt: 1 };
        Ok(Self { folder: folder.to_owned(), files: u64::from(files), samples })
    }

    /// A path below the folder.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.join(relative)
    }

    /// Lets all files land, the torn one among them, and gives how many bytes.
    pub(crate) fn land(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for hour in 0..self.files {
            let mut zip = self.samples.zip(hour, 0).context("make a sample")?;
            if hour == self.torn() {
                zip.truncate(zip.len() * 2 / 3);
            }
            bytes += zip.len() as u64;
            self.put(hour, &zip)?;
        }
        Ok(bytes)
    }

    /// Writes one file again, with other lines, and gives its path.
    pub(crate) fn rewrite(&self) -> anyhow::Result<PathBuf> {
        let hour = REWRITTEN.min(self.files.saturating_sub(1));
        self.put(hour, &self.samples.zip(hour, 1).context("make a sample")?)
    }

    /// The torn file.
    pub(crate) fn torn_path(&self) -> PathBuf {
        self.file(self.torn())
    }

    /// The file whose message comes twice.
    pub(crate) fn doubled_path(&self) -> PathBuf {
        self.file(DOUBLED.min(self.files.saturating_sub(1)))
    }

    fn torn(&self) -> u64 {
        TORN.min(self.files.saturating_sub(1))
    }

    fn file(&self, hour: u64) -> PathBuf {
        self.folder.join("landing").join(Hourly::name(hour))
    }

    /// Appears all at once, as files of a careful producer do.
    fn put(&self, hour: u64, zip: &[u8]) -> anyhow::Result<PathBuf> {
        let path = self.file(hour);
        let temporary = self.folder.join(".landing.tmp");
        std::fs::write(&temporary, zip).with_context(|| format!("write {}", temporary.display()))?;
        std::fs::rename(&temporary, &path).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }
}
