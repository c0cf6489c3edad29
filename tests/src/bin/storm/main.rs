// SPDX-License-Identifier: MIT OR Apache-2.0
//! A storm of calls: all that a program can do with the devices, at random, from several processes
//! at once.
//!
//! `storm [--seed S] [--calls N] [--processes P] [--device PATH]...` makes N calls. A process's
//! call number i is made of the seed, the process's number and i alone, whatever came of the calls
//! before: the same seed makes the same calls. It writes to nothing but the devices, and ends with
//! an ordinary stream on each.

use dmaframe_abi::netlink::{ATTRIBUTE_MAX, Attribute, Command as Verb};
use dmaframe_abi::ring::{MAP_CONSUMER, MAP_META, MAP_SLOTS};
use dmaframe_abi::uapi::{self, Config, SourceInfo};
use dmaframe_tests::background_stream::check_streams;
use dmaframe_tests::mapping::PAGE;
use dmaframe_tests::raw::GOOD;
use dmaframe_tests::{DEVICES, Random, scm_rights};
use nix::errno::Errno;
use std::error::Error;
use std::fmt;
use std::fs::OpenOptions;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, ExitCode, Stdio};
use std::ptr::null_mut;
use zerocopy::IntoBytes;

fn main() -> ExitCode {
    let outcome = Orders::read().and_then(|orders| match orders.process {
        None => lead(&orders),
        Some(process) => follow(&orders, process),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storm: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What was asked for.
#[derive(Clone, Debug)]
struct Orders {
    seed: u64,
    calls: u64,
    processes: u64,
    devices: Vec<String>,
    /// Which of the processes this is, and none for the one that starts them.
    process: Option<u64>,
}

impl Orders {
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut orders =
            Self { seed: 1, calls: 100_000, processes: 4, devices: Vec::new(), process: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--seed" => orders.seed = value.parse()?,
                "--calls" => orders.calls = value.parse()?,
                "--processes" => orders.processes = value.parse()?,
                "--device" => orders.devices.push(value),
                "--process" => orders.process = Some(value.parse()?),
                _ => return Err(format!("{option} is no option").into()),
            }
        }
        if orders.devices.is_empty() {
            orders.devices = DEVICES.map(str::to_owned).into();
        }
        if orders.processes == 0 {
            return Err("--processes 0: at least 1 is needed".into());
        }
        Ok(orders)
    }
}

/// Starts the processes, and adds up what they made.
fn lead(orders: &Orders) -> Result<(), Box<dyn Error>> {
    println!(
        "storm: seed {}, {} calls, {} processes, {}",
        orders.seed,
        orders.calls,
        orders.processes,
        orders.devices.join(" ")
    );
    // Where the processes leave open files for each other.
    let (left, right) = UnixDatagram::pair()?;
    for socket in [&left, &right] {
        // SAFETY: the descriptor is open; its flags are the argument.
        Errno::result(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFD, 0) })?;
    }
    let mut followers = Vec::new();
    for process in 0..orders.processes {
        // Every process has its own end of the two.
        let socket = if process % 2 == 0 { &left } else { &right };
        let mut command = Command::new("/proc/self/exe");
        for (option, value) in [
            ("--seed", orders.seed),
            ("--calls", orders.calls / orders.processes),
            ("--process", process),
            ("--processes", orders.processes),
        ] {
            command.args([option, &value.to_string()]);
        }
        for device in &orders.devices {
            command.args(["--device", device]);
        }
        command.env(SOCKET, socket.as_raw_fd().to_string());
        followers.push(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
    }
    drop((left, right));
    let outcomes: Vec<_> = followers.into_iter().map(Child::wait_with_output).collect();
    let mut total = Tally::default();
    for outcome in outcomes {
        let outcome = outcome?;
        if !outcome.status.success() {
            return Err(format!("a process ended with {}", outcome.status).into());
        }
        total.add(&String::from_utf8(outcome.stdout)?)?;
    }
    print!("{total}");
    let devices: Vec<_> = orders.devices.iter().map(String::as_str).collect();
    check_streams(&devices);
    println!("storm: over; an ordinary stream of each device passed");
    // Calls that get nowhere test nothing.
    let got = total.good.iter().zip(total.calls);
    match KINDS.iter().zip(got).find(|(_, (good, calls))| **good * SELDOM < *calls) {
        Some((kind, (good, calls))) if orders.calls >= 20_000 => {
            let name = kind.name;
            Err(format!("of {calls} calls of the kind {name} only {good} succeeded").into())
        }
        _ => Ok(()),
    }
}

/// The variable that names a process's socket.
const SOCKET: &str = "STORM_SOCKET";

/// Makes one process's calls.
fn follow(orders: &Orders, process: u64) -> Result<(), Box<dyn Error>> {
    let mut storm = Storm::new(orders)?;
    let mut tally = Tally::default();
    let shares: u64 = KINDS.iter().map(|kind| kind.share).sum();
    for call in 0..orders.calls {
        let mut random = Random::new(orders.seed ^ (process << 48), call);
        let mut share = random.below(shares);
        let kind = KINDS.iter().position(|kind| {
            let mine = share < kind.share;
            share = share.saturating_sub(kind.share);
            mine
        });
        let kind = kind.expect("a share is less than all together");
        let good = (KINDS[kind].call)(&mut storm, &mut random).is_ok();
        tally.calls[kind] += 1;
        tally.good[kind] += u64::from(good);
    }
    print!("{tally}");
    Ok(())
}

/// A kind of calls.
struct Kind {
    name: &'static str,
    /// How many of all calls are of this kind.
    share: u64,
    call: fn(&mut Storm, &mut Random) -> Result<(), Errno>,
}

const fn kind(
    name: &'static str,
    share: u64,
    call: fn(&mut Storm, &mut Random) -> Result<(), Errno>,
) -> Kind {
    Kind { name, share, call }
}

const KINDS: [Kind; 12] = [
    kind("open", 40, Storm::open),
    kind("close", 20, Storm::close),
    kind("pass", 15, Storm::pass),
    kind("ioctl", 350, Storm::ioctl),
    kind("read", 130, Storm::read),
    kind("poll", 80, Storm::poll),
    kind("file", 40, Storm::file),
    kind("mmap", 80, Storm::mmap),
    kind("remap", 60, Storm::remap),
    kind("touch", 60, Storm::touch),
    kind("sysfs", 80, Storm::sysfs),
    kind("netlink", 120, Storm::netlink),
];

/// Of this many calls of a kind one must succeed.
const SELDOM: u64 = 100;

/// Calls made, and those that succeeded, by kind.
#[derive(Default)]
struct Tally {
    calls: [u64; KINDS.len()],
    good: [u64; KINDS.len()],
}

impl Tally {
    /// Adds what another one printed.
    fn add(&mut self, printed: &str) -> Result<(), Box<dyn Error>> {
        for line in printed.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let [name, calls, _, good, _] = words[..] else { continue };
            let Some(kind) = KINDS.iter().position(|kind| kind.name == name) else { continue };
            self.calls[kind] += calls.parse::<u64>()?;
            self.good[kind] += good.parse::<u64>()?;
        }
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, kind) in KINDS.iter().enumerate() {
            let (calls, good) = (self.calls[index], self.good[index]);
            writeln!(f, "{:<8} {calls:>8} calls, {good:>8} succeeded", kind.name)?;
        }
        Ok(())
    }
}

/// Open files that a process has at most.
const FILES: usize = 6;
/// Places for mappings.
const WINDOWS: usize = 6;
/// Bytes of such a place.
const WINDOW: usize = 2 << 20;
/// Bytes of memory for arguments, before a page that cannot be touched.
const ARENA: usize = 16 * PAGE;

/// What one process has.
struct Storm {
    devices: Vec<String>,
    files: [Option<OwnedFd>; FILES],
    socket: UnixDatagram,
    netlink: OwnedFd,
    family: u16,
    group: u32,
    epoll: OwnedFd,
    pipe: (OwnedFd, OwnedFd),
    /// Memory for arguments, and a page behind it that is none.
    arena: usize,
    /// The places for mappings: reserved, so that nothing else comes to lie there.
    windows: usize,
    /// What read(2) of sysfs gives.
    text: Vec<u8>,
}

/// Reserves address space that cannot be touched.
fn reserve(bytes: usize) -> Result<usize, Errno> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: without MAP_FIXED nothing that is mapped is replaced.
    let address = unsafe { libc::mmap(null_mut(), bytes, libc::PROT_NONE, flags, -1, 0) };
    if address == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(address.expose_provenance()) }
}

fn pointer<T>(address: usize) -> *mut T {
    std::ptr::with_exposed_provenance_mut(address)
}

fn done(result: impl Into<i64>) -> Result<(), Errno> {
    if result.into() == -1 { Err(Errno::last()) } else { Ok(()) }
}

extern "C" fn interrupted(_signal: libc::c_int) {}

/// Has a signal interrupt whatever sleeps, again and again.
fn wake_sleepers() -> Result<(), Errno> {
    // SAFETY: the handler does nothing. Without SA_RESTART a call that it interrupts ends.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = interrupted as *const () as usize;
        done(libc::sigaction(libc::SIGALRM, &raw const action, null_mut()))?;
        // What the devices send must not end the process.
        for signal in [libc::SIGIO, libc::SIGURG] {
            libc::signal(signal, libc::SIG_IGN);
        }
        let every = libc::timeval { tv_sec: 0, tv_usec: 10_000 };
        let timer = libc::itimerval { it_interval: every, it_value: every };
        done(libc::setitimer(libc::ITIMER_REAL, &raw const timer, null_mut()))
    }
}

impl Storm {
    fn new(orders: &Orders) -> Result<Self, Box<dyn Error>> {
        let socket: RawFd = std::env::var(SOCKET)?.parse()?;
        // SAFETY: the process that started this one left the descriptor open for it.
        let socket = unsafe { UnixDatagram::from_raw_fd(socket) };
        let (family, group) = family()?;
        let netlink = netlink_socket()?;
        // SAFETY: each makes a descriptor that nobody else has.
        let (epoll, pipe) = unsafe {
            let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            done(epoll)?;
            let mut pipe = [0; 2];
            done(libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK))?;
            let pipe = pipe.map(|end| OwnedFd::from_raw_fd(end));
            (OwnedFd::from_raw_fd(epoll), pipe)
        };
        let [from, to] = pipe;
        let arena = reserve(ARENA + PAGE)?;
        // SAFETY: the range was just reserved.
        done(unsafe { libc::mprotect(pointer(arena), ARENA, libc::PROT_READ | libc::PROT_WRITE) })?;
        let windows = reserve(WINDOWS * WINDOW)?;
        wake_sleepers()?;
        Ok(Self {
            devices: orders.devices.clone(),
            files: [const { None }; FILES],
            socket,
            netlink,
            family,
            group,
            epoll,
            pipe: (from, to),
            arena,
            windows,
            text: vec![0; 8192],
        })
    }

    /// An open file, if there is one: the one drawn, or the next.
    fn any(&self, random: &mut Random) -> Result<RawFd, Errno> {
        let drawn = random.below(FILES as u64) as usize;
        let files = self.files.iter().cycle().skip(drawn).take(FILES);
        files.flatten().next().map(AsRawFd::as_raw_fd).ok_or(Errno::EBADF)
    }

    fn open(&mut self, random: &mut Random) -> Result<(), Errno> {
        let place = random.below(FILES as u64) as usize;
        let device = &self.devices[random.below(self.devices.len() as u64) as usize];
        let flags = random.pick(&[0, 0, 0, libc::O_NONBLOCK, libc::O_ASYNC, libc::O_DIRECT])
            | random.pick(&[0, 0, 0, libc::O_TRUNC, libc::O_APPEND, libc::O_SYNC]);
        let write = !random.once_in(8);
        let opened = OpenOptions::new().read(true).write(write).custom_flags(flags).open(device);
        let file = opened.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        self.files[place] = Some(file.into());
        Ok(())
    }

    fn close(&mut self, random: &mut Random) -> Result<(), Errno> {
        if random.once_in(4) {
            return self.leave();
        }
        let place = random.below(FILES as u64) as usize;
        self.files[place].take().map(drop).ok_or(Errno::EBADF)
    }

    /// Gives up all that holds a device: files, and what is mapped of them. Or nobody would get far
    /// once a mapping is left somewhere.
    fn leave(&mut self) -> Result<(), Errno> {
        let held = self.files.iter().flatten().count();
        self.files = [const { None }; FILES];
        self.reserve_again(self.windows, WINDOWS * WINDOW);
        if held == 0 { Err(Errno::EBADF) } else { Ok(()) }
    }

    /// Leaves a file to whatever process comes for it, takes one, or duplicates one.
    fn pass(&mut self, random: &mut Random) -> Result<(), Errno> {
        let place = random.below(FILES as u64) as usize;
        let file = match random.below(8) {
            0..=3 => scm_rights::receive(&self.socket)?,
            4..=6 => {
                let file = self.files[place].as_ref().ok_or(Errno::EBADF)?;
                return scm_rights::send(&self.socket, file);
            }
            _ => {
                let file = self.files[place].as_ref().ok_or(Errno::EBADF)?;
                file.try_clone().map_err(|_| Errno::EMFILE)?
            }
        };
        self.files[random.below(FILES as u64) as usize] = Some(file);
        Ok(())
    }

    /// The memory for arguments.
    fn arena(&mut self) -> &mut [u8] {
        // SAFETY: the arena is this process's only, readable and writable, and lives as long as it.
        unsafe { std::slice::from_raw_parts_mut(pointer(self.arena), ARENA) }
    }

    /// An address to give to the driver: of `bytes` bytes of the arena, more often than not.
    fn address(&self, random: &mut Random, bytes: usize) -> usize {
        let end = self.arena + ARENA;
        match random.below(24) {
            0 => 0,
            1 => random.below(PAGE as u64) as usize,
            // Not all of it is there, or nothing.
            2 => end - random.below(bytes.max(1) as u64) as usize,
            3 => end,
            // The driver's own pages, where it must not be made to write, and the reader's.
            4..=5 => self.windows + random.below((WINDOWS * WINDOW) as u64) as usize,
            // The kernel's.
            6 => (0xffff_8000_0000_0000 | random.next()) as usize,
            7 => (0xffff_0000_0000_0000 | (random.next() >> 16)) as usize,
            8 => usize::MAX - random.below(256) as usize,
            9 => self.arena + random.below(64) as usize,
            _ => self.arena,
        }
    }

    fn ioctl(&mut self, random: &mut Random) -> Result<(), Errno> {
        const KNOWN: [u32; 8] = [
            uapi::GET_INFO,
            uapi::GET_SOURCE,
            uapi::GET_CONFIG,
            uapi::CONFIGURE,
            uapi::START,
            uapi::STOP,
            uapi::KICK,
            uapi::GET_STATS,
        ];
        let file = self.any(random)?;
        let request = match random.below(32) {
            0 => random.next() as u32,
            // Near a good one: another length, direction or number.
            1..=2 => random.pick(&KNOWN) ^ (1 << random.below(32)),
            3..=6 => uapi::START,
            7..=10 => uapi::KICK,
            11 => {
                random.pick(&[libc::FIONBIO as u32, libc::FIONREAD as u32, libc::FIOASYNC as u32])
            }
            _ => random.pick(&KNOWN),
        };
        let bytes = ((request >> 16) & 0x3fff) as usize;
        let argument = if request & 0xc000_0000 == 0 && !random.once_in(16) {
            0
        } else {
            self.address(random, bytes)
        };
        let arena = self.arena();
        if random.once_in(32) {
            random.fill(&mut arena[..256]);
        } else {
            arena[..512].fill(0);
            if request == uapi::CONFIGURE {
                arena[..size_of::<Config>()].copy_from_slice(config(random).as_bytes());
            } else if request == uapi::GET_SOURCE {
                let asked = SourceInfo { index: random.below(4) as u32, ..SourceInfo::default() };
                arena[..size_of::<SourceInfo>()].copy_from_slice(asked.as_bytes());
            }
            if random.once_in(16) {
                arena[random.below(128) as usize] ^= 1 << random.below(8);
            }
        }
        // SAFETY: the driver writes to the arena at most, which nothing borrows, if it is as good
        // as it should be; the other addresses are nobody's, or the devices' mappings.
        done(unsafe { libc::ioctl(file, request.into(), argument) })
    }

    fn read(&mut self, random: &mut Random) -> Result<(), Errno> {
        let file = self.any(random)?;
        let mut parts = [libc::iovec { iov_base: null_mut(), iov_len: 0 }; 3];
        for part in &mut parts {
            let bytes = random.pick(&[0, 1, 64, 4159, 4160, 8320, ARENA, ARENA, ARENA + 1]);
            *part = libc::iovec { iov_base: pointer(self.address(random, bytes)), iov_len: bytes };
            // Most are short enough for where they go.
            if !random.once_in(16) {
                part.iov_len = part.iov_len.min(ARENA - 64);
            }
        }
        let offset = random.number() as i64;
        let [first, ..] = parts;
        // SAFETY: as for ioctl(2); write(2) only reads.
        let bytes = unsafe {
            match random.below(12) {
                0..=5 => libc::read(file, first.iov_base, first.iov_len),
                6..=7 => libc::readv(file, parts.as_ptr(), 3),
                8 => libc::pread(file, first.iov_base, first.iov_len, offset),
                9 => libc::preadv2(file, parts.as_ptr(), 2, -1, random.number() as i32),
                10 => libc::write(file, first.iov_base, first.iov_len),
                _ => libc::splice(
                    file,
                    null_mut(),
                    self.pipe.1.as_raw_fd(),
                    null_mut(),
                    first.iov_len,
                    libc::SPLICE_F_NONBLOCK,
                ),
            }
        };
        done(bytes as i64)
    }

    fn poll(&mut self, random: &mut Random) -> Result<(), Errno> {
        let mut files = [libc::pollfd { fd: -1, events: 0, revents: 0 }; 4];
        for file in &mut files {
            file.fd = self.any(random)?;
            file.events = random.number() as i16;
        }
        let epoll = self.epoll.as_raw_fd();
        let mut event = libc::epoll_event { events: random.number() as u32, u64: 0 };
        let mut events = [event; 4];
        // SAFETY: all arguments are this function's own.
        done(unsafe {
            match random.below(8) {
                0..=3 => libc::poll(files.as_mut_ptr(), random.below(5), random.below(3) as i32),
                4..=5 => {
                    let change = random.pick(&[
                        libc::EPOLL_CTL_ADD,
                        libc::EPOLL_CTL_ADD,
                        libc::EPOLL_CTL_MOD,
                        libc::EPOLL_CTL_DEL,
                    ]);
                    libc::epoll_ctl(epoll, change, files[0].fd, &raw mut event)
                }
                _ => libc::epoll_wait(epoll, events.as_mut_ptr(), 4, random.below(3) as i32),
            }
        })
    }

    /// What a file may be asked besides.
    fn file(&mut self, random: &mut Random) -> Result<(), Errno> {
        let file = self.any(random)?;
        let number = random.number() as i64;
        // SAFETY: no argument is memory, but for fstat's, which is its own.
        done(unsafe {
            match random.below(12) {
                0..=2 => {
                    let flags = random.pick(&[0, libc::O_NONBLOCK, libc::O_ASYNC, libc::O_DIRECT])
                        | random.pick(&[0, libc::O_APPEND, libc::O_NONBLOCK]);
                    libc::fcntl(file, libc::F_SETFL, flags)
                }
                3 => libc::fcntl(file, libc::F_SETOWN, libc::getpid()),
                4 => libc::fcntl(file, F_SETSIG, random.pick(&[0, libc::SIGIO, libc::SIGURG])),
                5 => libc::flock(file, random.below(16) as i32 | libc::LOCK_NB),
                6 => libc::fsync(file),
                7 => libc::ftruncate(file, number),
                8 => i32::from(libc::lseek(file, number, random.below(6) as i32) == -1)
                    .wrapping_neg(),
                9 => {
                    libc::fallocate(file, random.below(256) as i32, number, random.number() as i64)
                }
                10 => libc::posix_fadvise(file, number, 4096, random.below(8) as i32),
                _ => {
                    let mut stat: libc::stat = zeroed();
                    libc::fstat(file, &raw mut stat)
                }
            }
        })
    }

    fn window(&self, random: &mut Random) -> usize {
        self.windows + random.below(WINDOWS as u64) as usize * WINDOW
    }

    fn mmap(&mut self, random: &mut Random) -> Result<(), Errno> {
        let file = self.any(random)?;
        let at = self.window(random) + random.pick(&[0, 0, PAGE, WINDOW / 2]);
        let mut region = random.pick(&[MAP_META, MAP_CONSUMER, MAP_SLOTS, MAP_SLOTS, 3 << 32]);
        let mut bytes = match region {
            MAP_META | MAP_CONSUMER => PAGE,
            _ => PAGE * (1 + random.below(64) as usize),
        };
        let mut protection = if region == MAP_CONSUMER { libc::PROT_WRITE } else { 0 } | 1;
        let mut flags = libc::MAP_SHARED;
        // Most are right, or wrong in one thing.
        match random.below(16) {
            0 => region = random.number() & !(PAGE as u64 - 1),
            1 => bytes = (1 + random.number() as usize % (WINDOW / 2)).min(WINDOW / 2),
            2 => protection = random.below(8) as i32,
            3 => flags = libc::MAP_PRIVATE,
            4..=6 => region += random.below(32) * PAGE as u64,
            7 => region = region.wrapping_add(random.number()),
            8 => flags |= random.pick(&[libc::MAP_POPULATE, libc::MAP_LOCKED, libc::MAP_NORESERVE]),
            _ => {}
        }
        flags |= libc::MAP_FIXED;
        // SAFETY: the range lies in a window, in which no reference points.
        let mapped = unsafe {
            libc::mmap(pointer(at), bytes, protection, flags, file, region as libc::off_t)
        };
        if mapped == libc::MAP_FAILED {
            let errno = Errno::last();
            // A mapping that failed may have removed what was there before.
            self.reserve_again(at, bytes);
            return Err(errno);
        }
        Ok(())
    }

    /// Takes a hole back, before anything else comes to lie there.
    fn reserve_again(&self, at: usize, bytes: usize) {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
        let end = (at + bytes).next_multiple_of(PAGE).min(self.windows + WINDOWS * WINDOW);
        // SAFETY: the range lies in the windows, in which no reference points.
        let address = unsafe { libc::mmap(pointer(at), end - at, libc::PROT_NONE, flags, -1, 0) };
        assert_ne!(address, libc::MAP_FAILED, "the windows are lost: {}", Errno::last());
    }

    /// Pulls at a mapping.
    fn remap(&mut self, random: &mut Random) -> Result<(), Errno> {
        let window = self.window(random);
        let at = window + random.below(8) as usize * PAGE;
        let bytes = PAGE * (1 + random.below(16) as usize);
        let other = self.window(random) + WINDOW / 2;
        // SAFETY: all ranges lie in the windows, in which no reference points.
        unsafe {
            match random.below(12) {
                0..=1 => {
                    let unmapped = done(libc::munmap(pointer(at), bytes));
                    self.reserve_again(at, bytes);
                    unmapped
                }
                2..=3 => {
                    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
                    let flags = flags | random.pick(&[0, 0, 0, libc::MREMAP_DONTUNMAP]);
                    let from = random.pick(&[at, window, window]);
                    let old = random.pick(&[0, PAGE, bytes]);
                    let new = random.pick(&[PAGE, bytes, old.max(PAGE)]);
                    let moved = libc::mremap(pointer(from), old, new, flags, pointer::<u8>(other));
                    let moved = if moved == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(()) };
                    // Either end of it may be a hole now.
                    self.fill_holes();
                    moved
                }
                4..=5 => done(libc::mprotect(pointer(at), bytes, random.below(8) as i32)),
                6..=8 => {
                    // None of those that break memory for good, which root may.
                    let advice = random.pick(&[
                        0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
                        23, 24, 25, 102, 103,
                    ]);
                    done(libc::madvise(pointer(at), bytes, advice))
                }
                9 => done(libc::msync(pointer(at), bytes, random.below(8) as i32)),
                10 => done(libc::mlock(pointer(at), bytes)),
                _ => done(libc::munlock(pointer(at), bytes)),
            }
        }
    }

    /// Reserves whatever of the windows is not mapped.
    fn fill_holes(&self) {
        let flags = libc::MAP_PRIVATE
            | libc::MAP_ANONYMOUS
            | libc::MAP_NORESERVE
            | libc::MAP_FIXED_NOREPLACE;
        for page in (self.windows..self.windows + WINDOWS * WINDOW).step_by(PAGE) {
            // SAFETY: this replaces nothing that is mapped.
            unsafe { libc::mmap(pointer(page), PAGE, libc::PROT_NONE, flags, -1, 0) };
        }
    }

    /// Has the kernel read and write mapped memory for us: what cannot be touched is an error.
    fn touch(&mut self, random: &mut Random) -> Result<(), Errno> {
        let at = self.window(random) + random.pick(&[0, 0, 0, PAGE, WINDOW / 2]);
        let bytes = random.pick(&[4, 64, PAGE]);
        let (from, to) = (self.pipe.0.as_raw_fd(), self.pipe.1.as_raw_fd());
        let mut junk = [0; 64];
        random.fill(&mut junk);
        // Near zero an index may be a good one.
        junk[..4].copy_from_slice(&(random.number() as u32).to_ne_bytes());
        // SAFETY: the windows are no memory of this program's; `junk` is its own.
        unsafe {
            while libc::read(from, pointer(self.arena), ARENA) > 0 {}
            if random.once_in(2) {
                done(libc::write(to, pointer(at), bytes) as i64)
            } else {
                done(libc::write(to, junk.as_ptr().cast(), bytes.min(64)) as i64)?;
                done(libc::read(from, pointer(at), bytes.min(64)) as i64)
            }
        }
    }

    fn sysfs(&mut self, random: &mut Random) -> Result<(), Errno> {
        const ATTRIBUTES: [&str; 10] = [
            "source",
            "frame_bytes",
            "slots",
            "policy",
            "interval_us",
            "state",
            "frames",
            "lost",
            "bytes",
            "errors",
        ];
        const VALUES: [&str; 16] = [
            "pattern",
            "gpio",
            "systimer",
            "backpressure",
            "drop",
            "0",
            "4096",
            "16",
            "1000",
            "-1",
            "+4",
            "0x10",
            "4294967296",
            "",
            "\n",
            "\0",
        ];
        let device = &self.devices[random.below(self.devices.len() as u64) as usize];
        let name = device.rsplit('/').next().unwrap_or_default();
        let path = format!("/sys/class/misc/{name}/{}", random.pick(&ATTRIBUTES));
        let write = random.once_in(2);
        let offset = if random.once_in(8) { random.number() as i64 & i64::MAX } else { 0 };
        let mut value = random.pick(&VALUES).as_bytes().to_vec();
        match random.below(8) {
            0 => {
                value.resize(random.pick(&[1, 7, 4095, 4096, 8192]), 0);
                random.fill(&mut value);
            }
            1 => value = (random.number() as u32).to_string().into_bytes(),
            2 => value.push(b'\n'),
            _ => {}
        }
        let opened = OpenOptions::new().read(!write).write(write).open(&path);
        let file = opened.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        let file = file.as_fd().as_raw_fd();
        // SAFETY: both buffers are as long as is said.
        done(unsafe {
            if write {
                libc::pwrite(file, value.as_ptr().cast(), value.len(), offset) as i64
            } else {
                let bytes = random.pick(&[1, 64, self.text.len()]);
                libc::pread(file, self.text.as_mut_ptr().cast(), bytes, offset) as i64
            }
        })
    }

    fn netlink(&mut self, random: &mut Random) -> Result<(), Errno> {
        let socket = self.netlink.as_raw_fd();
        if random.once_in(16) {
            let (level, group) = (libc::SOL_NETLINK, self.group);
            let option = random.pick(&[
                libc::NETLINK_ADD_MEMBERSHIP,
                libc::NETLINK_DROP_MEMBERSHIP,
                libc::NETLINK_EXT_ACK,
                libc::NETLINK_CAP_ACK,
                NETLINK_GET_STRICT_CHK,
            ]);
            // SAFETY: the value is four bytes, as is said.
            return done(unsafe {
                libc::setsockopt(socket, level, option, (&raw const group).cast(), 4)
            });
        }
        let message = request(random, self.family);
        // SAFETY: the buffers are as long as is said.
        unsafe {
            let sent = libc::send(socket, message.as_ptr().cast(), message.len(), 0);
            let mut answered = 0;
            let mut refused = 0;
            loop {
                let text = &mut self.text;
                let bytes =
                    libc::recv(socket, text.as_mut_ptr().cast(), text.len(), libc::MSG_DONTWAIT);
                if bytes < 20 {
                    break;
                }
                // An error's number follows the header of its message.
                let ty = u16::from_ne_bytes([text[4], text[5]]);
                if ty == libc::NLMSG_ERROR as u16 && text[16..20] != [0; 4] {
                    refused += 1;
                } else {
                    answered += 1;
                }
            }
            done(sent as i64)?;
            if refused > 0 || answered == 0 { Err(Errno::EINVAL) } else { Ok(()) }
        }
    }
}

// Not in the library that this is built with.
const F_SETSIG: libc::c_int = 10;
const NETLINK_GET_STRICT_CHK: libc::c_int = 12;

/// A shape that can be had, or nearly one.
fn config(random: &mut Random) -> Config {
    let interval_us = random.pick(&[0, 0, 50, 200, 1000, 20_000, 60_000_000]);
    let mut config = Config {
        source: random.below(3) as u32,
        frame_bytes: random.pick(&[4, 64, 4032, 4036, 4096, 4096, 8192, 65_536, 300_000, 1 << 20]),
        slots: random.pick(&[2, 2, 4, 8, 16]),
        policy: if interval_us == 0 { 0 } else { random.below(2) as u32 },
        interval_us,
        ..GOOD
    };
    match random.below(12) {
        0 => config.source = random.number() as u32,
        1 => config.frame_bytes = random.number() as u32,
        2 => config.slots = random.number() as u32,
        3 => config.policy = random.number() as u32,
        4 => config.interval_us = random.number() as u32,
        5 => config.flags = random.number() as u32,
        6 => config.reserved[random.below(3) as usize] = random.number(),
        7 => (config.slots, config.frame_bytes) = (1024, 4),
        _ => {}
    }
    // Rings of any size are another test's: here they would take all of the time.
    if u64::from(config.frame_bytes) * u64::from(config.slots) > 4 << 20 && !random.once_in(32) {
        config.slots = 2;
        config.frame_bytes = config.frame_bytes.min(1 << 20);
    }
    config
}

/// A netlink message: a request that may be answered, or nearly one, or none at all.
fn request(random: &mut Random, family: u16) -> Vec<u8> {
    let mut body = Vec::new();
    let verb = match random.below(8) {
        0..=3 => Verb::DeviceGet as u8,
        4..=6 => Verb::DeviceSet as u8,
        _ => random.number() as u8,
    };
    let version = if random.once_in(16) { random.number() as u8 } else { 1 };
    body.extend([verb, version, 0, 0]);
    if !random.once_in(8) {
        attribute(&mut body, Attribute::Id as u16, &(random.below(3) as u32).to_ne_bytes());
    }
    if verb != Verb::DeviceGet as u8 || random.once_in(8) {
        attributes(random, &mut body, 0);
    }
    let flags = match random.below(8) {
        0..=3 => libc::NLM_F_REQUEST | libc::NLM_F_ACK,
        4..=5 => libc::NLM_F_REQUEST | libc::NLM_F_DUMP,
        6 => libc::NLM_F_REQUEST,
        _ => random.number() as i32,
    };
    let mut bytes = (16 + body.len()) as u32;
    match random.below(24) {
        0 => bytes = random.number() as u32,
        1 => bytes = bytes.wrapping_sub(random.below(8) as u32),
        // Longer than what follows.
        2 => bytes += random.below(64) as u32,
        _ => {}
    }
    if random.once_in(24) {
        let at = random.below(body.len() as u64) as usize;
        body[at] ^= 1 << random.below(8);
    }
    let mut message = Vec::new();
    message.extend(bytes.to_ne_bytes());
    message.extend(family.to_ne_bytes());
    message.extend((flags as u16).to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend(body);
    if random.once_in(24) {
        message.truncate(random.below(message.len() as u64) as usize + 1);
    }
    message
}

fn attribute(body: &mut Vec<u8>, ty: u16, value: &[u8]) {
    body.extend((4 + value.len() as u16).to_ne_bytes());
    body.extend(ty.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Several attributes, of good types and others, nested or not, with lengths that may be wrong.
fn attributes(random: &mut Random, body: &mut Vec<u8>, depth: u32) {
    const SETTINGS: [Attribute; 5] = [
        Attribute::Source,
        Attribute::FrameBytes,
        Attribute::Slots,
        Attribute::Policy,
        Attribute::IntervalUs,
    ];
    for _ in 0..random.below(5) {
        let ty = match random.below(6) {
            0..=3 => random.pick(&SETTINGS) as u16,
            4 => random.below(u64::from(ATTRIBUTE_MAX) + 3) as u16,
            // With the flags that say nested or in network order.
            _ => random.next() as u16,
        };
        let start = body.len();
        match random.below(12) {
            0 if depth < 4 => {
                let mut inner = Vec::new();
                attributes(random, &mut inner, depth + 1);
                attribute(body, ty | 0x8000, &inner);
            }
            1 => {
                let mut junk = vec![0; random.below(80) as usize];
                random.fill(&mut junk);
                attribute(body, ty, &junk);
            }
            2 => attribute(body, ty, b"no end"),
            _ if ty == Attribute::Source as u16 => {
                attribute(body, ty, random.pick(&[&b"pattern\0"[..], b"gpio\0", b"systimer\0"]));
            }
            3..=5 => attribute(body, ty, &(random.number() as u32).to_ne_bytes()),
            _ => {
                let good = random.pick(&[0_u32, 1, 4, 16, 1000, 4096]);
                attribute(body, ty, &good.to_ne_bytes());
            }
        }
        if random.once_in(16) {
            let length = (random.number() as u16).to_ne_bytes();
            body[start..start + 2].copy_from_slice(&length);
        }
    }
}

fn netlink_socket() -> Result<OwnedFd, Errno> {
    // SAFETY: this makes a descriptor that nobody else has.
    unsafe {
        let ty = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        let socket = libc::socket(libc::AF_NETLINK, ty, libc::NETLINK_GENERIC);
        done(socket)?;
        let socket = OwnedFd::from_raw_fd(socket);
        let mut address: libc::sockaddr_nl = zeroed();
        address.nl_family = libc::AF_NETLINK as u16;
        let bytes = size_of::<libc::sockaddr_nl>() as u32;
        done(libc::bind(socket.as_raw_fd(), (&raw const address).cast(), bytes))?;
        done(libc::connect(socket.as_raw_fd(), (&raw const address).cast(), bytes))?;
        Ok(socket)
    }
}

/// The numbers of the family and of its group, by what generic netlink's own family answers.
fn family() -> Result<(u16, u32), Box<dyn Error>> {
    const FAMILY_ID: u16 = libc::CTRL_ATTR_FAMILY_ID as u16;
    const FAMILY_NAME: u16 = libc::CTRL_ATTR_FAMILY_NAME as u16;
    const GROUPS: u16 = libc::CTRL_ATTR_MCAST_GROUPS as u16;
    const GROUP_ID: u16 = libc::CTRL_ATTR_MCAST_GRP_ID as u16;
    let socket = netlink_socket()?;
    let mut body = vec![libc::CTRL_CMD_GETFAMILY as u8, 1, 0, 0];
    attribute(&mut body, FAMILY_NAME, dmaframe_abi::netlink::FAMILY.to_bytes_with_nul());
    let mut message = Vec::new();
    message.extend((16 + body.len() as u32).to_ne_bytes());
    message.extend((libc::GENL_ID_CTRL as u16).to_ne_bytes());
    message.extend((libc::NLM_F_REQUEST as u16).to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    let mut answer = vec![0_u8; 4096];
    // SAFETY: the buffers are as long as is said.
    let bytes = unsafe {
        done(libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) as i64)?;
        libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0)
    };
    done(bytes as i64)?;
    let answer = answer.get(20..bytes as usize).ok_or("there is no family dmaframe")?;
    let id = find(answer, FAMILY_ID).ok_or("the family has no number")?;
    let group = find(answer, GROUPS)
        .and_then(|groups| groups.get(4..))
        .and_then(|group| find(group, GROUP_ID))
        .ok_or("the family has no group")?;
    Ok((u16::from_ne_bytes(id[..2].try_into()?), u32::from_ne_bytes(group[..4].try_into()?)))
}

/// The value of the first attribute of type `ty`.
fn find(mut attributes: &[u8], ty: u16) -> Option<&[u8]> {
    while let [a, b, c, d, rest @ ..] = attributes {
        let bytes = usize::from(u16::from_ne_bytes([*a, *b])).checked_sub(4)?;
        if u16::from_ne_bytes([*c, *d]) & 0x3fff == ty {
            return rest.get(..bytes);
        }
        attributes = rest.get(bytes.next_multiple_of(4)..)?;
    }
    None
}
