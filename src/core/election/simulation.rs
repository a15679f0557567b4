//! Candidates on a virtual clock, over a store that delays, drops and reorders.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000;
/// Faults end here, so that what follows must be well.
const CALM: u64 = 120 * SECOND;
const END: u64 = 200 * SECOND;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The process stands still; its clock doesn't.
    Paused,
    /// Nothing of it reaches the store.
    Cut,
    /// The store hears it, and it hears nothing.
    Deaf,
    /// Requests and answers take up to so long, each another time: they overtake each other.
    Slow(u64),
    /// The process dies, and another one takes its place.
    Dies,
}

#[derive(Debug, Clone)]
struct Fault {
    candidate: usize,
    from: u64,
    length: u64,
    trouble: Trouble,
}

impl Fault {
    fn holds(&self, candidate: usize, now: u64) -> bool {
        self.candidate == candidate && (self.from..self.from + self.length).contains(&now)
    }
}

#[derive(Debug, Clone)]
enum Request {
    Look,
    Claim(Claim),
}

#[derive(Debug, Clone)]
enum Answer {
    Looked(Option<Standing>),
    Claimed(Claim, Claimed),
}

#[derive(Debug, Clone)]
enum Happens {
    Wakes,
    Arrives(Request),
    Answered(Answer),
    GivesUp,
    /// Somebody deletes the Lease.
    Vanishes,
}

struct Event {
    at: u64,
    number: u64,
    candidate: usize,
    /// Of the candidate's life and request: what is over concerns nobody.
    life: u64,
    request: u64,
    happens: Happens,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for Event {}
impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

struct Candidate {
    elector: Elector,
    /// Its machine was started so long before.
    offset: u64,
    life: u64,
    request: u64,
    sent: Option<(u64, Option<Claim>)>,
}

struct Sim {
    now: u64,
    random: u64,
    numbers: u64,
    faults: Vec<Fault>,
    candidates: Vec<Candidate>,
    events: BinaryHeap<Reverse<Event>>,
    lease: Option<Standing>,
    versions: u64,
    /// Each accepted claim: when, and whose.
    accepted: Vec<(u64, usize)>,
    /// Each time that somebody new was seen to lead: when, and who.
    led: Vec<(u64, usize)>,
}

fn candidate(index: usize, life: u64, offset: u64, now: u64) -> Candidate {
    let boot = BootTime(Duration::from_millis(now + offset));
    let mut elector = Elector::new(format!("{index}-{life}"), Terms::default(), boot);
    elector.ready(boot);
    Candidate {
        elector,
        offset,
        life,
        request: 0,
        sent: None,
    }
}

impl Sim {
    fn new(offsets: &[u64], faults: Vec<Fault>, seed: u64) -> Self {
        let mut sim = Self {
            now: 0,
            random: seed,
            numbers: 0,
            faults,
            candidates: Vec::new(),
            events: BinaryHeap::new(),
            lease: None,
            versions: 0,
            accepted: Vec::new(),
            led: Vec::new(),
        };
        for (index, offset) in offsets.iter().enumerate() {
            sim.candidates.push(candidate(index, 0, *offset, 0));
            sim.push(0, index, Happens::Wakes);
        }
        sim
    }

    /// SplitMix64.
    fn roll(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below.max(1)
    }

    fn push(&mut self, at: u64, candidate: usize, happens: Happens) {
        self.numbers += 1;
        let event = Event {
            at,
            number: self.numbers,
            candidate,
            life: self.candidates[candidate].life,
            request: self.candidates[candidate].request,
            happens,
        };
        self.events.push(Reverse(event));
    }

    fn troubled(&self, candidate: usize, trouble: Trouble) -> Option<&Fault> {
        let of = |fault: &&Fault| fault.trouble == trouble && fault.holds(candidate, self.now);
        self.faults.iter().find(of)
    }

    fn delay(&mut self, candidate: usize) -> u64 {
        let slow = self
            .faults
            .iter()
            .filter(|fault| fault.holds(candidate, self.now));
        let most = slow
            .filter_map(|fault| match fault.trouble {
                Trouble::Slow(most) => Some(most),
                _ => None,
            })
            .max()
            .unwrap_or(20);
        1 + self.roll(most)
    }

    fn run(&mut self) {
        while let Some(Reverse(event)) = self.events.pop() {
            if event.at > END {
                break;
            }
            self.now = event.at;
            self.deaths();
            self.step(event);
            self.check();
        }
    }

    fn deaths(&mut self) {
        for at in 0..self.faults.len() {
            let fault = self.faults[at].clone();
            if fault.trouble == Trouble::Dies && fault.from <= self.now {
                self.faults.remove(at);
                let before = &self.candidates[fault.candidate];
                let fresh = candidate(fault.candidate, before.life + 1, before.offset, self.now);
                self.candidates[fault.candidate] = fresh;
                self.push(self.now + fault.length, fault.candidate, Happens::Wakes);
                return self.deaths();
            }
        }
    }

    fn step(&mut self, event: Event) {
        let index = event.candidate;
        if let Happens::Vanishes = event.happens {
            self.lease = None;
            return;
        }
        // The store does what arrives, whoever still cares.
        if let Happens::Arrives(request) = event.happens {
            let answer = self.serve(index, request);
            if self.troubled(index, Trouble::Deaf).is_none() && event.life == self.life(index) {
                let at = self.now + self.delay(index);
                self.push(at, index, Happens::Answered(answer));
                // The answer belongs to the request that it answers.
                self.retag(event.request);
            }
            return;
        }
        if event.life != self.life(index) {
            return;
        }
        if let Some(fault) = self.troubled(index, Trouble::Paused) {
            let at = fault.from + fault.length;
            self.numbers += 1;
            let number = self.numbers;
            self.events.push(Reverse(Event {
                at,
                number,
                ..event
            }));
            return;
        }
        let boot = self.boot(index);
        match event.happens {
            Happens::Wakes => {}
            Happens::GivesUp if event.request == self.candidates[index].request => {
                let Some((sent, claim)) = self.candidates[index].sent.take() else {
                    return;
                };
                let sent = self.boot_at(index, sent);
                let elector = &mut self.candidates[index].elector;
                match claim {
                    Some(claim) => elector.claimed(claim, Claimed::Failed, sent, boot),
                    None => elector.blind(sent, boot),
                }
            }
            Happens::Answered(answer) if event.request == self.candidates[index].request => {
                let Some((sent, _)) = self.candidates[index].sent.take() else {
                    return;
                };
                let sent = self.boot_at(index, sent);
                let elector = &mut self.candidates[index].elector;
                match answer {
                    Answer::Looked(found) => elector.looked(found, boot),
                    Answer::Claimed(claim, outcome) => elector.claimed(claim, outcome, sent, boot),
                }
            }
            _ => return,
        }
        self.act(index);
    }

    fn retag(&mut self, request: u64) {
        // The heap gives no access to what was pushed last: it is taken out and put back.
        let mut events: Vec<_> = std::mem::take(&mut self.events).into_vec();
        let newest = events.iter_mut().max_by_key(|event| event.0.number);
        newest.expect("one was pushed").0.request = request;
        self.events = events.into();
    }

    fn life(&self, index: usize) -> u64 {
        self.candidates[index].life
    }

    fn boot(&self, index: usize) -> BootTime {
        self.boot_at(index, self.now)
    }

    fn boot_at(&self, index: usize, at: u64) -> BootTime {
        BootTime(Duration::from_millis(at + self.candidates[index].offset))
    }

    /// The process does what the elector says.
    fn act(&mut self, index: usize) {
        let boot = self.boot(index);
        let candidate = &self.candidates[index];
        if candidate.sent.is_some() {
            return;
        }
        // What a claim says of the time is for people: here each is another.
        let wall = Timestamp::from_millisecond(i64::try_from(self.now).unwrap()).unwrap();
        let (request, claim) = match candidate.elector.next(boot, wall) {
            Move::Rest(until) => {
                let wait = u64::try_from(until.since(boot).as_millis()).unwrap() + 1;
                return self.push(self.now + wait, index, Happens::Wakes);
            }
            // A new process, as a Deployment starts one.
            Move::End => {
                let fresh = self::candidate(index, candidate.life + 1, candidate.offset, self.now);
                self.candidates[index] = fresh;
                return self.push(self.now + SECOND, index, Happens::Wakes);
            }
            Move::Look => (Request::Look, None),
            Move::Claim(claim) => (Request::Claim(claim.clone()), Some(claim)),
        };
        let patience = u64::try_from(candidate.elector.patience(boot).as_millis()).unwrap();
        let candidate = &mut self.candidates[index];
        candidate.request += 1;
        candidate.sent = Some((self.now, claim));
        self.push(self.now + patience.max(1), index, Happens::GivesUp);
        if self.troubled(index, Trouble::Cut).is_none() {
            let at = self.now + self.delay(index);
            self.push(at, index, Happens::Arrives(request));
        }
    }

    fn serve(&mut self, index: usize, request: Request) -> Answer {
        let claim = match request {
            Request::Look => return Answer::Looked(self.lease.clone()),
            Request::Claim(claim) => claim,
        };
        let outcome = match (&self.lease, &claim.over) {
            (None, Some(_)) => Claimed::NotFound,
            (Some(standing), Some(version)) if standing.version == *version => self.accept(&claim),
            (None, None) => self.accept(&claim),
            (Some(_), _) => Claimed::Conflict,
        };
        if matches!(outcome, Claimed::Accepted(_)) {
            self.accepted.push((self.now, index));
        }
        Answer::Claimed(claim, outcome)
    }

    fn accept(&mut self, claim: &Claim) -> Claimed {
        self.versions += 1;
        let version = self.versions.to_string();
        self.lease = Some(Standing {
            record: claim.record.clone(),
            version: version.clone(),
            wanted_by: None,
        });
        Claimed::Accepted(version)
    }

    fn leaders(&self) -> Vec<usize> {
        let leads = |index: &usize| {
            let until = self.candidates[*index].elector.leads_until();
            until.is_some_and(|until| self.boot(*index) < until)
        };
        (0..self.candidates.len()).filter(leads).collect()
    }

    fn check(&mut self) {
        let leaders = self.leaders();
        assert!(leaders.len() <= 1, "two lead at {}: {leaders:?}", self.now);
        if let [leader] = leaders[..]
            && self.led.last().is_none_or(|(_, last)| *last != leader)
        {
            self.led.push((self.now, leader));
        }
    }
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        Just(Trouble::Paused),
        Just(Trouble::Cut),
        Just(Trouble::Deaf),
        (100..9_000_u64).prop_map(Trouble::Slow),
        Just(Trouble::Dies),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    (0..3_usize, 0..90 * SECOND, 1..30 * SECOND, trouble()).prop_map(
        |(candidate, from, length, trouble)| Fault {
            candidate,
            from,
            length,
            trouble,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Never two, whatever happens; and one again, soon after it has ended.
    #[test]
    fn at_most_one_leads_and_soon_one_does(
        offsets in prop::collection::vec(0..1_000_000_u64, 2..=3),
        faults in prop::collection::vec(fault(), 0..10),
        seed: u64,
    ) {
        let faults: Vec<Fault> = faults
            .into_iter()
            .map(|fault| Fault { candidate: fault.candidate % offsets.len(), ..fault })
            .collect();
        let mut sim = Sim::new(&offsets, faults, seed);
        sim.run();
        let calm: Vec<_> = sim.accepted.iter().filter(|(at, _)| *at > CALM).collect();
        prop_assert!(calm.first().is_some_and(|(at, _)| *at < CALM + 20 * SECOND), "{calm:?}");
        // Who leads then leads on.
        let mut settled = calm.iter().filter(|(at, _)| *at > CALM + 40 * SECOND);
        let (_, last) = settled.next().expect("it is renewed");
        prop_assert!(settled.all(|(_, who)| who == last), "{calm:?}");
        prop_assert_eq!(sim.leaders().len(), 1);
    }

    /// The leader dies, stands still or is cut off, the others are well: one of them leads within the Lease's
    /// duration and five seconds of the last accepted renewal.
    #[test]
    fn who_fails_is_followed_in_time(
        offsets in prop::collection::vec(0..1_000_000_u64, 2..=3),
        at in 5 * SECOND..40 * SECOND,
        trouble in prop_oneof![Just(Trouble::Paused), Just(Trouble::Cut), Just(Trouble::Deaf), Just(Trouble::Dies)],
        seed: u64,
    ) {
        // Who wins is found out first: the same seed makes the same run.
        let mut rehearsal = Sim::new(&offsets, Vec::new(), seed);
        rehearsal.run();
        let (_, leader) = rehearsal.led[0];
        prop_assert_eq!(rehearsal.led.len(), 1, "nobody takes it from a healthy one");
        let fault = Fault { candidate: leader, from: at, length: 60 * SECOND, trouble };
        let mut sim = Sim::new(&offsets, vec![fault], seed);
        sim.run();
        let follows = sim.accepted.iter().position(|(_, who)| *who != leader).expect("somebody follows");
        let (before, after) = (sim.accepted[follows - 1].0, sim.accepted[follows].0);
        prop_assert!(after - before <= 20 * SECOND, "{} ms", after - before);
        prop_assert!(after - before >= 15 * SECOND, "{} ms", after - before);
    }

    /// A Lease that somebody deletes is its holder's still.
    #[test]
    fn who_deletes_the_lease_takes_it_from_nobody(
        offsets in prop::collection::vec(0..1_000_000_u64, 2..=3),
        deletions in prop::collection::vec(20 * SECOND..180 * SECOND, 1..8),
        seed: u64,
    ) {
        let mut sim = Sim::new(&offsets, Vec::new(), seed);
        for at in deletions {
            sim.push(at, 0, Happens::Vanishes);
        }
        sim.run();
        prop_assert_eq!(sim.led.len(), 1, "{:?}", sim.led);
        prop_assert_eq!(sim.leaders().len(), 1);
    }
}
