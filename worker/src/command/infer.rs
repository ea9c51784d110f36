//! `lakehand infer`: a first definition made from a sample.

use std::path::Path;

use anyhow::Context as _;
use lakehand_dataset::transformer::TransformError;
use serde_json::json;

use crate::cli::InferArgs;
use crate::compose;
use crate::context::Context;
use crate::failure::{Ending, Failure, say};

/// Prints a definition that takes the sample's records, to be read and bettered by a person.
pub(crate) async fn run(context: &Context, args: InferArgs) -> Result<Ending, Failure> {
    if let Some(name) = args.name.as_deref().filter(|name| !is_name(name)) {
        return Err(Failure::Asked(format!(
            "--name {name:?} is no name of a dataset: small letters, digits and _, beginning with a letter, at most 60"
        )));
    }
    let path = context.current_folder().join(&args.file);
    let (stat, content) = compose::local_object(&path).await?;
    let inferring = tokio::task::spawn_blocking(move || compose::infer(&content, stat.uri.file_name()));
    match inferring.await.context("read the sample")? {
        Ok(definition) => {
            let definition = named(definition, args.name.as_deref());
            if context.output.is_json() {
                context.output.json(&json!({ "definition": definition }))?;
            } else {
                context.output.text(&definition)?;
                hint(&args.file);
            }
            Ok(Ending::Well)
        }
        Err(TransformError::Unreadable { message }) => {
            say(&format!("lakehand: {message}"));
            Ok(Ending::FilesFailed)
        }
        Err(error) => Err(Failure::Outside(error.into())),
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= 60
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The definition under another name.
fn named(definition: String, name: Option<&str>) -> String {
    let Some(name) = name else { return definition };
    let mut done = false;
    let lines = definition.lines().map(|line| {
        if !done && line.starts_with("name = ") {
            done = true;
            return format!("name = \"{name}\"\n");
        }
        format!("{line}\n")
    });
    lines.collect()
}

fn hint(file: &Path) {
    say(&format!(
        "lakehand: save this in the datasets folder, read it, then try it: lakehand preview DEFINITION.toml {}",
        file.display()
    ));
}
