// SPDX-License-Identifier: GPL-2.0
/*
 * Writing a name to /sys/kernel/debug/checkers/fault commits that fault, which a
 * checker of the debug kernel must report. The faults in memory.rs show that the
 * checkers cover Rust code as well.
 */

#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/uaccess.h>

void checker_rust_out_of_bounds(void);
void checker_rust_use_after_free(void);
void checker_rust_leak(void);
void checker_rust_assertion(u32 value);

static noinline void checker_out_of_bounds(void)
{
	char *bytes = kmalloc(40, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(bytes);
	if (bytes)
		READ_ONCE(bytes[44]);
	kfree(bytes);
}

static noinline void checker_use_after_free(void)
{
	char *bytes = kmalloc(40, GFP_KERNEL);
	char *stale = bytes;

	OPTIMIZER_HIDE_VAR(stale);
	kfree(bytes);
	if (stale)
		READ_ONCE(stale[4]);
}

static void checker_inverted_order(void)
{
	static DEFINE_SPINLOCK(one);
	static DEFINE_SPINLOCK(other);

	spin_lock(&one);
	spin_lock(&other);
	spin_unlock(&other);
	spin_unlock(&one);

	spin_lock(&other);
	spin_lock(&one);
	spin_unlock(&one);
	spin_unlock(&other);
}

static void checker_unprotected(void)
{
	static int __rcu *pointer;

	OPTIMIZER_HIDE_VAR(pointer);
	rcu_dereference(pointer);
}

static void checker_sleep(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	kfree(kmalloc(40, GFP_KERNEL));
	spin_unlock(&lock);
}

static void checker_tick(struct timer_list *timer)
{
}

static void checker_active_timer(void)
{
	static struct timer_list timer;

	timer_setup(&timer, checker_tick, 0);
	mod_timer(&timer, jiffies + 1000 * HZ);
	timer_setup(&timer, checker_tick, 0);
	timer_delete_sync(&timer);
}

static void checker_list(void)
{
	LIST_HEAD(list);
	struct list_head entry;

	list_add(&entry, &list);
	list_add(&entry, &list);
}

static void checker_unmap_twice(void)
{
	struct platform_device *device;
	struct page *page;
	dma_addr_t bus;

	device = platform_device_register_simple("checkers", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device))
		return;
	page = alloc_page(GFP_KERNEL);
	if (page && !dma_coerce_mask_and_coherent(&device->dev, DMA_BIT_MASK(32))) {
		bus = dma_map_page(&device->dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);
		if (!dma_mapping_error(&device->dev, bus)) {
			dma_unmap_page(&device->dev, bus, PAGE_SIZE, DMA_TO_DEVICE);
			dma_unmap_page(&device->dev, bus, PAGE_SIZE, DMA_TO_DEVICE);
		}
	}
	if (page)
		__free_page(page);
	platform_device_unregister(device);
}

static void checker_warn(void)
{
	WARN(1, "checkers: a warning\n");
}

static void checker_assertion(void)
{
	checker_rust_assertion(1);
}

static const struct {
	const char *name;
	void (*commit)(void);
} faults[] = {
	{ "unprotected", checker_unprotected },
	{ "inverted-order", checker_inverted_order },
	{ "sleep", checker_sleep },
	{ "active-timer", checker_active_timer },
	{ "list", checker_list },
	{ "unmap-twice", checker_unmap_twice },
	{ "warn", checker_warn },
	{ "out-of-bounds", checker_out_of_bounds },
	{ "use-after-free", checker_use_after_free },
	{ "rust-out-of-bounds", checker_rust_out_of_bounds },
	{ "rust-use-after-free", checker_rust_use_after_free },
	{ "rust-leak", checker_rust_leak },
	{ "rust-assertion", checker_assertion },
};

static ssize_t checker_write(struct file *file, const char __user *from,
			 size_t bytes, loff_t *at)
{
	char name[32] = "";
	size_t i;

	if (bytes >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(name, from, bytes))
		return -EFAULT;
	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		if (!strcmp(strim(name), faults[i].name)) {
			faults[i].commit();
			return bytes;
		}
	}
	return -EINVAL;
}

static const struct file_operations checker_operations = {
	.owner = THIS_MODULE,
	.write = checker_write,
};

static struct dentry *directory;

static int __init checker_init(void)
{
	directory = debugfs_create_dir("checkers", NULL);
	debugfs_create_file("fault", 0200, directory, NULL, &checker_operations);
	return 0;
}
module_init(checker_init);

static void __exit checker_exit(void)
{
	debugfs_remove(directory);
}
module_exit(checker_exit);

MODULE_AUTHOR("The dmaframe authors");
MODULE_DESCRIPTION("Deliberate faults, for the debug kernel to catch");
MODULE_LICENSE("GPL");
