// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verification of frames: header, sequence, losses, stamps and payload.

use dmaframe::{DeviceStamps, Header, Shape, Source, Stream, pattern, rate};

/// The expected payload of a frame.
#[derive(Debug)]
pub(crate) enum Content {
    /// Any: the source is not predictable, or verification was not requested.
    Any,
    /// The pattern, with its reference block.
    Pattern(Vec<u8>),
    /// A counter of 32-bit words that never runs backwards, with the last word seen.
    Counter(Option<u32>),
}

impl Content {
    pub(crate) fn pattern() -> Self {
        let mut reference = vec![0; pattern::REFERENCE_BYTES];
        pattern::fill(&mut reference);
        Self::Pattern(reference)
    }

    pub(crate) fn counter() -> Self {
        Self::Counter(None)
    }

    /// Describes the error in the payload of frame `sequence`, if there is one.
    fn complaint(&mut self, sequence: u64, payload: &[u8]) -> Option<String> {
        match self {
            Self::Any => None,
            Self::Pattern(reference) => {
                let at = pattern::mismatch(reference, sequence, payload)?;
                let wanted = reference[(pattern::offset(sequence) as usize + at) % reference.len()];
                Some(format!("offset {at}: got {:#04x}, wanted {wanted:#04x}", payload[at]))
            }
            Self::Counter(last) => {
                let mut complaint = None;
                for (index, bytes) in payload.chunks_exact(4).enumerate() {
                    let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                    // Half of the range is forward, half backward.
                    let back = last.is_some_and(|last| word.wrapping_sub(last) > i32::MAX as u32);
                    if back && complaint.is_none() {
                        let last = last.unwrap_or_default();
                        complaint = Some(format!(
                            "offset {}: got {word:#010x}, wanted {last:#010x} or later",
                            index * 4
                        ));
                    }
                    *last = Some(word);
                }
                complaint
            }
        }
    }
}

/// The parameters of the stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) source: u32,
    pub(crate) frame_bytes: u32,
    pub(crate) stream: u32,
    /// How long a frame takes, if the source has a rate.
    pub(crate) duration: Option<rate::Duration>,
    /// Ticks per second of the stamps.
    pub(crate) stamp_hz: u32,
}

impl Expected {
    pub(crate) fn new(shape: &Shape, source: &Source, stream: &Stream) -> Self {
        let stamp_hz = stream.stamp_hz();
        let reads = shape.frame_bytes / source.width.max(1);
        Self {
            source: shape.source,
            frame_bytes: shape.frame_bytes,
            stream: stream.number(),
            duration: rate::Duration::new(source.rate_hz, reads, stamp_hz),
            stamp_hz,
        }
    }
}

/// Counts frames, losses, bytes and errors.
#[derive(Debug)]
pub(crate) struct Check {
    expected: Expected,
    content: Content,
    next: u64,
    last_end: Option<u64>,
    pub(crate) frames: u64,
    pub(crate) lost: u64,
    pub(crate) bytes: u64,
    pub(crate) errors: u64,
}

impl Check {
    pub(crate) fn new(expected: Expected, content: Content) -> Self {
        Self { expected, content, next: 0, last_end: None, frames: 0, lost: 0, bytes: 0, errors: 0 }
    }

    /// Takes the next frame. Returns a description of its errors if it is the first wrong frame.
    pub(crate) fn take(
        &mut self,
        header: &Header,
        stamps: DeviceStamps,
        payload: &[u8],
    ) -> Option<String> {
        let sequence = header.sequence.get();
        let mut complaints = self.header_complaints(header, stamps, payload.len());
        complaints.extend(self.content.complaint(sequence, payload));

        self.next = sequence.wrapping_add(1);
        self.last_end = Some(stamps.end);
        self.frames += 1;
        self.lost += header.lost.get();
        self.bytes += payload.len() as u64;
        let first = self.errors == 0 && !complaints.is_empty();
        self.errors += complaints.len() as u64;
        first.then(|| format!("frame {sequence}: {}", complaints.join("; ")))
    }

    fn header_complaints(
        &self,
        header: &Header,
        stamps: DeviceStamps,
        payload_bytes: usize,
    ) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut complain = |wrong: bool, words: &dyn Fn() -> String| {
            if wrong {
                complaints.push(words());
            }
        };
        let sequence = header.sequence.get();
        let (gap, lost) = (sequence.wrapping_sub(self.next), header.lost.get());
        complain(sequence < self.next, &|| format!("it should be frame {} or later", self.next));
        complain(sequence >= self.next && gap != lost, &|| {
            format!("a gap of {gap} frames, of which {lost} are reported lost")
        });
        complain(stamps.start > stamps.end, &|| {
            format!("it began at {} and ended before, at {}", stamps.start, stamps.end)
        });
        complain(self.last_end.is_some_and(|end| end > stamps.start), &|| {
            let end = self.last_end.unwrap_or_default();
            format!("it began at {}, before the frame before ended at {end}", stamps.start)
        });
        complain(payload_bytes != self.expected.frame_bytes as usize, &|| {
            format!("{payload_bytes} bytes instead of {}", self.expected.frame_bytes)
        });
        let took = stamps.end.saturating_sub(stamps.start);
        if let Some(duration) = self.expected.duration {
            complain(duration.is_too_fast(stamps.start, stamps.end), &|| {
                let us = |ticks: u64| {
                    u128::from(ticks) * 1_000_000 / u128::from(self.expected.stamp_hz.max(1))
                };
                let (took, expected) = (us(took), us(duration.expected));
                format!(
                    "it took {took} us, and at its rate the source needs {expected} us: the DREQ may be stuck"
                )
            });
        }
        let (source, stream) = (u32::from(header.source.get()), header.stream.get());
        complain(source != self.expected.source, &|| {
            format!("source {source} instead of {}", self.expected.source)
        });
        complain(stream != self.expected.stream, &|| {
            format!("stream {stream} instead of {}", self.expected.stream)
        });
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected =
        Expected { source: 0, frame_bytes: 16, stream: 3, duration: None, stamp_hz: 1_000_000 };

    fn header(sequence: u64, lost: u64) -> Header {
        Header {
            sequence: sequence.into(),
            lost: lost.into(),
            stream: 3.into(),
            ..Header::default()
        }
    }

    fn stamps(start: u64, end: u64) -> DeviceStamps {
        DeviceStamps { start, end }
    }

    fn pattern_payload(sequence: u64) -> Vec<u8> {
        let Content::Pattern(reference) = Content::pattern() else { unreachable!() };
        let offset = pattern::offset(sequence) as usize;
        (0..16).map(|at| reference[(offset + at) % reference.len()]).collect()
    }

    #[test]
    fn good_frames_with_reported_losses_are_good() {
        let mut check = Check::new(EXPECTED, Content::pattern());
        for (sequence, lost) in [(0, 0), (1, 0), (5, 3), (6, 0)] {
            let time = stamps(sequence * 10, sequence * 10 + 10);
            let complaint = check.take(&header(sequence, lost), time, &pattern_payload(sequence));
            assert_eq!(complaint, None);
        }
        assert_eq!((check.frames, check.lost, check.bytes, check.errors), (4, 3, 64, 0));
    }

    #[test]
    fn a_wrong_byte_is_named_once_and_counted_always() {
        let mut check = Check::new(EXPECTED, Content::pattern());
        let mut payload = pattern_payload(0);
        let wanted = payload[7];
        payload[7] ^= 0x40;
        let complaint = check.take(&header(0, 0), stamps(1, 2), &payload).unwrap();
        let words = format!("frame 0: offset 7: got {:#04x}, wanted {wanted:#04x}", wanted ^ 0x40);
        assert_eq!(complaint, words);
        assert_eq!(check.take(&header(1, 0), stamps(2, 3), &payload), None);
        assert_eq!(check.errors, 2);
    }

    #[test]
    fn gaps_losses_and_stamps_must_agree() {
        let good = [0; 16];
        for (second, time, words) in [
            (header(3, 1), stamps(2, 3), "a gap of 2 frames, of which 1 are reported lost"),
            (header(1, 1), stamps(2, 3), "a gap of 0 frames, of which 1 are reported lost"),
            (header(0, 0), stamps(2, 3), "it should be frame 1 or later"),
            (header(1, 0), stamps(1, 3), "before the frame before ended at 2"),
            (header(1, 0), stamps(4, 3), "ended before, at 3"),
        ] {
            let mut check = Check::new(EXPECTED, Content::Any);
            assert_eq!(check.take(&header(0, 0), stamps(1, 2), &good), None);
            let complaint = check.take(&second, time, &good).unwrap();
            assert!(complaint.contains(words), "{complaint}");
        }
    }

    #[test]
    fn each_frame_that_is_too_fast_is_an_error() {
        let duration = rate::Duration::new(48_000, 2048, EXPECTED.stamp_hz);
        let mut check = Check::new(Expected { duration, ..EXPECTED }, Content::Any);
        let words = "frame 1: it took 21332 us, and at its rate the source needs 42666 us: \
            the DREQ may be stuck";
        for (sequence, start, end, complaint) in [
            (0, 0, 42_666, None),
            (1, 42_666, 42_666 + 21_332, Some(words.to_owned())),
            (2, 100_000, 100_000, None),
            (3, 100_000, 121_333, None),
        ] {
            assert_eq!(check.take(&header(sequence, 0), stamps(start, end), &[0; 16]), complaint);
        }
        assert_eq!(check.errors, 2);
    }

    #[test]
    fn a_counter_may_wrap_but_not_run_backwards() {
        let words = |words: [u32; 4]| words.map(u32::to_le_bytes).concat();
        let mut check = Check::new(EXPECTED, Content::counter());
        let wraps = words([0xffff_fffe, 0xffff_fffe, 1, 2]);
        assert_eq!(check.take(&header(0, 0), stamps(1, 2), &wraps), None);
        let back = words([1, 5, 6, 7]);
        let complaint = check.take(&header(1, 0), stamps(2, 3), &back).unwrap();
        let expected = "frame 1: offset 0: got 0x00000001, wanted 0x00000002 or later";
        assert_eq!(complaint, expected);
    }
}
