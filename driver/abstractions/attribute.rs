// SPDX-License-Identifier: GPL-2.0

//! sysfs attributes of a [`CharDevice`], one value a file.

use super::char_device::{
    CharDevice,
    CharDeviceRegistration, //
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    prelude::*,
    str::CString, //
};

/// A device with attributes, known by their place in its table.
pub(crate) trait Attributes: CharDevice {
    /// The value, without a line end.
    fn show(&self, attribute: usize) -> Result<CString>;
    /// Takes a new value, without its line end.
    fn store(&self, attribute: usize, text: &str) -> Result;
}

/// One attribute.
#[repr(transparent)]
pub(crate) struct Attribute(bindings::device_attribute);

// SAFETY: Never written after it was made.
unsafe impl Sync for Attribute {}

impl Attribute {
    /// Attribute number `N` of `T`'s table.
    pub(crate) const fn new<T: Attributes, const N: usize>(
        name: &'static CStr,
        writable: bool,
    ) -> Self {
        let mut attribute: bindings::device_attribute = pin_init::zeroed();
        attribute.attr.name = kernel::str::as_char_ptr_in_const_context(name);
        attribute.attr.mode = if writable { 0o644 } else { 0o444 };
        attribute.__bindgen_anon_1.show = Some(show::<T, N>);
        if writable {
            attribute.__bindgen_anon_2.store = Some(store::<T, N>);
        }
        Self(attribute)
    }

    /// Its pointer for a table.
    pub(crate) const fn entry(&'static self) -> Entry {
        Entry(core::ptr::from_ref(&self.0.attr))
    }
}

/// A pointer to a static attribute.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Entry(*const bindings::attribute);

// SAFETY: Points to a static that is never written.
unsafe impl Sync for Entry {}

impl Entry {
    /// The end of a table.
    pub(crate) const END: Self = Self(core::ptr::null());
}

/// The attributes that a device comes with, so that none appears late.
#[repr(transparent)]
pub(crate) struct Groups<T> {
    table: [*const Group; 2],
    _device: PhantomData<fn(&T)>,
}

// SAFETY: Points to statics that are never written.
unsafe impl<T> Sync for Groups<T> {}

/// A `struct attribute_group`.
#[repr(transparent)]
pub(crate) struct Group(bindings::attribute_group);

// SAFETY: Never written after it was made.
unsafe impl Sync for Group {}

impl Group {
    /// The attributes of `table`, whose last entry is [`Entry::END`].
    pub(crate) const fn new(table: &'static [Entry]) -> Self {
        let mut group: bindings::attribute_group = pin_init::zeroed();
        group.__bindgen_anon_2.attrs = table.as_ptr().cast_mut().cast();
        Self(group)
    }
}

impl<T: Attributes> Groups<T> {
    /// The one group.
    ///
    /// All its attributes were made for `T`.
    pub(crate) const fn new(group: &'static Group) -> Self {
        Self {
            table: [core::ptr::from_ref(group), core::ptr::null()],
            _device: PhantomData,
        }
    }
}

impl<T> Groups<T> {
    pub(super) fn as_raw(&'static self) -> *mut *const bindings::attribute_group {
        // The driver core only reads it.
        self.table.as_ptr().cast_mut().cast()
    }
}

/// # Safety
///
/// `dev` is the device of a live [`CharDeviceRegistration`] of `T`.
unsafe fn device<'a, T: CharDevice>(dev: *mut bindings::device) -> &'a T {
    // SAFETY: The misc class sets the driver data to the miscdevice; by the contract it lives.
    unsafe { CharDeviceRegistration::<T>::device(bindings::dev_get_drvdata(dev).cast()) }
}

/// # Safety
///
/// Called by sysfs for a device of a live [`CharDeviceRegistration`] of `T`.
unsafe extern "C" fn show<T: Attributes, const N: usize>(
    dev: *mut bindings::device,
    _attribute: *mut bindings::device_attribute,
    buffer: *mut c_char,
) -> isize {
    // SAFETY: The attribute was made for `T`, and is gone before the registration is.
    let device = unsafe { device::<T>(dev) };
    match device.show(N) {
        // SAFETY: `buffer` is a page, as sysfs_emit() asks for; both strings end with NUL.
        Ok(text) => unsafe {
            bindings::sysfs_emit(buffer, c"%s\n".as_char_ptr(), text.as_char_ptr()) as isize
        },
        Err(error) => error.to_errno() as isize,
    }
}

/// # Safety
///
/// Called by sysfs for a device of a live [`CharDeviceRegistration`] of `T`.
unsafe extern "C" fn store<T: Attributes, const N: usize>(
    dev: *mut bindings::device,
    _attribute: *mut bindings::device_attribute,
    buffer: *const c_char,
    bytes: usize,
) -> isize {
    // SAFETY: As in `show`.
    let device = unsafe { device::<T>(dev) };
    // SAFETY: sysfs hands over `bytes` bytes, less than a page.
    let text = unsafe { core::slice::from_raw_parts(buffer.cast::<u8>(), bytes) };
    let result = core::str::from_utf8(text)
        .map_err(|_| EINVAL)
        .and_then(|text| device.store(N, text.trim_end_matches('\n')));
    match result {
        Ok(()) => bytes as isize,
        Err(error) => error.to_errno() as isize,
    }
}
