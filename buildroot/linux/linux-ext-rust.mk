################################################################################
#
# Rust in the kernel
#
################################################################################

ifeq ($(BR2_LINUX_KERNEL_EXT_RUST),y)

# Kconfig runs the tools to test what they support, so they must be built before
# the kernel is configured.
LINUX_KCONFIG_DEPENDENCIES += host-rustc host-rust-src

ifeq ($(BR2_LINUX_KERNEL_EXT_RUST_BINDGEN_BUILT),y)
LINUX_KCONFIG_DEPENDENCIES += host-rust-bindgen
LINUX_MAKE_ENV += LIBCLANG_PATH=$(HOST_DIR)/lib
endif

LINUX_MAKE_ENV += RUST_LIB_SRC=$(HOST_DIR)/lib/rustlib/src/rust/library

# rustc uses HOSTCC as the name of a program, so it must not contain flags. The
# kernel's package sets it with flags; the last assignment on the command line
# wins.
LINUX_MAKE_FLAGS += \
	HOSTCC="$(HOSTCC_NOCCACHE)" \
	HOSTCFLAGS="$(subst -I/,-isystem /,$(subst -I /,-isystem /,$(HOST_CFLAGS)))" \
	HOSTLDFLAGS="$(HOST_LDFLAGS)"

# The configuration editors run without a Rust compiler and drop CONFIG_RUST.
define LINUX_ENABLE_RUST
	$(call KCONFIG_ENABLE_OPT,CONFIG_RUST)
endef
PACKAGES_LINUX_CONFIG_FIXUPS += $(sep)$(LINUX_ENABLE_RUST)

# Removing the stamp makes the next run of make configure the kernel again.
define LINUX_CHECK_RUST
	$(Q)if ! grep -q '^CONFIG_RUST=y' $(@D)/.config; then \
		printf '%s\n' "Kconfig dropped CONFIG_RUST from the kernel's configuration. The reason:"; \
		$(LINUX_MAKE_ENV) $(BR2_MAKE) $(LINUX_MAKE_FLAGS) -C $(@D) rustavailable; \
		printf '%s\n' "If Rust is available, look at CONFIG_MODVERSIONS and CONFIG_DEBUG_INFO_BTF."; \
		rm -f $(LINUX_DIR)/$(LINUX_KCONFIG_STAMP_DOTCONFIG); \
		exit 1; \
	fi
endef
# First, because the other checks would report the loss without its reason.
LINUX_PRE_BUILD_HOOKS := LINUX_CHECK_RUST $(LINUX_PRE_BUILD_HOOKS)

endif
