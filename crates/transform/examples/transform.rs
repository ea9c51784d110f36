//! Runs a local file, or every file of a folder, through a definition into a folder, without queue, ledger or warehouse;
//! what the benchmark times.
//!
//! `cargo run --release -p lakehand-transform --example transform -- DEFINITION FILE FOLDER`

#![allow(clippy::print_stdout, reason = "an example speaks to its user")]

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lakehand_dataset::catalog::Catalog;
use lakehand_dataset::dataset::Dataset;
use lakehand_dataset::fingerprint::TransformIdentity;
use lakehand_dataset::problem::DefinitionFile;
use lakehand_dataset::transformer::{Content, PartSink, PartWriter, TransformInput, Transformed, Transformer};
use lakehand_domain::id::LoadId;
use lakehand_domain::object::{ObjectUri, Order};
use lakehand_transform::Engine;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct Folder(PathBuf);

impl PartSink for Folder {
    fn create(&self, name: &str) -> io::Result<Box<dyn PartWriter>> {
        let path = self.0.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(Box::new(Part(BufWriter::new(File::create(path)?))))
    }
}

struct Part(BufWriter<File>);

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl PartWriter for Part {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [definition, file, folder] = arguments.as_slice() else {
        return Err("usage: transform DEFINITION FILE FOLDER".into());
    };
    let text = std::fs::read_to_string(definition)?;
    let landing = ObjectUri::parse("file:///landing")?;
    let identity = TransformIdentity("example".to_owned());
    let catalog = Catalog::check(&[DefinitionFile { path: definition.clone(), text }], &landing, None, &identity)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let dataset = catalog.iter().next().ok_or("the definition holds no dataset")?;
    let target = Path::new(folder);
    if Path::new(file).is_dir() {
        return all(dataset, Path::new(file), target);
    }
    let done =
        one(&Engine::default(), dataset, Path::new(file), target, "example").map_err(|error| error.to_string())?;
    println!("{} records, {} rejected", done.records, done.rejects.total());
    for table in done.tables {
        println!("{}: {} rows in {} parts", table.table, table.rows, table.parts.len());
    }
    Ok(())
}

fn one(
    engine: &Engine,
    dataset: &Arc<Dataset>,
    file: &Path,
    target: &Path,
    load: &str,
) -> Result<Transformed, Box<dyn Error + Send + Sync>> {
    let content = File::open(file)?;
    let len = content.metadata()?.len();
    let input = TransformInput {
        dataset: Arc::clone(dataset),
        captures: std::collections::BTreeMap::new(),
        load_id: LoadId::new(load),
        object: ObjectUri::parse("file:///landing")?.join(load),
        order: Order::from_text("example"),
        content: Content::File { file: Arc::new(content), len },
    };
    Ok(engine.transform(&input, &Folder(target.to_owned()), &|| false)?)
}

/// Every file of the folder, each a load of its own, as many at once as there are cores: what a worker does with small
/// files, without what is around it.
fn all(dataset: &Arc<Dataset>, folder: &Path, target: &Path) -> Result<(), Box<dyn Error>> {
    let files: Vec<PathBuf> = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    let threads = std::thread::available_parallelism()?.get();
    let (next, engine) = (AtomicUsize::new(0), Engine::default());
    let records = std::thread::scope(|scope| {
        let worker = || {
            let mut records = 0;
            while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                let load = file.file_stem().unwrap_or_default().to_string_lossy();
                records += one(&engine, dataset, file, target, &load)?.records;
            }
            Ok(records)
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let mut records = 0;
        for worker in workers {
            let done: Result<u64, Box<dyn Error + Send + Sync>> = worker.join().expect("a thread that ends");
            records += done.map_err(|error| error.to_string())?;
        }
        Ok::<_, Box<dyn Error>>(records)
    })?;
    println!("{} files, {records} records", files.len());
    Ok(())
}
