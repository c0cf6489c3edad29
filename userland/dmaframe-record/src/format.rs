// SPDX-License-Identifier: MIT OR Apache-2.0
//! The formats, and what is chosen for some of them.

use crate::Channel;
use std::fmt;
use std::path::Path;

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NumPy: an array of frames.
    Npy,
    /// Frames as read(2) gives them.
    Raw,
    /// pcapng: a packet a frame.
    Pcapng,
    /// sigrok's session: a sample a word.
    Sr,
    /// Value change dump: a wire a bit.
    Vcd,
    /// SigMF: words and metadata.
    Sigmf,
    /// WAV: words as sound.
    Wav,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 7] =
        [Self::Npy, Self::Pcapng, Self::Sr, Self::Vcd, Self::Sigmf, Self::Wav, Self::Raw];

    /// The name, which is also the extension of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Npy => "npy",
            Self::Raw => "raw",
            Self::Pcapng => "pcapng",
            Self::Sr => "sr",
            Self::Vcd => "vcd",
            Self::Sigmf => "sigmf",
            Self::Wav => "wav",
        }
    }

    /// The format of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The format that the extension of `path` names.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "sigmf-data" | "sigmf-meta" => Some(Self::Sigmf),
            extension => Self::named(extension),
        }
    }

    /// Whether files are rewound while they are written, which a pipe cannot be.
    pub fn rewinds(self) -> bool {
        match self {
            Self::Npy | Self::Sr | Self::Sigmf | Self::Wav => true,
            Self::Raw | Self::Pcapng | Self::Vcd => false,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is chosen for a recording. The defaults suit every source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Bits of a word that become channels (sr, vcd); none stands for all.
    pub channels: Vec<Channel>,
    /// Channels whose words alternate (sigmf, wav); 0 and 1 are one channel.
    pub interleaved: u16,
    /// Words per second (sr, sigmf, wav), if they are known better than the stream tells.
    pub rate: Option<u64>,
}
