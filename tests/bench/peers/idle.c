// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/module/idle/parameters/ns: how long all processors together have been
 * idle. /proc/stat tells it in hundredths of a second.
 */

#include <linux/cpumask.h>
#include <linux/kernel_stat.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>

static int idle_get(char *to, const struct kernel_param *parameter)
{
	u64 ns = 0;
	int cpu;

	for_each_online_cpu(cpu)
		ns += kcpustat_field_idle(cpu) + kcpustat_field_iowait(cpu);
	return sysfs_emit(to, "%llu\n", ns);
}

static const struct kernel_param_ops idle_operations = {
	.get = idle_get,
};
module_param_cb(ns, &idle_operations, NULL, 0444);
MODULE_PARM_DESC(ns, "Nanoseconds that all processors together have been idle");

MODULE_AUTHOR("The dmaframe authors");
MODULE_DESCRIPTION("How long the processors have been idle, to the nanosecond");
MODULE_LICENSE("GPL");
