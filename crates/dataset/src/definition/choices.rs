//! The keys of a definition whose values are one of a few words.

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::DeValue;

use super::read::{Reader, choice};

choice! {
    /// The format of the files.
    FormatName {
        /// One JSON object a line.
        Jsonl = "jsonl",
        /// JSON documents of any layout: objects, or lists of them.
        Json = "json",
        /// Delimited text.
        Csv = "csv",
        /// Text delimited by tabs.
        Tsv = "tsv",
        /// Parquet.
        Parquet = "parquet",
        /// Avro object container files.
        Avro = "avro",
    }
}

choice! {
    /// How text is encoded.
    CharsetName {
        /// The default.
        Utf8 = "utf-8",
        /// Little endian.
        Utf16Le = "utf-16le",
        /// Big endian.
        Utf16Be = "utf-16be",
        /// ISO 8859-1.
        Latin1 = "latin-1",
        /// The western code page of Windows.
        Windows1252 = "windows-1252",
    }
}

choice! {
    /// What bytes are that the file does not call text.
    BinaryName {
        /// Two hexadecimal digits a byte.
        Hex = "hex",
        /// UTF-8 text.
        Text = "text",
    }
}

choice! {
    /// What is kept of a value.
    MaskName {
        /// A hash under a key.
        Hmac = "hmac",
        /// A hash.
        Sha256 = "sha256",
        /// That there was one.
        Redact = "redact",
        /// Nothing.
        Drop = "drop",
        /// The domain of an e-mail address.
        KeepDomain = "keep_domain",
    }
}

choice! {
    /// What a newer version of an object does to the rows of an older one.
    OnRewrite {
        /// The newest version wins.
        Replace = "replace",
        /// All versions stand.
        Append = "append",
        /// The oldest version wins.
        Ignore = "ignore",
    }
}

choice! {
    /// What a field that the definition does not know means.
    UnknownFieldsName {
        /// Nothing.
        Ignore = "ignore",
        /// The record is rejected.
        Reject = "reject",
        /// It is kept as JSON.
        Rescue = "rescue",
    }
}

choice! {
    /// Which node of Redshift has which rows of a table.
    DistStyle {
        /// As Redshift thinks best.
        Auto = "auto",
        /// By turns.
        Even = "even",
        /// All have all.
        All = "all",
        /// By the value of dist_key.
        Key = "key",
    }
}

choice! {
    /// How Redshift keeps json columns.
    JsonAs {
        /// The text that came.
        Varchar = "varchar",
        /// Taken apart.
        Super = "super",
    }
}

choice! {
    /// What a record without a key means.
    WithoutKey {
        /// It is rejected.
        Reject = "reject",
        /// It gives no row.
        Skip = "skip",
    }
}

choice! {
    /// How rows of a table contend.
    Mode {
        /// Every row stands.
        Append = "append",
        /// One row a key.
        Upsert = "upsert",
        /// All rows of a scope are of one run.
        Replace = "replace",
    }
}
