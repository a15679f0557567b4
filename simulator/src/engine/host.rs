//! A machine: cores that work is shared out to as it comes. None is idle while somebody waits.

use crate::clock::Micros;

#[derive(Debug, Clone)]
pub struct Host {
    free_at: Vec<Micros>,
}

impl Host {
    pub fn new(cores: usize) -> Self {
        Self {
            free_at: vec![Micros::MIN; cores.max(1)],
        }
    }

    /// Work of so much CPU that comes now: when it is done.
    pub fn run(&mut self, now: Micros, cpu: Micros) -> Micros {
        let mut first = 0;
        for core in 1..self.free_at.len() {
            if self.free_at[core] < self.free_at[first] {
                first = core;
            }
        }
        let done = self.free_at[first].max(now) + cpu;
        self.free_at[first] = done;
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cores_do_two_things_at_once_and_the_third_waits() {
        let mut host = Host::new(2);
        assert_eq!([(); 3].map(|()| host.run(0, 10)), [10, 10, 20]);
        assert_eq!(host.run(100, 10), 110);
    }
}
