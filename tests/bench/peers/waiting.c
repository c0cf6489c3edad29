// SPDX-License-Identifier: GPL-2.0
/*
 * Measures the latency from an interrupt to a reader that waits for it. read()
 * returns CLOCK_MONOTONIC in ns, as read in the interrupt.
 *
 * /dev/waiting		the interrupt wakes the reader
 * /dev/waiting-thread	the interrupt wakes a thread, as threaded interrupts
 *			do, and the thread wakes the reader
 *
 * The interrupt comes to the CPU on which the file was opened.
 */

#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

static uint interval_us = 5000;
module_param(interval_us, uint, 0644);
MODULE_PARM_DESC(interval_us, "Microseconds from one interrupt to the next");

struct waiting {
	wait_queue_head_t wait;
	struct hrtimer timer;
	ktime_t interval;
	/* The time of the last interrupt that was not read yet; 0 is none. */
	u64 stamp;
	struct kthread_worker *worker;
	struct kthread_work work;
};

static void waiting_work(struct kthread_work *work)
{
	wake_up_interruptible(&container_of(work, struct waiting, work)->wait);
}

static enum hrtimer_restart waiting_tick(struct hrtimer *timer)
{
	struct waiting *waiting = container_of(timer, struct waiting, timer);

	hrtimer_forward_now(timer, waiting->interval);
	xchg(&waiting->stamp, ktime_get_ns());
	if (waiting->worker)
		kthread_queue_work(waiting->worker, &waiting->work);
	else
		wake_up_interruptible(&waiting->wait);
	return HRTIMER_RESTART;
}

static int waiting_begin(struct file *file, struct kthread_worker *worker)
{
	struct waiting *waiting;

	if (!interval_us)
		return -EINVAL;
	waiting = kzalloc(sizeof(*waiting), GFP_KERNEL);
	if (!waiting)
		return -ENOMEM;
	init_waitqueue_head(&waiting->wait);
	kthread_init_work(&waiting->work, waiting_work);
	waiting->worker = worker;
	waiting->interval = us_to_ktime(interval_us);
	hrtimer_setup(&waiting->timer, waiting_tick, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED);
	hrtimer_start(&waiting->timer, waiting->interval, HRTIMER_MODE_REL_PINNED);
	file->private_data = waiting;
	return 0;
}

static int waiting_open(struct inode *inode, struct file *file)
{
	return waiting_begin(file, NULL) ?: nonseekable_open(inode, file);
}

static int waiting_open_thread(struct inode *inode, struct file *file)
{
	struct kthread_worker *worker = kthread_run_worker(0, "waiting");
	int error;

	if (IS_ERR(worker))
		return PTR_ERR(worker);
	/* The scheduling class of interrupt threads. */
	sched_set_fifo(worker->task);
	error = waiting_begin(file, worker);
	if (error) {
		kthread_destroy_worker(worker);
		return error;
	}
	return nonseekable_open(inode, file);
}

static ssize_t waiting_read(struct file *file, char __user *to, size_t room, loff_t *at)
{
	struct waiting *waiting = file->private_data;
	u64 stamp = 0;
	int waited;

	if (room < sizeof(stamp))
		return -EINVAL;
	waited = wait_event_interruptible(waiting->wait, (stamp = xchg(&waiting->stamp, 0)));
	if (waited)
		return waited;
	return copy_to_user(to, &stamp, sizeof(stamp)) ? -EFAULT : sizeof(stamp);
}

static int waiting_release(struct inode *inode, struct file *file)
{
	struct waiting *waiting = file->private_data;

	hrtimer_cancel(&waiting->timer);
	if (waiting->worker)
		kthread_destroy_worker(waiting->worker);
	kfree(waiting);
	return 0;
}

static const struct file_operations waiting_operations = {
	.owner = THIS_MODULE,
	.open = waiting_open,
	.read = waiting_read,
	.release = waiting_release,
};

static const struct file_operations waiting_thread_operations = {
	.owner = THIS_MODULE,
	.open = waiting_open_thread,
	.read = waiting_read,
	.release = waiting_release,
};

static struct miscdevice waiting_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "waiting",
	.fops = &waiting_operations,
	.mode = 0600,
};

static struct miscdevice waiting_thread_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "waiting-thread",
	.fops = &waiting_thread_operations,
	.mode = 0600,
};

static int __init waiting_init(void)
{
	int error = misc_register(&waiting_device);

	if (error)
		return error;
	error = misc_register(&waiting_thread_device);
	if (error)
		misc_deregister(&waiting_device);
	return error;
}
module_init(waiting_init);

static void __exit waiting_exit(void)
{
	misc_deregister(&waiting_thread_device);
	misc_deregister(&waiting_device);
}
module_exit(waiting_exit);

MODULE_AUTHOR("The dmaframe authors");
MODULE_DESCRIPTION("From an interrupt to its reader, to be measured beside");
MODULE_LICENSE("GPL");
