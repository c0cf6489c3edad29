// SPDX-License-Identifier: MIT OR Apache-2.0
//! The offsets and lengths that can be mapped.

use dmaframe_abi::ring::{MAP_CONSUMER, MAP_META, MAP_SLOTS};
use dmaframe_abi::uapi::Config;
use dmaframe_tests::full_ring::FullRing;
use dmaframe_tests::mapping::PAGE;
use dmaframe_tests::range::Range;
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BoardLock, DEVICES};
use libc::PROT_READ;
use nix::errno::Errno;

/// Offsets and lengths around each edge of each region: only documented ranges can be mapped.
#[test]
fn only_ranges_within_a_region_can_be_mapped() {
    let _board = BoardLock::acquire();
    // Four slots of two pages.
    let ring = FullRing::of(Raw::open(DEVICES[0]), Config { slots: 4, ..GOOD });
    let pages = (ring.slots_bytes / PAGE) as i64;
    assert_eq!(pages, 8);
    let page = PAGE as i64;
    let mut mapped = 0;
    for (region, length) in [(MAP_META, 1), (MAP_CONSUMER, 1), (MAP_SLOTS, pages)] {
        for first in -3..length + 3 {
            let offset = region as i64 + first * page;
            if offset < 0 {
                continue;
            }
            for count in 1..length + 4 {
                // The kernel rounds a length up to whole pages.
                for bytes in [count * page - page + 1, count * page - 1, count * page] {
                    let range = Range::of(&ring.raw, offset as u64, bytes as usize, PROT_READ);
                    let what = format!("{bytes} bytes at {offset:#x}");
                    if first >= 0 && first + count <= length {
                        let range = range.unwrap_or_else(|errno| panic!("{what}: {errno}"));
                        let whole = match region {
                            MAP_META => &ring.before[0],
                            MAP_CONSUMER => &ring.before[1],
                            _ => &ring.before[2],
                        };
                        let from = first as usize * PAGE;
                        let expected = &whole[from..from + count as usize * PAGE];
                        assert!(range.read().unwrap() == expected, "{what}");
                        mapped += 1;
                    } else {
                        assert_eq!(range.map(drop), Err(Errno::EINVAL), "{what}");
                    }
                }
            }
            for unaligned in [1, 64, page - 1] {
                let range = Range::of(&ring.raw, (offset + unaligned) as u64, PAGE, PROT_READ);
                assert_eq!(range.map(drop), Err(Errno::EINVAL), "{offset:#x} + {unaligned}");
            }
        }
    }
    assert_eq!(mapped, 3 + 3 + 3 * (8 * 9 / 2));
    ring.assert_unchanged("mapping every range");
}

/// Offsets far from all regions, and offsets whose sum with the length overflows.
#[test]
fn far_ranges_cannot_be_mapped() {
    let _board = BoardLock::acquire();
    let ring = FullRing::on_first_device();
    for bit in 12..63 {
        for near in [-1_i64, 0, 1] {
            let offset = ((1_i64 << bit) + near * PAGE as i64) as u64;
            for bytes in [PAGE, ring.slots_bytes] {
                let expected = match (offset, bytes) {
                    (MAP_META | MAP_CONSUMER, PAGE) | (MAP_SLOTS, _) => Ok(()),
                    (offset, PAGE) if offset == MAP_SLOTS + PAGE as u64 => Ok(()),
                    // The sum of offset and length overflows: the kernel refuses it by itself.
                    (offset, _) if offset > i64::MAX as u64 - bytes as u64 => Err(()),
                    _ => Err(()),
                };
                let range = Range::of(&ring.raw, offset, bytes, PROT_READ).map(drop);
                let known = matches!(range, Ok(()) | Err(Errno::EINVAL | Errno::EOVERFLOW));
                assert!(known, "{bytes} at {offset:#x}: {range:?}");
                assert_eq!(range.map_err(drop), expected, "{bytes} at {offset:#x}");
            }
        }
    }
}

/// A slot longer than one block of contiguous memory is mapped correctly across the blocks' edges.
#[test]
fn ranges_across_the_edge_of_a_block_show_both_blocks() {
    let _board = BoardLock::acquire();
    let config = Config { frame_bytes: 9 << 20, slots: 2, ..GOOD };
    let ring = FullRing::of(Raw::open(DEVICES[0]), config);
    let stride = ring.slots_bytes / 2;
    for edge in [4 << 20, 8 << 20, stride, stride + (4 << 20)] {
        for first in [edge - 2 * PAGE, edge - PAGE, edge] {
            for count in 1..4 {
                let range = Range::of(&ring.raw, MAP_SLOTS + first as u64, count * PAGE, PROT_READ)
                    .unwrap();
                let expected = &ring.before[2][first..first + count * PAGE];
                assert!(range.read().unwrap() == expected, "{count} pages at {first:#x}");
            }
        }
    }
}
