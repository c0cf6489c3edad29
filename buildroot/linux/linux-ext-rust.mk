################################################################################
#
# Rust in the kernel
#
################################################################################

ifeq ($(BR2_LINUX_KERNEL_EXT_RUST),y)

# Before there is a .config: Kconfig runs the tools to learn what they can.
LINUX_KCONFIG_DEPENDENCIES += host-rustc host-rust-src

ifeq ($(BR2_LINUX_KERNEL_EXT_RUST_BINDGEN_BUILT),y)
LINUX_KCONFIG_DEPENDENCIES += host-rust-bindgen
LINUX_MAKE_ENV += LIBCLANG_PATH=$(HOST_DIR)/lib
endif

LINUX_MAKE_ENV += RUST_LIB_SRC=$(HOST_DIR)/lib/rustlib/src/rust/library

# rustc takes HOSTCC for the name of one program, so its flags go elsewhere.
# make believes the last HOSTCC.
LINUX_MAKE_FLAGS += \
	HOSTCC="$(HOSTCC_NOCCACHE)" \
	HOSTCFLAGS="$(subst -I/,-isystem /,$(subst -I /,-isystem /,$(HOST_CFLAGS)))" \
	HOSTLDFLAGS="$(HOST_LDFLAGS)"

# The configuration editors see no compiler for Rust and drop it.
define LINUX_ENABLE_RUST
	$(call KCONFIG_ENABLE_OPT,CONFIG_RUST)
endef
PACKAGES_LINUX_CONFIG_FIXUPS += $(sep)$(LINUX_ENABLE_RUST)

# What was dropped is asked for again when make is run again.
define LINUX_CHECK_RUST
	$(Q)if ! grep -q '^CONFIG_RUST=y' $(@D)/.config; then \
		printf '%s\n' "The kernel's configuration has lost CONFIG_RUST. The kernel says:"; \
		$(LINUX_MAKE_ENV) $(BR2_MAKE) $(LINUX_MAKE_FLAGS) -C $(@D) rustavailable; \
		printf '%s\n' "If it found Rust, CONFIG_MODVERSIONS or CONFIG_DEBUG_INFO_BTF may be in the way."; \
		rm -f $(LINUX_DIR)/$(LINUX_KCONFIG_STAMP_DOTCONFIG); \
		exit 1; \
	fi
endef
# Before other checks, which would tell of the loss and not of its reason.
LINUX_PRE_BUILD_HOOKS := LINUX_CHECK_RUST $(LINUX_PRE_BUILD_HOOKS)

endif
