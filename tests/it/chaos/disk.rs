//! A disk without room.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use automate_tests::binary::Project;
use automate_tests::deliveries::{Answer, attempt, get};

use super::audit::Audit;
use super::site::{Site, until};

/// The size of the disk.
const SIZE: &str = "size=24m";
/// How often the disk is filled and freed.
const ROUNDS: u64 = 2;
/// Webhooks after which a disk without room must have been noticed: the write-ahead log may have
/// some room of its own left.
const NOTICED_AFTER: u64 = 3_000;
/// How long each part may take.
const PART: Duration = Duration::from_secs(90);

/// A file system of its own, gone with the value.
struct Disk(tempfile::TempDir);

impl Disk {
    /// Mounts one; `None` where that is not allowed.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => skip(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => skip(&error.to_string()),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Writes until there is no room.
    fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        for block in [vec![0_u8; 64 * 1024], vec![0; 4096], vec![0; 1]] {
            while file.write_all(&block).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a file may still be open in a process that is ending.
        drop(Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}

fn skip(reason: &str) -> Option<Disk> {
    println!("SKIPPED: no file system of a limited size can be mounted: {}", reason.trim());
    None
}

pub(super) async fn fills() {
    let Some(disk) = Disk::mount() else { return };
    let url = format!("sqlite://{}/automate.db", disk.path().display());
    // The effect takes a while, so that accepted work is under way when the room ends.
    let site = Site::over(Project::new(&url), "slow", "").await;
    let mut server = site.server("serve");
    site.open(&mut server).await;
    let mut next = 0;
    for _ in 0..ROUNDS {
        next = deliver(&site, next..next + 20).await;
        disk.fill();
        // Each is sent until one is refused; that one is sent again when there is room.
        let first = next;
        let refused = loop {
            let answer = attempt(&server.address(), "orders", next).await.unwrap();
            if answer.status != 202 {
                break answer;
            }
            next += 1;
            assert!(next < first + NOTICED_AFTER, "{} webhooks were accepted on a full disk", next - first);
        };
        let Answer { status, headers, .. } = &refused;
        assert_eq!((*status, refused.code().as_str()), (507, "DISK_FULL"), "{refused:?}");
        assert!(headers.contains_key("retry-after"), "{refused:?}");
        println!("{} webhooks were still accepted", next - first);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(server.ended().is_none(), "the process has ended");
        assert_eq!(get(&server.address(), "/healthz").await.map(|answer| answer.status), Some(200));
        assert!(server.log().contains("the disk is full"));

        disk.free();
        // What was accepted meanwhile is told again, as to a sender that lost the answer.
        next = deliver(&site, first..next + 20).await;
        let audit = Audit::open(&url).await;
        audit.at_rest(next, PART).await;
    }
    until("ready", PART, async || get(&server.address(), "/readyz").await.is_some_and(|a| a.status == 200)).await;
    assert!(server.ended().is_none() && !server.log().contains("panicked"));
    server.kill();
    Audit::open(&url).await.everything_once(&site, next, &[]).await;
}

async fn deliver(site: &Site, numbers: std::ops::Range<u64>) -> u64 {
    let end = numbers.end;
    let mut tasks = site.sender.send(numbers);
    while let Some(sent) = tasks.join_next().await {
        sent.unwrap();
    }
    end
}
