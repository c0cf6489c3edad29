// SPDX-License-Identifier: GPL-2.0
/*
 * What defmt's logger needs and the kernel crate lacks: a raw spinlock that is
 * taken and released by separate calls, and a work item without an owner.
 */

#include <linux/spinlock.h>
#include <linux/workqueue.h>

unsigned long dmaframe_trace_lock(void);
void dmaframe_trace_unlock(unsigned long flags);
void dmaframe_trace_woken(void);
void dmaframe_trace_wake(void);
void dmaframe_trace_flush(void);

/* Raw: records are written in hard interrupt context on PREEMPT_RT too. */
static DEFINE_RAW_SPINLOCK(records);

unsigned long dmaframe_trace_lock(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&records, flags);
	return flags;
}

void dmaframe_trace_unlock(unsigned long flags)
{
	raw_spin_unlock_irqrestore(&records, flags);
}

static void woken(struct work_struct *work)
{
	dmaframe_trace_woken();
}

static DECLARE_WORK(wake, woken);

void dmaframe_trace_wake(void)
{
	schedule_work(&wake);
}

void dmaframe_trace_flush(void)
{
	cancel_work_sync(&wake);
}
