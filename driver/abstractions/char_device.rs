// SPDX-License-Identifier: GPL-2.0

//! A character device with open, mmap, ioctl, poll, SIGIO and read(2).
//!
//! The kernel crate's `MiscDevice` lacks poll, fasync and attribute groups.

use super::attribute_group::Groups;
use core::{
    marker::PhantomData,
    pin::Pin, //
};
use kernel::{
    bindings,
    device::Device,
    error::to_result,
    fs::File,
    iov::IovIterDest,
    mm::virt::{
        flags,
        VmaNew, //
    },
    module::this_module,
    new_poll_condvar,
    prelude::*,
    sync::{
        poll::{
            PollCondVar,
            PollTable, //
        },
        Arc, //
    },
    types::Opaque, //
};

/// The events that poll(2) reports.
#[derive(Clone, Copy, Default)]
pub(crate) struct Readable {
    /// read(2) would not block.
    pub(crate) input: bool,
    /// An error is to be fetched.
    pub(crate) error: bool,
    /// The device is gone.
    pub(crate) gone: bool,
}

/// The file operations of a device.
pub(crate) trait CharDevice: Send + Sync + Sized + 'static {
    /// What belongs to one open file.
    type File: Send + Sync;
    /// Its name, which never changes.
    fn name(&self) -> &CStr;
    /// A program opens the device.
    fn open(&self) -> Result<Self::File>;
    /// The last reference to an open file is gone.
    fn release(&self);
    /// Maps `vma`, which begins at byte `offset` of the file.
    fn mmap(&self, vma: &VmaNew, offset: u64, shared: bool) -> Result;
    /// ioctl(2).
    fn ioctl(&self, request: u32, argument: usize) -> Result<isize>;
    /// The events for poll(2). The caller already waits on [`CharDevice::readiness`].
    fn poll(&self, file: &Self::File) -> Readable;
    /// read(2).
    fn read(&self, file: &Self::File, nonblock: bool, iov: &mut IovIterDest<'_>) -> Result<usize>;
    /// The processes that wait for this device.
    fn readiness(&self) -> &Readiness;
}

/// Programs that wait for a device: asleep in read(2), in poll(2), or for a signal.
#[pin_data]
pub(crate) struct Readiness {
    #[pin]
    pub(crate) sleepers: PollCondVar,
    #[pin]
    signals: Opaque<*mut bindings::fasync_struct>,
}

// SAFETY: `signals` is only touched by `fasync_helper` and `kill_fasync`, which lock it.
unsafe impl Send for Readiness {}
// SAFETY: As above.
unsafe impl Sync for Readiness {}

impl Readiness {
    /// An empty list of waiters.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            sleepers <- new_poll_condvar!("dmaframe::readiness"),
            signals: Opaque::new(core::ptr::null_mut()),
        })
    }

    /// Wakes all of them and sends SIGIO.
    pub(crate) fn notify(&self) {
        self.sleepers.notify_all();
        // SAFETY: The list is empty or maintained by `fasync_helper`.
        unsafe {
            bindings::kill_fasync(
                self.signals.get(),
                bindings::SIGIO as c_int,
                bindings::POLL_IN as c_int,
            )
        };
    }
}

/// A registered device: `/dev/NAME` and `/sys/class/misc/NAME`.
///
/// # Invariants
///
/// `misc` is registered, and its `name` is `device`'s.
#[pin_data(PinnedDrop)]
pub(crate) struct CharDeviceRegistration<T: CharDevice> {
    #[pin]
    misc: Opaque<bindings::miscdevice>,
    device: Arc<T>,
}

// SAFETY: Registered and deregistered from any thread; the rest is `Send`.
unsafe impl<T: CharDevice> Send for CharDeviceRegistration<T> {}
// SAFETY: Shared references only reach `device`, which is `Sync`.
unsafe impl<T: CharDevice> Sync for CharDeviceRegistration<T> {}

impl<T: CharDevice> CharDeviceRegistration<T> {
    /// Registers `device`, a child of `parent` if it has one, with the sysfs attributes `groups`.
    pub(crate) fn new<'a>(
        device: Arc<T>,
        parent: Option<&'a Device>,
        groups: &'static Groups<T>,
    ) -> impl PinInit<Self, Error> + 'a {
        // The `Arc` in `Self` keeps it alive while the device is registered.
        let name = device.name().as_char_ptr();
        let parent = parent.map_or(core::ptr::null(), core::ptr::from_ref);
        try_pin_init!(Self {
            device,
            misc <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                // SAFETY: `slot` may be written.
                unsafe {
                    slot.write(bindings::miscdevice {
                        minor: bindings::MISC_DYNAMIC_MINOR as c_int,
                        name,
                        fops: &Files::<T>::OPERATIONS,
                        parent: parent.cast_mut().cast(),
                        groups: groups.as_raw(),
                        mode: 0o660,
                        ..pin_init::zeroed()
                    })
                };
                // SAFETY: `slot` is a complete, pinned miscdevice.
                to_result(unsafe { bindings::misc_register(slot) })
            }),
        })
    }

    /// The device behind a pointer to a registered `struct miscdevice`.
    ///
    /// # Safety
    ///
    /// `misc` is the `misc` of a live `Self`.
    pub(super) unsafe fn device<'a>(misc: *mut bindings::miscdevice) -> &'a Arc<T> {
        // SAFETY: By the contract. `Opaque` is transparent.
        let this = unsafe { kernel::container_of!(Opaque::cast_from(misc), Self, misc) };
        // SAFETY: By the contract `Self` lives, for as long as the caller uses it.
        unsafe { &(*this).device }
    }
}

#[pinned_drop]
impl<T: CharDevice> PinnedDrop for CharDeviceRegistration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Registered by the invariants. Waits for attributes in use.
        unsafe { bindings::misc_deregister(self.misc.get()) };
    }
}

/// An open file and its device.
struct Opened<T: CharDevice> {
    file: T::File,
    device: Arc<T>,
}

struct Files<T: CharDevice>(PhantomData<T>);

impl<T: CharDevice> Files<T> {
    const OPERATIONS: bindings::file_operations = bindings::file_operations {
        owner: this_module::<crate::LocalModule>().as_ptr(),
        open: Some(Self::open),
        release: Some(Self::release),
        mmap: Some(Self::mmap),
        unlocked_ioctl: Some(Self::ioctl),
        compat_ioctl: Some(Self::ioctl),
        poll: Some(Self::poll),
        fasync: Some(Self::fasync),
        read_iter: Some(Self::read_iter),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `file` was opened by [`Files::open`] and not released.
    unsafe fn opened<'a>(file: *mut bindings::file) -> &'a Opened<T> {
        // SAFETY: `open` put a box of it there that lives until `release`.
        unsafe { &*(*file).private_data.cast::<Opened<T>>() }
    }

    /// # Safety
    ///
    /// As for [`Files::opened`].
    unsafe fn device<'a>(file: *mut bindings::file) -> &'a T {
        // SAFETY: By the contract.
        unsafe { &Self::opened(file).device }
    }

    /// # Safety
    ///
    /// Called by the VFS, for a file of a device of `T`.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: Both are valid while a file is opened.
        let result = unsafe { bindings::nonseekable_open(inode, file) };
        if result != 0 {
            return result;
        }
        // SAFETY: misc_open() has put the miscdevice there, and holds off its deregistration.
        let device = unsafe { CharDeviceRegistration::<T>::device((*file).private_data.cast()) };
        // Memory first: what `open` does is undone by `release` alone.
        let opened = KBox::new_uninit(GFP_KERNEL).map_err(Error::from);
        let opened = opened.and_then(|place| {
            let file = device.open()?;
            let device = device.clone();
            Ok(place.write(Opened::<T> { file, device }))
        });
        match opened {
            Ok(opened) => {
                // SAFETY: The file is ours while it is opened.
                unsafe { (*file).private_data = KBox::into_raw(opened).cast() };
                0
            }
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// Called by the VFS, for a file of a device of `T`.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `open` put it there; nobody uses the file any more.
        let opened = unsafe { KBox::<Opened<T>>::from_raw((*file).private_data.cast()) };
        opened.device.release();
        0
    }

    /// # Safety
    ///
    /// Called by the VFS, for a file of a device of `T`.
    unsafe extern "C" fn mmap(
        file: *mut bindings::file,
        vma: *mut bindings::vm_area_struct,
    ) -> c_int {
        // SAFETY: The file is open.
        let device = unsafe { Self::device(file) };
        // SAFETY: The vma is valid and its offset set.
        let offset = unsafe { (*vma).vm_pgoff } as u64;
        // SAFETY: The vma is being set up.
        let vma = unsafe { VmaNew::from_raw(vma) };
        // VM_MAYSHARE says MAP_SHARED; VM_SHARED is also cleared for files opened read-only.
        let shared = vma.flags() & flags::MAYSHARE != 0;
        let Some(offset) = offset.checked_mul(kernel::page::PAGE_SIZE as u64) else {
            return EINVAL.to_errno();
        };
        match device.mmap(vma, offset, shared) {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// Called by the VFS, for a file of a device of `T`.
    unsafe extern "C" fn ioctl(
        file: *mut bindings::file,
        request: c_uint,
        argument: c_ulong,
    ) -> c_long {
        // SAFETY: The file is open.
        let device = unsafe { Self::device(file) };
        match device.ioctl(request, argument) {
            Ok(value) => value as c_long,
            Err(error) => error.to_errno() as c_long,
        }
    }

    /// # Safety
    ///
    /// Called by the VFS, for a file of a device of `T`.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        // SAFETY: The file is open.
        let opened = unsafe { Self::opened(file) };
        let device = &opened.device;
        // SAFETY: The file is valid, and not in an fdget_pos region of this thread.
        let file = unsafe { File::from_raw_file(file) };
        // SAFETY: The table is null or valid for this call.
        let table = unsafe { PollTable::from_raw(table) };
        table.register_wait(file, &device.readiness().sleepers);
        let readable = device.poll(&opened.file);
        let bit = |set, bits| if set { bits } else { 0 };
        bit(readable.input, bindings::POLLIN | bindings::POLLRDNORM)
            | bit(readable.error, bindings::POLLERR)
            | bit(readable.gone, bindings::POLLHUP | bindings::POLLERR)
    }

    /// # Safety
    ///
    /// Called by the VFS, for a file of a device of `T`.
    unsafe extern "C" fn fasync(fd: c_int, file: *mut bindings::file, on: c_int) -> c_int {
        // SAFETY: The file is open.
        let device = unsafe { Self::device(file) };
        // SAFETY: The list belongs to this device, whose files remove themselves by this function
        // before they are released.
        unsafe { bindings::fasync_helper(fd, file, on, device.readiness().signals.get()) }
    }

    /// # Safety
    ///
    /// Called by the VFS, for a file of a device of `T`.
    unsafe extern "C" fn read_iter(
        kiocb: *mut bindings::kiocb,
        iov: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: The kiocb is valid and of an open file.
        let (opened, flags) = unsafe {
            let file = (*kiocb).ki_filp;
            (Self::opened(file), (*file).f_flags)
        };
        // SAFETY: A valid destination for this call.
        let iov = unsafe { IovIterDest::from_raw(iov) };
        let nonblock = flags & bindings::O_NONBLOCK != 0;
        match opened.device.read(&opened.file, nonblock, iov) {
            Ok(bytes) => bytes as isize,
            Err(error) => error.to_errno() as isize,
        }
    }
}
