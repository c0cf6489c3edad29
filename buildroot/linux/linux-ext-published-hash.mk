################################################################################
#
# The hash of a kernel version that Buildroot has no hash for
#
################################################################################

# kernel.org publishes the hashes of its tarballs in sha256sums.asc. The hash is
# kept beside the tarball from its first download on.
LINUX_PUBLISHED_HASH = $(LINUX_DL_DIR)/linux-$(LINUX_VERSION).hash

define LINUX_FETCH_PUBLISHED_HASH
	$(Q)mkdir -p $(LINUX_DL_DIR)
	$(Q)[ -s $(LINUX_PUBLISHED_HASH) ] || { \
		$(WGET) -O $(LINUX_PUBLISHED_HASH).list $(LINUX_SITE)/sha256sums.asc && \
		sed -n 's/^\([0-9a-f]\{64\}  $(LINUX_SOURCE)\)$$/sha256  \1/p' \
			$(LINUX_PUBLISHED_HASH).list > $(LINUX_PUBLISHED_HASH) && \
		rm $(LINUX_PUBLISHED_HASH).list && \
		[ -s $(LINUX_PUBLISHED_HASH) ] || { \
			printf '%s\n' "$(LINUX_SITE) lists no hash of $(LINUX_SOURCE)"; \
			exit 1; \
		}; \
	}
endef

ifeq ($(BR2_LINUX_KERNEL_CUSTOM_VERSION),y)
LINUX_PRE_DOWNLOAD_HOOKS += LINUX_FETCH_PUBLISHED_HASH
endif
