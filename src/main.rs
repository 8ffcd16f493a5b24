//! The one binary: the command line over an app with what is linked in.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is given back. Secrets pass through buffers of libraries, which do not wipe
/// them: what was bound into a request would otherwise stay readable for as long as nobody happens
/// to get the same piece of memory (S7).
///
/// Below the wiping is mimalloc: a request makes thousands of small pieces on whichever thread is free, for which the
/// C library's allocator took a third of the time of a page of a list (docs/performance.md).
#[global_allocator]
static MEMORY: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> ExitCode {
    automate::App::new().run()
}
