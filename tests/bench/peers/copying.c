// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/copying: a character driver as in textbooks. A timer announces a frame;
 * read() waits for it and copies all of it to the reader.
 *
 * Only the number of the frame is written, as if an engine had written the
 * rest, so the cost is that of copying. open() reads the parameters.
 */

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

static uint bytes = 4096;
module_param(bytes, uint, 0644);
MODULE_PARM_DESC(bytes, "Bytes of a frame, 8 or more");

static uint interval_us = 1000;
module_param(interval_us, uint, 0644);
MODULE_PARM_DESC(interval_us, "Microseconds from one frame to the next");

struct copying {
	wait_queue_head_t wait;
	struct hrtimer timer;
	ktime_t interval;
	atomic_t due;
	size_t bytes;
	u64 *frame;
};

static enum hrtimer_restart copying_tick(struct hrtimer *timer)
{
	struct copying *copying = container_of(timer, struct copying, timer);

	atomic_add(hrtimer_forward_now(timer, copying->interval), &copying->due);
	wake_up_interruptible(&copying->wait);
	return HRTIMER_RESTART;
}

static int copying_open(struct inode *inode, struct file *file)
{
	struct copying *copying;

	if (bytes < sizeof(u64) || !interval_us)
		return -EINVAL;
	copying = kzalloc(sizeof(*copying), GFP_KERNEL);
	if (!copying)
		return -ENOMEM;
	copying->bytes = bytes;
	copying->frame = vzalloc(copying->bytes);
	if (!copying->frame) {
		kfree(copying);
		return -ENOMEM;
	}
	init_waitqueue_head(&copying->wait);
	copying->interval = us_to_ktime(interval_us);
	hrtimer_setup(&copying->timer, copying_tick, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	hrtimer_start(&copying->timer, copying->interval, HRTIMER_MODE_REL);
	file->private_data = copying;
	return nonseekable_open(inode, file);
}

static ssize_t copying_read(struct file *file, char __user *to, size_t room, loff_t *at)
{
	struct copying *copying = file->private_data;
	int waited;

	if (room < copying->bytes)
		return -EINVAL;
	waited = wait_event_interruptible(copying->wait,
					  atomic_dec_if_positive(&copying->due) >= 0);
	if (waited)
		return waited;
	++*copying->frame;
	if (copy_to_user(to, copying->frame, copying->bytes))
		return -EFAULT;
	return copying->bytes;
}

static int copying_release(struct inode *inode, struct file *file)
{
	struct copying *copying = file->private_data;

	hrtimer_cancel(&copying->timer);
	vfree(copying->frame);
	kfree(copying);
	return 0;
}

static const struct file_operations copying_operations = {
	.owner = THIS_MODULE,
	.open = copying_open,
	.read = copying_read,
	.release = copying_release,
};

static struct miscdevice copying_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "copying",
	.fops = &copying_operations,
	.mode = 0600,
};
module_misc_device(copying_device);

MODULE_AUTHOR("The dmaframe authors");
MODULE_DESCRIPTION("A character driver that copies each frame, to be measured beside");
MODULE_LICENSE("GPL");
