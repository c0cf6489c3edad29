################################################################################
#
# rust-src
#
################################################################################

# The sources of the Rust library, which the kernel's build compiles.
RUST_SRC_VERSION = $(RUST_BIN_VERSION)
RUST_SRC_SITE = $(RUST_BIN_SITE)
HOST_RUST_SRC_SOURCE = rust-src-$(RUST_SRC_VERSION).tar.xz
RUST_SRC_LICENSE = Apache-2.0 or MIT
RUST_SRC_LICENSE_FILES = LICENSE-APACHE LICENSE-MIT
HOST_RUST_SRC_DEPENDENCIES = host-rustc

define HOST_RUST_SRC_INSTALL_CMDS
	cd $(@D) && ./install.sh --prefix=$(HOST_DIR) --disable-ldconfig
endef

$(eval $(host-generic-package))
