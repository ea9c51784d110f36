//! `lakehand sample`: writes sample files of the demo's kind, for trying and measuring.

use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::{ObjectStore, PutCondition};

use crate::cli::SampleArgs;
use crate::compose;
use crate::context::Context;
use crate::failure::{Ending, Failure};
use crate::output::{bytes, plural};
use crate::sample::hourly::Hourly;
use crate::settings::unit::parse_size;

/// Writes the files.
pub(crate) async fn run(context: &Context, args: &SampleArgs) -> Result<Ending, Failure> {
    let files = Hourly { seed: args.seed, lines: u64::from(args.lines), dirt: u64::from(args.dirt) };
    if let Some(path) = &args.jsonl {
        let most = parse_size(&args.bytes)
            .ok_or_else(|| Failure::Asked(format!("--bytes {:?} is no size such as 100MB", args.bytes)))?;
        let mut out = BufWriter::new(File::create(path).with_context(|| format!("write {}", path.display()))?);
        let mut written = 0;
        let mut hour = 0;
        while written < most {
            let lines = files.jsonl(hour, 0);
            written += lines.len() as u64;
            out.write_all(&lines).with_context(|| format!("write {}", path.display()))?;
            hour += 1;
        }
        out.flush().with_context(|| format!("write {}", path.display()))?;
        context.output.text(&format!("{} in {}", bytes(written), path.display()))?;
        return Ok(Ending::Well);
    }
    let target = if args.land { Target::landing(context).await? } else { Target::folder(&args.folder)? };
    for hour in 0..u64::from(args.files) {
        let mut zip = files.zip(hour, 0).context("make a sample")?;
        if args.corrupt.map(u64::from) == Some(hour) {
            zip.truncate(zip.len() * 2 / 3);
        }
        target.write(&Hourly::name(hour), zip).await?;
    }
    context.output.text(&format!("{} in {target}", plural(u64::from(args.files), "file")))?;
    Ok(Ending::Well)
}

/// Where the files go.
enum Target {
    Folder(PathBuf),
    Landing { uri: ObjectUri, store: Arc<dyn ObjectStore> },
}

impl Target {
    fn folder(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
        Ok(Self::Folder(folder.to_owned()))
    }

    async fn landing(context: &Context) -> Result<Self, Failure> {
        let settings = context.settings()?;
        Ok(Self::Landing { uri: compose::landing_uri(&settings)?, store: compose::landing(&settings).await? })
    }

    async fn write(&self, name: &str, bytes: Vec<u8>) -> anyhow::Result<()> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))
            }
            Self::Landing { uri, store } => {
                let uri = uri.join(name);
                let put = store.put(&uri, bytes.into(), PutCondition::Always).await;
                put.map(drop).with_context(|| format!("write {uri}"))
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Landing { uri, .. } => uri.fmt(f),
        }
    }
}
