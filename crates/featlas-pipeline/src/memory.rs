//! How much memory the process has used at most.

/// Peak resident bytes of this process so far; `None` where the system does not say.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn peak_covers_what_was_just_used() {
        let block = vec![1_u8; 64 << 20];
        assert!(super::peak_memory_bytes().unwrap() >= block.len() as u64);
    }
}
