// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers of the command line: decimal or hexadecimal, lengths also with a unit.

use std::time::Duration;

/// A length in bytes: `4096`, `0x1000`, `4K`, `4KiB` or `1M`.
pub(crate) fn size(given: &str) -> Result<u32, String> {
    let lower = given.to_ascii_lowercase();
    let (digits, factor) = ["kib", "kb", "k"]
        .iter()
        .find_map(|unit| Some((lower.strip_suffix(unit)?, 1 << 10)))
        .or_else(|| {
            let mebi = ["mib", "mb", "m"];
            mebi.iter().find_map(|unit| Some((lower.strip_suffix(unit)?, 1 << 20)))
        })
        .unwrap_or((&lower, 1));
    let expected = "expected a number of bytes, such as 4096, 0x1000, 4K or 1M";
    let bytes = digits_of(digits).ok_or_else(|| expected.to_owned())?;
    bytes
        .checked_mul(factor)
        .and_then(|bytes| u32::try_from(bytes).ok())
        .ok_or_else(|| format!("{given} is too large: at most {} bytes", u32::MAX))
}

/// The size of a file: as [`size`], and `G` and `T` are units too.
pub(crate) fn file_size(given: &str) -> Result<u64, String> {
    let lower = given.to_ascii_lowercase();
    let unit = ["k", "m", "g", "t"].iter().zip([10, 20, 30, 40]).find_map(|(unit, shift)| {
        let digits = lower.trim_end_matches("ib").trim_end_matches('b').strip_suffix(unit)?;
        Some((digits, shift))
    });
    let (digits, shift) = unit.unwrap_or((&lower, 0));
    let bytes = digits_of(digits).and_then(|bytes| bytes.checked_mul(1 << shift));
    bytes
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| "expected a size that is not 0, such as 500M, 4G or 1048576".to_owned())
}

/// A duration: `10` and `10s` are seconds; `500ms`, `5m` and `1h`.
pub(crate) fn duration(given: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let unit = units.iter().find_map(|(unit, ms)| Some((given.strip_suffix(unit)?, *ms)));
    let (digits, ms) = unit.unwrap_or((given, 1000));
    let ms = digits_of(digits).and_then(|count| count.checked_mul(ms));
    ms.filter(|&ms| ms > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| "expected a duration that is not 0, such as 10s, 500ms, 5m or 1h".to_owned())
}

/// A number of 32 bits: `16` or `0x10`.
pub(crate) fn number(given: &str) -> Result<u32, String> {
    let number = count(given)?;
    u32::try_from(number).map_err(|_| format!("{given} is too large: at most {}", u32::MAX))
}

/// A number of 64 bits.
pub(crate) fn count(given: &str) -> Result<u64, String> {
    let lower = given.to_ascii_lowercase();
    digits_of(&lower).ok_or_else(|| "expected a number that is not negative, such as 16".to_owned())
}

fn digits_of(lower: &str) -> Option<u64> {
    // `from_str_radix` takes a sign, which no number here has.
    if !lower.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    match lower.strip_prefix("0x") {
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None => lower.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (given, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("0x1000", 4096),
            ("4k", 4096),
            ("4K", 4096),
            ("4KiB", 4096),
            ("4kb", 4096),
            ("1M", 1 << 20),
            ("16MiB", 16 << 20),
            ("4294967295", u32::MAX),
        ] {
            assert_eq!(size(given), Ok(bytes), "{given}");
        }
        for given in ["", "K", "-4", "+4", "4G", "4 K", "0x", "0x+1", "4.5K", "1e3"] {
            assert!(size(given).unwrap_err().contains("such as 4096"), "{given}");
        }
        for given in ["4096M", "4294967296", "0x100000000"] {
            assert!(size(given).unwrap_err().contains("too large"), "{given}");
        }
    }

    #[test]
    fn files_and_durations_have_units() {
        for (given, bytes) in
            [("1", 1), ("500M", 500 << 20), ("4GiB", 4 << 30), ("2tb", 2 << 40), ("8k", 8192)]
        {
            assert_eq!(file_size(given), Ok(bytes), "{given}");
        }
        for (given, ms) in [("10", 10_000), ("10s", 10_000), ("500ms", 500), ("5m", 300_000)] {
            assert_eq!(duration(given), Ok(Duration::from_millis(ms)), "{given}");
        }
        for given in ["", "0", "-1", "M", "99999999999T", "1.5", "10d", "ms", "0ms"] {
            assert!(file_size(given).is_err() && duration(given).is_err(), "{given}");
        }
    }

    #[test]
    fn numbers_have_no_sign() {
        assert_eq!(
            (number("16"), number("0x10"), count("5000000000")),
            (Ok(16), Ok(16), Ok(5_000_000_000))
        );
        for given in ["", "-1", "+1", "4k", "many"] {
            assert!(number(given).unwrap_err().contains("not negative"), "{given}");
        }
        assert!(number("4294967296").unwrap_err().contains("too large"));
    }
}
