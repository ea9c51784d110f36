//! How a queue is named.

use std::fmt;

/// A standard queue of SQS, by what people write down of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueAddress {
    /// `https://sqs.eu-central-1.amazonaws.com/123456789012/arrivals`. Only its path says which queue it is: calls go to
    /// the endpoint of the configuration, which may be an emulator, or a proxy in front of it.
    Url(String),
    /// Its name, and the account that owns it, where that is another one.
    Name {
        /// Its name.
        name: String,
        /// Twelve digits.
        owner: Option<String>,
    },
}

/// Why a text names no queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no name and no URL.
    #[error(
        "{text:?} names no queue of SQS: write sqs://NAME, sqs://ACCOUNT/NAME, or the queue's URL as the console shows it"
    )]
    Malformed {
        /// What was given.
        text: String,
    },
    /// It is a FIFO queue.
    #[error(
        "{name} is a FIFO queue: S3 sends no notifications to such queues, and lakehand needs no order; make a standard one"
    )]
    Fifo {
        /// Its name.
        name: String,
    },
}

impl QueueAddress {
    /// Reads `sqs://NAME`, `sqs://ACCOUNT/NAME`, a bare name, or a queue's URL.
    ///
    /// # Errors
    /// Where it is none of these, or names a FIFO queue.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let malformed = || AddressError::Malformed { text: text.to_owned() };
        let is_url = text.starts_with("https://") || text.starts_with("http://");
        let path = if is_url { text.splitn(4, '/').nth(3).unwrap_or_default() } else { text };
        let path = path.strip_prefix("sqs://").unwrap_or(path);
        let mut parts = path.rsplit('/');
        let (name, owner) = (parts.next().unwrap_or_default(), parts.next());
        // URLs of emulators have more in front of the account.
        if !is_name(name)
            || !owner.is_none_or(|owner| is_url || is_account(owner))
            || (!is_url && parts.next().is_some())
        {
            return Err(malformed());
        }
        if name.strip_suffix(".fifo").is_some() {
            return Err(AddressError::Fifo { name: name.to_owned() });
        }
        if is_url {
            return if owner.is_some() { Ok(Self::Url(text.to_owned())) } else { Err(malformed()) };
        }
        Ok(Self::Name { name: name.to_owned(), owner: owner.map(str::to_owned) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Url(url) => url.rsplit('/').next().unwrap_or_default(),
            Self::Name { name, .. } => name,
        }
    }

    /// The region that a URL of AWS names.
    pub(super) fn region(&self) -> Option<&str> {
        let Self::Url(url) = self else { return None };
        let host = url.split('/').nth(2)?;
        host.strip_prefix("sqs.")?.split_once(".amazonaws.com").map(|(region, _)| region)
    }
}

impl fmt::Display for QueueAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Name { name, owner: None } => f.write_str(name),
            Self::Name { name, owner: Some(owner) } => write!(f, "{name} of account {owner}"),
        }
    }
}

/// Eighty letters, digits, hyphens and underscores at most, and `.fifo` at the end of one that is refused later.
fn is_name(text: &str) -> bool {
    let stem = text.strip_suffix(".fifo").unwrap_or(text);
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !stem.is_empty() && text.len() <= 80 && stem.bytes().all(is_sound)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_urls_are_told_apart() {
        let name = |name: &str, owner: Option<&str>| {
            Ok(QueueAddress::Name { name: name.to_owned(), owner: owner.map(str::to_owned) })
        };
        assert_eq!(QueueAddress::parse("arrivals"), name("arrivals", None));
        assert_eq!(QueueAddress::parse("sqs://arrivals"), name("arrivals", None));
        assert_eq!(QueueAddress::parse("sqs://123456789012/arrivals"), name("arrivals", Some("123456789012")));
        for (url, region) in [
            ("https://sqs.eu-central-1.amazonaws.com/123456789012/arrivals", Some("eu-central-1")),
            ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/arrivals", Some("cn-north-1")),
            ("http://127.0.0.1:4566/000000000000/arrivals", None),
            ("http://localhost:4566/queue/eu-central-1/000000000000/arrivals", None),
        ] {
            let address = QueueAddress::parse(url).unwrap();
            assert_eq!(address, QueueAddress::Url(url.to_owned()));
            assert_eq!((address.name(), address.region()), ("arrivals", region));
        }
    }

    #[test]
    fn what_names_no_standard_queue_is_refused() {
        for text in
            ["", "sqs://", "sqs://a b", "sqs://12/a", "sqs://x/123456789012/a", "https://host", "https://host/a"]
        {
            assert!(matches!(QueueAddress::parse(text), Err(AddressError::Malformed { .. })), "{text}");
        }
        for text in ["a.fifo", "https://sqs.eu-central-1.amazonaws.com/123456789012/a.fifo"] {
            assert_eq!(QueueAddress::parse(text), Err(AddressError::Fifo { name: "a.fifo".to_owned() }));
        }
    }
}
