# SPDX-License-Identifier: MIT OR Apache-2.0

# This directory is part of the project's checkout.
DMAFRAME_CHECKOUT = $(realpath $(BR2_EXTERNAL_DMAFRAME_PATH)/..)

# Buildroot vendors crates into the archives that it downloads. These packages
# are copied from the checkout instead, so they vendor their crates in a hook.
# cargo checks every crate against the hash in Cargo.lock.
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

# Not in linux/linux-ext-published-hash.mk: the kernel's package, which is read
# later, assigns LINUX_HASH_FILES.
LINUX_HASH_FILES += $(LINUX_PUBLISHED_HASH)
