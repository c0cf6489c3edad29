// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU, and the board in it.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Guest, Job};
use crate::kernel::Flavour;

/// What an instruction takes in a guest whose time is that of its instructions: some of a board's.
pub(crate) const INSTRUCTION_NS: u32 = 2;

impl Guest {
    /// A command that runs the job and ends by itself, after so many seconds by force.
    pub(super) fn qemu(
        &self,
        job: &Job,
        seconds: u64,
        initrd: &Path,
        card: &Path,
        console: &Path,
    ) -> Result<Command> {
        let inside = |path: &Path| self.builder.inside(path).map(|path| path.display().to_string());
        // QEMU ignores SIGTERM while its DMA model runs a chain that does not end. In the
        // foreground, for the console's sake: elsewhere the terminal would stop it.
        let mut qemu = self.builder.command("timeout");
        qemu.args(["--foreground", "-k", "5", &seconds.to_string(), "qemu-system-aarch64"]);
        qemu.args(["-M", "raspi3b", "-display", "none", "-no-reboot"]);
        if job.counted {
            // An idle guest's time passes at once.
            qemu.args(["-icount", &format!("shift={},sleep=off", INSTRUCTION_NS.ilog2())]);
        }
        qemu.args(["-kernel", &inside(&self.kernel.image())?]);
        qemu.args(["-dtb", &inside(&self.device_tree)?]);
        qemu.args(["-initrd", &inside(initrd)?]);
        let more = match self.kernel.flavour() {
            // KASAN would report nothing but the first fault.
            _ if job.may_complain => " kasan_multi_shot",
            // A host that is busy with other things is no stall of the guest's.
            Flavour::Debug => " panic_on_warn=1 rcupdate.rcu_cpu_stall_timeout=300",
            Flavour::Default | Flavour::Bench => "",
        };
        qemu.args(["-append", &format!("console=ttyAMA0,115200 panic=-1 rdinit=/init{more}")]);
        qemu.arg("-drive").arg(format!("file={},if=sd,format=raw,cache=unsafe", inside(card)?));
        qemu.arg("-serial").arg(format!("file:{}", inside(console)?));
        if job.command.is_empty() {
            qemu.args(["-chardev", "stdio,id=mini,mux=on,signal=off", "-mon", "chardev=mini"]);
        } else {
            qemu.args(["-chardev", "stdio,id=mini,signal=off", "-monitor", "none"]);
        }
        qemu.args(["-serial", "chardev:mini"]);
        Ok(qemu)
    }
}
