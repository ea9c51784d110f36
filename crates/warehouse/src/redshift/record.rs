//! Reading the columns of lakehand's own tables out of rows of text.

use super::client::Value;
use super::trouble::Trouble;

/// One row, read column by column in its order.
#[derive(Debug)]
pub(crate) struct Record {
    values: std::vec::IntoIter<Value>,
}

impl Record {
    pub(crate) fn new(row: Vec<Value>) -> Self {
        Self { values: row.into_iter() }
    }

    /// The next column, which may be null.
    pub(crate) fn optional(&mut self) -> Result<Value, Trouble> {
        self.values.next().ok_or_else(|| unread("a row has too few columns"))
    }

    /// The next column as text.
    pub(crate) fn text(&mut self) -> Result<String, Trouble> {
        self.optional()?.ok_or_else(|| unread("a column is null"))
    }

    /// The next column as a whole number.
    pub(crate) fn number<T: TryFrom<i64>>(&mut self) -> Result<T, Trouble> {
        let text = self.text()?;
        let number = text.trim().parse::<i64>().ok().and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| unread(&format!("{text:?} is no such number")))
    }
}

/// What lakehand's own tables hold is not what lakehand wrote.
pub(crate) fn unread(message: &str) -> Trouble {
    Trouble::Refused(format!("a table of lakehand's own holds what lakehand did not write: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_read_is_told() {
        let mut record = Record::new(vec![Some("7".to_owned()), None, Some("-1".to_owned()), None]);
        assert_eq!(record.number::<u64>().unwrap(), 7);
        assert_eq!(record.optional().unwrap(), None);
        assert!(record.number::<u64>().is_err());
        assert!(record.text().is_err());
        assert!(record.optional().is_err());
    }
}
