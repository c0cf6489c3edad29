// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The items of a trace: layout, and input that is torn, cut off or damaged.

use dmaframe_abi::trace::{HEAD_BYTES, ITEM_MAX, Items, LOST, PAYLOAD_MAX, RECORD, write};
use proptest::prelude::*;

fn item(kind: u8, sequence: u32, payload: &[u8]) -> Vec<u8> {
    write(kind, sequence, payload, &mut [0; ITEM_MAX]).unwrap().to_vec()
}

/// Sequence numbers of the items, bytes used, and bytes skipped.
fn read(input: &[u8]) -> (Vec<u32>, usize, usize) {
    let mut items = Items::new(input);
    let sequences = items.by_ref().map(|item| item.sequence).collect();
    (sequences, items.used(), items.skipped())
}

#[test]
fn layout() {
    // Fletcher-16 of 2, 3, 1, 0, 0, 0, 7, 8, 9 by hand: low 30, high 95.
    let expected = [0xdf, 0x7c, 2, 3, 1, 0, 0, 0, 30, 95, 7, 8, 9];
    assert_eq!(item(LOST, 1, &[7, 8, 9]), expected);
    assert_eq!(ITEM_MAX, HEAD_BYTES + PAYLOAD_MAX);
}

#[test]
fn a_payload_that_is_too_long_is_refused() {
    assert!(write(RECORD, 0, &[0; PAYLOAD_MAX], &mut [0; ITEM_MAX]).is_some());
    assert!(write(RECORD, 0, &[0; PAYLOAD_MAX + 1], &mut [0; ITEM_MAX]).is_none());
}

#[test]
fn a_beginning_is_left_for_the_next_piece() {
    let whole = item(RECORD, 5, b"record");
    for length in 0..whole.len() {
        assert_eq!(read(&whole[..length]), (vec![], 0, 0), "{length}");
    }
    assert_eq!(read(&whole), (vec![5], whole.len(), 0));
}

#[test]
fn a_cut_item_is_skipped() {
    let whole = item(RECORD, 5, b"record");
    for length in 1..whole.len() {
        let torn =
            [&whole[..length], &item(RECORD, 6, b"next"), &item(RECORD, 7, b"last")].concat();
        let (sequences, used, skipped) = read(&torn);
        assert_eq!((sequences, used, skipped), (vec![6, 7], torn.len(), length));
        // Without its beginning.
        let torn = [&whole[length..], &item(RECORD, 6, b"next")].concat();
        assert_eq!(read(&torn), (vec![6], torn.len(), whole.len() - length));
    }
}

/// A false head must not hide the items after it: its length reaches over them.
#[test]
fn a_false_head_hides_nothing_that_is_complete() {
    let torn = [&[0xdf, 0x7c, RECORD, 40][..], &[0; 6], &item(RECORD, 1, &[1; 60])].concat();
    assert_eq!(read(&torn), (vec![1], torn.len(), 10));
}

#[test]
fn every_changed_byte_is_noticed() {
    let whole = item(RECORD, 5, b"a record that has some length");
    for place in 0..whole.len() {
        for change in [1, 0x80] {
            let mut changed = [whole.clone(), item(RECORD, 6, &[0; PAYLOAD_MAX])].concat();
            changed[place] ^= change;
            let (sequences, ..) = read(&changed);
            assert_eq!(sequences, [6], "byte {place}");
        }
    }
}

proptest! {
    #[test]
    fn items_survive_any_splitting(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..PAYLOAD_MAX), 1..20),
        pieces in prop::collection::vec(1usize..200, 1..50),
    ) {
        let input: Vec<u8> =
            payloads.iter().enumerate().flat_map(|(n, it)| item(RECORD, n as u32, it)).collect();
        let (mut buffer, mut at, mut found) = (Vec::new(), 0, Vec::new());
        for piece in pieces.iter().cycle() {
            let end = (at + piece).min(input.len());
            buffer.extend_from_slice(&input[at..end]);
            at = end;
            let mut items = Items::new(&buffer);
            found.extend(items.by_ref().map(|item| item.payload.to_vec()));
            prop_assert_eq!(items.skipped(), 0);
            let used = items.used();
            buffer.drain(..used);
            if at == input.len() {
                break;
            }
        }
        prop_assert_eq!(found, payloads);
    }

    #[test]
    fn any_input_is_read_to_its_end(input in prop::collection::vec(any::<u8>(), 0..500)) {
        let mut items = Items::new(&input);
        let found: usize = items.by_ref().map(|item| HEAD_BYTES + item.payload.len()).sum();
        prop_assert_eq!(found + items.skipped(), items.used());
        prop_assert!(input.len() - items.used() < ITEM_MAX);
    }
}
