# SPDX-License-Identifier: MIT OR Apache-2.0

# The project's sources lie around this directory.
DMAFRAME_CHECKOUT = $(realpath $(BR2_EXTERNAL_DMAFRAME_PATH)/..)

# What a package of ours copies of it, and how its crates get there: Buildroot
# vendors crates into the archives that it downloads, and ours are not
# downloaded. Every crate is checked against the hash in Cargo.lock.
DMAFRAME_RSYNC_EXCLUSIONS = --exclude=/target --exclude=/vendor

define DMAFRAME_VENDOR_CRATES
	$(Q)cd $(@D) && { cmp -s Cargo.lock vendor/Cargo.lock || { \
		rm -rf vendor && \
		mkdir -p .cargo $(BR_CARGO_HOME) && \
		$(HOST_MAKE_ENV) $(PKG_COMMON_CARGO_ENV) \
		flock $(BR_CARGO_HOME)/.br-lock \
		cargo vendor --locked vendor > .cargo/config.toml && \
		cp Cargo.lock vendor/Cargo.lock; }; }
endef

include $(sort $(wildcard $(BR2_EXTERNAL_DMAFRAME_PATH)/package/*/*.mk))

# Here and not in the extension, since the kernel's package sets it anew.
LINUX_HASH_FILES += $(LINUX_PUBLISHED_HASH)
