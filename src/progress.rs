//! How a long computation tells its caller how far it is, without knowing who listens.

/// Listens to a long computation.
pub trait Progress: Sync {
    /// `bytes` more have been dealt with. Called about once per 16 MiB.
    fn advance(&self, bytes: u64);
    /// True when the computation should end early; asked as often as [`Progress::advance`].
    fn should_stop(&self) -> bool {
        false
    }
}

/// Nobody listens.
pub struct Silent;

impl Progress for Silent {
    fn advance(&self, _bytes: u64) {}
}
