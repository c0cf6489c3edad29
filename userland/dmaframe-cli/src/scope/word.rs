// SPDX-License-Identifier: MIT OR Apache-2.0
//! The words that a payload consists of.

/// How a word of a payload is read. Words are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
}

impl Word {
    const ALL: [(&'static str, Self); 6] = [
        ("u8", Self::U8),
        ("i8", Self::I8),
        ("u16", Self::U16),
        ("i16", Self::I16),
        ("u32", Self::U32),
        ("i32", Self::I32),
    ];

    pub(crate) fn parse(given: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(name, _)| *name == given);
        found.map(|(_, word)| word).ok_or_else(|| {
            format!("expected one of: {}", Self::ALL.map(|(name, _)| name).join(", "))
        })
    }

    /// Its length in bytes.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 => 4,
        }
    }

    /// The values of a payload. A rest that is shorter than a word is left out.
    pub(crate) fn values(self, payload: &[u8]) -> Vec<i64> {
        payload.chunks_exact(self.bytes()).map(|bytes| self.value(bytes)).collect()
    }

    fn value(self, bytes: &[u8]) -> i64 {
        match (self, bytes) {
            (Self::U8, &[a]) => a.into(),
            (Self::I8, &[a]) => i8::from_le_bytes([a]).into(),
            (Self::U16, &[a, b]) => u16::from_le_bytes([a, b]).into(),
            (Self::I16, &[a, b]) => i16::from_le_bytes([a, b]).into(),
            (Self::U32, &[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]).into(),
            (Self::I32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]).into(),
            // `values` cuts the payload into words of this length.
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_a_width_and_a_sign() {
        let bytes = [0xff, 0xff, 0xff, 0x7f, 0x01];
        for (name, expected) in [
            ("u8", &[255, 255, 255, 127, 1][..]),
            ("i8", &[-1, -1, -1, 127, 1]),
            ("u16", &[65535, 32767]),
            ("i16", &[-1, 32767]),
            ("u32", &[0x7fff_ffff]),
            ("i32", &[0x7fff_ffff]),
        ] {
            assert_eq!(Word::parse(name).unwrap().values(&bytes), expected, "{name}");
        }
        assert!(Word::parse("f64").unwrap_err().contains("u8, i8, u16"));
    }
}
