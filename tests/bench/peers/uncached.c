// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/uncached: the same bytes in two regions that can be mapped. The first is
 * coherent memory, which is uncached on machines without coherent DMA; drivers
 * that do not sync caches map such memory. The second is ordinary cached memory.
 */

#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/vmalloc.h>

#define BYTES (4 << 20)

static struct platform_device *device;
static dma_addr_t bus;
static u32 *coherent;
static u32 *cached;

static int uncached_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long first = vma->vm_pgoff;

	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	vm_flags_clear(vma, VM_MAYWRITE);
	if (!first)
		return dma_mmap_coherent(&device->dev, vma, coherent, bus, BYTES);
	if (first == BYTES >> PAGE_SHIFT)
		return remap_vmalloc_range(vma, cached, 0);
	return -EINVAL;
}

static const struct file_operations uncached_operations = {
	.owner = THIS_MODULE,
	.mmap = uncached_mmap,
};

static struct miscdevice uncached_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "uncached",
	.fops = &uncached_operations,
	.mode = 0600,
};

static int __init uncached_init(void)
{
	int error = -ENOMEM;
	u32 i;

	device = platform_device_register_simple("uncached", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	error = dma_coerce_mask_and_coherent(&device->dev, DMA_BIT_MASK(32));
	if (error)
		goto no_memory;
	error = -ENOMEM;
	coherent = dma_alloc_coherent(&device->dev, BYTES, &bus, GFP_KERNEL);
	if (!coherent)
		goto no_memory;
	cached = vmalloc_user(BYTES);
	if (!cached)
		goto no_cached;
	for (i = 0; i < BYTES / sizeof(*cached); i++) {
		cached[i] = i * 2654435761U;
		coherent[i] = cached[i];
	}
	error = misc_register(&uncached_device);
	if (!error)
		return 0;

	vfree(cached);
no_cached:
	dma_free_coherent(&device->dev, BYTES, coherent, bus);
no_memory:
	platform_device_unregister(device);
	return error;
}
module_init(uncached_init);

static void __exit uncached_exit(void)
{
	misc_deregister(&uncached_device);
	vfree(cached);
	dma_free_coherent(&device->dev, BYTES, coherent, bus);
	platform_device_unregister(device);
}
module_exit(uncached_exit);

MODULE_AUTHOR("The dmaframe authors");
MODULE_DESCRIPTION("Mappings with and without a cache, to be measured beside");
MODULE_LICENSE("GPL");
