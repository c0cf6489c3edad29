// SPDX-License-Identifier: GPL-2.0

//! Groups of sysfs attributes that a device is registered with, so that none appears late.

use core::marker::PhantomData;
use kernel::bindings;

/// A pointer to a static attribute of devices of type `T`.
#[repr(transparent)]
pub(crate) struct Entry<T> {
    attribute: *const bindings::attribute,
    _device: PhantomData<fn(&T)>,
}

// SAFETY: Points to a static that is never written.
unsafe impl<T> Sync for Entry<T> {}

impl<T> Entry<T> {
    /// The end of a table.
    pub(crate) const END: Self = Self {
        attribute: core::ptr::null(),
        _device: PhantomData,
    };

    /// # Safety
    ///
    /// `attribute` is part of a `struct device_attribute` whose callbacks expect the device of a
    /// registered `T`.
    pub(super) const unsafe fn new(attribute: &'static bindings::attribute) -> Self {
        Self {
            attribute: core::ptr::from_ref(attribute),
            _device: PhantomData,
        }
    }
}

/// A `struct attribute_group` of devices of type `T`.
#[repr(transparent)]
pub(crate) struct Group<T> {
    group: bindings::attribute_group,
    _device: PhantomData<fn(&T)>,
}

// SAFETY: Never written after it was made.
unsafe impl<T> Sync for Group<T> {}

impl<T> Group<T> {
    /// The attributes of `table`, whose last entry is [`Entry::END`].
    pub(crate) const fn new(table: &'static [Entry<T>]) -> Self {
        let mut group: bindings::attribute_group = pin_init::zeroed();
        group.__bindgen_anon_2.attrs = table.as_ptr().cast_mut().cast();
        Self {
            group,
            _device: PhantomData,
        }
    }
}

/// A NULL-terminated table with one group.
#[repr(transparent)]
pub(crate) struct Groups<T> {
    table: [*const Group<T>; 2],
}

// SAFETY: Points to statics that are never written.
unsafe impl<T> Sync for Groups<T> {}

impl<T> Groups<T> {
    /// The table of `group`.
    pub(crate) const fn new(group: &'static Group<T>) -> Self {
        Self {
            table: [core::ptr::from_ref(group), core::ptr::null()],
        }
    }

    pub(super) fn as_raw(&'static self) -> *mut *const bindings::attribute_group {
        // The driver core only reads it.
        self.table.as_ptr().cast_mut().cast()
    }
}
