//! `lakehand provision`: makes what the settings name in AWS.

use lakehand_aws::provision::State;
use serde_json::json;

use crate::cli::ProvisionArgs;
use crate::compose;
use crate::context::Context;
use crate::definitions;
use crate::failure::{Ending, Failure};
use crate::output::Page;

/// Makes what is missing, and says what was found.
pub(crate) async fn run(context: &Context, args: ProvisionArgs) -> Result<Ending, Failure> {
    let settings = context.settings()?;
    let catalog = definitions::catalog(context, &settings)?;
    let findings = compose::provision(&settings, &catalog, args.create_buckets, args.dry_run).await?;
    let differs = findings.iter().any(|finding| matches!(finding.state, State::Differs { .. }));
    if context.output.is_json() {
        let found: Vec<_> = findings
            .iter()
            .map(|finding| {
                let (state, is, planned) = match &finding.state {
                    State::AsPlanned => ("as_planned", None, None),
                    State::Made => ("made", None, None),
                    State::Missing => ("missing", None, None),
                    State::Differs { is, planned } => ("differs", Some(is), Some(planned)),
                    State::NotOffered => ("not_offered", None, None),
                };
                json!({ "resource": finding.resource, "state": state, "is": is, "planned": planned })
            })
            .collect();
        context.output.json(&found)?;
    } else {
        let mut page = Page::default();
        if findings.is_empty() {
            page.line("the settings name nothing in AWS");
        }
        for finding in &findings {
            page.line(finding.to_string());
        }
        context.output.text(&page.into_text())?;
    }
    Ok(if differs { Ending::FilesFailed } else { Ending::Well })
}
