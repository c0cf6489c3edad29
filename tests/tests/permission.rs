// SPDX-License-Identifier: MIT OR Apache-2.0
//! Access to a device: only members of the group, and only one open file at a time.

use dmaframe::{Device, Error};
use dmaframe_tests::frames::{Account, SHAPE, start};
use dmaframe_tests::process::{Run, User};
use dmaframe_tests::raw::Raw;
use dmaframe_tests::{BoardLock, DEVICES, driver};
use nix::errno::Errno;
use std::fs;
use std::os::unix::fs::MetadataExt;

#[test]
fn the_nodes_belong_to_the_group() {
    let _board = BoardLock::acquire();
    let groups = fs::read_to_string("/etc/group").unwrap();
    let group = groups.lines().find(|line| line.starts_with("dmaframe:")).expect("the group");
    let gid: u32 = group.split(':').nth(2).unwrap().parse().unwrap();
    for device in DEVICES {
        let node = fs::metadata(device).unwrap();
        assert_eq!((node.mode() & 0o7777, node.uid(), node.gid()), (0o660, 0, gid), "{device}");
    }
}

/// As the kernel creates the nodes, before init sets their owners.
#[test]
fn new_nodes_give_no_access_to_others() {
    let _board = BoardLock::acquire();
    driver::unbind().unwrap();
    driver::bind_alone().unwrap();
    for device in DEVICES {
        let node = fs::metadata(device).unwrap();
        assert_eq!((node.mode() & 0o7777, node.uid()), (0o660, 0), "{device}");
    }
}

#[test]
fn a_member_of_the_group_can_stream() {
    let _board = BoardLock::acquire();
    for device in DEVICES {
        let arguments = ["stream", "--device", device, "--frames", "50", "--verify"];
        let done = Run::dmaframe(&arguments).by(User::Member).finish();
        assert!(done.status.success(), "{done:?}");
        assert_eq!(done.stdout, "frames=50 lost=0 bytes=204800 errors=0\n");
    }
}

#[test]
fn another_user_is_told_to_join_the_group() {
    let _board = BoardLock::acquire();
    for device in DEVICES {
        let done = Run::dmaframe(&["stream", "--device", device]).by(User::Outsider).finish();
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        let words = format!("{device}: permission denied; join the group dmaframe");
        assert!(done.stderr.contains(&words), "{done:?}");
        let read = Run::of("cat", &[device]).by(User::Outsider).finish();
        assert!(read.stderr.contains("Permission denied"), "{read:?}");
    }
}

/// `info` reads sysfs and netlink, which everyone may, and does not open the device.
#[test]
fn everyone_can_see_what_a_device_is_and_who_has_it_open() {
    let _board = BoardLock::acquire();
    let _device = Device::open(DEVICES[0]).unwrap();
    let owner = format!("(pid {})", std::process::id());
    for (device, words) in [(DEVICES[0], owner.as_str()), (DEVICES[1], "none")] {
        for user in [User::Root, User::Member, User::Outsider] {
            let done = Run::dmaframe(&["info", "--device", device]).by(user).finish();
            assert_eq!(done.status.code(), Some(0), "{user:?}: {done:?}");
            let line = done.stdout.lines().find(|line| line.starts_with("owner:"));
            assert!(line.is_some_and(|line| line.contains(words)), "{user:?}: {done:?}");
        }
    }
}

#[test]
fn a_second_open_fails_with_ebusy() {
    let _board = BoardLock::acquire();
    for (device, other) in [(DEVICES[0], DEVICES[1]), (DEVICES[1], DEVICES[0])] {
        let first = Device::open(device).unwrap();
        for _ in 0..2 {
            assert_eq!(Raw::try_open(device, 0).map(drop), Err(Errno::EBUSY), "{device}");
        }
        let refused = Device::open(device).unwrap_err();
        assert!(matches!(refused, Error::InUse { .. }), "{refused}");
        // The same for a read-only open.
        let read = Run::of("cat", &[device]).finish();
        assert!(read.stderr.contains("Device or resource busy"), "{read:?}");
        // The other device is free.
        let mut stream = start(other, SHAPE);
        let mut account = Account::of(&stream, SHAPE);
        for _ in 0..50 {
            account.take_next(&mut stream);
        }
        drop(first);
        drop(Device::open(device).unwrap());
    }
}

/// Duplicates share one open file; closing the last one frees the device.
#[test]
fn a_duplicate_keeps_the_device_busy() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    let copy = raw.file().try_clone().unwrap();
    drop(raw);
    assert_eq!(Raw::try_open(DEVICES[0], 0).map(drop), Err(Errno::EBUSY));
    drop(copy);
    assert_eq!(Raw::try_open(DEVICES[0], 0).map(drop), Ok(()));
}
