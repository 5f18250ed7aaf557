//! What is wrong with a station file, said so that it can be put right.

use std::fmt;

use serde::Serialize;

/// Whether a problem keeps the station off air.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The station runs, without the thing named.
    Warning,
}

/// One thing that is wrong. Holds no secret: passwords are masked, and a value that came from the environment is
/// shown as the `${NAME}` it was written as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether the file is refused because of it.
    pub severity: Severity,
    /// Line in the file, from 1; absent where the configuration did not come from text.
    pub line: Option<usize>,
    /// Column in the line, from 1.
    pub column: Option<usize>,
    /// The field, from the top: `mounts[0].outputs[1].bitrate_kbps`. Empty for the file as a whole.
    pub field: String,
    /// What it holds, where that helps.
    pub value: Option<String>,
    /// What is wrong with it.
    pub problem: String,
    /// What would be accepted.
    pub accepted: Option<String>,
}

impl Problem {
    /// An error of the file as a whole.
    pub(crate) fn of_file(problem: String, accepted: &str) -> Self {
        Self {
            severity: Severity::Error,
            line: None,
            column: None,
            field: String::new(),
            value: None,
            problem,
            accepted: Some(accepted.to_owned()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "{line}:{}: ", self.column.unwrap_or(1))?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        if let Some(value) = &self.value {
            write!(f, "{value:?}: ")?;
        }
        f.write_str(&self.problem)?;
        match &self.accepted {
            Some(accepted) => write!(f, "; give {accepted}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a station file. The caller shows it to whoever wrote the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct ConfigErrors {
    /// The file, or what stands for it.
    pub name: String,
    /// Errors and warnings, in the order of the file; at least one is an error.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{}{problem}", self.name, if problem.line.is_some() { "" } else { " " })?;
        }
        Ok(())
    }
}
