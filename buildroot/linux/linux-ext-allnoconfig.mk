################################################################################
#
# A kernel configuration made of fragments on top of allnoconfig
#
################################################################################

ifeq ($(BR2_LINUX_KERNEL_EXT_ALLNOCONFIG),y)

LINUX_KCONFIG_DEFCONFIG = allnoconfig

# Kconfig silently drops options whose dependencies are not met. Removing the
# stamp makes the next run of make configure the kernel again.
define LINUX_CHECK_FRAGMENTS
	$(Q)dropped=$$(grep -h '^CONFIG_' $(LINUX_KCONFIG_FRAGMENT_FILES) | \
			grep -vxF -f $(@D)/.config; \
		sed -n 's/^# \(CONFIG_[A-Z0-9_]*\) is not set$$/\1=/p' \
			$(LINUX_KCONFIG_FRAGMENT_FILES) | \
			while read -r set; do grep "^$$set" $(@D)/.config; done); \
	if [ -n "$$dropped" ]; then \
		printf '%s\n' "The kernel's configuration cannot hold these lines of its fragments:" \
			"$$dropped"; \
		rm -f $(LINUX_DIR)/$(LINUX_KCONFIG_STAMP_DOTCONFIG); \
		exit 1; \
	fi
endef
LINUX_PRE_BUILD_HOOKS += LINUX_CHECK_FRAGMENTS

endif
