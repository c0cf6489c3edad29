// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals over time: samples, their decimation, the trigger, and how they are drawn.

pub(crate) mod duration;
pub(crate) mod picture;
pub(crate) mod samples;
pub(crate) mod screen;
pub(crate) mod trigger;
pub(crate) mod view;
pub(crate) mod word;
