//! Collecting findings: all of them in one answer, bounded, in the order of the source.

use super::{Diagnostic, Severity, codes};
use crate::limits;

/// Findings gathered so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Diagnostic>,
    left_out: usize,
    /// Names compared for suggestions among steps, of which there may be thousands on both sides.
    compared: usize,
}

impl Findings {
    /// Adds one; past the bound it is only counted.
    pub(crate) fn push(&mut self, finding: Diagnostic) {
        if self.list.len() < limits::DOCUMENT_FINDINGS {
            self.list.push(finding);
        } else {
            self.left_out += 1;
        }
    }

    /// Adds one that must not get lost among others, as it may be why there are so many.
    pub(crate) fn push_first(&mut self, finding: Diagnostic) {
        self.list.insert(0, finding);
    }

    /// What was meant by the id of a step, while the comparisons stay few.
    pub(crate) fn near_step<'a>(
        &mut self,
        given: &str,
        steps: impl ExactSizeIterator<Item = &'a str>,
    ) -> Option<String> {
        self.compared += steps.len();
        if self.compared > limits::DOCUMENT_NAMES_COMPARED { None } else { did_you_mean(given, steps) }
    }

    /// Whether any of them refuses publication.
    pub(crate) fn has_errors(&self) -> bool {
        self.left_out > 0 || self.list.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// The findings in the order of the source, with a last one that counts those left out.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|finding| (finding.line, finding.column));
        if self.left_out > 0 {
            self.list.push(Diagnostic {
                path: String::new(),
                line: 1,
                column: 1,
                code: codes::TOO_MANY_FINDINGS.to_owned(),
                message: format!("{} more findings are not listed", self.left_out),
                suggestion: Some("mend these first".to_owned()),
                severity: Severity::Error,
            });
        }
        self.list
    }
}

/// The candidate that is most like `given`, where one is close enough to be a slip of the pen.
pub(crate) fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Names are short; a long one is no slip, and its distance would cost quadratic time.
    if given.len() > 128 {
        return None;
    }
    let lower = given.to_lowercase();
    candidates
        .into_iter()
        .filter(|c| c.len() <= 128 && c.len().abs_diff(given.len()) <= 1 + given.len() / 4)
        .map(|c| (strsim::osa_distance(&lower, &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance <= 1 + given.len().min(c.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

/// `did you mean `x`?`, where something is near.
pub(crate) fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(given, candidates).map(|name| format!("did you mean `{name}`?"))
}

/// A value of the document in a message: short, on one line, quoted.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::from("`");
    for (count, c) in text.chars().enumerate() {
        if count == 60 {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out.push('`');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_name_and_a_stranger_finds_none() {
        assert_eq!(nearest("retrys", ["retry", "timeout"]), Some("retry"));
        assert_eq!(nearest("Steps", ["steps"]), Some("steps"));
        assert_eq!(nearest("tiemout", ["retry", "timeout"]), Some("timeout"));
        assert_eq!(nearest("banana", ["retry", "timeout"]), None);
    }

    #[test]
    fn shown_values_are_short_and_have_no_control_characters() {
        assert_eq!(shown("a\nb"), "`a\\nb`");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 63);
    }
}
