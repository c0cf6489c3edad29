// SPDX-License-Identifier: MIT OR Apache-2.0
//! The emulated board.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Report;

/// Where the CPU sees the peripherals.
const PERIPHERALS: u32 = 0x3f00_0000;
/// The clock of PCM; that of PWM follows. Each has a control and a divisor register.
const CLOCK_PASSWORD: u32 = 0x5a00_0000;
const CLOCK_ENABLE: u32 = 1 << 4;
/// The oscillator of 19.2 MHz.
const CLOCK_OSCILLATOR: u32 = 1;
/// Pending interrupts 0 to 31, and their enable register (pages 112 to 116).
const INTERRUPTS: u32 = 0x00_b204;
const INTERRUPTS_ENABLE: u32 = 0x00_b210;

/// The clock manager.
pub mod cprman {
    /// Control registers; the divisor follows.
    pub const PCM: u32 = 0x10_1098;
    pub const PWM: u32 = 0x10_10a0;
}

/// Registers of the PCM interface (pages 123 to 137).
pub mod pcm {
    pub const CS: u32 = 0x20_3000;
    pub const FIFO: u32 = 0x20_3004;
    pub const MODE: u32 = 0x20_3008;
    pub const RXC: u32 = 0x20_300c;
    pub const TXC: u32 = 0x20_3010;
    pub const DREQ: u32 = 0x20_3014;
    pub const INTEN: u32 = 0x20_3018;
    pub const INTSTC: u32 = 0x20_301c;

    pub const EN: u32 = 1 << 0;
    pub const RXON: u32 = 1 << 1;
    pub const TXON: u32 = 1 << 2;
    pub const TXCLR: u32 = 1 << 3;
    pub const RXCLR: u32 = 1 << 4;
    pub const DMAEN: u32 = 1 << 9;
    pub const TXERR: u32 = 1 << 15;
    pub const RXERR: u32 = 1 << 16;
    pub const RXR: u32 = 1 << 18;
    pub const RXD: u32 = 1 << 20;
    pub const TXE: u32 = 1 << 21;
    pub const RXF: u32 = 1 << 22;
    pub const SYNC: u32 = 1 << 24;

    /// Two channels of 32 bits, at the bits 0 and 32 of a frame.
    pub const STEREO: u32 = 0xc008_c208;
    /// One channel of 32 bits.
    pub const MONO: u32 = 0xc008_0000;
    /// Frames of this many bits.
    pub const fn frame(bits: u32) -> u32 {
        (bits - 1) << 10
    }
}

/// Registers of the PWM controller (pages 141 to 147).
pub mod pwm {
    pub const CTL: u32 = 0x20_c000;
    pub const STA: u32 = 0x20_c004;
    pub const DMAC: u32 = 0x20_c008;
    pub const RNG1: u32 = 0x20_c010;
    pub const FIF1: u32 = 0x20_c018;

    pub const PWEN1: u32 = 1 << 0;
    pub const USEF1: u32 = 1 << 5;
    pub const FULL: u32 = 1 << 0;
    pub const EMPT: u32 = 1 << 1;
    pub const WERR: u32 = 1 << 2;
    pub const GAPO1: u32 = 1 << 4;
}

/// Bus addresses.
pub mod bus {
    /// What the DMA controller adds to an address of memory.
    pub const MEMORY: u32 = 0xc000_0000;
    /// What it adds to the offset of a peripheral.
    pub const PERIPHERALS: u32 = 0x7e00_0000;
}

/// A running board, whose clock stands still.
#[derive(Debug)]
pub struct Machine {
    qemu: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    directory: PathBuf,
}

impl Machine {
    /// Starts the board with properties of its devices, `DEVICE.NAME=VALUE`.
    ///
    /// # Panics
    ///
    /// If the environment variable `EMULATOR` does not name the emulator.
    pub fn start(properties: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let emulator = std::env::var_os("EMULATOR")
            .expect("EMULATOR has to name the emulator: run cargo xtask test emulator");
        let name = format!("emulator-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let mut qemu = Command::new(emulator);
        qemu.args(["-M", "raspi3b", "-accel", "qtest", "-qtest", "stdio", "-qtest-log", "none"]);
        qemu.args(["-display", "none", "-monitor", "none", "-serial", "null"]);
        for (device, name) in [
            ("bcm2835-dma", "report"),
            ("bcm2835-pcm", "transmitted"),
            ("bcm2835-pwm", "transmitted"),
        ] {
            let file = directory.join(device);
            qemu.args(["-global", &format!("{device}.{name}={}", file.display())]);
        }
        for property in properties {
            qemu.args(["-global", property]);
        }
        let mut qemu = qemu.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (qemu.stdin.take().unwrap(), qemu.stdout.take().unwrap());
        Self { qemu, to, from: BufReader::new(from), directory }
    }

    /// Sends a command, and returns what follows OK in the answer.
    fn ask(&mut self, command: &str) -> String {
        writeln!(self.to, "{command}").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let answer = line.trim_end().strip_prefix("OK");
        answer.unwrap_or_else(|| panic!("{command}: {line}")).trim_start().to_owned()
    }

    /// Reads a register of a peripheral.
    pub fn read(&mut self, register: u32) -> u32 {
        let answer = self.ask(&format!("readl {:#x}", PERIPHERALS + register));
        u32::from_str_radix(answer.trim_start_matches("0x"), 16).unwrap()
    }

    /// Writes a register of a peripheral.
    pub fn write(&mut self, register: u32, value: u32) {
        self.ask(&format!("writel {:#x} {value:#x}", PERIPHERALS + register));
    }

    /// Reads memory.
    pub fn load(&mut self, address: u32, bytes: usize) -> Vec<u8> {
        let answer = self.ask(&format!("read {address:#x} {bytes:#x}"));
        let digits = answer.trim_start_matches("0x").as_bytes();
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    /// Reads words of memory.
    pub fn load_words(&mut self, address: u32, words: usize) -> Vec<u32> {
        words_of(&self.load(address, 4 * words))
    }

    /// Writes memory.
    pub fn store(&mut self, address: u32, bytes: &[u8]) {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.ask(&format!("write {address:#x} {:#x} 0x{digits}", bytes.len()));
    }

    /// Writes words of memory.
    pub fn store_words(&mut self, address: u32, words: &[u32]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.store(address, &bytes);
    }

    /// Lets time pass.
    pub fn pass(&mut self, nanoseconds: u64) {
        self.ask(&format!("clock_step {nanoseconds}"));
    }

    /// Sets the clock of PCM or PWM to 19.2 MHz divided by `divisor`.
    pub fn set_clock(&mut self, control: u32, divisor: u32) {
        self.write(control, CLOCK_PASSWORD | CLOCK_OSCILLATOR);
        self.write(control + 4, CLOCK_PASSWORD | divisor << 12);
        self.write(control, CLOCK_PASSWORD | CLOCK_ENABLE | CLOCK_OSCILLATOR);
    }

    /// Whether the interrupt controller has this interrupt of the GPU pending.
    pub fn interrupted(&mut self, number: u32) -> bool {
        let bank = number / 32 * 4;
        self.write(INTERRUPTS_ENABLE + bank, 1 << (number % 32));
        self.read(INTERRUPTS + bank) & 1 << (number % 32) != 0
    }

    /// Ends the board, and returns its report.
    pub fn end(mut self) -> Report {
        self.stop();
        let report = fs::read_to_string(self.directory.join("bcm2835-dma")).unwrap();
        let words = |device: &str| words_of(&fs::read(self.directory.join(device)).unwrap());
        Report::new(&report, words("bcm2835-pcm"), words("bcm2835-pwm"))
    }

    fn stop(&mut self) {
        // QEMU ends by itself at SIGTERM, and writes its report.
        let id = Pid::from_raw(self.qemu.id().try_into().unwrap());
        kill(id, Signal::SIGTERM).unwrap();
        self.qemu.wait().unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.qemu.try_wait().is_ok_and(|status| status.is_none()) {
            self.stop();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn words_of(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}
