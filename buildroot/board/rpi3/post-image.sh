#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Buildroot runs this when the file system images are built. It assembles the SD card's image.
set -eu
board=$(dirname "$0")

# genimage accepts empty files, but a card with one of these empty would not boot.
cd "$BINARIES_DIR"
for file in Image bcm2837-rpi-3-b.dtb bcm2837-rpi-3-b-plus.dtb bcm2837-rpi-3-a-plus.dtb \
	bcm2837-rpi-cm3-io3.dtb bcm2837-rpi-2-b.dtb bcm2837-rpi-zero-2-w.dtb \
	rpi-firmware/bootcode.bin rpi-firmware/start.elf \
	rpi-firmware/fixup.dat rpi-firmware/config.txt rpi-firmware/cmdline.txt \
	rpi-firmware/overlays/dmaframe.dtbo; do
	if [ ! -s "$file" ]; then
		echo "post-image.sh: $BINARIES_DIR/$file is missing" >&2
		exit 1
	fi
done

files=$(printf '\t\t\t"%s",\\n' rpi-firmware/* ./*.dtb Image)
data=
rm -f data.ext4
if grep -qx BR2_DMAFRAME_DATA_PARTITION=y "$BR2_CONFIG"; then
	truncate -s 16M data.ext4
	# For so small a file system mkfs would choose blocks of 1 KiB and four times as many inodes,
	# which does not suit a file system that grows to the card's size.
	"$HOST_DIR/sbin/mkfs.ext4" -q -b 4096 -i 16384 -L data data.ext4
	data=$(sed 's/$/\\n/' "$board/genimage-data.cfg.in" | tr -d '\n')
fi
sed -e "s|@BOOT_FILES@|$files|" -e "s|@DATA@|$data|" "$board/genimage.cfg.in" >genimage.cfg
cd - >/dev/null

support/scripts/genimage.sh -c "$BINARIES_DIR/genimage.cfg"
