#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Run by Buildroot when the root's files are in place, with the root as its argument.
set -eu
target=$1

# ttyS0, the header's pins, is the console on a board; ttyAMA0 is the first that QEMU shows.
getty='ttyAMA0::respawn:/sbin/getty -L ttyAMA0 115200 vt100'
grep -qxF "$getty" "$target/etc/inittab" || echo "$getty" >>"$target/etc/inittab"

# root has no password, and logs in here and nowhere else.
printf '%s\n' ttyS0 ttyAMA0 >"$target/etc/securetty"

# The registers, which `dmaframe report` tells.
debug='debugfs	/sys/kernel/debug	debugfs	defaults	0	0'
grep -qxF "$debug" "$target/etc/fstab" || echo "$debug" >>"$target/etc/fstab"

data='/dev/mmcblk0p3	/data	ext4	defaults,noatime	0	2'
if grep -qx BR2_DMAFRAME_DATA_PARTITION=y "$BR2_CONFIG"; then
	mkdir -p "$target/data"
	grep -qxF "$data" "$target/etc/fstab" || echo "$data" >>"$target/etc/fstab"
fi
