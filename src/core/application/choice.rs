//! Which of an application's credentials a mint uses.

use jiff::Timestamp;

/// What is known of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is none, or it can't be used.
    Unusable,
    /// Microsoft refused it; it is tried again at this instant.
    Refused(Timestamp),
    /// Nothing bad is known of it.
    Fine,
}

/// A choice, by position in the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The one that counts.
    pub chosen: usize,
    /// Earlier ones whose next try is due: a mint that is made anyway tries them first, so that a credential which is
    /// accepted by now comes into use.
    pub before: Vec<usize>,
    /// The others that may help if the chosen one is refused.
    pub after: Vec<usize>,
}

/// Chooses: the first that is fine; where none is, the one whose next try comes first.
#[must_use]
pub fn choose(standings: &[Standing], now: Timestamp) -> Option<Choice> {
    let all = || standings.iter().copied().enumerate();
    let fine = |(_, standing): &(usize, Standing)| *standing == Standing::Fine;
    if let Some((chosen, _)) = all().find(fine) {
        let due = |(_, standing): &(usize, Standing)| matches!(standing, Standing::Refused(next) if *next <= now);
        return Some(Choice {
            chosen,
            before: all().take(chosen).filter(due).map(|(at, _)| at).collect(),
            after: all()
                .skip(chosen + 1)
                .filter(fine)
                .map(|(at, _)| at)
                .collect(),
        });
    }
    let next = all().filter_map(|(at, standing)| match standing {
        Standing::Refused(next) => Some((next, at)),
        _ => None,
    });
    next.min().map(|(_, chosen)| Choice {
        chosen,
        before: Vec::new(),
        after: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::Standing::{Fine, Refused, Unusable};
    use super::*;
    use crate::core::testing::at;

    #[test]
    fn the_first_that_is_fine_is_used_and_the_others_stand_by() {
        let choice = |standings: &[Standing]| {
            choose(standings, at(100)).map(|choice| (choice.chosen, choice.before, choice.after))
        };
        let none = Vec::new;
        assert_eq!(choice(&[]), None);
        assert_eq!(choice(&[Unusable, Unusable]), None);
        assert_eq!(choice(&[Fine]), Some((0, none(), none())));
        assert_eq!(choice(&[Fine, Fine]), Some((0, none(), vec![1])));
        assert_eq!(choice(&[Unusable, Fine]), Some((1, none(), none())));
        // A refused one is tried again when its time has come, and no sooner.
        assert_eq!(choice(&[Refused(at(101)), Fine]), Some((1, none(), none())));
        assert_eq!(
            choice(&[Refused(at(100)), Fine]),
            Some((1, vec![0], none()))
        );
        assert_eq!(choice(&[Fine, Refused(at(0))]), Some((0, none(), none())));
        // Both refused: each is probed at its own time.
        assert_eq!(
            choice(&[Refused(at(300)), Refused(at(200))]),
            Some((1, none(), none()))
        );
        assert_eq!(
            choice(&[Refused(at(200)), Refused(at(200))]),
            Some((0, none(), none()))
        );
        assert_eq!(
            choice(&[Refused(at(900)), Unusable]),
            Some((0, none(), none()))
        );
    }
}
