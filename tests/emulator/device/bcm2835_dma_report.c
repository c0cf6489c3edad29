/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the emulated engine reports: a file of JSON objects, one a line. tests/emulator/README.md
 * describes them.
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "hw/dma/bcm2835_dma.h"
#include "bcm2835_pcm.h"
#include "bcm2835_pwm.h"

/* Complaints that are reported in words; the rest is counted. */
#define MOST_COMPLAINTS 16

static const char *const KINDS[VIOLATION_KINDS] = {
    [VIOLATION_BURST] = "burst",
    [VIOLATION_ACTIVE] = "active",
    [VIOLATION_READ_ONLY] = "read_only",
    [VIOLATION_ALIAS] = "alias",
    [VIOLATION_ALIGNMENT] = "alignment",
    [VIOLATION_CHANNEL] = "channel",
    [VIOLATION_LENGTH] = "length",
    [VIOLATION_LITE] = "lite",
    [VIOLATION_RESET] = "reset",
};

void bcm2835_dma_violation(BCM2835DMAState *s, BCM2835Violation kind, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    s->violations[kind]++;
    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    qemu_log_mask(LOG_GUEST_ERROR, "bcm2835-dma: %s\n", text);
    if (s->complaints->len < MOST_COMPLAINTS) {
        g_ptr_array_add(s->complaints, g_steal_pointer(&text));
    }
}

void bcm2835_dma_report_line(BCM2835DMAState *s, const char *format, ...)
{
    va_list arguments;
    FILE *file;

    if (!s->report) {
        return;
    }
    file = fopen(s->report, "a");
    if (!file) {
        error_report("bcm2835-dma: cannot write %s: %s", s->report, strerror(errno));
        exit(1);
    }
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    fputc('\n', file);
    if (fclose(file)) {
        error_report("bcm2835-dma: cannot write %s: %s", s->report, strerror(errno));
        exit(1);
    }
}

static int ascending(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

/* The gap that `percent` of the sorted gaps do not exceed. */
static int64_t percentile(const GArray *gaps, unsigned percent)
{
    if (!gaps->len) {
        return 0;
    }
    return g_array_index(gaps, int64_t, (uint64_t)(gaps->len - 1) * percent / 100);
}

/* Reports what a channel did since its last reset, if it did anything, and forgets it. */
void bcm2835_dma_report_run(BCM2835DMAChannel *c, Picoseconds now)
{
    BCM2835DMARun *run = &c->run;
    GArray *gaps = run->gaps;

    if (run->blocks || run->bytes) {
        int64_t idle_gaps = 0, sum = 0;

        for (unsigned n = 0; n < gaps->len; n++) {
            int64_t gap = g_array_index(gaps, int64_t, n);

            idle_gaps += gap > 0;
            sum += gap;
        }
        g_array_sort(gaps, ascending);
        bcm2835_dma_report_line(
            c->dma,
            "{\"channel\":%u,\"run\":%u,\"first_ns\":%" PRId64 ",\"last_ns\":%" PRId64
            ",\"reset_ns\":%" PRId64 ",\"busy_ns\":%" PRId64 ",\"waiting_ns\":%" PRId64
            ",\"paused_ns\":%" PRId64 ",\"idle_ns\":%" PRId64 ",\"blocks\":%" PRIu64
            ",\"bytes\":%" PRIu64 ",\"frames\":%" PRIu64 ",\"interrupts\":%" PRIu64
            ",\"gaps\":%u,\"idle_gaps\":%" PRId64 ",\"gap_sum_ns\":%" PRId64
            ",\"gap_p50_ns\":%" PRId64 ",\"gap_p99_ns\":%" PRId64 ",\"gap_max_ns\":%" PRId64 "}",
            c->number, c->runs++, run->first / PS_PER_NS, run->last / PS_PER_NS, now / PS_PER_NS,
            run->busy / PS_PER_NS, run->waiting / PS_PER_NS, run->paused / PS_PER_NS,
            run->idle / PS_PER_NS, run->blocks, run->bytes, run->frames, run->interrupts,
            gaps->len, idle_gaps, sum, percentile(gaps, 50), percentile(gaps, 99),
            percentile(gaps, 100));
    }
    g_array_set_size(gaps, 0);
    *run = (BCM2835DMARun){ .first = PS_NEVER, .last = PS_NEVER, .gaps = gaps };
}

/* Reports all that is left at the end. */
void bcm2835_dma_report(BCM2835DMAState *s)
{
    uint64_t violations = 0;
    g_autoptr(GString) kinds = g_string_new(NULL);

    bcm2835_dma_catch_up(s);
    for (unsigned n = 0; n < BCM2835_DMA_NCHANS; n++) {
        bcm2835_dma_report_run(&s->chan[n], bcm2835_dma_now(s));
    }
    bcm2835_pcm_report(s->pcm);
    bcm2835_pwm_report(s->pwm);
    for (unsigned n = 0; n < s->complaints->len; n++) {
        /* The texts have no character that JSON would escape. */
        bcm2835_dma_report_line(s, "{\"violation\":\"%s\"}",
                                (const char *)g_ptr_array_index(s->complaints, n));
    }
    for (unsigned kind = 0; kind < VIOLATION_KINDS; kind++) {
        g_string_append_printf(kinds, ",\"%s\":%" PRIu64, KINDS[kind], s->violations[kind]);
        violations += s->violations[kind];
    }
    bcm2835_dma_report_line(s, "{\"violations\":%" PRIu64 "%s}", violations, kinds->str);
}
