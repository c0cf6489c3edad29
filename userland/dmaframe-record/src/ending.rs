// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ending: why a recording ends where it does.

use serde_json::{Value, json};
use std::fmt;

/// Longest message that a file keeps, in characters.
const MESSAGE: usize = 240;

/// Why a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Everything that was asked for is recorded.
    Complete,
    /// A signal ended it.
    Interrupted,
    /// The file system has no room for more.
    Full,
    /// The device is gone, or its stream stopped at a fault.
    Device,
    /// The recording goes on in another file.
    Continued,
    /// The file was not finished: the machine lost power, or the program was killed.
    Cut,
    /// Another error.
    Failed,
}

impl Reason {
    const ALL: [Self; 7] = [
        Self::Complete,
        Self::Interrupted,
        Self::Full,
        Self::Device,
        Self::Continued,
        Self::Cut,
        Self::Failed,
    ];

    /// The reason's name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::Full => "full",
            Self::Device => "device",
            Self::Continued => "continued",
            Self::Cut => "cut",
            Self::Failed => "failed",
        }
    }
}

/// The end of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why it ends.
    pub reason: Reason,
    /// Words for people, such as the error that ended it.
    pub message: Option<String>,
    /// Frames lost after the last recorded frame, which no frame's header reports.
    pub lost: u64,
}

impl Ending {
    /// Everything that was asked for is recorded.
    pub fn complete() -> Self {
        Self { reason: Reason::Complete, message: None, lost: 0 }
    }

    pub(crate) fn because(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: Some(message.into()), lost: 0 }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut object = json!({ "reason": self.reason.name(), "lost_after": self.lost });
        if let Some(message) = &self.message {
            object["message"] = message.chars().take(MESSAGE).collect::<String>().into();
        }
        object
    }

    /// `None` if `json` is no ending.
    pub(crate) fn from_json(json: &Value) -> Option<Self> {
        let name = json["reason"].as_str()?;
        Some(Self {
            reason: Reason::ALL.into_iter().find(|reason| reason.name() == name)?,
            message: json["message"].as_str().map(str::to_owned),
            lost: json["lost_after"].as_u64()?,
        })
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.name())?;
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        if self.lost > 0 {
            write!(f, "; {} frames lost after the last one", self.lost)?;
        }
        Ok(())
    }
}
