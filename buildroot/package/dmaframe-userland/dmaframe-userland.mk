################################################################################
#
# dmaframe-userland
#
################################################################################

DMAFRAME_USERLAND_SITE = $(DMAFRAME_CHECKOUT)
DMAFRAME_USERLAND_SITE_METHOD = local
DMAFRAME_USERLAND_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = $(DMAFRAME_RSYNC_EXCLUSIONS)
DMAFRAME_USERLAND_LICENSE = MIT or Apache-2.0
DMAFRAME_USERLAND_LICENSE_FILES = LICENSES/MIT LICENSES/Apache-2.0
DMAFRAME_USERLAND_SUBDIR = userland/dmaframe-cli

DMAFRAME_USERLAND_PRE_BUILD_HOOKS += DMAFRAME_VENDOR_CRATES

# Buildroot removes the pages again unless the image has man; completions follow their shell.
DMAFRAME_USERLAND_PAGES = $(@D)/userland/dmaframe-cli
define DMAFRAME_USERLAND_INSTALL_PAGES
	mkdir -p $(TARGET_DIR)/usr/share/man/man1
	$(INSTALL) -m 0644 $(DMAFRAME_USERLAND_PAGES)/man/*.1 $(TARGET_DIR)/usr/share/man/man1/
	$(INSTALL) -D -m 0644 $(DMAFRAME_USERLAND_PAGES)/completions/dmaframe.bash \
		$(TARGET_DIR)/usr/share/bash-completion/completions/dmaframe
	$(INSTALL) -D -m 0644 $(DMAFRAME_USERLAND_PAGES)/completions/_dmaframe \
		$(TARGET_DIR)/usr/share/zsh/site-functions/_dmaframe
	$(INSTALL) -D -m 0644 $(DMAFRAME_USERLAND_PAGES)/completions/dmaframe.fish \
		$(TARGET_DIR)/usr/share/fish/vendor_completions.d/dmaframe.fish
endef
DMAFRAME_USERLAND_POST_INSTALL_TARGET_HOOKS += DMAFRAME_USERLAND_INSTALL_PAGES

$(eval $(cargo-package))
