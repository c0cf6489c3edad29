################################################################################
#
# dmaframe
#
################################################################################

DMAFRAME_SITE = $(DMAFRAME_CHECKOUT)
DMAFRAME_SITE_METHOD = local
DMAFRAME_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = $(DMAFRAME_RSYNC_EXCLUSIONS)
DMAFRAME_LICENSE = GPL-2.0
DMAFRAME_LICENSE_FILES = LICENSES/GPL-2.0
DMAFRAME_DEPENDENCIES = host-rustc
DMAFRAME_MODULE_SUBDIRS = driver
# The module's trace. The kernel's rustc loads the macros of defmt. The shell finds
# their file: make expands a recipe before its first line has run.
DMAFRAME_MODULE_MAKE_OPTS = \
	CONFIG_DMAFRAME_TRACE=y \
	DEFMT_MACROS="$$(ls -t $(@D)/target/release/deps/libdefmt_macros-*.so | head -n 1)"
DMAFRAME_INSTALL_IMAGES = YES

DMAFRAME_PRE_BUILD_HOOKS += DMAFRAME_VENDOR_CRATES

# For the build machine. cargo builds a dependency only together with a package
# that uses it.
define DMAFRAME_BUILD_MACROS
	cd $(@D) && \
		$(HOST_MAKE_ENV) $(HOST_PKG_CARGO_ENV) \
		cargo build --offline --locked --release --target-dir $(@D)/target \
			--package defmt-macros --package dmaframe-engine \
			--features dmaframe-engine/defmt
endef
DMAFRAME_PRE_BUILD_HOOKS += DMAFRAME_BUILD_MACROS

# Compiled with the kernel's dtc, as the kernel's own overlays are.
define DMAFRAME_BUILD_OVERLAY
	$(HOSTCC_NOCCACHE) -E -nostdinc -undef -x assembler-with-cpp \
		-I $(LINUX_DIR)/scripts/dtc/include-prefixes \
		-o $(@D)/dts/dmaframe.dts $(@D)/dts/dmaframe.dtso
	$(LINUX_DIR)/scripts/dtc/dtc -@ -I dts -O dtb \
		-o $(@D)/dts/dmaframe.dtbo $(@D)/dts/dmaframe.dts
endef
DMAFRAME_POST_BUILD_HOOKS += DMAFRAME_BUILD_OVERLAY

define DMAFRAME_INSTALL_IMAGES_CMDS
	$(INSTALL) -D -m 0644 $(@D)/dts/dmaframe.dtbo \
		$(BINARIES_DIR)/rpi-firmware/overlays/dmaframe.dtbo
endef

define DMAFRAME_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(DMAFRAME_PKGDIR)/S20dmaframe \
		$(TARGET_DIR)/etc/init.d/S20dmaframe
endef

# A group without users: the integrator chooses who may open the devices.
define DMAFRAME_USERS
	- - dmaframe -1 - - - - -
endef

ifeq ($(BR2_PACKAGE_HAS_UDEV),y)
define DMAFRAME_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0644 $(DMAFRAME_PKGDIR)/60-dmaframe.rules \
		$(TARGET_DIR)/usr/lib/udev/rules.d/60-dmaframe.rules
endef
endif

# mdev applies the first rule that matches, so this one must come first.
ifeq ($(BR2_ROOTFS_DEVICE_CREATION_DYNAMIC_MDEV),y)
define DMAFRAME_ADD_MDEV_RULE
	grep -q '^dmaframe' $(TARGET_DIR)/etc/mdev.conf || \
		$(SED) '1i dmaframe[0-9]+	root:dmaframe 0660' \
			$(TARGET_DIR)/etc/mdev.conf
endef
DMAFRAME_TARGET_FINALIZE_HOOKS += DMAFRAME_ADD_MDEV_RULE
endif

$(eval $(kernel-module))
$(eval $(generic-package))
