//! Runs one local file through a definition into a folder, without queue, ledger or warehouse; what the benchmark times.
//!
//! `cargo run --release -p lakehand-transform --example transform -- DEFINITION FILE FOLDER`

#![allow(clippy::print_stdout, reason = "an example speaks to its user")]

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use lakehand_dataset::catalog::Catalog;
use lakehand_dataset::fingerprint::TransformIdentity;
use lakehand_dataset::problem::DefinitionFile;
use lakehand_dataset::transformer::{Content, PartSink, PartWriter, TransformInput, Transformer};
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
    let content = File::open(file)?;
    let len = content.metadata()?.len();
    let input = TransformInput {
        dataset: Arc::clone(dataset),
        captures: std::collections::BTreeMap::new(),
        load_id: LoadId::new("example"),
        object: landing.join("example"),
        order: Order::from_text("example"),
        content: Content::File { file: Arc::new(content), len },
    };
    let done = Engine::default().transform(&input, &Folder(PathBuf::from(folder)), &|| false)?;
    println!("{} records, {} rejected", done.records, done.rejects.total());
    for table in done.tables {
        println!("{}: {} rows in {} parts", table.table, table.rows, table.parts.len());
    }
    Ok(())
}
