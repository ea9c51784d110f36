//! Numbers, in the text format of Prometheus (its documentation, "Exposition formats", version 0.0.4).

use std::fmt::Write;

/// What a number does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only rises, until the process ends.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many values there were up to each of some bounds, how many in all, and their sum.
    Histogram,
}

/// One number with the labels that tell it apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What follows the name of the metric: nothing, but for the samples of a histogram.
    pub suffix: &'static str,
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
        Self { name, help, kind, samples: vec![Sample { suffix: "", labels: Vec::new(), value: value as f64 }] }
    }

    /// Numbers told apart by labels.
    #[expect(clippy::cast_precision_loss, reason = "a count above 2^53 is exact enough for a chart")]
    pub fn by(
        name: &'static str,
        help: &'static str,
        kind: Kind,
        samples: impl IntoIterator<Item = (Vec<(&'static str, String)>, u64)>,
    ) -> Self {
        let samples = samples.into_iter().map(|(labels, value)| Sample { suffix: "", labels, value: value as f64 });
        Self { name, help, kind, samples: samples.collect() }
    }

    /// Distributions told apart by labels.
    #[expect(clippy::cast_precision_loss, reason = "a count above 2^53 is exact enough for a chart")]
    pub fn distributions(
        name: &'static str,
        help: &'static str,
        each: impl IntoIterator<Item = (Vec<(&'static str, String)>, Distribution)>,
    ) -> Self {
        let mut samples = Vec::new();
        for (labels, distribution) in each {
            let bounds = distribution.up_to.iter().map(|(bound, count)| (bound.to_string(), *count));
            for (bound, count) in bounds.chain([("+Inf".to_owned(), distribution.count)]) {
                let labels = labels.iter().cloned().chain([("le", bound)]).collect();
                samples.push(Sample { suffix: "_bucket", labels, value: count as f64 });
            }
            samples.push(Sample { suffix: "_sum", labels: labels.clone(), value: distribution.sum });
            samples.push(Sample { suffix: "_count", labels, value: distribution.count as f64 });
        }
        Self { name, help, kind: Kind::Histogram, samples }
    }
}

/// How values are distributed.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Each bound, rising, and how many values are not above it.
    pub up_to: Vec<(f64, u64)>,
    /// How many values there are.
    pub count: u64,
    /// All of them together.
    pub sum: f64,
}

/// The text that Prometheus reads.
pub(crate) fn render(metrics: &[Metric]) -> String {
    let mut text = String::new();
    for metric in metrics {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a string does not fail.
        _ = writeln!(text, "# HELP {} {}\n# TYPE {} {kind}", metric.name, metric.help, metric.name);
        for sample in &metric.samples {
            text.push_str(metric.name);
            text.push_str(sample.suffix);
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

    #[test]
    fn a_distribution_is_written_as_prometheus_reads_it() {
        let distribution = Distribution { up_to: vec![(0.005, 1), (2.5, 3)], count: 4, sum: 7.25 };
        let stage = vec![("stage", "read".to_owned())];
        assert_eq!(
            render(&[Metric::distributions("lakehand_stage_seconds", "Time.", [(stage, distribution)])]),
            "# HELP lakehand_stage_seconds Time.\n\
             # TYPE lakehand_stage_seconds histogram\n\
             lakehand_stage_seconds_bucket{stage=\"read\",le=\"0.005\"} 1\n\
             lakehand_stage_seconds_bucket{stage=\"read\",le=\"2.5\"} 3\n\
             lakehand_stage_seconds_bucket{stage=\"read\",le=\"+Inf\"} 4\n\
             lakehand_stage_seconds_sum{stage=\"read\"} 7.25\n\
             lakehand_stage_seconds_count{stage=\"read\"} 4\n"
        );
    }
}
