//! Which defect is planted in this thread.

use std::cell::Cell;

use crate::federation::fault::Fault;

thread_local! {
    static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

pub(in crate::federation) fn planted() -> Option<Fault> {
    PLANTED.get()
}

/// Runs something with a defect in the machine.
pub(super) fn with<T>(fault: Fault, run: impl FnOnce() -> T) -> T {
    PLANTED.set(Some(fault));
    let result = run();
    PLANTED.set(None);
    result
}
