//! Numbers, in the text format of Prometheus (its documentation, "Exposition formats", version 0.0.4).

use std::fmt::Write;

/// What a number does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only rises, until the process ends.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// One number with the labels that tell it apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Names and values of its labels.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

/// Numbers of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The name, with its unit where it has one: `lakehand_files_loaded_total`.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// What it does.
    pub kind: Kind,
    /// The numbers; none is fine.
    pub samples: Vec<Sample>,
}

impl Metric {
    /// A number without labels.
    #[expect(clippy::cast_precision_loss, reason = "a count above 2^53 is exact enough for a chart")]
    pub fn of(name: &'static str, help: &'static str, kind: Kind, value: u64) -> Self {
        Self { name, help, kind, samples: vec![Sample { labels: Vec::new(), value: value as f64 }] }
    }

    /// Numbers told apart by labels.
    #[expect(clippy::cast_precision_loss, reason = "a count above 2^53 is exact enough for a chart")]
    pub fn by(
        name: &'static str,
        help: &'static str,
        kind: Kind,
        samples: impl IntoIterator<Item = (Vec<(&'static str, String)>, u64)>,
    ) -> Self {
        let samples = samples.into_iter().map(|(labels, value)| Sample { labels, value: value as f64 });
        Self { name, help, kind, samples: samples.collect() }
    }
}

/// The text that Prometheus reads.
pub(crate) fn render(metrics: &[Metric]) -> String {
    let mut text = String::new();
    for metric in metrics {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        // Writing to a string does not fail.
        _ = writeln!(text, "# HELP {} {}\n# TYPE {} {kind}", metric.name, metric.help, metric.name);
        for sample in &metric.samples {
            text.push_str(metric.name);
            if !sample.labels.is_empty() {
                let labels = sample.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
                text.push('{');
                text.push_str(&labels.collect::<Vec<_>>().join(","));
                text.push('}');
            }
            _ = writeln!(text, " {}", sample.value);
        }
    }
    text
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_prometheus_reads_them() {
        let metrics = [
            Metric::of("lakehand_messages_received_total", "Messages received.", Kind::Counter, 7),
            Metric::by(
                "lakehand_rejected_records_total",
                "Rejected records.",
                Kind::Counter,
                [(vec![("rule", "a \"b\"\\\n".to_owned()), ("table", "t".to_owned())], 2)],
            ),
        ];
        assert_eq!(
            render(&metrics),
            "# HELP lakehand_messages_received_total Messages received.\n\
             # TYPE lakehand_messages_received_total counter\n\
             lakehand_messages_received_total 7\n\
             # HELP lakehand_rejected_records_total Rejected records.\n\
             # TYPE lakehand_rejected_records_total counter\n\
             lakehand_rejected_records_total{rule=\"a \\\"b\\\"\\\\\\n\",table=\"t\"} 2\n"
        );
    }
}
