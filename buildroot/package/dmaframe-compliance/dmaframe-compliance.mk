################################################################################
#
# dmaframe-compliance
#
################################################################################

DMAFRAME_COMPLIANCE_SITE = $(DMAFRAME_CHECKOUT)
DMAFRAME_COMPLIANCE_SITE_METHOD = local
DMAFRAME_COMPLIANCE_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = $(DMAFRAME_RSYNC_EXCLUSIONS)
DMAFRAME_COMPLIANCE_LICENSE = MIT or Apache-2.0
DMAFRAME_COMPLIANCE_LICENSE_FILES = LICENSES/MIT LICENSES/Apache-2.0
DMAFRAME_COMPLIANCE_SUBDIR = tests/compliance

DMAFRAME_COMPLIANCE_PRE_BUILD_HOOKS += DMAFRAME_VENDOR_CRATES

$(eval $(cargo-package))
