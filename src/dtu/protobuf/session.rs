//! What the bridge knows of a DTU from one failure to the next: its app info, and the key.

use std::time::Duration;

use tokio::time::Instant;

use super::app_info::AppInfo;
use super::crypto::Cipher;
use crate::dtu::DtuError;

/// A DTU that never fails is asked again after this time what it is: programs are updated.
const LIFETIME: Duration = Duration::from_hours(6);

/// What a DTU has said about itself, and the key that follows.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) info: AppInfo,
    pub(super) cipher: Option<Cipher>,
    learned_at: Instant,
}

impl Session {
    pub(super) fn new(info: AppInfo) -> Result<Self, DtuError> {
        let cipher = info.enc_rand.map(Cipher::new).transpose();
        let cipher = cipher.map_err(|_| DtuError::Unauthentic)?;
        Ok(Self { info, cipher, learned_at: Instant::now() })
    }

    pub(super) fn is_old(&self) -> bool {
        self.learned_at.elapsed() >= LIFETIME
    }
}
