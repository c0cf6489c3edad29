// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command that starts QEMU.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::engine::Engine;
use super::{Guest, Job};
use crate::emulator::Emulator;
use crate::kernel::Flavour;

/// Nanoseconds per instruction in a guest whose clock counts instructions. A board executes several
/// instructions in this time.
pub(crate) const INSTRUCTION_NS: u32 = 2;

/// Files of one run.
pub(super) struct Files<'a> {
    pub(super) device_tree: &'a Path,
    pub(super) initrd: &'a Path,
    pub(super) card: &'a Path,
    /// The output of the first serial port.
    pub(super) console: &'a Path,
    /// The report of the concurrent engine.
    pub(super) report: &'a Path,
}

/// Options of QEMU for a clock that counts instructions.
pub(crate) fn counted_clock() -> [String; 2] {
    // sleep=off: while the guest is idle, its clock jumps to the next timer.
    ["-icount".to_owned(), format!("shift={},sleep=off", INSTRUCTION_NS.ilog2())]
}

impl Guest {
    /// A command that runs the job, and kills the guest after `seconds`.
    pub(super) fn qemu(&self, job: &Job, seconds: u64, files: &Files<'_>) -> Result<Command> {
        let inside = |path: &Path| self.builder.inside(path).map(|path| path.display().to_string());
        // QEMU ignores SIGTERM while its DMA model runs an endless chain, so SIGKILL has to follow.
        // --foreground lets QEMU read from the terminal.
        let mut qemu = self.builder.command("timeout");
        qemu.args(["--foreground", "-k", "5", &seconds.to_string()]);
        match job.engine {
            Engine::Stock => {
                qemu.arg("qemu-system-aarch64");
            }
            Engine::Concurrent => {
                let emulator = Emulator::ready(&self.cache, &self.checkout)?;
                qemu.arg(inside(emulator.program())?);
                qemu.args(["-global", &format!("bcm2835-dma.report={}", inside(files.report)?)]);
                for setting in &job.settings {
                    qemu.args(["-global", setting]);
                }
            }
        }
        qemu.args(["-M", "raspi3b", "-display", "none", "-no-reboot"]);
        if job.counted {
            qemu.args(counted_clock());
        }
        qemu.args(["-kernel", &inside(&self.kernel.image())?]);
        qemu.args(["-dtb", &inside(files.device_tree)?]);
        qemu.args(["-initrd", &inside(files.initrd)?]);
        qemu.args(["-append", &self.kernel_command_line(job)]);
        qemu.arg("-drive")
            .arg(format!("file={},if=sd,format=raw,cache=unsafe", inside(files.card)?));
        qemu.arg("-serial").arg(format!("file:{}", inside(files.console)?));
        if job.command.is_empty() {
            qemu.args(["-chardev", "stdio,id=mini,mux=on,signal=off", "-mon", "chardev=mini"]);
        } else {
            qemu.args(["-chardev", "stdio,id=mini,signal=off", "-monitor", "none"]);
        }
        qemu.args(["-serial", "chardev:mini"]);
        Ok(qemu)
    }

    fn kernel_command_line(&self, job: &Job) -> String {
        let mut parameters = vec!["console=ttyAMA0,115200", "panic=-1", "rdinit=/init"];
        match self.kernel.flavour() {
            // By default KASAN reports only the first fault.
            _ if job.may_complain => parameters.push("kasan_multi_shot"),
            // The guest may appear to stall because the host is busy.
            Flavour::Debug => {
                parameters.extend(["panic_on_warn=1", "rcupdate.rcu_cpu_stall_timeout=300"]);
            }
            Flavour::Default | Flavour::Bench | Flavour::Realtime => {}
        }
        parameters.extend(job.append.iter().map(String::as_str));
        parameters.join(" ")
    }
}
