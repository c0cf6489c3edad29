#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Buildroot runs this when the root's files are installed. Argument: the root's directory.
set -eu
target=$1

# A login on both consoles: ttyS0 is on the board's header, ttyAMA0 is QEMU's first serial port.
getty='ttyAMA0::respawn:/sbin/getty -L ttyAMA0 115200 vt100'
grep -qxF "$getty" "$target/etc/inittab" || echo "$getty" >>"$target/etc/inittab"

# root has no password, so it may log in on these terminals only.
printf '%s\n' ttyS0 ttyAMA0 >"$target/etc/securetty"

# `dmaframe report` reads the channels' registers from debugfs.
debug='debugfs	/sys/kernel/debug	debugfs	defaults	0	0'
grep -qxF "$debug" "$target/etc/fstab" || echo "$debug" >>"$target/etc/fstab"

data='LABEL=data	/data	ext4	defaults,noatime	0	2'
if grep -qx BR2_DMAFRAME_DATA_PARTITION=y "$BR2_CONFIG"; then
	mkdir -p "$target/data"
	grep -qxF "$data" "$target/etc/fstab" || echo "$data" >>"$target/etc/fstab"
fi
