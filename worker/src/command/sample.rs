//! `lakehand sample`: writes sample files of the demo's kind, for trying and measuring.

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::Context as _;

use crate::cli::SampleArgs;
use crate::context::Context;
use crate::failure::{Ending, Failure};
use crate::output::{bytes, plural};
use crate::sample::hourly::Hourly;
use crate::settings::unit::parse_size;

/// Writes the files.
pub(crate) fn run(context: &Context, args: &SampleArgs) -> Result<Ending, Failure> {
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
    let folder = &args.folder;
    std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    for hour in 0..u64::from(args.files) {
        let mut zip = files.zip(hour, 0).context("make a sample")?;
        if args.corrupt.map(u64::from) == Some(hour) {
            zip.truncate(zip.len() * 2 / 3);
        }
        let path = folder.join(Hourly::name(hour));
        std::fs::write(&path, zip).with_context(|| format!("write {}", path.display()))?;
    }
    context.output.text(&format!("{} in {}", plural(u64::from(args.files), "file"), folder.display()))?;
    Ok(Ending::Well)
}
