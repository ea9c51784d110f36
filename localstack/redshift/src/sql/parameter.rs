//! Named parameters of the Data API: `:name`, whose value is text that the place where it stands gives a type.

use std::collections::{BTreeMap, BTreeSet};

use super::refusal::Refusal;
use super::token::{Kind, Token};

/// Puts the values in. Returns which parameters were used.
pub(crate) fn bind(tokens: &mut [Token], values: &BTreeMap<String, String>) -> Result<BTreeSet<String>, Refusal> {
    let mut used = BTreeSet::new();
    for token in tokens.iter_mut().filter(|token| token.kind == Kind::Parameter) {
        let value = values
            .get(&token.text)
            .ok_or_else(|| Refusal::new(format!("Parameters list contains no value for parameter :{}", token.text)))?;
        used.insert(std::mem::replace(&mut token.text, value.clone()));
        token.kind = Kind::Text;
    }
    Ok(used)
}
