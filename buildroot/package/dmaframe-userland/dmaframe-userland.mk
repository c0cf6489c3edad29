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

$(eval $(cargo-package))
