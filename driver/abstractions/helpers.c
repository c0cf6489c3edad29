// SPDX-License-Identifier: GPL-2.0
/*
 * Functions for the inlines and macros that bindgen cannot see, as in the
 * kernel's own rust/helpers.
 */

#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <net/genetlink.h>

struct page *dmaframe_alloc_pages(unsigned int order, bool account);
struct page *dmaframe_alloc_pages(unsigned int order, bool account)
{
	gfp_t gfp = GFP_KERNEL | __GFP_COMP | __GFP_ZERO | __GFP_NOWARN;

	/*
	 * A caller with a smaller order to fall back to is better off at once.
	 * Neither may end in the OOM killer: it would end another program.
	 */
	gfp |= order ? __GFP_NORETRY : __GFP_RETRY_MAYFAIL;
	if (account)
		gfp |= __GFP_ACCOUNT;
	return alloc_pages(gfp, order);
}

void *dmaframe_page_address(const struct page *page);
void *dmaframe_page_address(const struct page *page)
{
	return page_address(page);
}

int dmaframe_page_count(const struct page *page);
int dmaframe_page_count(const struct page *page)
{
	return page_count(page);
}

dma_addr_t dmaframe_dma_map_page(struct device *dev, struct page *page,
				 size_t size, enum dma_data_direction dir);
dma_addr_t dmaframe_dma_map_page(struct device *dev, struct page *page,
				 size_t size, enum dma_data_direction dir)
{
	dma_addr_t bus = dma_map_page(dev, page, 0, size, dir);

	return dma_mapping_error(dev, bus) ? DMA_MAPPING_ERROR : bus;
}

void dmaframe_dma_unmap_page_skip_sync(struct device *dev, dma_addr_t bus,
				       size_t size,
				       enum dma_data_direction dir);
void dmaframe_dma_unmap_page_skip_sync(struct device *dev, dma_addr_t bus,
				       size_t size,
				       enum dma_data_direction dir)
{
	dma_unmap_page_attrs(dev, bus, size, dir, DMA_ATTR_SKIP_CPU_SYNC);
}

void dmaframe_dma_sync_for_cpu(struct device *dev, dma_addr_t bus, size_t size,
			       enum dma_data_direction dir);
void dmaframe_dma_sync_for_cpu(struct device *dev, dma_addr_t bus, size_t size,
			       enum dma_data_direction dir)
{
	dma_sync_single_for_cpu(dev, bus, size, dir);
}

void dmaframe_dma_sync_for_device(struct device *dev, dma_addr_t bus,
				  size_t size, enum dma_data_direction dir);
void dmaframe_dma_sync_for_device(struct device *dev, dma_addr_t bus,
				  size_t size, enum dma_data_direction dir)
{
	dma_sync_single_for_device(dev, bus, size, dir);
}

u32 dmaframe_nla_get_u32(const struct nlattr *nla);
u32 dmaframe_nla_get_u32(const struct nlattr *nla)
{
	return nla_get_u32(nla);
}

const char *dmaframe_nla_string(const struct nlattr *nla);
const char *dmaframe_nla_string(const struct nlattr *nla)
{
	return nla_data(nla);
}

int dmaframe_nla_put_uint(struct sk_buff *skb, int type, u64 value);
int dmaframe_nla_put_uint(struct sk_buff *skb, int type, u64 value)
{
	return nla_put_uint(skb, type, value);
}

int dmaframe_genlmsg_reply(struct sk_buff *skb, struct genl_info *info);
int dmaframe_genlmsg_reply(struct sk_buff *skb, struct genl_info *info)
{
	return genlmsg_reply(skb, info);
}

u32 dmaframe_dump_portid(struct netlink_callback *cb);
u32 dmaframe_dump_portid(struct netlink_callback *cb)
{
	return NETLINK_CB(cb->skb).portid;
}

void dmaframe_extack(struct genl_info *info, const char *text, int bytes);
void dmaframe_extack(struct genl_info *info, const char *text, int bytes)
{
	NL_SET_ERR_MSG_FMT(info->extack, "%.*s", bytes, text);
}

void dmaframe_ratelimit_init(struct ratelimit_state *state);
void dmaframe_ratelimit_init(struct ratelimit_state *state)
{
	ratelimit_default_init(state);
}

void dmaframe_task_comm(struct task_struct *task, char *comm);
void dmaframe_task_comm(struct task_struct *task, char *comm)
{
	char buffer[TASK_COMM_LEN];

	get_task_comm(buffer, task);
	memcpy(comm, buffer, sizeof(buffer));
}

int dmaframe_dma_channel_mask(const char *compatible, u32 *mask);
int dmaframe_dma_channel_mask(const char *compatible, u32 *mask)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, compatible);
	int result = -ENODEV;

	if (of_device_is_available(node))
		result = of_property_read_u32(node, "brcm,dma-channel-mask", mask);
	of_node_put(node);
	return result;
}

void __iomem *dmaframe_map_node(const char *compatible, size_t bytes);
void __iomem *dmaframe_map_node(const char *compatible, size_t bytes)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, compatible);
	void __iomem *base = IOMEM_ERR_PTR(-ENODEV);
	struct resource resource;

	/* NULL: no memory for the mapping */
	if (node && !of_address_to_resource(node, 0, &resource) &&
	    resource_size(&resource) >= bytes)
		base = ioremap(resource.start, bytes);
	of_node_put(node);
	return base;
}

#ifdef DMAFRAME_TRACE_MARKS
phys_addr_t dmaframe_page_to_phys(struct page *page);
phys_addr_t dmaframe_page_to_phys(struct page *page)
{
	return page_to_phys(page);
}

void dmaframe_trace_mark(const char *text);
void dmaframe_trace_mark(const char *text)
{
#ifdef CONFIG_TRACING
	__trace_puts(_THIS_IP_, text);
#endif
}
#endif
