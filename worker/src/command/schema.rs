//! `lakehand schema`: the JSON Schema of dataset definitions.

use lakehand_dataset::definition::json_schema;

use crate::context::Context;
use crate::failure::{Ending, Failure};

/// Prints the schema.
pub(crate) fn run(context: &Context) -> Result<Ending, Failure> {
    context.output.json(&json_schema())?;
    Ok(Ending::Well)
}
