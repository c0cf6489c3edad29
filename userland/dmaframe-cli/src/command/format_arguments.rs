// SPDX-License-Identifier: MIT OR Apache-2.0
//! The options that choose a format and what it shows.

use super::number::count;
use dmaframe_record::{Channel, Format, Options};
use std::path::Path;

/// A format and its options.
#[derive(Debug, clap::Args)]
pub(super) struct FormatArguments {
    /// Format: npy, pcapng, sr, vcd, sigmf, wav or raw. By default, what the extension of FILE says
    #[arg(long, value_parser = format)]
    format: Option<Format>,
    /// Bits that become channels of sr and vcd: 4,17-19 or 17=CLK,18=DATA. By default, all bits
    #[arg(long, value_name = "BITS", value_parser = channels)]
    channels: Option<Channels>,
    /// Channels whose words alternate, for sigmf and wav
    #[arg(long, value_name = "N", default_value = "1", value_parser = interleaved)]
    interleaved: u16,
    /// Words per second, for sr, sigmf and wav. By default, those of a paced stream on average, or
    /// as the device stamps show
    #[arg(long, value_name = "HZ", value_parser = rate)]
    rate: Option<u64>,
}

/// A list, which clap would take for an option that is repeated.
type Channels = std::sync::Arc<Vec<Channel>>;

fn channels(given: &str) -> Result<Channels, String> {
    Channel::parse(given).map(Channels::new)
}

fn format(given: &str) -> Result<Format, String> {
    Format::named(given).ok_or_else(|| format!("expected one of: {}", names()))
}

fn interleaved(given: &str) -> Result<u16, String> {
    let channels = count(given)?;
    let fits = u16::try_from(channels).ok().filter(|channels| (1..=256).contains(channels));
    fits.ok_or_else(|| "expected a number from 1 to 256".to_owned())
}

fn rate(given: &str) -> Result<u64, String> {
    count(given)?.checked_sub(1).map(|rate| rate + 1).ok_or_else(|| "a rate is not 0".to_owned())
}

fn names() -> String {
    Format::ALL.map(Format::name).join(", ")
}

impl FormatArguments {
    /// The format that was asked for, or that the name of the file says.
    pub(super) fn format(&self, file: &Path) -> Result<Format, String> {
        self.format.or_else(|| Format::of(file)).ok_or_else(|| {
            let file = file.display();
            format!("{file} does not say its format: use --format, with one of: {}", names())
        })
    }

    pub(super) fn options(&self) -> Options {
        Options {
            channels: self.channels.as_ref().map_or_else(Vec::new, |it| it.to_vec()),
            interleaved: self.interleaved,
            rate: self.rate,
        }
    }
}
